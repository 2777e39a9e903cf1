"""Every event of every room of a server, also what happened while this was not running.

The other programs of this folder are built on it. It follows the rules of CHAT.CHANGES in
docs/commands.md, for a server that stands alone, and needs nothing but Python.
"""

import json
import socket
import sqlite3
from urllib.parse import urlsplit


class Refused(Exception):
    """An error reply of Redis."""


class Redis:
    """A connection: redis("CHAT.SEND", "lobby", "alice", "hi") returns the reply."""

    def __init__(self, url):
        url = urlsplit(url)
        self.socket = socket.create_connection((url.hostname, url.port or 6379))
        self.file = self.socket.makefile("rb")
        if url.password:
            self("AUTH", url.username or "default", url.password)

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise Refused(rest.decode())
        if rest == b"-1":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        items = [self.item() for _ in range(int(rest))]
        return items

    def item(self):
        try:
            return self.reply()
        except Refused as error:
            return error


class Store:
    """Where the reader is: a cursor for the server and a position for each room, in a SQLite file.

    What a program makes of events belongs into the same file: both are saved in one step.
    """

    def __init__(self, path):
        self.db = sqlite3.connect(path)
        self.db.execute("CREATE TABLE IF NOT EXISTS positions (room TEXT PRIMARY KEY, id TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS cursor (only INTEGER PRIMARY KEY, cursor TEXT)")

    def cursor(self):
        row = self.db.execute("SELECT cursor FROM cursor").fetchone()
        return row[0] if row else None

    def save_cursor(self, cursor):
        self.db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (cursor,))
        self.db.commit()

    def position(self, room):
        row = self.db.execute("SELECT id FROM positions WHERE room = ?", (room,)).fetchone()
        return row[0] if row else None

    def save_position(self, room, position):
        if position is None:
            self.db.execute("DELETE FROM positions WHERE room = ?", (room,))
        else:
            self.db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (room, position))
        self.db.commit()

    def rooms(self):
        return [room for (room,) in self.db.execute("SELECT room FROM positions")]


def pages(redis, cursor, match):
    """Pages of CHAT.CHANGES up to now."""
    more = 1
    while more:
        cursor, anew, rooms, more = redis("CHAT.CHANGES", cursor, "COUNT", 1000, "MATCH", match)
        yield cursor, anew, rooms


def begin_now(redis, store, match="*"):
    """Notes the newest id of every room: what was before is not read."""
    if store.cursor() is None:
        for cursor, _, rooms in pages(redis, "0", match):
            for room, newest in rooms:
                if newest:
                    store.save_position(room, newest)
        store.save_cursor(cursor)


def read(redis, store, take, match="*", follow=True):
    """Calls take(room, events, is_anew) for all events, in order within a room; then saves where it is.

    `is_anew`: a part of the room's past was lost or trimmed, so the events are all messages that it
    has now. `events` None: the room is gone. Events may come again after a crash. Without `follow`
    it returns when it has read everything.
    """
    listed = None  # The rooms since a list began anew
    cursor = store.cursor()
    if cursor is None:
        cursor, listed = "0", set()
    while True:
        for cursor, anew, rooms in pages(redis, cursor, match):
            if anew:
                listed = set()
            for room, _ in rooms:
                if listed is not None:
                    listed.add(room)
                read_room(redis, store, room, take)
            if listed is None:
                store.save_cursor(cursor)
        if listed is not None:
            for room in store.rooms():
                if room not in listed:
                    read_room(redis, store, room, take)
            listed = None
            store.save_cursor(cursor)
        if not follow:
            return
        try:
            # Nobody else uses this connection, so it may wait.
            redis("CHAT.CHANGES", cursor, "COUNT", 1, "BLOCK", 10000, "MATCH", match)
        except Refused as error:
            if not str(error).startswith("UNBLOCKED"):
                raise


def read_room(redis, store, room, take):
    """The events of a room since its position."""
    more = 1
    while more:
        position = store.position(room)
        known, newest, events, more = redis("CHAT.SYNC", room, position or "0-0")
        if newest == "0-0":
            if position is not None:
                take(room, None, False)
                store.save_position(room, None)
            return
        if known:
            events, is_anew = [json.loads(event) for event in events], False
            position = events[-1]["id"] if events else newest
        else:
            try:
                position, events = messages(redis, room)
            except Refused as error:
                if str(error).startswith("NOROOM"):
                    more = 1
                    continue  # It is gone meanwhile: CHAT.SYNC says so.
                raise
            is_anew, more = True, 1
        take(room, events, is_anew)
        store.save_position(room, position)


def messages(redis, room):
    """The room's newest id, and all messages that the room has."""
    position, after, found, more = None, "0-0", [], 1
    while more:
        newest, page, more = redis("CHAT.HISTORY", room, "AFTER", after, "COUNT", 1000)
        position = position or newest
        found += [json.loads(event) for event in page]
        after = found[-1]["id"] if page else after
    return position, found
