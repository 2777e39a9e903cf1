// A bot that greets whoever joins a room, and answers `!ping` and `!about`.
//
//	go run . 127.0.0.1:6379 lobby [cluster]
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

	"github.com/redis/rueidis"
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
	address, room, mode := os.Args[1], os.Args[2], strings.Join(os.Args[3:], " ")
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address},
		// Otherwise it finds out by itself what it speaks to.
		ForceSingleClient: mode != "cluster",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	b := &bot{chat: Chat{client}, room: room}
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
	events, subscribed := make(chan string, 1000), make(chan bool, 1)
	go b.listen(ctx, events, subscribed)
	isReady := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			err = b.follow(ctx, event)
		case <-subscribed: // Also after a lost connection: what was missed is read.
			err = b.catchUp(ctx)
			if !isReady {
				isReady = true
				fmt.Println("ready")
			}
		case <-time.After(quiet()):
			err = b.catchUp(ctx)
		}
		if err != nil {
			log.Print(err)
		}
	}
}

// listen subscribes until the context ends. It may not wait: rueidis reads replies in the same place.
func (b *bot) listen(ctx context.Context, events chan<- string, subscribed chan<- bool) {
	hook := rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) {
		select {
		case subscribed <- true:
		default:
		}
	})
	for {
		subscribe := b.chat.B().Ssubscribe().Channel(b.room).Build()
		err := b.chat.Receive(hook, subscribe, func(message rueidis.PubSubMessage) {
			select {
			case events <- message.Message:
			default: // Too many wait. The next event that is taken shows that one is missing.
			}
		})
		if ctx.Err() != nil {
			return
		}
		log.Print("again, after: ", err)
		time.Sleep(time.Second)
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
		return b.say(ctx, "hello "+event.User, "NONCE", nonce, "MENTION", "1", event.User)
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

func (b *bot) say(ctx context.Context, text string, options ...string) error {
	_, err := b.chat.Call(ctx, "CHAT.SEND", append([]string{b.room, name, text}, options...)...)
	return err
}

func (b *bot) about(ctx context.Context) (string, error) {
	type members struct{ Members []struct{ User, Role string } }
	type history struct{ Events []Event }
	room, err := Get[struct{ Members int64 }](ctx, b.chat, "CHAT.ROOM_RO", b.room)
	if err != nil {
		return "", err
	}
	list, err := Get[members](ctx, b.chat, "CHAT.MEMBERS", b.room, "COUNT", "1")
	if err != nil {
		return "", err
	}
	page, err := Get[history](ctx, b.chat, "CHAT.HISTORY", b.room, "COUNT", "1")
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
