//! Random commands: sensible ones that build rooms, and senseless ones that must not hurt.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::args;
use crate::reply::Reply;
use crate::wire::{Command, Wire};

/// Every command that writes, and so must look the same on a replica and after a restart.
pub const WRITES: &[&str] = &[
    "CHAT.SEND",
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
    "CHAT.HISTORY",
    "CHAT.SYNC",
    "CHAT.MEMBERS",
    "CHAT.WHO",
    "CHAT.ONLINE",
    "CHAT.FOLLOWS",
    "CHAT.ROOMS",
];

const ROOMS: &[&str] =
    &["lobby", "größe", "部屋", "a,b", "dm:alice,bob", "dm:bob,carol", "@alice", "@bob", "@dörte"];
const USERS: &[&str] = &["alice", "bob", "carol", "dörte", "mallory", "用户"];
const PIPELINE: usize = 64;

/// Sensible commands of several users in several rooms.
pub struct Traffic {
    random: SmallRng,
    ids: Vec<String>,
    count: u64,
    /// How often each command succeeded.
    pub done: BTreeMap<String, usize>,
    /// How often each command was refused, by the first word of the error.
    pub refused: BTreeMap<String, usize>,
}

impl Traffic {
    /// Traffic that follows from `random`.
    pub fn new(random: SmallRng) -> Traffic {
        Traffic {
            random,
            ids: vec!["0-0".into()],
            count: 0,
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Sends `count` commands and learns from the replies.
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
            self.ids.push(String::from_utf8_lossy(id).into_owned());
            if self.ids.len() > 200 {
                self.ids.remove(0);
            }
        }
        *self.done.entry(name).or_default() += 1;
    }

    /// Checks that every command of this file has worked at least once.
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
        match self.random.random_range(0..100) {
            0..40 => self.send(room, user),
            40..48 => self.join(room, user),
            48..53 => args!["CHAT.LEAVE", room, user],
            53..59 => self.set(room, user),
            59..68 => self.presence(room, user),
            68..72 => args!["CHAT.BEAT", room, 60_000, self.connection(), self.connection()],
            72..75 => args!["CHAT.SIGNAL", room, user, "typing", "{\"on\":true}"],
            75..79 => args!["CHAT.FOLLOW", format!("@{user}"), room, "lobby"],
            79..82 => args!["CHAT.UNFOLLOW", format!("@{user}"), room],
            82..85 => args!["CHAT.HISTORY", room, "BEFORE", self.id(), "COUNT", 10],
            85..88 => args!["CHAT.SYNC", room, self.id(), "COUNT", 10],
            88..90 => args!["CHAT.MEMBERS", room, "COUNT", 5, "AS", user],
            90..92 => args!["CHAT.WHO", room],
            92..93 => args!["CHAT.ONLINE", room, "lobby"],
            93..95 => args!["CHAT.FOLLOWS", format!("@{user}")],
            95..97 => args!["CHAT.ROOMS", "COUNT", 5],
            97..99 => args!["CHAT.ROOM", room, "AS", user],
            _ => args![if self.flip() { "DEL" } else { "UNLINK" }, room],
        }
    }

    fn send(&mut self, room: &str, user: &str) -> Command {
        let user = if self.random.random_ratio(1, 20) { "*" } else { user };
        let length = self.random.random_range(1..80);
        let text: String =
            (0..length).map(|_| self.one(&["a", "ä", " ", "\"", "☕", "\\"])).collect();
        let mut command = args!["CHAT.SEND", room, user, text];
        if self.random.random_ratio(1, 3) {
            // Now and then the same again.
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
        let (field, value) = match self.random.random_range(0..8) {
            0 => ("topic", format!("topic {number}")),
            1 => ("description", format!("all about {number}")),
            2 => ("access", self.one(&["open", "open", "open", "members"]).to_owned()),
            3 => ("log_joins", self.one(&["yes", "no"]).to_owned()),
            4 => ("max_text", self.one(&["100", "4096"]).to_owned()),
            5 => ("history_max", self.one(&["10", "50", "500"]).to_owned()),
            6 => ("frozen", self.one(&["no", "no", "no", "yes"]).to_owned()),
            _ => ("topic", String::new()),
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
        self.ids.choose(&mut self.random).cloned().unwrap_or_default()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.random).copied().unwrap_or_default()
    }

    fn flip(&mut self) -> bool {
        self.random.random()
    }
}

/// A random list of arguments for a random command: names, options, numbers and noise in no order
/// that makes sense, some of it by accident right.
pub fn noise(random: &mut SmallRng) -> Command {
    let commands: Vec<&str> = WRITES.iter().chain(READS).copied().chain(["CHAT.APPLY"]).collect();
    let mut command = args![*commands.choose(random).unwrap_or(&"PING")];
    for _ in 0..random.random_range(0..9) {
        command.push(word(random));
    }
    command
}

fn word(random: &mut SmallRng) -> Vec<u8> {
    const WORDS: &[&[u8]] = &[
        b"lobby",
        b"alice",
        b"bob",
        b"@alice",
        b"dm:alice,bob",
        b"*",
        b"@",
        b"dm:",
        b"dm:bob,alice",
        b"NONCE",
        b"KIND",
        b"META",
        b"REPLY",
        b"MENTION",
        b"EPHEMERAL",
        b"ROLE",
        b"BY",
        b"AS",
        b"BEFORE",
        b"AFTER",
        b"AROUND",
        b"COUNT",
        b"CURSOR",
        b"MATCH",
        b"TTL",
        b"STATUS",
        b"OFF",
        b"REASON",
        b"SET",
        b"topic",
        b"access",
        b"open",
        b"members",
        b"max_text",
        b"history_max",
        b"log_joins",
        b"frozen",
        b"name",
        b"avatar",
        b"status",
        b"description",
        b"tap",
        b"slow",
        b"owner",
        b"moderator",
        b"member",
        b"text",
        b"system",
        b"0",
        b"1",
        b"-1",
        b"2",
        b"60000",
        b"1001",
        b"99999999",
        b"18446744073709551615",
        b"18446744073709551616",
        b"nan",
        b"1e9",
        b"0-0",
        b"1-1",
        b"1795225205879-1",
        b"18446744073709551615-18446744073709551615",
        b"-",
        b"1-",
        b"{}",
        b"{\"a\":1}",
        b"{\"a\":",
        b"[]",
        b"null",
        b"\"",
        b"",
        b" ",
        b"a b",
        b"a\0b",
        b"a\r\nb",
        b"\xff\xfe",
        b"*?[",
        b"[a-",
        b"c1",
        b"c2",
        b"n1",
        b"wrong",
    ];
    match random.random_range(0..40) {
        0 => (0..random.random_range(0..300)).map(|_| random.random()).collect(),
        1 => vec![b'x'; random.random_range(90..5000)],
        2 => "[".repeat(random.random_range(1..2000)).into_bytes(),
        3 => format!("{{\"a\":{}}}", "[".repeat(40)).into_bytes(),
        _ => WORDS.choose(random).map(|word| word.to_vec()).unwrap_or_default(),
    }
}
