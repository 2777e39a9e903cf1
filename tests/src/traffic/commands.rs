//! Random sensible commands, which fill rooms.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::args;
use crate::clients::reply::Reply;
use crate::clients::wire::{Command, Wire};

/// Every command that writes: a replica and a restart must reproduce its effect.
pub const WRITES: &[&str] = &[
    "CHAT.SEND",
    "CHAT.IMPORT",
    "CHAT.EDIT",
    "CHAT.DELETE",
    "CHAT.ERASE",
    "CHAT.REACT",
    "CHAT.READ",
    "CHAT.MOD",
    "CHAT.JOIN",
    "CHAT.LEAVE",
    "CHAT.ROOM",
    "CHAT.PRESENCE",
    "CHAT.BEAT",
    "CHAT.SIGNAL",
    "CHAT.FOLLOW",
    "CHAT.UNFOLLOW",
];

/// Every command that only reads.
pub const READS: &[&str] = &[
    "CHAT.SENT",
    "CHAT.HISTORY",
    "CHAT.SYNC",
    "CHAT.MEMBERS",
    "CHAT.UNREAD",
    "CHAT.WHO",
    "CHAT.ONLINE",
    "CHAT.FOLLOWS",
    "CHAT.ROOMS",
    "CHAT.CHANGES",
    "CHAT.ROOM_RO",
    "CHAT.SANCTIONS",
];

const ROOMS: &[&str] =
    &["lobby", "größe", "部屋", "a,b", "dm:alice,bob", "dm:bob,carol", "@alice", "@bob", "@dörte"];
const USERS: &[&str] = &["alice", "bob", "carol", "dörte", "mallory", "用户"];
const PIPELINE: usize = 64;

const EMOJIS: &[&str] = &["👍", "❤️", "👩‍🚀", "+1"];

/// Whether rooms are set to remove old messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ages {
    /// No room is.
    Ignored,
    /// Some rooms remove messages after a second or two, so that a room changes by itself.
    Short,
}

/// A sent message: its room, its id, its author.
type Sent = (String, String, String);

/// Sensible commands of several users in several rooms.
pub struct Traffic {
    random: SmallRng,
    sent: Vec<Sent>,
    ages: Ages,
    count: u64,
    /// Messages imported.
    imported: u64,
    /// How often each command succeeded.
    pub done: BTreeMap<String, usize>,
    /// How often each command was refused, by the first word of the error.
    pub refused: BTreeMap<String, usize>,
}

impl Traffic {
    /// Traffic generated from `random`.
    pub fn new(random: SmallRng) -> Traffic {
        Traffic::with(random, Ages::Ignored)
    }

