//! The table of arguments: what bounds each, and how much work the largest one may cause.
//!
//! Work is the elements of rooms and indexes that one call visits. A command whose work does not
//! grow with the room visits [`FIXED`]; the others visit what COUNT or the number of words says.

/// What bounds an argument.
pub(crate) enum Bound {
    /// So many bytes; one more is refused with this error.
    Bytes(usize, &'static str),
    /// A JSON object of so many bytes.
    Object(usize, &'static str),
    /// So many words, named so with a number behind.
    Words(usize, &'static str, &'static str),
    /// A number up to this one.
    Number(u64, &'static str),
    /// The id of an event: what is longer than two numbers is none.
    Id,
    /// One of a few words, such as this one.
    Keyword(&'static str, &'static str),
    /// Its presence alone.
    Flag(&'static str),
    /// Refused from clients.
    Internal,
}

/// One argument of a command.
pub(crate) struct Row {
    /// Its name in COMMAND DOCS, behind the names of the blocks that hold it.
    pub(crate) argument: &'static str,
    /// The words of a call behind the command's name. `$`: the argument. `{id}`: the id of a new
    /// message, which nothing else is called. `{49}`, `{50}`: so many users.
    pub(crate) call: &'static [&'static str],
    /// Its bound.
    pub(crate) bound: Bound,
    /// Elements that the call with the largest argument may visit in a room of any size.
    pub(crate) work: u64,
}

/// Work that does not grow with the room: look-ups, and one slice of what waits to be removed.
pub(crate) const FIXED: u64 = 1_280;
/// Work of a page, and of a call that names many: three elements for each of a thousand.
pub(crate) const PAGE: u64 = 3_000 + FIXED;

const fn row(
    argument: &'static str,
    call: &'static [&'static str],
    bound: Bound,
    work: u64,
) -> Row {
    Row { argument, call, bound, work }
}

const ROOM: Bound = Bound::Bytes(200, "INVALID room");
const USER: Bound = Bound::Bytes(96, "INVALID user");
const CONNECTION: Bound = Bound::Bytes(64, "INVALID connection");
const OBJECT: Bound = Bound::Object(16_384, "TOOBIG 16384");
const TEXT: Bound = Bound::Bytes(1_048_576, "TOOBIG 1048576");
const REASON: Bound = Bound::Bytes(256, "TOOBIG 256");
const STATUS: Bound = Bound::Bytes(64, "TOOBIG 64");
const COUNT: Bound = Bound::Number(1000, "INVALID count");
const TTL: Bound = Bound::Number(3_600_000, "INVALID ttl");

/// Every command with its arguments.
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
    ("CHAT.FOLLOW", FOLLOW),
    ("CHAT.UNFOLLOW", UNFOLLOW),
    ("CHAT.FOLLOWS", FOLLOWS),
    ("CHAT.ROOMS", ROOMS),
    ("CHAT.ROOM", ROOM_SET),
    ("CHAT.ROOM_RO", ROOM_RO),
    ("CHAT.MOD", MOD),
    ("CHAT.SANCTIONS", SANCTIONS),
    ("CHAT.APPLY", APPLY),
];

const SEND: &[Row] = &[
    row("room", &["$", "alice", "hi"], ROOM, FIXED),
    row("user", &["lobby", "$", "hi"], USER, FIXED),
    row("text", &["lobby", "*", "$"], TEXT, FIXED),
    row("nonce", &["lobby", "alice", "x", "NONCE", "$"], NONCE, FIXED),
    row("kind", &["lobby", "alice", "x", "KIND", "$"], KIND, FIXED),
    row("json", &["lobby", "alice", "x", "META", "$"], OBJECT, FIXED),
    row("id", &["lobby", "alice", "x", "REPLY", "$"], Bound::Id, FIXED),
    row("mention.count", &["lobby", "alice", "x", "MENTION", "$", "{50}"], MENTIONS, FIXED),
    row("mention.mentioned", &["lobby", "alice", "x", "MENTION", "50", "{49}", "$"], USER, FIXED),
    row("ephemeral", &["lobby", "alice", "x", "$"], Bound::Flag("EPHEMERAL"), FIXED),
    row("nocreate", &["lobby", "alice", "x", "$"], Bound::Flag("NOCREATE"), FIXED),
];
const NONCE: Bound = Bound::Bytes(64, "INVALID nonce");
const KIND: Bound = Bound::Bytes(32, "INVALID kind");
const MENTIONS: Bound = Bound::Number(50, "INVALID mention");

const EDIT: &[Row] = &[
    row("room", &["$", "alice", "{id}", "x"], Bound::Keyword("lobby", "NOROOM"), FIXED),
    row("user", &["lobby", "$", "{id}", "x"], ALICE, FIXED),
    row("id", &["lobby", "alice", "$", "x"], Bound::Id, FIXED),
    row("text", &["lobby", "*", "{id}", "$"], TEXT, FIXED),
    row("json", &["lobby", "alice", "{id}", "x", "META", "$"], OBJECT, FIXED),
    row("own", &["lobby", "alice", "{id}", "x", "$"], Bound::Flag("OWN"), FIXED),
];
const ALICE: Bound = Bound::Keyword("alice", "NOTMEMBER");
const LOBBY: Bound = Bound::Keyword("lobby", "NOROOM");

const DELETE: &[Row] = &[
    row("room", &["$", "alice", "{id}"], LOBBY, FIXED),
    row("user", &["lobby", "$", "{id}"], ALICE, FIXED),
    row("id", &["lobby", "alice", "$"], Bound::Id, FIXED),
    row("reason", &["lobby", "alice", "{id}", "REASON", "$"], REASON, FIXED),
    row("own", &["lobby", "alice", "{id}", "$"], Bound::Flag("OWN"), FIXED),
];

const REACT: &[Row] = &[
    row("room", &["$", "alice", "{id}", "+"], LOBBY, FIXED),
    row("user", &["lobby", "$", "{id}", "+"], ALICE, FIXED),
    row("id", &["lobby", "alice", "$", "+"], Bound::Id, FIXED),
    row("emoji", &["lobby", "alice", "{id}", "$"], Bound::Bytes(32, "INVALID emoji"), FIXED),
    row("remove", &["lobby", "alice", "{id}", "+", "$"], Bound::Flag("REMOVE"), FIXED),
];

const HISTORY: &[Row] = &[
    row("room", &["$"], LOBBY, FIXED),
    row("anchor.before", &["lobby", "BEFORE", "$"], Bound::Id, FIXED),
    row("anchor.after", &["lobby", "AFTER", "$"], Bound::Id, FIXED),
    row("anchor.around", &["lobby", "AROUND", "$"], Bound::Id, FIXED),
    row("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
    row("bytes", &["lobby", "BYTES", "$"], BYTES, FIXED),
    row("user", &["lobby", "AS", "$"], USER, FIXED),
];
const BYTES: Bound = Bound::Number(4 << 20, "INVALID bytes");

const SYNC: &[Row] = &[
    row("room", &["$", "0-0"], ROOM, PAGE),
    row("id", &["lobby", "$"], Bound::Id, PAGE),
    row("count", &["lobby", "0-0", "COUNT", "$"], COUNT, PAGE),
    row("bytes", &["lobby", "0-0", "BYTES", "$"], BYTES, PAGE),
    row("user", &["lobby", "0-0", "AS", "$"], USER, PAGE),
];

const JOIN: &[Row] = &[
    row("room", &["$", "alice"], ROOM, FIXED),
    row("user", &["lobby", "$"], USER, FIXED),
    row("role", &["lobby", "u1", "ROLE", "$", "BY", "*"], ROLE, FIXED),
    row("actor", &["lobby", "{id}", "BY", "$"], ALICE, FIXED),
    row("nocreate", &["lobby", "alice", "$"], Bound::Flag("NOCREATE"), FIXED),
];
const ROLE: Bound = Bound::Keyword("member", "INVALID role");

const LEAVE: &[Row] =
    &[row("room", &["$", "alice"], ROOM, FIXED), row("user", &["lobby", "$"], USER, FIXED)];

const MEMBERS: &[Row] = &[
    row("room", &["$"], LOBBY, FIXED),
    row("cursor", &["lobby", "CURSOR", "$"], CURSOR, FIXED),
    row("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
    row("prefix", &["lobby", "PREFIX", "$"], Bound::Bytes(96, "INVALID prefix"), PAGE),
    row("user", &["lobby", "AS", "$"], USER, FIXED),
];
const CURSOR: Bound = Bound::Number(u64::MAX, "INVALID cursor");

const PRESENCE: &[Row] = &[
    row("room", &["$", "alice", "c1"], LOBBY, FIXED),
    row("user", &["lobby", "$", "c2"], USER, FIXED),
    row("connection", &["lobby", "alice", "$"], CONNECTION, FIXED),
    row("milliseconds", &["lobby", "alice", "c1", "TTL", "$"], TTL, FIXED),
    row("status", &["lobby", "alice", "c1", "STATUS", "$"], STATUS, FIXED),
    row("off", &["lobby", "alice", "c1", "$"], Bound::Flag("OFF"), FIXED),
    row("reason", &["lobby", "alice", "c1", "OFF", "REASON", "$"], REASON, FIXED),
];

const BEAT: &[Row] = &[
    row("room", &["$", "60000", "c0"], ROOM, FIXED),
    row("ttl", &["lobby", "$", "c0"], TTL, FIXED),
    row("connection", &["lobby", "60000", "$"], Bound::Words(1000, "here", "INVALID count"), PAGE),
];

const WHO: &[Row] = &[
    row("room", &["$"], LOBBY, FIXED),
    row("cursor", &["lobby", "CURSOR", "$"], CURSOR, FIXED),
    row("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
    row("user", &["lobby", "AS", "$"], USER, FIXED),
];

const ONLINE: &[Row] = &[row("room", &["$"], Bound::Words(1000, "@user", "INVALID count"), PAGE)];

const SIGNAL: &[Row] = &[
    row("room", &["$", "*", "x"], ROOM, FIXED),
    row("user", &["lobby", "$", "x"], USER, FIXED),
    row("name", &["lobby", "alice", "$"], Bound::Bytes(32, "INVALID name"), FIXED),
    row("json", &["lobby", "alice", "x", "$"], OBJECT, FIXED),
];

const READ: &[Row] = &[
    row("room", &["$", "alice", "{id}"], LOBBY, FIXED),
    row("user", &["lobby", "$", "{id}"], ALICE, FIXED),
    row("id", &["lobby", "alice", "$"], Bound::Id, FIXED),
];

const UNREAD: &[Row] = &[
    row("room", &["$", "alice"], LOBBY, FIXED),
    row("user", &["lobby", "$"], Bound::Words(1000, "user", "INVALID count"), PAGE),
];

const FOLLOW: &[Row] = &[
    row("personal", &["$", "lobby"], PERSONAL, FIXED),
    row("room", &["@alice", "$"], Bound::Words(1000, "room", "INVALID count"), PAGE),
];
const PERSONAL: Bound = Bound::Keyword("@alice", "INVALID room");

const UNFOLLOW: &[Row] = &[
    row("personal", &["$", "lobby"], PERSONAL, FIXED),
    row("room", &["@alice", "$"], Bound::Words(1000, "room", "INVALID count"), PAGE),
];

const FOLLOWS: &[Row] = &[
    row("personal", &["$"], PERSONAL, FIXED),
    row("cursor", &["@alice", "CURSOR", "$"], Bound::Bytes(200, "INVALID cursor"), FIXED),
    row("count", &["@alice", "COUNT", "$"], COUNT, PAGE),
];

const ROOMS: &[Row] = &[
    row("cursor", &["CURSOR", "$"], Bound::Keyword("1-1", "INVALID cursor"), FIXED),
    row("glob", &["MATCH", "$"], Bound::Bytes(200, "INVALID match"), FIXED),
    row("count", &["COUNT", "$"], COUNT, PAGE),
    row("user", &["AS", "$"], USER, FIXED),
];

const ROOM_SET: &[Row] = &[
    row("room", &["$"], LOBBY, FIXED),
    row("set.field", &["lobby", "SET", "$", "x"], FIELD, FIXED),
    row("set.value", &["lobby", "SET", "description", "$"], DESCRIPTION, FIXED),
    row("actor", &["lobby", "SET", "topic", "x", "BY", "$"], ALICE, FIXED),
    row("user", &["lobby", "AS", "$"], USER, FIXED),
    row("nocreate", &["lobby", "SET", "topic", "x", "$"], Bound::Flag("NOCREATE"), FIXED),
];
const FIELD: Bound = Bound::Keyword("topic", "INVALID field");
const DESCRIPTION: Bound = Bound::Bytes(4096, "TOOBIG 4096");

const ROOM_RO: &[Row] =
    &[row("room", &["$"], LOBBY, FIXED), row("user", &["lobby", "AS", "$"], USER, FIXED)];

const MOD: &[Row] = &[
    row("room", &["$", "*", "KICK", "u1"], LOBBY, FIXED),
    row("actor", &["lobby", "$", "KICK", "u1"], ALICE, FIXED),
    row("action", &["lobby", "*", "$", "u1"], Bound::Keyword("KICK", "ERR"), FIXED),
    row("user", &["lobby", "*", "BAN", "$"], USER, FIXED),
    row("role", &["lobby", "*", "ROLE", "u1", "$"], ROLE, FIXED),
    row("milliseconds", &["lobby", "*", "MUTE", "u1", "FOR", "$"], SANCTION, FIXED),
    row("reason", &["lobby", "*", "MUTE", "u3", "REASON", "$"], REASON, FIXED),
];

const SANCTIONS: &[Row] = &[
    row("room", &["$"], LOBBY, FIXED),
    row("cursor", &["lobby", "CURSOR", "$"], Bound::Bytes(96, "INVALID cursor"), FIXED),
    row("count", &["lobby", "COUNT", "$"], COUNT, PAGE),
    row("user", &["lobby", "AS", "$"], ALICE, FIXED),
];
const SANCTION: Bound = Bound::Number(315_360_000_000, "INVALID for");

const APPLY: &[Row] = &[
    row("room", &["$", "x"], Bound::Internal, FIXED),
    row("records", &["lobby", "$"], Bound::Internal, FIXED),
];
