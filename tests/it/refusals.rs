//! What each command refuses: the table that `wrong_calls.rs` runs.

use crate::refusals_of_changes::{DELETE, EDIT, MOD, REACT, READ, UNREAD};

/// A call without its command's name, the error, and what is wrong. `{id}` stands for the id of a
/// message in the room `lobby`, `{long}` for 5,000 bytes, `{name}` for 201 bytes, `{deep}` for an
/// object of depth 33, `{big}` for one over 16 KiB, `{bytes}` for bytes that are no UTF-8.
pub(crate) type Row = (&'static [&'static str], &'static str, &'static str);

/// Every command with its rows. The room `lobby` is alice's, with the member bob; `closed` is for
/// members only, `frozen` frozen; `string` is no room.
pub(crate) const TABLE: &[(&str, &[Row])] = &[
    ("CHAT.SEND", SEND),
    ("CHAT.EDIT", EDIT),
    ("CHAT.DELETE", DELETE),
    ("CHAT.REACT", REACT),
    ("CHAT.HISTORY", HISTORY),
    ("CHAT.SYNC", SYNC),
    ("CHAT.JOIN", JOIN),
    ("CHAT.LEAVE", LEAVE),
    ("CHAT.MEMBERS", MEMBERS),
    ("CHAT.PRESENCE", PRESENCE),
    ("CHAT.BEAT", BEAT),
    ("CHAT.WHO", WHO),
    ("CHAT.ONLINE", ONLINE),
    ("CHAT.SIGNAL", SIGNAL),
    ("CHAT.READ", READ),
    ("CHAT.UNREAD", UNREAD),
    ("CHAT.MOD", MOD),
    ("CHAT.FOLLOW", FOLLOW),
    ("CHAT.UNFOLLOW", UNFOLLOW),
    ("CHAT.FOLLOWS", FOLLOWS),
    ("CHAT.ROOMS", ROOMS),
    ("CHAT.ROOM", ROOM),
    ("CHAT.ROOM_RO", ROOM_RO),
    ("CHAT.APPLY", APPLY),
];

pub(crate) const ARITY: &str = "ERR wrong number of arguments";

