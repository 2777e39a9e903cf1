//! Rooms: lists of rooms, settings and profiles, and the internal command.

use chat_protocol::limits;

use super::command::{ALICE, ARITY, Bound, COUNT, Command, FIXED, LOBBY, PAGE, USER, argument};

const PERSONAL: Bound = Bound::Keyword("@alice", "INVALID room");
const FIELD: Bound = Bound::Keyword("topic", "INVALID field");
const DESCRIPTION: Bound = Bound::Bytes(limits::DESCRIPTION_MAX, "TOOBIG 4096");

pub(crate) const FOLLOW: Command = Command {
    name: "CHAT.FOLLOW",
    arguments: &[
        argument("personal", &["$", "lobby"], PERSONAL, FIXED),
        argument(
            "room",
            &["@alice", "$"],
            Bound::Words(limits::WORDS_MAX, "room", "INVALID count"),
            PAGE,
        ),
    ],
    refused: &[
        (&["@alice"], ARITY, "no room"),
        (&["lobby", "closed"], "INVALID room", "not a personal room"),
        (&["dm:alice,bob", "lobby"], "INVALID room", "not a personal room"),
        (&["@alice", "a b"], "INVALID room", "a blank"),
        (&["@alice", "lobby", ""], "INVALID room", "the second is empty"),
        (
            &["@dora", "r1", "r2", "r3", "r4", "r5", "r6"],
            "INVALID follows",
            "over chat.follows-max",
        ),
        (&["@string", "lobby"], "WRONGTYPE", "no room"),
    ],
};

pub(crate) const UNFOLLOW: Command = Command {
    name: "CHAT.UNFOLLOW",
    arguments: &[
        argument("personal", &["$", "lobby"], PERSONAL, FIXED),
        argument(
            "room",
            &["@alice", "$"],
            Bound::Words(limits::WORDS_MAX, "room", "INVALID count"),
            PAGE,
        ),
    ],
    refused: &[
        (&["@alice"], ARITY, "no room"),
        (&["lobby", "closed"], "INVALID room", "not a personal room"),
        (&["@alice", "a b"], "INVALID room", "a blank"),
        (&["@string", "lobby"], "WRONGTYPE", "no room"),
    ],
};

pub(crate) const FOLLOWS: Command = Command {
    name: "CHAT.FOLLOWS",
    arguments: &[
        argument("personal", &["$"], PERSONAL, FIXED),
        argument(
            "cursor",
            &["@alice", "CURSOR", "$"],
            Bound::Bytes(limits::ROOM_NAME_MAX, "INVALID cursor"),
            FIXED,
        ),
        argument("count", &["@alice", "COUNT", "$"], COUNT, PAGE),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["lobby"], "INVALID room", "not a personal room"),
        (&["@alice", "COUNT", "0"], "INVALID count", "none"),
        (&["@alice", "CURSOR", "a b"], "INVALID cursor", "not from a page"),
        (&["@alice", "WRONG", "x"], "ERR", "no such option"),
        (&["@string"], "WRONGTYPE", "no room"),
    ],
};

pub(crate) const ROOMS: Command = Command {
    name: "CHAT.ROOMS",
    arguments: &[
        argument("cursor", &["CURSOR", "$"], Bound::Keyword("1-1", "INVALID cursor"), FIXED),
        argument(
            "glob",
            &["MATCH", "$"],
            Bound::Bytes(limits::PATTERN_MAX, "INVALID match"),
            FIXED,
        ),
        argument("count", &["COUNT", "$"], COUNT, PAGE),
        argument("user", &["AS", "$"], USER, FIXED),
    ],
    refused: &[
        (&["WRONG"], "ERR", "no such option"),
        (&["COUNT", "0"], "INVALID count", "none"),
        (&["COUNT", "1001"], "INVALID count", "too many"),
        (&["CURSOR", "x"], "INVALID cursor", "not from a page"),
        (&["AS", "a,b"], "INVALID user", "a comma"),
        (&["MATCH"], "ERR", "no pattern"),
        (&["MATCH", "{name}"], "INVALID match", "over 200 bytes"),
    ],
};