    /// As [`Traffic::new`], with a choice of ages.
    pub fn with(random: SmallRng, ages: Ages) -> Traffic {
        Traffic {
            random,
            sent: Vec::new(),
            ages,
            count: 0,
            imported: 0,
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Sends `count` commands and records the replies.
    #[track_caller]
    pub fn run(&mut self, wire: &mut Wire, count: usize) {
        let mut left = count;
        while left > 0 {
            let batch: Vec<Command> = (0..left.min(PIPELINE)).map(|_| self.command()).collect();
            left -= batch.len();
            for (command, reply) in batch.iter().zip(wire.pipeline(&batch)) {
                self.learn(command, &reply);
            }
        }
    }

    fn learn(&mut self, command: &Command, reply: &Reply) {
        let name = String::from_utf8_lossy(&command[0]).into_owned();
        if let Reply::Error(line) = reply {
            let code = line.split(' ').next().unwrap_or_default().to_owned();
            *self.refused.entry(code).or_default() += 1;
            return;
        }
        if let (true, Reply::Text(id)) = (name == "CHAT.SEND", reply) {
            let word = |n: usize| String::from_utf8_lossy(&command[n]).into_owned();
            self.sent.push((word(1), String::from_utf8_lossy(id).into_owned(), word(2)));
            if self.sent.len() > 300 {
                self.sent.remove(0);
            }
        }
        *self.done.entry(name).or_default() += 1;
    }

    /// Checks that every command of this file has succeeded at least once.
    #[track_caller]
    pub fn assert_complete(&self) {
        for name in WRITES.iter().chain(READS) {
            assert!(self.done.contains_key(*name), "{name} never worked: {:?}", self.refused);
        }
    }

    fn command(&mut self) -> Command {
        self.count += 1;
        let room = self.one(ROOMS);
        let user = self.one(USERS);
        match self.random.random_range(0..128) {
            0..36 => self.send(room, user),
            36..38 => self.import(user),
            38..46 => self.edit(),
            46..49 => self.delete(),
            49..58 => self.react(user),
            58..61 => self.read(user),
            61..65 => self.moderate(room),
            65..72 => self.join(room, user),
            72..76 => args!["CHAT.LEAVE", room, user],
            76..81 => self.set(room, user),
            81 => self.erase(room, user),
            82..90 => self.presence(room, user),
            90..94 => args!["CHAT.BEAT", room, 60_000, self.connection(), self.connection()],
            94..96 => args!["CHAT.SIGNAL", room, user, "typing", "{\"on\":true}"],
            96..100 => args!["CHAT.FOLLOW", format!("@{user}"), room, "lobby"],
            100..103 => args!["CHAT.UNFOLLOW", format!("@{user}"), room],
            103..106 => args!["CHAT.HISTORY", room, "BEFORE", self.id(), "COUNT", 10],
            106..108 => args!["CHAT.SYNC", room, self.id(), "COUNT", 10],
            108 => args!["CHAT.SENT", room, user, "n1"],
            109..111 => args!["CHAT.MEMBERS", room, "COUNT", 5, "AS", user],
            111..113 => args!["CHAT.UNREAD", room, user, "alice", "bob"],
            113..115 => args!["CHAT.WHO", room],
            115..117 => args!["CHAT.SANCTIONS", room, "COUNT", 3],
            117..119 => args!["CHAT.ONLINE", room, "lobby"],
            119..121 => args!["CHAT.FOLLOWS", format!("@{user}")],
            121 => args!["CHAT.ROOMS", "COUNT", 5],
            122 => args!["CHAT.CHANGES", "0", "COUNT", 5],
            123..125 => args!["CHAT.ROOM", room, "AS", user],
            125..127 => match self.flip() {
                true => args!["CHAT.ROOM_RO", room, "AS", user],
                false => args!["CHAT.ROOM_RO", room],
            },
            _ => args![if self.flip() { "DEL" } else { "UNLINK" }, room],
        }
    }

    /// A message that may still exist, and its author; now and then another user.
    fn target(&mut self) -> (String, String, String) {
        let none = || ("lobby".into(), "0-0".into(), "alice".into());
        let (room, id, author) = self.sent.choose(&mut self.random).cloned().unwrap_or_else(none);
        let user = match self.random.random_range(0..10) {
            0 => "*".to_owned(),
            1 => self.one(USERS).to_owned(),
            _ => author,
        };
        (room, id, user)
    }

    fn erase(&mut self, room: &str, user: &str) -> Command {
        let mut command = args!["CHAT.ERASE", room, user, "COUNT", 1000];
        if self.flip() {
            command.extend(args!["KEEP", "BAN"]);
        }
        command
    }

    fn import(&mut self, user: &str) -> Command {
        self.imported += u64::from(self.random.random_ratio(3, 4));
        let (m, text) = (self.imported.max(1), format!("import {}", self.count));
        args!["CHAT.IMPORT", "archive", user, 1_595_225_200_000 + m, text, "AT", m]
    }

    fn edit(&mut self) -> Command {
        let (room, id, user) = self.target();
        let rest = self.one(&["ä", "\"", "☕☕☕☕☕☕"]);
        let text = format!("edit {} {rest}", self.count);
        let mut command = args!["CHAT.EDIT", room, user, id, text];
        if self.random.random_ratio(1, 4) {
            command.extend(args!["META", format!("{{\"edit\":{}}}", self.count)]);
        }
        command
    }

    fn delete(&mut self) -> Command {
        let (room, id, user) = self.target();
        let mut command = args!["CHAT.DELETE", room, user, id];
        if self.flip() {
            command.extend(args!["REASON", "off topic"]);
        }
        command
    }

    fn react(&mut self, user: &str) -> Command {
        let (room, id, _) = self.target();
        let mut command = args!["CHAT.REACT", room, user, id, self.one(EMOJIS)];
        if self.random.random_ratio(1, 3) {
            command.extend(args!["REMOVE"]);
        }
        command
    }

    fn read(&mut self, user: &str) -> Command {
        let (room, id, _) = self.target();
        args!["CHAT.READ", room, user, id]
    }

    fn moderate(&mut self, room: &str) -> Command {
        let actor = self.one(&["*", "*", "*", "alice", "bob"]);
        let user = self.one(USERS);
        let action = self.one(&["KICK", "BAN", "UNBAN", "UNBAN", "MUTE", "UNMUTE", "ROLE"]);
        let mut command = args!["CHAT.MOD", room, actor, action, user];
        if action == "ROLE" {
            command.extend(args![self.one(&["member", "moderator", "owner"])]);
        }
        if matches!(action, "BAN" | "MUTE") && self.random.random_ratio(3, 4) {
            command.extend(args!["FOR", self.random.random_range(1..1500_i64)]);
        }
        if self.flip() {
            command.extend(args!["REASON", "why not"]);
        }
        command
    }

    fn send(&mut self, room: &str, user: &str) -> Command {
        let user = if self.random.random_ratio(1, 20) { "*" } else { user };
        let length = self.random.random_range(1..80);
        let text: String =
            (0..length).map(|_| self.one(&["a", "ä", " ", "\"", "☕", "\\"])).collect();
        let mut command = args!["CHAT.SEND", room, user, text];
        if self.random.random_ratio(1, 3) {
            // Now and then the same message again.
            let number = self.random.random_range(0..=self.count);
            command.extend(args!["NONCE", format!("n{number}")]);
        }
        if self.random.random_ratio(1, 5) {
            command.extend(args!["META", format!("{{\"n\":{},\"s\":[1,null]}}", self.count)]);
        }
        if self.random.random_ratio(1, 5) && user != "*" {
            command.extend(args!["KIND", self.one(&["text", "action", "poll.vote"])]);
        }
        if self.random.random_ratio(1, 5) {
            command.extend(args!["REPLY", self.id()]);
        }
        if self.random.random_ratio(1, 5) {
            command.extend(args!["MENTION", 2, "alice", "bob"]);
        }
        if self.random.random_ratio(1, 10) {
            command.extend(args!["EPHEMERAL"]);
        }
        command
    }

    fn join(&mut self, room: &str, user: &str) -> Command {
        let mut command = args!["CHAT.JOIN", room, user];
        if self.flip() {
            command.extend(args!["ROLE", self.one(&["member", "moderator", "owner"])]);
            command.extend(args!["BY", self.one(&["*", "alice", "bob"])]);
        }
        command
    }

    fn set(&mut self, room: &str, user: &str) -> Command {
        let number = self.count.to_string();
        let last = if self.ages == Ages::Short { 13 } else { 12 };
        let (field, value) = match self.random.random_range(0..last) {
            0 => ("topic", format!("topic {number}")),
            1 => ("description", format!("all about {number}")),
            2 => ("access", self.one(&["open", "open", "open", "members"]).to_owned()),
            3 => (self.one(&["log_joins", "hook"]), self.one(&["yes", "no"]).to_owned()),
            4 => ("max_text", self.one(&["100", "4096"]).to_owned()),
            5 => ("history_max", self.one(&["10", "50", "500"]).to_owned()),
            6 => ("frozen", self.one(&["no", "no", "no", "yes"]).to_owned()),
            7 => ("topic", String::new()),
            8 => ("slow", self.one(&["0", "0", "default", "20"]).to_owned()),
            9 => ("name", format!("name {number}")),
            10 => ("status", self.one(&["", "on holiday"]).to_owned()),
            11 => ("tokens_after", self.one(&["now", "0", "1795225200000"]).to_owned()),
            _ => ("history_ttl", self.one(&["1000", "2000", "0"]).to_owned()),
        };
        let by = if self.flip() { "*" } else { user };
        args!["CHAT.ROOM", room, "SET", field, value, "BY", by]
    }

    fn presence(&mut self, room: &str, user: &str) -> Command {
        let connection = self.connection();
        match self.random.random_range(0..4) {
            0 => args!["CHAT.PRESENCE", room, user, connection, "OFF", "REASON", "bye"],
            1 => args!["CHAT.PRESENCE", room, user, connection, "STATUS", "away"],
            _ => args!["CHAT.PRESENCE", room, user, connection, "TTL", 60_000],
        }
    }

    fn connection(&mut self) -> String {
        format!("c{}", self.random.random_range(0..20))
    }

    fn id(&mut self) -> String {
        let sent = self.sent.choose(&mut self.random);
        sent.map_or_else(|| "0-0".to_owned(), |(_, id, _)| id.clone())
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.random).copied().unwrap_or_default()
    }

    fn flip(&mut self) -> bool {
        self.random.random()
    }
}
