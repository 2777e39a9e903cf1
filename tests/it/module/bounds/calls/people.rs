//! People: membership, presence, moderation.

use chat_protocol::limits;

use super::command::{
    ALICE, ARITY, Bound, COUNT, Command, FIXED, LOBBY, PAGE, REASON, ROOM_NAME, USER, argument,
};

const CONNECTION: Bound = Bound::Bytes(limits::CONNECTION_NAME_MAX, "INVALID connection");
const STATUS: Bound = Bound::Bytes(limits::STATUS_MAX, "TOOBIG 64");
const TTL: Bound = Bound::Number(limits::TTL_MAX, "INVALID ttl");
const ROLE: Bound = Bound::Keyword("member", "INVALID role");
const CURSOR: Bound = Bound::Number(u64::MAX, "INVALID cursor");
const SANCTION: Bound = Bound::Number(limits::SANCTION_MAX, "INVALID for");

pub(crate) const JOIN: Command = Command {
    name: "CHAT.JOIN",
    arguments: &[
        argument("room", &["$", "alice"], ROOM_NAME, FIXED),
        argument("user", &["lobby", "$"], USER, FIXED),
        argument("role", &["lobby", "u1", "ROLE", "$", "BY", "*"], ROLE, FIXED),
        argument("actor", &["lobby", "{id}", "BY", "$"], ALICE, FIXED),
        argument("nocreate", &["lobby", "alice", "$"], Bound::Flag("NOCREATE"), FIXED),
    ],
    refused: &[
        (&["lobby"], ARITY, "nobody"),
        (&["a b", "bob"], "INVALID room", "a blank"),
        (&["lobby", "*"], "INVALID user", "the backend is no member"),
        (&["lobby", "a,b"], "INVALID user", "a comma"),
        (&["lobby", "carol", "ROLE", "king"], "INVALID role", "no role"),
        (&["lobby", "carol", "ROLE"], "ERR", "no role"),
        (&["lobby", "carol", "BY", "a,b"], "INVALID user", "a comma"),
        (&["lobby", "carol", "WRONG", "x"], "ERR", "no such option"),
        (&["string", "bob"], "WRONGTYPE", "no room"),
        (&["lobby", "carol", "ROLE", "owner"], "DENIED owner", "helping oneself"),
        (&["lobby", "bob", "ROLE", "moderator"], "DENIED owner", "helping oneself"),
        (&["lobby", "carol", "BY", "bob"], "DENIED moderator", "a member adds nobody"),
        (&["lobby", "carol", "BY", "mallory"], "NOTMEMBER", "a stranger adds nobody"),
        (&["closed", "bob"], "DENIED moderator", "members only"),
        (&["lobby", "banned"], "BANNED 0", "kept out for ever"),
        (&["lobby", "banned", "BY", "alice"], "BANNED 0", "let them in first"),
        (&["@alice", "bob"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "carol"], "NOTMEMBER", "exactly those two"),
        (&["nowhere", "bob", "NOCREATE"], "NOROOM", "no such room"),
        (&["nowhere", "bob", "BY", "*", "NOCREATE"], "NOROOM", "no such room"),
        (&["lobby", "bob", "NOCREATE", "NOCREATE"], "ERR", "twice"),
    ],
};

pub(crate) const LEAVE: Command = Command {
    name: "CHAT.LEAVE",
    arguments: &[
        argument("room", &["$", "alice"], ROOM_NAME, FIXED),
        argument("user", &["lobby", "$"], USER, FIXED),
    ],
    refused: &[
        (&["lobby"], ARITY, "nobody"),
        (&["lobby", "bob", "x"], ARITY, "too much"),
        (&["a b", "bob"], "INVALID room", "a blank"),
        (&["lobby", "*"], "INVALID user", "the backend is no member"),
        (&["string", "bob"], "WRONGTYPE", "no room"),
        (&["dm:alice,bob", "bob"], "DENIED", "members for ever"),
    ],
};