pub(crate) const CHANGES: Command = Command {
    name: "CHAT.CHANGES",
    arguments: &[
        argument("cursor", &["$"], Bound::Keyword("0", "INVALID cursor"), PAGE),
        argument("count", &["0", "COUNT", "$"], COUNT, PAGE),
        argument(
            "milliseconds",
            &["0", "BLOCK", "$"],
            Bound::Number(86_400_000, "INVALID block"),
            PAGE,
        ),
        argument(
            "glob",
            &["0", "MATCH", "$"],
            Bound::Bytes(limits::PATTERN_MAX, "INVALID match"),
            PAGE,
        ),
        argument("kinds", &["0", "KINDS", "$"], Bound::Keyword("direct", "INVALID kinds"), PAGE),
    ],
    refused: &[
        (&[], ARITY, "no cursor"),
        (&["1-1"], "INVALID cursor", "an id"),
        (&["0", "WRONG"], "ERR", "no such option"),
        (&["0", "COUNT", "0"], "INVALID count", "none"),
        (&["0", "COUNT", "1001"], "INVALID count", "too many"),
        (&["0", "BLOCK", "-1"], "INVALID block", "not a number"),
        (&["0", "BLOCK", "86400001"], "INVALID block", "over a day"),
        (&["0", "KINDS", "direct,"], "INVALID kinds", "an empty kind"),
        (&["0", "MATCH", "{name}"], "INVALID match", "over 200 bytes"),
    ],
};

pub(crate) const ROOM: Command = Command {
    name: "CHAT.ROOM",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument("set.field", &["lobby", "SET", "$", "x"], FIELD, FIXED),
        argument("set.value", &["lobby", "SET", "description", "$"], DESCRIPTION, FIXED),
        argument("actor", &["lobby", "SET", "topic", "x", "BY", "$"], ALICE, FIXED),
        argument("user", &["lobby", "AS", "$"], USER, FIXED),
        argument("nocreate", &["lobby", "SET", "topic", "x", "$"], Bound::Flag("NOCREATE"), FIXED),
        argument("nohook", &["lobby", "SET", "topic", "x", "$"], Bound::Flag("NOHOOK"), FIXED),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
        (&["lobby", "SET", "topic", "x", "BY", "banned"], "BANNED 0", "kept out for ever"),
        (&["lobby", "SET", "slow", "x"], "INVALID slow", "no number"),
        (&["lobby", "SET", "slow", "-1"], "INVALID slow", "negative"),
        (&["@alice", "SET", "slow", "100"], "INVALID field", "an ordinary room's"),
        (&["dm:alice,bob", "SET", "slow", "100"], "INVALID field", "an ordinary room's"),
        (&["lobby", "SET", "name", "x"], "INVALID field", "a personal room's"),
        (&["lobby", "SET", "avatar", "x"], "INVALID field", "a personal room's"),
        (&["dm:alice,bob", "SET", "status", "x"], "INVALID field", "a personal room's"),
        (&["lobby", "SET", "tokens_after", "now"], "INVALID field", "a personal room's"),
        (&["dm:alice,bob", "SET", "tokens_after", "0"], "INVALID field", "a personal room's"),
        (&["@alice", "SET", "tokens_after", "1795225200"], "INVALID tokens_after", "seconds"),
        (
            &["@alice", "SET", "tokens_after", "1795225200000000"],
            "INVALID tokens_after",
            "microseconds",
        ),
        (&["@alice", "SET", "tokens_after", "soon"], "INVALID tokens_after", "no time"),
        (
            &["@alice", "SET", "tokens_after", "now", "BY", "alice"],
            "DENIED backend",
            "the backend's",
        ),
        (&["@alice", "SET", "tokens_after", "0", "BY", "alice"], "DENIED backend", "the backend's"),
        (&["@alice", "SET", "tokens_after", "now", "BY", "bob"], "DENIED self", "another user's"),
        (&["@alice", "SET", "name", "{name}"], "TOOBIG 128", "too long"),
        (&["@alice", "SET", "avatar", "{long}"], "TOOBIG 1024", "too long"),
        (&["@alice", "SET", "status", "{name}"], "TOOBIG 128", "too long"),
        (&["@alice", "SET", "name", "a\nb"], "INVALID name", "a line break"),
        (&["@alice", "SET", "name", "x", "BY", "bob"], "DENIED self", "another user's"),
        (&["nowhere", "SET", "topic", "x", "NOCREATE"], "NOROOM", "no such room"),
        (&["nowhere", "SET", "topic", "x", "BY", "bob", "NOCREATE"], "NOROOM", "no such room"),
        (&["lobby", "NOCREATE"], "ERR", "nothing to set"),
        (&["lobby", "NOHOOK"], "ERR", "nothing to set"),
        (&["lobby", "SET", "hook", "maybe"], "INVALID hook", "neither yes nor no"),
        (&["lobby", "SET", "hook", "yes", "BY", "alice"], "DENIED backend", "the backend's"),
        (&["lobby", "SET", "hook", "no", "BY", "alice"], "DENIED backend", "the backend's"),
        (&["@alice", "SET", "hook", "yes", "BY", "alice"], "DENIED backend", "the backend's"),
        (&["lobby", "SET", "NOCREATE"], "ERR", "no value"),
        (&["lobby", "SET"], "ERR", "nothing to set"),
        (&["lobby", "SET", "topic"], "ERR", "no value"),
        (&["lobby", "SET", "colour", "red"], "INVALID field", "no such field"),
        (&["lobby", "SET", "topic", "a\nb"], "INVALID topic", "a line break"),
        (&["lobby", "SET", "topic", "{long}"], "TOOBIG 256", "too long"),
        (&["lobby", "SET", "description", "{long}"], "TOOBIG 4096", "too long"),
        (&["lobby", "SET", "access", "secret"], "INVALID access", "no such access"),
        (&["lobby", "SET", "max_text", "x"], "INVALID max_text", "no number"),
        (&["lobby", "SET", "max_text", "-1"], "INVALID max_text", "negative"),
        (&["lobby", "SET", "history_max", "1e9"], "INVALID history_max", "no integer"),
        (&["lobby", "SET", "history_ttl", "x"], "INVALID history_ttl", "no number"),
        (&["lobby", "SET", "room_bytes", "1000"], "INVALID room_bytes", "too small"),
        (&["lobby", "SET", "log_joins", "maybe"], "INVALID log_joins", "neither yes nor no"),
        (&["lobby", "SET", "frozen", "maybe"], "INVALID frozen", "neither yes nor no"),
        (&["lobby", "SET", "topic", "new", "colour", "red"], "INVALID field", "all or nothing"),
        (&["lobby", "SET", "topic", "new", "BY", "bob"], "DENIED moderator", "a member"),
        (&["lobby", "SET", "access", "open", "BY", "mallory"], "NOTMEMBER", "a stranger"),
        (
            &["lobby", "SET", "max_text", "1000000", "BY", "alice"],
            "DENIED backend",
            "over the server's",
        ),
        (&["lobby", "WRONG"], "ERR", "no such option"),
    ],
};

