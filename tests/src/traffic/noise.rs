//! Random senseless commands, which must do no harm.

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::args;
use crate::clients::wire::Command;
use crate::traffic::commands::{READS, WRITES};

/// Random arguments for a random command: names, options, numbers and noise in random order, some
/// of it valid by accident.
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
        b"REMOVE",
        b"KICK",
        b"BAN",
        b"UNBAN",
        b"MUTE",
        b"UNMUTE",
        b"FOR",
        "👍".as_bytes(),
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
        b"hook",
        b"NOHOOK",
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
