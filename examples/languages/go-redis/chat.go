package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Chat calls CHAT.* commands through go-redis, with replies as maps and errors as *ChatError:
//
//	id, err := chat.Call(ctx, "CHAT.SEND", "lobby", "alice", "hello")
type Chat struct{ *redis.Client }

// ChatError says that a command was refused: Code says why, Arguments what or until when.
type ChatError struct {
	error
	Code      string
	Arguments []string
}

// The members of each reply that is an array; `name:a,b` is an array of rows with these members.
var replies = map[string]string{
	"CHAT.HISTORY": "last events more", "CHAT.SANCTIONS": "cursor sanctions:user,banned,muted",
	"CHAT.PRESENCE": "users last", "CHAT.BEAT": "last unknown", "CHAT.READ": "cursor unread",
	"CHAT.SYNC": "recovered last events more", "CHAT.CHANGES": "cursor anew rooms:room,last more",
	"CHAT.ERASE": "cursor changed", "CHAT.ROOMS": "cursor rooms:room,last,members,online,topic",
	"CHAT.FOLLOWS": "cursor rooms:room,since", "CHAT.UNREAD": ":unread,mentions,cursor,last",
	"CHAT.MEMBERS": "cursor members:user,role,joined",
	"CHAT.WHO":     "cursor users connections online:user,status,connections,since",
}

// Call returns what the command answers: nil, a string, an int64, a map or a slice. CHAT.SEND with
// EPHEMERAL answers nil, which go-redis takes for an error.
func (c Chat) Call(ctx context.Context, command string, words ...any) (any, error) {
	reply, err := c.Do(ctx, append([]any{command}, words...)...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, chatError(err)
	}
	return named(replies[command], reply), nil
}

// Get calls a command and puts its reply into a struct, as encoding/json does.
func Get[T any](ctx context.Context, c Chat, command string, words ...any) (found T, err error) {
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
	all := map[string]any{}
	if pairs, isMap := reply.(map[any]any); isMap {
		for name, value := range pairs {
			all[name.(string)] = value
		}
		return all
	}
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
