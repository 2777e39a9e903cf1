//! What fixtures of stored forms hold: rooms that touch every part of the form, and what the
//! commands answer about them.

use std::fmt::Write;

use chat_tests::checking::view::Event;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::{args, cmd};

/// Thirty days.
const LONG_MS: u64 = 2_592_000_000;

/// Every setting of a room, with a value that is not its default.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("access", "members"),
    ("topic", "Überall \"hier\""),
    ("description", "all about it"),
    ("max_text", "2000"),
    ("history_max", "50"),
    ("history_ttl", "2592000000"),
    ("room_bytes", "2097152"),
    ("log_joins", "yes"),
    ("slow", "1000"),
    ("hook", "yes"),
    ("frozen", "yes"),
];

/// Every setting of a personal room alone.
pub(super) const PROFILE: &[(&str, &str)] = &[
    ("name", "Alice ☕"),
    ("avatar", "https://example.com/a.png"),
    ("status", "on holiday"),
    ("tokens_after", "1795225200000"),
];

/// Fills a server. Commands that its module does not know are left out.
pub(super) struct Content<'w> {
    pub(super) wire: &'w mut Wire,
    /// Ends the names of all rooms and users.
    pub(super) suffix: &'w str,
    /// What was refused.
    pub(super) refused: Vec<String>,
}

