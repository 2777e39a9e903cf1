"""CHAT.* commands through redis-py, with replies as dictionaries and errors as ChatError.

    chat = Chat(redis.Redis(decode_responses=True))  # or redis.RedisCluster(...)
    chat("CHAT.SEND", "lobby", "alice", "hello")     # the id
    chat("CHAT.MEMBERS", "lobby")["members"][0]["user"]
"""

import json
import re

import redis

# The members of each reply that is an array. `name:a,b` is an array of rows with these members; the
# reply of CHAT.UNREAD is such an array itself.
REPLIES = {
    "CHAT.HISTORY": "last events more",
    "CHAT.SYNC": "recovered last events more",
    "CHAT.MEMBERS": "cursor members:user,role,joined",
    "CHAT.PRESENCE": "users last",
    "CHAT.BEAT": "last unknown",
    "CHAT.WHO": "cursor users connections online:user,status,connections,since",
    "CHAT.READ": "cursor unread",
    "CHAT.UNREAD": ":unread,mentions,cursor,last",
    "CHAT.SANCTIONS": "cursor sanctions:user,banned,muted",
    "CHAT.ERASE": "cursor changed",
    "CHAT.ROOMS": "cursor rooms:room,last,members,online,topic",
    "CHAT.CHANGES": "cursor anew rooms:room,last more",
    "CHAT.FOLLOWS": "cursor rooms:room,since",
}
# The errors of redis-chat, and whether an argument follows the code.
CODES = {
    "INVALID": True, "DENIED": True, "BANNED": True, "MUTED": True, "RATELIMIT": True,
    "TOOBIG": True, "NOROOM": False, "NOMSG": False, "NOTMEMBER": False, "FROZEN": False,
}  # fmt: skip


class ChatError(Exception):
    """A command was refused: `code` says why, `arguments` what or until when."""

    def __init__(self, code, arguments, text):
        super().__init__(text)
        self.code, self.arguments = code, arguments


class Chat:
    """Calls commands through a client that was made with decode_responses=True."""

    def __init__(self, client):
        self.client = client

    def __call__(self, command, *words, **options):
        """The reply. `options` are those of execute_command, such as target_nodes."""
        try:
            reply = self.client.execute_command(command, *words, **options)
        except redis.ResponseError as error:
            # Not before a capital letter: `DENIED Redis is running in protected mode` is no code.
            code, *words = re.split(" (?![A-Z])", str(error))
            if code not in CODES:
                raise  # An error of Redis itself, such as READONLY.
            raise ChatError(code, words[:1] if CODES[code] else [], str(error)) from None
        return parse(command, reply)


def parse(command, reply):
    """The reply of a command with names for its parts."""
    if command in ("CHAT.ROOM", "CHAT.ROOM_RO"):
        return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
    shape = REPLIES.get(command)
    if shape is None or reply is None:
        return reply
    if shape.startswith(":"):
        return rows(shape[1:], reply)
    return dict(part(name, value) for name, value in zip(shape.split(), reply))


def part(name, value):
    name, _, fields = name.partition(":")
    if fields:
        value = rows(fields, value)
    elif name == "events":
        value = [json.loads(event) for event in value]
    elif name in ("more", "recovered", "anew"):
        value = value == 1
    return name, value


def rows(fields, values):
    return [row and dict(zip(fields.split(","), row)) for row in values]