const SEND: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["lobby", "alice"], ARITY, "no text"),
    (&["a b", "alice", "x"], "INVALID room", "a blank in the room"),
    (&["", "alice", "x"], "INVALID room", "an empty room"),
    (&["{name}", "alice", "x"], "INVALID room", "201 bytes"),
    (&["{bytes}", "alice", "x"], "INVALID room", "not UTF-8"),
    (&["@", "alice", "x"], "INVALID room", "nobody's room"),
    (&["@a,b", "alice", "x"], "INVALID room", "a comma in the user"),
    (&["dm:bob,alice", "alice", "x"], "INVALID room", "wrong order"),
    (&["dm:alice,alice", "alice", "x"], "INVALID room", "with oneself"),
    (&["lobby", "", "x"], "INVALID user", "an empty user"),
    (&["lobby", "a,b", "x"], "INVALID user", "a comma"),
    (&["lobby", "@alice", "x"], "INVALID user", "an @"),
    (&["lobby", "*bot", "x"], "INVALID user", "a star and more"),
    (&["lobby", "alice", ""], "INVALID text", "nothing to say"),
    (&["lobby", "alice", "{bytes}"], "INVALID text", "not UTF-8"),
    (&["lobby", "alice", "{long}"], "TOOBIG 4096", "over chat.max-text"),
    (&["lobby", "alice", "x", "NONCE"], "ERR", "no nonce"),
    (&["lobby", "alice", "x", "NONCE", ""], "INVALID nonce", "an empty nonce"),
    (&["lobby", "alice", "x", "NONCE", "a b"], "INVALID nonce", "a blank"),
    (&["lobby", "alice", "x", "NONCE", "{name}"], "INVALID nonce", "too long"),
    (&["lobby", "alice", "another", "NONCE", "used"], "INVALID nonce", "another text"),
    (&["lobby", "alice", "x", "KIND", "a b"], "INVALID kind", "a blank"),
    (&["lobby", "alice", "x", "KIND", ""], "INVALID kind", "an empty kind"),
    (&["lobby", "alice", "x", "KIND", "system"], "DENIED backend", "the backend's kind"),
    (&["lobby", "alice", "x", "META", "[]"], "INVALID meta", "no object"),
    (&["lobby", "alice", "x", "META", "{\"a\":1"], "INVALID meta", "cut short"),
    (&["lobby", "alice", "x", "META", "{\n}"], "INVALID meta", "a line break"),
    (&["lobby", "alice", "x", "META", "{deep}"], "INVALID meta", "too deep"),
    (&["lobby", "alice", "x", "META", "{big}"], "TOOBIG 16384", "too big"),
    (&["lobby", "alice", "x", "REPLY", "1-"], "INVALID id", "no id"),
    (&["lobby", "alice", "x", "REPLY", "1-1"], "NOMSG", "no such message"),
    (&["lobby", "alice", "x", "MENTION"], "ERR", "no number"),
    (&["lobby", "alice", "x", "MENTION", "0"], "INVALID mention", "nobody"),
    (&["lobby", "alice", "x", "MENTION", "51", "bob"], "INVALID mention", "too many"),
    (&["lobby", "alice", "x", "MENTION", "nan", "bob"], "INVALID mention", "no number"),
    (&["lobby", "alice", "x", "MENTION", "2", "bob"], "ERR", "one missing"),
    (&["lobby", "alice", "x", "MENTION", "1", "a,b"], "INVALID user", "a comma"),
    (&["lobby", "alice", "x", "WRONG"], "ERR", "no such option"),
    (&["lobby", "alice", "x", "EPHEMERAL", "EPHEMERAL"], "ERR", "twice"),
    (&["string", "alice", "x"], "WRONGTYPE", "no room"),
    (&["@alice", "bob", "x"], "DENIED self", "another user's personal room"),
    (&["dm:alice,bob", "carol", "x"], "NOTMEMBER", "other people's direct room"),
    (&["closed", "bob", "x"], "NOTMEMBER", "members only"),
    (&["frozen", "bob", "x"], "FROZEN", "frozen"),
    (&["frozen", "carol", "x"], "FROZEN", "frozen, no member"),
    (&["lobby", "banned", "x"], "BANNED 0", "kept out for ever"),
    (&["lobby", "muted", "x"], "MUTED 0", "silenced for ever"),
    (&["lobby", "muted", "x", "EPHEMERAL"], "MUTED 0", "silenced for ever"),
    (&["lobby", "alice", "x", "REPLY", "{gone}"], "NOMSG", "deleted"),
    (&["nowhere", "carol", "x", "EPHEMERAL"], "NOROOM", "nobody would hear it"),
];

