"""A bot that greets whoever joins a room, and answers `!ping` and `!about`.

python3 bot.py 127.0.0.1:6379 lobby [cluster]
"""

import json
import os
import signal
import sys
import time
import uuid

import redis

from chat import Chat, ChatError

NAME = "bot"
# After so long without an event it asks for events: a subscription may be deaf without saying so.
# The variable ASK_SECONDS sets another time, as in tests.
QUIET_SECONDS = float(os.environ.get("ASK_SECONDS", "10"))


class Bot:
    def __init__(self, client, room):
        self.client, self.chat, self.room = client, Chat(client), room
        self.last = None  # The newest event that was taken.
        self.failed = None  # The last event that failed.
        self.is_ready = False

    def run(self):
        self.chat("CHAT.JOIN", self.room, NAME, "BY", "*")
        self.last = self.chat("CHAT.ROOM_RO", self.room)["last"]
        while True:
            try:
                self.listen()
            except Exception as error:
                # In a cluster the subscription ends with its connection.
                print("again, after:", repr(error), file=sys.stderr)
            time.sleep(0.5)

    def listen(self):
        """Subscribes and follows the room until the subscription ends."""
        # In a cluster this also finds out which node has the room now.
        self.catch_up()
        with self.client.pubsub() as channel:
            channel.ssubscribe(self.room)
            # In a cluster this is the method that asks the connections of all nodes.
            next_message = getattr(channel, "get_sharded_message", channel.get_message)
            while True:
                message = next_message(timeout=QUIET_SECONDS)
                if message is None:
                    self.catch_up()
                elif message["type"] == "ssubscribe":
                    self.subscribed()
                elif message["type"] == "smessage":
                    self.follow(json.loads(message["data"]))
                elif message["type"] == "sunsubscribe":
                    return  # The room moves to another node.

    def subscribed(self):
        """It hears what happens from now on. What happened since the last event, it reads."""
        if not self.is_ready:
            self.is_ready = True
            print("ready", flush=True)
        self.catch_up()

    def follow(self, event):
        """Takes an event of the channel. CHAT.SYNC has it, too, and those that were missed."""
        if "id" not in event:
            self.take(event)
        elif event["prev"] == self.last:
            self.take(event)
            self.last = event["id"]
        else:
            self.catch_up()

    def catch_up(self):
        more = True
        while more:
            page = self.chat("CHAT.SYNC", self.room, self.last)
            more = page["more"]
            if not page["recovered"]:
                self.last = page["last"]  # What was missed is lost: begin here.
            for event in page["events"]:
                self.take(event)
                self.last = event["id"]

    def take(self, event):
        try:
            if event.get("user") != NAME:
                self.answer(event)
        except ChatError as error:
            print("refused:", error.code, *error.arguments, flush=True)
        except Exception as error:
            # The connection may be lost: CHAT.SYNC will have the event again. If it fails again, the
            # connection is not the reason, and the bot goes on after it.
            if "id" in event and event["id"] != self.failed:
                self.failed = event["id"]
                raise
            print("passed over:", event, repr(error), file=sys.stderr)

    def answer(self, event):
        user = event.get("user")
        if event["type"] == "member" and event["kind"] == "join":
            # If the bot takes the event again, the greeting is stored once. An event that is not
            # stored has no id, and comes once.
            nonce = f"hello-{event['id']}" if "id" in event else uuid.uuid4().hex
            self.say(f"hello {user}", "NONCE", nonce, "MENTION", 1, user)
        elif event["type"] == "message" and "id" in event:
            text, reply = event.get("text"), ["REPLY", event["id"]]
            if text == "!ping":
                self.say("pong", "NONCE", f"pong-{event['id']}", *reply)
            elif text == "!about":
                self.say(self.about(), "EPHEMERAL", *reply)

    def say(self, text, *options):
        return self.chat("CHAT.SEND", self.room, NAME, text, *options)

    def about(self):
        parts = [f"{self.chat('CHAT.ROOM_RO', self.room)['members']} members"]
        for member in self.chat("CHAT.MEMBERS", self.room, "COUNT", 1)["members"]:
            parts.append(f"{member['role']} {member['user']}")
        for message in self.chat("CHAT.HISTORY", self.room, "COUNT", 1)["events"]:
            parts.append(f"newest {message['m']}")
        return ", ".join(parts)


def connect(address, is_cluster):
    host, port = address.rsplit(":", 1)
    kind = redis.RedisCluster if is_cluster else redis.Redis
    return kind(host=host, port=int(port), decode_responses=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address, room, *mode = sys.argv[1:]
    Bot(connect(address, mode == ["cluster"]), room).run()
