"""Keeps every message in a SQLite file, also those that rooms have trimmed.

python3 archive.py redis://127.0.0.1:6379 archive.db [--once]
"""

import sys

from chat_events import Redis, Store, read

TABLE = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY, room TEXT, ms INTEGER, n INTEGER, user TEXT, ts INTEGER, text TEXT,
    UNIQUE (room, ms, n)
)"""


def place(event_id):
    """An id as two numbers: ids are never compared as text."""
    return [int(part) for part in event_id.split("-")]


class Archive:
    def __init__(self, store):
        self.db = store.db
        self.db.execute(TABLE)

    def take(self, room, events, is_anew):
        """Applies events. What they change is saved together with the position of the room."""
        if events is None:
            self.db.execute("DELETE FROM messages WHERE room = ?", (room,))
            return
        if is_anew and events:
            # What a failover has lost is not there any more; what was trimmed is older, and stays.
            self.db.execute(
                "DELETE FROM messages WHERE room = ? AND (ms, n) >= (?, ?)",
                (room, *place(events[0]["id"])),
            )
        for event in events:
            self.apply(room, event)

    def apply(self, room, event):
        kind = event["type"]
        if kind == "message" and "deleted" not in event:
            self.db.execute(
                "INSERT INTO messages (room, ms, n, user, ts, text) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET text = excluded.text",
                (room, *place(event["id"]), event["user"], event["ts"], event["text"]),
            )
        elif kind == "edit":
            self.db.execute(
                "UPDATE messages SET text = ? WHERE room = ? AND (ms, n) = (?, ?)",
                (event["text"], room, *place(event["ref"])),
            )
        elif kind in ("message", "delete"):
            self.db.execute(
                "DELETE FROM messages WHERE room = ? AND (ms, n) = (?, ?)",
                (room, *place(event["ref"] if kind == "delete" else event["id"])),
            )
        elif kind == "erase":
            self.db.execute(
                "DELETE FROM messages WHERE room = ? AND user = ? AND (ms, n) <= (?, ?)",
                (room, event["user"], *place(event["ref"])),
            )


if __name__ == "__main__":
    store = Store(sys.argv[2])
    read(Redis(sys.argv[1]), store, Archive(store).take, follow="--once" not in sys.argv)