const HISTORY: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["a b"], "INVALID room", "a blank"),
    (&["nowhere"], "NOROOM", "no such room"),
    (&["string"], "WRONGTYPE", "no room"),
    (&["lobby", "BEFORE"], "ERR", "no id"),
    (&["lobby", "BEFORE", "x"], "INVALID id", "no id"),
    (&["lobby", "AFTER", "1-02"], "INVALID id", "a leading zero"),
    (&["lobby", "AROUND", "-"], "INVALID id", "no id"),
    (&["lobby", "BEFORE", "{id}", "AFTER", "{id}"], "ERR", "two of them"),
    (&["lobby", "COUNT", "0"], "INVALID count", "none"),
    (&["lobby", "COUNT", "1001"], "INVALID count", "too many"),
    (&["lobby", "COUNT", "-1"], "INVALID count", "negative"),
    (&["lobby", "COUNT", "x"], "INVALID count", "no number"),
    (&["lobby", "AS", "a,b"], "INVALID user", "a comma"),
    (&["lobby", "AS", "*"], "INVALID user", "the backend needs no AS"),
    (&["lobby", "WRONG", "1"], "ERR", "no such option"),
    (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
    (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
    (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
    (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
];

const SYNC: &[Row] = &[
    (&["lobby"], ARITY, "no cursor"),
    (&["a b", "0-0"], "INVALID room", "a blank"),
    (&["string", "0-0"], "WRONGTYPE", "no room"),
    (&["lobby", "0"], "INVALID id", "no dash"),
    (&["lobby", "01-1"], "INVALID id", "a leading zero"),
    (&["lobby", "18446744073709551616-1"], "INVALID id", "more than 64 bits"),
    (&["lobby", "{id} "], "INVALID id", "a blank"),
    (&["lobby", "0-0", "COUNT", "0"], "INVALID count", "none"),
    (&["lobby", "0-0", "COUNT", "1001"], "INVALID count", "too many"),
    (&["lobby", "0-0", "AS"], "ERR", "nobody"),
    (&["closed", "0-0", "AS", "bob"], "NOTMEMBER", "members only"),
    (&["@alice", "0-0", "AS", "bob"], "DENIED self", "another user's"),
    (&["lobby", "0-0", "AS", "banned"], "BANNED 0", "kept out for ever"),
];

const JOIN: &[Row] = &[
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
];

const LEAVE: &[Row] = &[
    (&["lobby"], ARITY, "nobody"),
    (&["lobby", "bob", "x"], ARITY, "too much"),
    (&["a b", "bob"], "INVALID room", "a blank"),
    (&["lobby", "*"], "INVALID user", "the backend is no member"),
    (&["string", "bob"], "WRONGTYPE", "no room"),
    (&["dm:alice,bob", "bob"], "DENIED", "members for ever"),
];

const MEMBERS: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["a b"], "INVALID room", "a blank"),
    (&["nowhere"], "NOROOM", "no such room"),
    (&["string"], "WRONGTYPE", "no room"),
    (&["lobby", "CURSOR", "x"], "INVALID cursor", "not from a page"),
    (&["lobby", "CURSOR"], "ERR", "no cursor"),
    (&["lobby", "COUNT", "0"], "INVALID count", "none"),
    (&["lobby", "AS", "*"], "INVALID user", "the backend"),
    (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
    (&["dm:alice,bob", "AS", "carol"], "NOTMEMBER", "other people's"),
    (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
];

const PRESENCE: &[Row] = &[
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
];

const BEAT: &[Row] = &[
    (&["lobby", "60000"], ARITY, "no connection"),
    (&["a b", "60000", "c1"], "INVALID room", "a blank"),
    (&["lobby", "x", "c1"], "INVALID ttl", "no number"),
    (&["lobby", "0", "c1"], "INVALID ttl", "too short"),
    (&["lobby", "3600001", "c1"], "INVALID ttl", "too long"),
    (&["lobby", "60000", "c 1"], "INVALID connection", "a blank"),
    (&["string", "60000", "c1"], "WRONGTYPE", "no room"),
];

const WHO: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["a b"], "INVALID room", "a blank"),
    (&["nowhere"], "NOROOM", "no such room"),
    (&["string"], "WRONGTYPE", "no room"),
    (&["lobby", "CURSOR", "x"], "INVALID cursor", "not from a page"),
    (&["lobby", "COUNT", "1001"], "INVALID count", "too many"),
    (&["closed", "AS", "bob"], "NOTMEMBER", "members only"),
    (&["@alice", "AS", "bob"], "DENIED self", "another user's"),
    (&["lobby", "AS", "banned"], "BANNED 0", "kept out for ever"),
];

const ONLINE: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["a b"], "INVALID room", "a blank"),
    (&["lobby", ""], "INVALID room", "the second is empty"),
    (&["lobby", "string"], "WRONGTYPE", "no room"),
];