pub(crate) const MEMBERS: Command = Command {
    name: "CHAT.MEMBERS",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument("cursor", &["lobby", "CURSOR", "$"], CURSOR, FIXED),
        argument("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
        argument(
            "prefix",
            &["lobby", "PREFIX", "$"],
            Bound::Bytes(limits::USER_NAME_MAX, "INVALID prefix"),
            PAGE,
        ),
        argument("user", &["lobby", "AS", "$"], USER, FIXED),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["lobby", "CURSOR", "x"], "INVALID cursor", "not from a page"),
        (&["lobby", "CURSOR"], "ERR", "no cursor"),
        (&["lobby", "COUNT", "0"], "INVALID count", "none"),
        (&["lobby", "AS", "*"], "INVALID user", "the backend"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
        (&["lobby", "PREFIX"], "ERR", "no prefix"),
        (&["lobby", "PREFIX", ""], "INVALID prefix", "an empty prefix"),
        (&["lobby", "PREFIX", "{name}"], "INVALID prefix", "longer than any name"),
        (&["lobby", "PREFIX", "a", "PREFIX", "a"], "ERR", "twice"),
    ],
};

pub(crate) const PRESENCE: Command = Command {
    name: "CHAT.PRESENCE",
    arguments: &[
        argument("room", &["$", "alice", "c1"], LOBBY, FIXED),
        argument("user", &["lobby", "$", "c2"], USER, FIXED),
        argument("connection", &["lobby", "alice", "$"], CONNECTION, FIXED),
        argument("milliseconds", &["lobby", "alice", "c1", "TTL", "$"], TTL, FIXED),
        argument("status", &["lobby", "alice", "c1", "STATUS", "$"], STATUS, FIXED),
        argument("off", &["lobby", "alice", "c1", "$"], Bound::Flag("OFF"), FIXED),
        argument("reason", &["lobby", "alice", "c1", "OFF", "REASON", "$"], REASON, FIXED),
    ],
    refused: &[
        (&["lobby", "bob"], ARITY, "no connection"),
        (&["a b", "bob", "c9"], "INVALID room", "a blank"),
        (&["lobby", "*", "c9"], "INVALID user", "the backend is not here"),
        (&["lobby", "bob", ""], "INVALID connection", "an empty name"),
        (&["lobby", "bob", "{name}"], "INVALID connection", "too long"),
        (&["lobby", "bob", "c9", "TTL", "x"], "INVALID ttl", "no number"),
        (&["lobby", "bob", "c9", "TTL", "999"], "INVALID ttl", "too short"),
        (&["lobby", "bob", "c9", "TTL", "3600001"], "INVALID ttl", "too long"),
        (&["lobby", "bob", "c9", "TTL"], "ERR", "no number"),
        (&["lobby", "bob", "c9", "STATUS", "a\nb"], "INVALID status", "a line break"),
        (&["lobby", "bob", "c9", "STATUS", "{name}"], "TOOBIG 64", "too long"),
        (&["lobby", "bob", "c9", "OFF", "TTL", "1000"], "ERR", "OFF has no TTL"),
        (&["lobby", "bob", "c9", "OFF", "REASON", "{long}"], "TOOBIG 256", "too long"),
        (&["lobby", "bob", "c9", "WRONG"], "ERR", "no such option"),
        (&["lobby", "bob", "taken"], "INVALID connection", "alice's connection"),
        (&["nowhere", "bob", "c9"], "NOROOM", "no such room"),
        (&["string", "bob", "c9"], "WRONGTYPE", "no room"),
        (&["closed", "bob", "c9"], "NOTMEMBER", "members only"),
        (&["lobby", "banned", "c9"], "BANNED 0", "kept out for ever"),
        (&["@alice", "bob", "c9"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "carol", "c9"], "NOTMEMBER", "other people's"),
    ],
};