impl Content<'_> {
    /// Runs a command. The id that it answers, if it does.
    fn run(&mut self, command: Command) -> String {
        match self.wire.call(&command) {
            Reply::Text(id) => String::from_utf8(id).expect("UTF-8"),
            Reply::Error(line) => {
                let words: Vec<_> = command.iter().map(|w| String::from_utf8_lossy(w)).collect();
                self.refused.push(format!("{}: {line}", words.join(" ")));
                "0-0".to_owned()
            }
            _ => String::new(),
        }
    }

    fn named(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    /// Everything.
    pub(super) fn fill(&mut self) {
        self.messages();
        self.moderation();
        self.settings();
        self.personal();
        self.direct();
        self.past();
        self.presence();
    }

    fn messages(&mut self) {
        let (lobby, long) = (self.named("lobby"), "long ☕ ".repeat(40));
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| self.named(name));
        self.run(args!["CHAT.JOIN", lobby, alice]);
        self.run(args!["CHAT.JOIN", lobby, bob, "ROLE", "moderator", "BY", "*"]);
        self.run(args!["CHAT.JOIN", lobby, carol, "BY", alice]);
        self.run(args!["CHAT.JOIN", lobby, carol, "ROLE", "moderator", "BY", "*"]);
        self.run(args!["CHAT.JOIN", lobby, carol, "ROLE", "member", "BY", "*"]);
        let first = self.run(args!["CHAT.SEND", lobby, alice, "hello", "NONCE", "n1"]);
        let second = self.run(args!["CHAT.SEND", lobby, bob, long, "META", "{\"n\":[1,null]}"]);
        self.run(args!["CHAT.SEND", lobby, carol, "waves", "KIND", "action", "REPLY", first]);
        let mention = args!["CHAT.SEND", lobby, alice, "you", "MENTION", 2, bob, carol];
        let third = self.run(mention);
        self.run(args!["CHAT.SEND", lobby, "*", "by the backend"]);
        for text in ["hello!", "hello, \"all\""] {
            self.run(args!["CHAT.EDIT", lobby, alice, first, text]);
        }
        self.run(args!["CHAT.EDIT", lobby, bob, second, "short", "META", "{\"n\":2}"]);
        for user in [&bob, &carol] {
            self.run(args!["CHAT.REACT", lobby, user, first, "👍"]);
        }
        self.run(args!["CHAT.REACT", lobby, carol, first, "+1"]);
        self.run(args!["CHAT.REACT", lobby, carol, first, "👍", "REMOVE"]);
        self.run(args!["CHAT.DELETE", lobby, bob, third, "REASON", "off topic"]);
        self.run(args!["CHAT.READ", lobby, bob, second]);
        self.run(args!["CHAT.SEND", lobby, alice, "last"]);
    }

    fn moderation(&mut self) {
        let (lobby, alice) = (self.named("lobby"), self.named("alice"));
        let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| self.named(name));
        for user in ["mallory", "eve"] {
            let user = self.named(user);
            self.run(args!["CHAT.SEND", lobby, user, "spam"]);
            self.run(args!["CHAT.MOD", lobby, alice, "BAN", user, "REASON", "spam"]);
        }
        let (mallory, eve) = (self.named("mallory"), self.named("eve"));
        self.run(args!["CHAT.MOD", lobby, alice, "UNBAN", eve]);
        self.run(args!["CHAT.MOD", lobby, "*", "BAN", mallory, "FOR", LONG_MS]);
        self.run(args!["CHAT.MOD", lobby, bob, "MUTE", eve, "FOR", LONG_MS, "REASON", "noise"]);
        self.run(args!["CHAT.MOD", lobby, bob, "MUTE", carol]);
        self.run(args!["CHAT.MOD", lobby, bob, "UNMUTE", carol]);
        self.run(args!["CHAT.MOD", lobby, alice, "ROLE", carol, "moderator"]);
        self.run(args!["CHAT.JOIN", lobby, dave]);
        self.run(args!["CHAT.MOD", lobby, alice, "KICK", dave]);
        self.run(args!["CHAT.JOIN", lobby, dave]);
        self.run(args!["CHAT.LEAVE", lobby, dave]);
    }

    fn settings(&mut self) {
        let (closed, alice) = (self.named("closed"), self.named("alice"));
        self.run(args!["CHAT.JOIN", closed, alice]);
        for (field, value) in SETTINGS {
            let by = if *field == "hook" { "*" } else { &alice };
            self.run(args!["CHAT.ROOM", closed, "SET", field, value, "BY", by]);
        }
        // Trimmed: the first messages are gone, and events of the journal with them.
        let short = self.named("short");
        self.run(args!["CHAT.ROOM", short, "SET", "history_max", 3]);
        for n in 0..9 {
            self.run(args!["CHAT.SEND", short, alice, format!("message {n}")]);
        }
    }

    fn personal(&mut self) {
        let [alice, bob] = ["alice", "bob"].map(|name| self.named(name));
        let (of_alice, of_bob) = (format!("@{alice}"), format!("@{bob}"));
        let [lobby, closed, short] = ["lobby", "closed", "short"].map(|name| self.named(name));
        self.run(args!["CHAT.FOLLOW", of_alice, lobby, closed, short]);
        self.run(args!["CHAT.UNFOLLOW", of_alice, closed]);
        for (field, value) in PROFILE {
            self.run(args!["CHAT.ROOM", of_alice, "SET", field, value]);
        }
        self.run(args!["CHAT.MOD", of_alice, alice, "BAN", self.named("mallory")]);
        self.run(args!["CHAT.SEND", of_alice, alice, "a note to myself"]);
        self.run(args!["CHAT.MOD", of_bob, "*", "BAN", bob, "FOR", LONG_MS, "REASON", "spam"]);
    }

    fn direct(&mut self) {
        let [bob, dave] = ["bob", "dave"].map(|name| self.named(name));
        let direct = format!("dm:{bob},{dave}");
        let id = self.run(args!["CHAT.SEND", direct, bob, "psst"]);
        self.run(args!["CHAT.READ", direct, dave, id]);
        self.run(args!["CHAT.SEND", direct, bob, "psst!"]);
        self.run(args!["CHAT.MOD", direct, dave, "MUTE", bob]);
    }

    /// Imported messages, and an erased user.
    fn past(&mut self) {
        let (archive, crowd) = (self.named("archive"), self.named("crowd"));
        let [alice, gone] = ["alice", "gone"].map(|name| self.named(name));
        for (m, text) in (1_u64..).zip(["long ago", "later"]) {
            self.run(args!["CHAT.IMPORT", archive, alice, 1_595_225_200_000 + m, text, "AT", m]);
        }
        let id = self.run(args!["CHAT.SEND", crowd, alice, "hello"]);
        self.run(args!["CHAT.SEND", crowd, gone, "whoever I was", "NONCE", "gone"]);
        self.run(args!["CHAT.REACT", crowd, gone, id, "👍"]);
        self.run(args!["CHAT.SEND", crowd, alice, "hi", "MENTION", 1, gone]);
        self.run(args!["CHAT.MOD", crowd, "*", "BAN", gone]);
        self.run(args!["CHAT.ERASE", crowd, gone, "KEEP", "BAN"]);
    }

    fn presence(&mut self) {
        let lobby = self.named("lobby");
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| self.named(name));
        let online = |room: &str, user: &str, connection: &str| {
            args!["CHAT.PRESENCE", room, user, connection, "TTL", 3_600_000]
        };
        self.run([online(&lobby, &alice, "c1"), args!["STATUS", "away"]].concat());
        self.run(online(&lobby, &alice, "c2"));
        self.run(online(&lobby, &bob, "c3"));
        self.run(online(&lobby, &carol, "c4"));
        self.run(args!["CHAT.PRESENCE", lobby, carol, "c4", "OFF"]);
        // With `chat.presence-log yes` both are events: one is online still, one has gone.
        for user in [&alice, &carol] {
            self.run(online(&format!("@{user}"), user, "c5"));
        }
        self.run(args!["CHAT.PRESENCE", format!("@{carol}"), carol, "c5", "OFF", "REASON", "bye"]);
    }
}

