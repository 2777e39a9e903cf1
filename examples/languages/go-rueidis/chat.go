package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/redis/rueidis"
)

// Chat calls CHAT.* commands through rueidis, with replies as maps and errors as *ChatError:
//
//	id, err := chat.Call(ctx, "CHAT.SEND", "lobby", "alice", "hello")
type Chat struct{ rueidis.Client }

// ChatError says that a command was refused: Code says why, Arguments what or until when.
type ChatError struct {
	error
	Code      string
	Arguments []string
}

// The members of each reply that is an array; `name:a,b` is an array of rows with these members.
var replies = map[string]string{
	"CHAT.HISTORY": "last events more", "CHAT.SYNC": "recovered last events more",
	"CHAT.PRESENCE": "users last", "CHAT.BEAT": "last unknown", "CHAT.READ": "cursor unread",
	"CHAT.UNREAD": ":unread,mentions,cursor,last", "CHAT.ERASE": "cursor changed",
	"CHAT.CHANGES": "cursor anew rooms:room,last more", "CHAT.FOLLOWS": "cursor rooms:room,since",
	"CHAT.MEMBERS":   "cursor members:user,role,joined",
	"CHAT.SANCTIONS": "cursor sanctions:user,banned,muted",
	"CHAT.WHO":       "cursor users connections online:user,status,connections,since",
	"CHAT.ROOMS":     "cursor rooms:room,last,members,online,topic",
}

// Call returns what the command answers: nil, a string, an int64, a map or a slice. CHAT.SEND with
// EPHEMERAL answers nil, which rueidis takes for an error.
func (c Chat) Call(ctx context.Context, command string, words ...string) (any, error) {
	build := c.B().Arbitrary(command)
	if len(words) > 0 && command != "CHAT.ROOMS" && command != "CHAT.CHANGES" {
		// The room says which node of a cluster is asked.
		build, words = build.Keys(words[0]), words[1:]
	}
	reply, err := c.Do(ctx, build.Args(words...).Build()).ToAny()
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, chatError(err)
	}
	return named(replies[command], reply), nil
}

// Get calls a command and puts its reply into a struct, as encoding/json does.
func Get[T any](ctx context.Context, c Chat, command string, words ...string) (found T, err error) {
	reply, err := c.Call(ctx, command, words...)
	if err != nil {
		return found, err
	}
	text, _ := json.Marshal(reply) // Maps and slices of strings and numbers: always possible.
	return found, json.Unmarshal(text, &found)
}

func chatError(err error) error {
	// `DENIED Redis is running in protected mode` is no code.
	switch words := strings.Split(strings.TrimPrefix(err.Error(), "DENIED Redis "), " "); words[0] {
	case "INVALID", "DENIED", "BANNED", "MUTED", "RATELIMIT", "TOOBIG":
		return &ChatError{err, words[0], words[1:2]}
	case "NOROOM", "NOMSG", "NOTMEMBER", "FROZEN":
		return &ChatError{err, words[0], nil}
	}
	return err // Of the client, or of Redis itself, such as READONLY.
}

// named gives the parts of a reply their names.
func named(shape string, reply any) any {
	parts, isArray := reply.([]any)
	if !isArray || shape == "" {
		return reply
	}
	if fields, isRows := strings.CutPrefix(shape, ":"); isRows {
		for at, row := range parts {
			parts[at] = named(strings.ReplaceAll(fields, ",", " "), row)
		}
		return parts
	}
	all := map[string]any{}
	for at, name := range strings.Split(shape, " ") {
		name, fields, isRows := strings.Cut(name, ":")
		switch all[name] = parts[at]; name {
		case "more", "recovered", "anew":
			all[name] = parts[at] == int64(1)
		case "events":
			for n, event := range parts[at].([]any) {
				parts[at].([]any)[n] = json.RawMessage(event.(string))
			}
		}
		if isRows {
			all[name] = named(":"+fields, parts[at])
		}
	}
	return all
}
