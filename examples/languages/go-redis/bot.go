// A bot that greets whoever joins a room, and answers `!ping` and `!about`.
//
// It is for a server that stands alone: go-redis has trouble with sharded channels of clusters.
//
//	go run . 127.0.0.1:6379 lobby
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const name = "bot"

// After so long without an event it asks for events: a subscription may be deaf without saying so.
// The variable ASK_SECONDS sets another time, as in tests.
func quiet() time.Duration {
	if quiet, err := time.ParseDuration(os.Getenv("ASK_SECONDS") + "s"); err == nil {
		return quiet
	}
	return 10 * time.Second
}

// Event has the members of events that this bot needs.
type Event struct {
	ID, Prev, Type, Kind, User, Text string
	M                                int64
}

type bot struct {
	chat   Chat
	room   string
	last   string // The newest event that was taken.
	failed string // The last event that failed.
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	client := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	defer client.Close()
	b := &bot{chat: Chat{client}, room: os.Args[2]}
	if err := b.run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func (b *bot) run(ctx context.Context) error {
	if _, err := b.chat.Call(ctx, "CHAT.JOIN", b.room, name, "BY", "*"); err != nil {
		return err
	}
	room, err := Get[struct{ Last string }](ctx, b.chat, "CHAT.ROOM_RO", b.room)
	if err != nil {
		return err
	}
	b.last = room.Last
	// It subscribes anew by itself after a lost connection, and says so.
	channel := b.chat.SSubscribe(ctx, b.room)
	defer channel.Close()
	messages := channel.ChannelWithSubscriptions()
	isReady := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case message := <-messages:
			switch message := message.(type) {
			case *redis.Subscription: // What was missed until now is read.
				err = b.catchUp(ctx)
				if !isReady {
					isReady = true
					fmt.Println("ready")
				}
			case *redis.Message:
				err = b.follow(ctx, message.Payload)
			}
		case <-time.After(quiet()):
			err = b.catchUp(ctx)
		}
		if err != nil {
			log.Print(err)
		}
	}
}

// follow takes an event of the channel. If any before it were missed, CHAT.SYNC has them, and it.
func (b *bot) follow(ctx context.Context, text string) error {
	var event Event
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		return err
	}
	if event.ID != "" && event.Prev != b.last {
		return b.catchUp(ctx)
	}
	return b.take(ctx, event)
}

func (b *bot) catchUp(ctx context.Context) error {
	type page struct {
		Recovered, More bool
		Last            string
		Events          []Event
	}
	for {
		page, err := Get[page](ctx, b.chat, "CHAT.SYNC", b.room, b.last)
		if err != nil {
			return err
		}
		if !page.Recovered {
			b.last = page.Last // What was missed is lost: begin here.
		}
		for _, event := range page.Events {
			if err := b.take(ctx, event); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

func (b *bot) take(ctx context.Context, event Event) error {
	if event.User != name {
		err := b.answer(ctx, event)
		var refused *ChatError
		if errors.As(err, &refused) {
			fmt.Println("refused:", refused.Code, strings.Join(refused.Arguments, " "))
		} else if err != nil {
			// The connection may be lost: CHAT.SYNC will have the event again. If it fails again, the
			// connection is not the reason, and the bot goes on after it.
			if event.ID != "" && event.ID != b.failed {
				b.failed = event.ID
				return err
			}
			log.Print("passed over: ", event, " ", err)
		}
	}
	if event.ID != "" {
		b.last = event.ID
	}
	return nil
}

func (b *bot) answer(ctx context.Context, event Event) error {
	isMessage := event.Type == "message" && event.ID != ""
	switch {
	case event.Type == "member" && event.Kind == "join":
		// If the bot takes the event again, the greeting is stored once. An event that is not stored
		// has no id, and comes once.
		nonce := "hello-" + event.ID
		if event.ID == "" {
			nonce = rand.Text()
		}
		return b.say(ctx, "hello "+event.User, "NONCE", nonce, "MENTION", 1, event.User)
	case isMessage && event.Text == "!ping":
		return b.say(ctx, "pong", "NONCE", "pong-"+event.ID, "REPLY", event.ID)
	case isMessage && event.Text == "!about":
		about, err := b.about(ctx)
		if err != nil {
			return err
		}
		return b.say(ctx, about, "EPHEMERAL", "REPLY", event.ID)
	}
	return nil
}

func (b *bot) say(ctx context.Context, text string, options ...any) error {
	_, err := b.chat.Call(ctx, "CHAT.SEND", append([]any{b.room, name, text}, options...)...)
	return err
}

func (b *bot) about(ctx context.Context) (string, error) {
	type members struct{ Members []struct{ User, Role string } }
	type history struct{ Events []Event }
	room, err := Get[struct{ Members int64 }](ctx, b.chat, "CHAT.ROOM_RO", b.room)
	if err != nil {
		return "", err
	}
	list, err := Get[members](ctx, b.chat, "CHAT.MEMBERS", b.room, "COUNT", 1)
	if err != nil {
		return "", err
	}
	page, err := Get[history](ctx, b.chat, "CHAT.HISTORY", b.room, "COUNT", 1)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d members", room.Members)
	for _, member := range list.Members {
		text += fmt.Sprintf(", %s %s", member.Role, member.User)
	}
	for _, message := range page.Events {
		text += fmt.Sprintf(", newest %d", message.M)
	}
	return text, nil
}