/// Fields of CHAT.ROOM_RO that a room itself has, whatever the server's settings and connections.
const FIELDS: &[&str] = &["kind", "created", "last", "m", "members", "last_seen"];

/// What the commands answer about all rooms, without what [`people`] shows.
pub(super) fn replies(wire: &mut Wire) -> String {
    let mut out = String::new();
    for room in names(wire) {
        let history = args!["CHAT.HISTORY", room, "COUNT", 100];
        let cursor = oldest_cursor(wire, &room, &history);
        show(wire, history, &mut out);
        show(wire, args!["CHAT.SYNC", room, cursor], &mut out);
        show(wire, args!["CHAT.MEMBERS", room, "COUNT", 100], &mut out);
        show(wire, args!["CHAT.SANCTIONS", room, "COUNT", 100], &mut out);
        show(wire, args!["CHAT.ROOM_RO", room, "SETTINGS"], &mut out);
        let fields = cmd!(wire, "CHAT.ROOM_RO", room).ok();
        for field in FIELDS {
            if let Some(value) = fields.get(field) {
                write!(out, "{field}: ").expect("memory");
                print(value, 0, &mut out);
            }
        }
        if room.starts_with('@') {
            show(wire, args!["CHAT.FOLLOWS", room], &mut out);
        }
        if let Some(suffix) = room.strip_prefix("lobby") {
            show(wire, args!["CHAT.SENT", room, format!("alice{suffix}"), "n1"], &mut out);
        }
    }
    out
}

/// What the commands answer about who is online, and what each member has not read.
pub(super) fn people(wire: &mut Wire) -> String {
    let mut out = String::new();
    for room in names(wire) {
        if cmd!(wire, "CHAT.ONLINE", room).list()[0].int() > 0 {
            show(wire, args!["CHAT.WHO", room], &mut out);
        }
        let members = cmd!(wire, "CHAT.MEMBERS", room, "COUNT", 100).ok();
        let members = members.list()[1].list().iter().map(|row| row.list()[0].bytes().to_vec());
        let unread: Command = args!["CHAT.UNREAD", room].into_iter().chain(members).collect();
        if unread.len() > 2 {
            show(wire, unread, &mut out);
        }
    }
    out
}

fn names(wire: &mut Wire) -> Vec<String> {
    let mut names = cmd!(wire, "KEYS", "*").texts();
    names.sort_unstable();
    names
}

/// The oldest cursor that the room knows: its beginning, or else its oldest message.
fn oldest_cursor(wire: &mut Wire, room: &str, history: &[Vec<u8>]) -> String {
    if cmd!(wire, "CHAT.SYNC", room, "0-0", "COUNT", 1).list()[0].int() == 1 {
        return "0-0".to_owned();
    }
    let reply = wire.call(history).ok();
    Event::read(reply.list()[1].list()[0].text()).id().to_owned()
}

fn show(wire: &mut Wire, command: Command, out: &mut String) {
    let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
    writeln!(out, "> {}", words.join(" ")).expect("memory");
    print(&wire.call(&command), 0, out);
}

/// A line for each value.
fn print(reply: &Reply, depth: usize, out: &mut String) {
    let line = match reply {
        Reply::List(list) if !list.is_empty() => {
            return list.iter().for_each(|one| print(one, depth + 1, out));
        }
        Reply::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    };
    writeln!(out, "{}{line}", " ".repeat(depth)).expect("memory");
}