const SIGNAL: &[Row] = &[
    (&["lobby", "bob"], ARITY, "no name"),
    (&["lobby", "bob", "typing", "{}", "x"], "ERR", "too much"),
    (&["a b", "bob", "typing"], "INVALID room", "a blank"),
    (&["lobby", "a,b", "typing"], "INVALID user", "a comma"),
    (&["lobby", "bob", "a b"], "INVALID name", "a blank"),
    (&["lobby", "bob", ""], "INVALID name", "an empty name"),
    (&["lobby", "bob", "typing", "1"], "INVALID data", "no object"),
    (&["lobby", "bob", "typing", "{deep}"], "INVALID data", "too deep"),
    (&["lobby", "bob", "typing", "{big}"], "TOOBIG 16384", "too big"),
    (&["lobby", "bob", "notice", "{}"], "DENIED backend", "the backend's signal"),
    (&["nowhere", "bob", "typing"], "NOROOM", "no such room"),
    (&["string", "bob", "typing"], "WRONGTYPE", "no room"),
    (&["closed", "bob", "typing"], "NOTMEMBER", "members only"),
    (&["frozen", "bob", "typing"], "FROZEN", "frozen"),
    (&["lobby", "banned", "typing"], "BANNED 0", "kept out for ever"),
    (&["lobby", "muted", "typing"], "MUTED 0", "silenced for ever"),
    (&["@alice", "bob", "typing"], "DENIED self", "another user's"),
];

const FOLLOW: &[Row] = &[
    (&["@alice"], ARITY, "no room"),
    (&["lobby", "closed"], "INVALID room", "not a personal room"),
    (&["dm:alice,bob", "lobby"], "INVALID room", "not a personal room"),
    (&["@alice", "a b"], "INVALID room", "a blank"),
    (&["@alice", "lobby", ""], "INVALID room", "the second is empty"),
    (&["@dora", "r1", "r2", "r3", "r4", "r5", "r6"], "INVALID follows", "over chat.follows-max"),
    (&["@string", "lobby"], "WRONGTYPE", "no room"),
];

const UNFOLLOW: &[Row] = &[
    (&["@alice"], ARITY, "no room"),
    (&["lobby", "closed"], "INVALID room", "not a personal room"),
    (&["@alice", "a b"], "INVALID room", "a blank"),
    (&["@string", "lobby"], "WRONGTYPE", "no room"),
];

const FOLLOWS: &[Row] = &[
    (&[], ARITY, "nothing"),
    (&["lobby"], "INVALID room", "not a personal room"),
    (&["@alice", "COUNT", "0"], "INVALID count", "none"),
    (&["@alice", "CURSOR", "a b"], "INVALID cursor", "not from a page"),
    (&["@alice", "WRONG", "x"], "ERR", "no such option"),
    (&["@string"], "WRONGTYPE", "no room"),
];

const ROOMS: &[Row] = &[
    (&["WRONG"], "ERR", "no such option"),
    (&["COUNT", "0"], "INVALID count", "none"),
    (&["COUNT", "1001"], "INVALID count", "too many"),
    (&["CURSOR", "x"], "INVALID cursor", "not from a page"),
    (&["AS", "a,b"], "INVALID user", "a comma"),
    (&["MATCH"], "ERR", "no pattern"),
    (&["MATCH", "{name}"], "INVALID match", "over 200 bytes"),
];

const ROOM_RO: &[Row] = &[
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
];

const ROOM: &[Row] = &[
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
    (&["@alice", "SET", "name", "{name}"], "TOOBIG 128", "too long"),
    (&["@alice", "SET", "avatar", "{long}"], "TOOBIG 1024", "too long"),
    (&["@alice", "SET", "status", "{name}"], "TOOBIG 128", "too long"),
    (&["@alice", "SET", "name", "a\nb"], "INVALID name", "a line break"),
    (&["@alice", "SET", "name", "x", "BY", "bob"], "DENIED self", "another user's"),
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
];

const APPLY: &[Row] = &[
    (&["lobby", "x"], "", "an internal command"),
    (&["lobby", "{bytes}"], "", "an internal command"),
    (&["nowhere", "x"], "", "an internal command"),
];
