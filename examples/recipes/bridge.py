"""Copies messages of rooms to the rooms of the same names on another server, and marks the copies.

Two of them, one for each direction, join the rooms of both. The other side may as well be another
product: then `copy` calls that one's API, with the id of the event as its key of idempotency.

python3 bridge.py east redis://10.0.0.1 redis://10.0.0.2 'team:*' east.db
"""

import json
import sys

from chat_events import Redis, Refused, Store, begin_now, read


def copy(room, event):
    # Whoever has not joined there is not known: the copy is the backend's, and names the author.
    meta = json.dumps({"via": side, "user": event["user"]}, ensure_ascii=False)
    words = ["CHAT.SEND", room, "*", event["text"], "META", meta, "KIND", "bridged"]
    target(*words, "NONCE", f"{side}-{event['id']}")


def take(room, events, is_anew):
    for event in events or []:
        is_message = event["type"] == "message" and "deleted" not in event and not is_anew
        if is_message and "via" not in event.get("meta", {}):
            try:
                copy(room, event)
            except Refused as error:
                print(f"{room} {event['id']}: {error}", file=sys.stderr)


if __name__ == "__main__":
    side, source, target, match, path = sys.argv[1:]
    source, target, store = Redis(source), Redis(target), Store(path)
    begin_now(source, store, match)
    print("ready", flush=True)
    read(source, store, take, match)