pub(crate) const BEAT: Command = Command {
    name: "CHAT.BEAT",
    arguments: &[
        argument("room", &["$", "60000", "c0"], ROOM_NAME, FIXED),
        argument("ttl", &["lobby", "$", "c0"], TTL, FIXED),
        argument(
            "connection",
            &["lobby", "60000", "$"],
            Bound::Words(limits::WORDS_MAX, "here", "INVALID count"),
            PAGE,
        ),
    ],
    refused: &[
        (&["lobby", "60000"], ARITY, "no connection"),
        (&["a b", "60000", "c1"], "INVALID room", "a blank"),
        (&["lobby", "x", "c1"], "INVALID ttl", "no number"),
        (&["lobby", "0", "c1"], "INVALID ttl", "too short"),
        (&["lobby", "3600001", "c1"], "INVALID ttl", "too long"),
        (&["lobby", "60000", "c 1"], "INVALID connection", "a blank"),
        (&["string", "60000", "c1"], "WRONGTYPE", "no room"),
    ],
};

pub(crate) const WHO: Command = Command {
    name: "CHAT.WHO",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument("cursor", &["lobby", "CURSOR", "$"], CURSOR, FIXED),
        argument("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
        argument("user", &["lobby", "AS", "$"], USER, FIXED),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["lobby", "CURSOR", "x"], "INVALID cursor", "not from a page"),
        (&["lobby", "COUNT", "1001"], "INVALID count", "too many"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
    ],
};

pub(crate) const ONLINE: Command = Command {
    name: "CHAT.ONLINE",
    arguments: &[argument(
        "room",
        &["$"],
        Bound::Words(limits::WORDS_MAX, "@user", "INVALID count"),
        PAGE,
    )],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["lobby", ""], "INVALID room", "the second is empty"),
        (&["lobby", "string"], "WRONGTYPE", "no room"),
    ],
};