pub(crate) const ROOM_RO: Command = Command {
    name: "CHAT.ROOM_RO",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument("user", &["lobby", "AS", "$"], USER, FIXED),
        argument("settings", &["lobby", "$"], Bound::Flag("SETTINGS"), FIXED),
        argument(
            "get.field",
            &["lobby", "GET", "$"],
            Bound::Keyword("last", "INVALID field"),
            FIXED,
        ),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["nowhere", "AS", "bob"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
        (&["lobby", "AS"], "ERR", "no user"),
        (&["lobby", "AS", "*"], "INVALID user", "the backend needs no AS"),
        (&["lobby", "AS", "bob", "AS", "bob"], "ERR", "twice"),
        (&["lobby", "SET", "topic", "x"], "ERR", "it changes nothing"),
        (&["lobby", "BY", "alice"], "ERR", "nobody acts"),
        (&["lobby", "SETTINGS", "AS", "alice"], "ERR", "settings are for the backend"),
        (&["nowhere", "SETTINGS"], "NOROOM", "no such room"),
        (&["nowhere", "GET", "last"], "NOROOM", "no such room"),
        (&["closed", "AS", "bob", "GET", "last"], "NOTMEMBER", "members only"),
        (&["lobby", "GET"], "ERR", "no field"),
        (&["lobby", "GET", "colour"], "INVALID field", "no such field"),
        (&["lobby", "GET", "last", "colour"], "INVALID field", "one is none"),
        (&["lobby", "GET", "last", "SETTINGS"], "ERR", "one or the other"),
    ],
};

pub(crate) const APPLY: Command = Command {
    name: "CHAT.APPLY",
    arguments: &[
        argument("room", &["$", "x"], Bound::Internal, FIXED),
        argument("records", &["lobby", "$"], Bound::Internal, FIXED),
    ],
    refused: &[
        (&["lobby", "x"], "", "an internal command"),
        (&["lobby", "{bytes}"], "", "an internal command"),
        (&["nowhere", "x"], "", "an internal command"),
    ],
};
