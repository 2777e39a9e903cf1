"""Erases a user everywhere on a server.

python3 erase_user.py redis://127.0.0.1:6379 bob
"""

import sys

from chat_events import Redis, pages


def erase(redis, user):
    """Returns how many rooms held something of the user."""
    # Nothing is added behind the walk. The application must not let the user in again.
    redis("CHAT.MOD", f"@{user}", "*", "BAN", user)
    found = 0
    for _, _, rooms in pages(redis, "0", "*"):
        for room, newest in rooms:
            names = room[3:].split(",") if room.startswith("dm:") else []
            if newest is None or room == f"@{user}":
                continue
            if user in names:
                for other in names:
                    redis("CHAT.UNFOLLOW", f"@{other}", room)
                redis("DEL", room)
                found += 1
            else:
                found += erase_in(redis, room, user)
    redis("DEL", f"@{user}")
    return found


def erase_in(redis, room, user):
    cursor, changed = redis("CHAT.ERASE", room, user)
    while cursor is not None:
        cursor, more = redis("CHAT.ERASE", room, user, "CURSOR", cursor)
        changed += more
    return 1 if changed else 0


if __name__ == "__main__":
    print(erase(Redis(sys.argv[1]), sys.argv[2]), "rooms")
