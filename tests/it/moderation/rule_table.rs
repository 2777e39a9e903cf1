//! The tables of `rules.rs`: who may do what: every kind and state of a room, every role and state of a user, every action;
//! directly in Redis and through a relay, with equal results.
//!
//! In the tables a point is success (also one that changes nothing), a dash an action that does not
//! exist for that user; every other word is an error (`error`).

/// A kind of room: its name, the settings applied last, the users who try, and their results.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    pub(crate) room: fn(usize) -> String,
    pub(crate) setting: Option<(&'static str, &'static str)>,
    pub(crate) actors: &'static [&'static str],
    pub(crate) rows: &'static [(&'static str, &'static str)],
}

/// The columns of most tables.
pub(crate) const PEOPLE: &[&str] = &["*", "owner", "mod", "member", "muted", "banned", "stranger"];

/// The error for a word of a table, by its first words.
pub(crate) fn error(word: &str) -> &'static str {
    match word {
        "M" => "MUTED 0",
        "B" => "BANNED 0",
        "N" => "NOTMEMBER",
        "F" => "FROZEN",
        "R" => "RATELIMIT",
        "mod" => "DENIED moderator",
        "own" => "DENIED owner",
        "back" => "DENIED backend",
        "self" => "DENIED self",
        "other" => "DENIED another",
        "act" => "INVALID action",
        "field" => "INVALID field",
        "user" => "INVALID user",
        other => panic!("no error for the word {other}"),
    }
}

const OPEN: Table = Table {
    kind: "open",
    room: |n| format!("open{n}"),
    setting: None,
    actors: PEOPLE,
    rows: &[
        // *  owner mod member muted banned stranger
        ("send", ". . . . M B ."),
        ("send ephemeral", ". . . . M B ."),
        ("edit own", ". . . . M B N"),
        ("edit other", ". . . mod M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B ."),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B ."),
        ("sync", ". . . . . B ."),
        ("members", ". . . . . B ."),
        ("who", ". . . . . B ."),
        ("room", ". . . . . B ."),
        ("presence", "- . . . . B ."),
        ("join", "- . . . . B ."),
        ("leave", "- . . . . . ."),
        ("set topic", ". . . mod mod B N"),
        ("set slow", ". . . mod mod B N"),
        ("set log_joins", ". . own own own B N"),
        ("set hook", ". back back back back B back"),
        ("set name", "field field field field field field field"),
        ("add", ". . . mod mod B N"),
        ("kick member", ". . . mod mod B N"),
        ("kick moderator", ". . own mod mod B N"),
        ("kick owner", ". back own mod mod B N"),
        ("ban stranger", ". . . mod mod B N"),
        ("unban", ". . . mod mod B N"),
        ("mute member", ". . . mod mod B N"),
        ("mute moderator", ". . own mod mod B N"),
        ("unmute", ". . . mod mod B N"),
        ("make member", ". . own mod mod B N"),
        ("make moderator", ". . own mod mod B N"),
        ("make owner", ". . own mod mod B N"),
        ("add by role", ". . . mod mod B N"),
        ("add moderator", ". . own mod mod B N"),
    ],
};

const MEMBERS_ONLY: Table = Table {
    kind: "members only",
    room: |n| format!("closed{n}"),
    setting: Some(("access", "members")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . . M B N"),
        ("send ephemeral", ". . . . M B N"),
        ("edit own", ". . . . M B N"),
        ("edit other", ". . . mod M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B N"),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B N"),
        ("sync", ". . . . . B N"),
        ("members", ". . . . . B N"),
        ("who", ". . . . . B N"),
        ("room", ". . . . . B N"),
        ("presence", "- . . . . B N"),
        ("join", "- . . . . B mod"),
        ("add", ". . . mod mod B N"),
        ("add by role", ". . . mod mod B N"),
        ("add moderator", ". . own mod mod B N"),
        ("set topic", ". . . mod mod B N"),
        ("kick member", ". . . mod mod B N"),
        ("unban", ". . . mod mod B N"),
    ],
};

const FROZEN: Table = Table {
    kind: "frozen",
    room: |n| format!("frozen{n}"),
    setting: Some(("frozen", "yes")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . F M B F"),
        ("send ephemeral", ". . . F M B F"),
        ("edit own", ". . . F M B N"),
        ("edit other", ". . . F M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . F M B N"),
        ("signal", ". . . F M B F"),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B ."),
        ("presence", "- . . . . B ."),
        ("join", "- . . . . B ."),
        ("kick member", ". . . mod mod B N"),
    ],
};

/// Every user has just sent a message.
const SLOW: Table = Table {
    kind: "slow",
    room: |n| format!("slow{n}"),
    setting: Some(("slow", "60000")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . R M B R"),
        ("send ephemeral", ". . . R M B R"),
        ("edit own", ". . . . M B N"),
        ("delete own", ". . . . . B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B ."),
        ("join", "- . . . . B ."),
    ],
};

const PERSONAL: Table = Table {
    kind: "personal",
    // Always the same: each user has only one.
    room: |_| "@owner".into(),
    setting: None,
    actors: &["*", "owner", "stranger", "banned"],
    rows: &[
        ("send", ". . self B"),
        ("send ephemeral", ". . self B"),
        ("edit own", ". . self B"),
        ("delete own", ". . self B"),
        ("react", ". . self B"),
        ("signal", ". . self B"),
        ("history", ". . self B"),
        ("sync", ". . self B"),
        ("members", ". . self B"),
        ("who", ". . self B"),
        ("room", ". . self B"),
        ("presence", "- . self B"),
        ("join", "- . self B"),
        ("set name", ". . self B"),
        ("set topic", ". back self B"),
        ("set slow", "field field field field"),
        ("block", ". . self self"),
        ("unblock", ". . self self"),
        ("mute in it", "act act self self"),
        ("end sockets", ". back self self"),
        // The backend lifts it again before the next user tries.
        ("suspend", ". back self self"),
        ("unsuspend", ". back self self"),
    ],
};

const DIRECT: Table = Table {
    kind: "direct",
    // Always the same: the other of the two is the user on whom the actions act.
    room: |_| "dm:owner,target".into(),
    setting: None,
    actors: &["*", "owner", "stranger"],
    rows: &[
        ("send", ". . N"),
        ("send ephemeral", ". . N"),
        ("edit own", ". . N"),
        ("edit other", ". mod N"),
        ("delete own", ". . N"),
        ("delete other", ". mod N"),
        ("react", ". . N"),
        ("signal", ". . N"),
        ("read", "- . N"),
        ("history", ". . N"),
        ("sync", ". . N"),
        ("members", ". . N"),
        ("who", ". . N"),
        ("room", ". . N"),
        ("presence", "- . N"),
        ("join", "- . N"),
        ("leave", "- other N"),
        ("set topic", ". back N"),
        ("set slow", "field field field"),
        ("set name", "field field field"),
        ("kick member", "act act N"),
        ("kick owner", "act act N"),
        ("ban stranger", "act act N"),
        ("mute member", ". . N"),
        ("mute stranger", "user user N"),
        ("mute owner", ". back N"),
        ("unmute", "user user N"),
        ("unmute member", ". . N"),
        ("unmute owner", ". back N"),
        ("make owner", "act act N"),
    ],
};

pub(crate) const TABLES: &[Table] = &[OPEN, MEMBERS_ONLY, FROZEN, SLOW, PERSONAL, DIRECT];