pub(crate) const MOD: Command = Command {
    name: "CHAT.MOD",
    arguments: &[
        argument("room", &["$", "*", "KICK", "u1"], LOBBY, FIXED),
        argument("actor", &["lobby", "$", "KICK", "u1"], ALICE, FIXED),
        argument("action", &["lobby", "*", "$", "u1"], Bound::Keyword("KICK", "ERR"), FIXED),
        argument("user", &["lobby", "*", "BAN", "$"], USER, FIXED),
        argument("role", &["lobby", "*", "ROLE", "u1", "$"], ROLE, FIXED),
        argument("milliseconds", &["lobby", "*", "MUTE", "u1", "FOR", "$"], SANCTION, FIXED),
        argument("reason", &["lobby", "*", "MUTE", "u3", "REASON", "$"], REASON, FIXED),
    ],
    refused: &[
        (&["lobby", "*", "KICK"], ARITY, "nobody"),
        (&["a b", "*", "KICK", "bob"], "INVALID room", "a blank"),
        (&["lobby", "a,b", "KICK", "bob"], "INVALID user", "a comma"),
        (&["lobby", "*", "KICK", "*"], "INVALID user", "the backend is not kicked"),
        (&["lobby", "*", "POKE", "bob"], "ERR", "no such action"),
        (&["lobby", "*", "ROLE", "bob"], "ERR", "no role"),
        (&["lobby", "*", "ROLE", "bob", "king"], "INVALID role", "no such role"),
        (&["lobby", "*", "ROLE", "banned", "member"], "BANNED 0", "let them in first"),
        (
            &["lobby", "bob", "ROLE", "mallory", "member"],
            "DENIED moderator",
            "a member adds nobody",
        ),
        (&["lobby", "mallory", "ROLE", "mallory", "owner"], "DENIED owner", "helping oneself"),
        (&["lobby", "mallory", "ROLE", "carol", "member"], "NOTMEMBER", "a stranger adds nobody"),
        (&["lobby", "*", "BAN", "bob", "FOR"], "ERR", "no time"),
        (&["lobby", "*", "BAN", "bob", "FOR", "0"], "INVALID for", "no time at all"),
        (&["lobby", "*", "BAN", "bob", "FOR", "x"], "INVALID for", "no number"),
        (&["lobby", "*", "KICK", "bob", "FOR", "1000"], "ERR", "kicked is kicked"),
        (&["lobby", "*", "UNMUTE", "bob", "FOR", "1000"], "ERR", "no time to undo"),
        (&["lobby", "*", "BAN", "bob", "REASON", "{long}"], "TOOBIG 256", "too long"),
        (&["lobby", "*", "BAN", "bob", "REASON", "a\nb"], "INVALID reason", "a line break"),
        (&["lobby", "*", "BAN", "bob", "WRONG", "x"], "ERR", "no such option"),
        (&["nowhere", "*", "KICK", "bob"], "NOROOM", "no such room"),
        (&["string", "*", "KICK", "bob"], "WRONGTYPE", "no room"),
        (&["dm:alice,bob", "alice", "BAN", "bob"], "INVALID action", "members for ever"),
        (&["lobby", "mallory", "KICK", "bob"], "NOTMEMBER", "a stranger"),
        (&["lobby", "bob", "KICK", "mallory"], "DENIED moderator", "a member"),
        (&["lobby", "banned", "KICK", "bob"], "BANNED 0", "kept out for ever"),
        (&["lobby", "alice", "MUTE", "alice"], "DENIED backend", "an equal: oneself"),
        (&["@alice", "bob", "BAN", "carol"], "DENIED self", "another user's"),
        (&["@alice", "alice", "KICK", "alice"], "DENIED backend", "the backend ends sockets"),
        (&["@alice", "alice", "BAN", "alice"], "DENIED backend", "the backend suspends"),
        (&["@alice", "alice", "UNBAN", "alice"], "DENIED backend", "the backend lets in again"),
        (&["@alice", "bob", "BAN", "alice"], "DENIED self", "another user's"),
        (&["@alice", "bob", "UNBAN", "alice"], "DENIED self", "another user's"),
        (&["@alice", "*", "MUTE", "alice"], "INVALID action", "not in a personal room"),
        (&["@alice", "*", "BAN", "alice", "FOR", "0"], "INVALID for", "no time at all"),
        (&["@alice", "alice", "MUTE", "bob"], "INVALID action", "not in a personal room"),
    ],
};

pub(crate) const SANCTIONS: Command = Command {
    name: "CHAT.SANCTIONS",
    arguments: &[
        argument("room", &["$"], LOBBY, FIXED),
        argument(
            "cursor",
            &["lobby", "CURSOR", "$"],
            Bound::Bytes(limits::USER_NAME_MAX, "INVALID cursor"),
            FIXED,
        ),
        argument("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
        argument("user", &["lobby", "AS", "$"], ALICE, FIXED),
    ],
    refused: &[
        (&[], ARITY, "nothing"),
        (&["a b"], "INVALID room", "a blank"),
        (&["nowhere"], "NOROOM", "no such room"),
        (&["string"], "WRONGTYPE", "no room"),
        (&["lobby", "COUNT", "0"], "INVALID count", "none"),
        (&["lobby", "COUNT", "1001"], "INVALID count", "too many"),
        (&["lobby", "CURSOR", ""], "INVALID cursor", "not from a page"),
        (&["lobby", "CURSOR", "{name}"], "INVALID cursor", "not from a page"),
        (&["lobby", "CURSOR", "{bytes}"], "INVALID cursor", "not from a page"),
        (&["lobby", "PREFIX", "a"], "ERR", "no such option"),
        (&["lobby", "AS", "bob"], "DENIED moderator", "a member"),
        (&["lobby", "AS", "carol"], "NOTMEMBER", "a stranger"),
        (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
        (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
        (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
        (&["dm:alice,bob", "AS", "alice"], "DENIED moderator", "nobody moderates it"),
        (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
    ],
};
