"""Pushes to users who are not online: messages of direct rooms, and messages that mention them.

python3 push.py redis://127.0.0.1:6379 push.db
"""

import json
import sys

from chat_events import Redis, Store, begin_now, read


def meant(room, event):
    """The users whom a message is for."""
    if room.startswith("dm:"):
        return [user for user in room[3:].split(",") if user != event["user"]]
    return event.get("mentions", [])


def take(room, events, is_anew):
    for event in [] if is_anew else events or []:
        if event["type"] != "message" or "deleted" in event or event.get("imported"):
            continue
        for user in meant(room, event):
            (online,) = ask("CHAT.ONLINE", f"@{user}")
            (unread,) = ask("CHAT.UNREAD", room, user)
            # No member, or read already on another device.
            if not online and unread and unread[0]:
                push(user, room, event, unread[0])


def push(user, room, event, unread):
    """Here goes the call of a push service. The event's id keeps it from pushing twice."""
    message = {"to": user, "room": room, "from": event["user"], "text": event["text"]}
    print(json.dumps({**message, "unread": unread, "id": event["id"]}), flush=True)


if __name__ == "__main__":
    redis, store = Redis(sys.argv[1]), Store(sys.argv[2])
    ask = Redis(sys.argv[1])
    begin_now(redis, store)
    print("ready", flush=True)
    read(redis, store, take)
