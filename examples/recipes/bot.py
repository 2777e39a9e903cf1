"""A bot that answers `!roll 6` in every room, once, however often it is killed.

python3 bot.py redis://127.0.0.1:6379 bot.db
"""

import random
import sys

from chat_events import Redis, Refused, Store, begin_now, read

NAME = "dice"


def answer(text):
    """What to answer to this text; None: nothing."""
    words = text.split()
    if len(words) == 2 and words[0] == "!roll" and words[1].isascii() and words[1].isdigit():
        return str(random.randint(1, max(1, int(words[1]))))
    return None


def take(room, events, is_anew):
    if is_anew:
        return  # Nobody waits for answers to what is long ago.
    for event in events or []:
        said = answer(event.get("text", "")) if event["type"] == "message" else None
        if said is not None and event["user"] != NAME:
            try:
                # The nonce makes it one message if this event comes again.
                nonce = f"bot-{event['id']}"
                send("CHAT.SEND", room, NAME, said, "NONCE", nonce, "REPLY", event["id"])
            except Refused as error:
                print(f"{room}: {error}", file=sys.stderr)  # Banned, or the message is gone.


if __name__ == "__main__":
    redis, store = Redis(sys.argv[1]), Store(sys.argv[2])
    send = Redis(sys.argv[1])
    begin_now(redis, store)
    print("ready", flush=True)
    read(redis, store, take)
