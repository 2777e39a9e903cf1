//! No input stops Redis: random calls and damaged payloads are refused or accepted, and then the
//! server still works.

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::{READS, Traffic};
use chat_tests::traffic::noise::noise;
use chat_tests::traffic::payload::{body, seal};
use chat_tests::{args, cmd};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

const BATCH: usize = 500;

fn prepare(wire: &mut Wire) {
    for room in ["lobby", "@alice", "dm:alice,bob"] {
        for n in 0..3 {
            cmd!(wire, "CHAT.SEND", room, "alice", format!("m{n}"), "NONCE", format!("n{n}")).ok();
        }
    }
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c1", "TTL", 600_000).ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "lobby").ok();
    cmd!(wire, "SET", "wrong", "a string").ok();
}

#[test]
fn a_hundred_thousand_random_calls_change_nothing_when_refused_or_reading() {
    // Nothing expires meanwhile, however long it takes: that would change the data as well.
    let never = ["chat.presence-ttl 3600000", "chat.nonce-window 86400000"];
    let redis = Redis::with(&[&["chat.history-max 20"], &never[..]].concat());
    let mut wire = redis.wire();
    prepare(&mut wire);
    let mut random = seeded("random calls");
    let digest = || args!["DEBUG", "DIGEST"];
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..rounds(100_000) / BATCH {
        let mut batch: Vec<Command> = vec![digest()];
        for _ in 0..BATCH {
            batch.extend([noise(&mut random), digest()]);
        }
        let replies = wire.pipeline(&batch);
        for (call, window) in batch.windows(3).zip(replies.windows(3)).step_by(2) {
            let [before, reply, after] = window else { unreachable!("windows of three") };
            let name = String::from_utf8_lossy(&call[1][0]);
            if reply.is_error() || READS.contains(&&*name) {
                let shown: Vec<_> = call[1].iter().map(|a| String::from_utf8_lossy(a)).collect();
                assert_eq!(before, after, "{shown:?} answered {reply:?} and changed the data");
            }
            if let Reply::Error(line) = reply {
                assert!(line.is_ascii(), "{line}");
                refused += 1;
            } else {
                accepted += 1;
            }
        }
    }
    assert_eq!(cmd!(wire, "PING").text(), "PONG");
    assert!(refused > 10 * BATCH && accepted > 2 * BATCH, "{refused} refused, {accepted} accepted");
}

#[test]
fn a_million_damaged_payloads_are_refused_or_loaded() {
    // In compressed payloads most damage would end in Redis's own decompression.
    let redis = Redis::with(&["rdbcompression no"]);
    let mut wire = redis.wire();
    prepare(&mut wire);
    cmd!(wire, "DEL", "wrong").ok();
    Traffic::new(seeded("rooms to damage")).run(&mut wire, 400);
    let mut payloads: Vec<Vec<u8>> = cmd!(wire, "KEYS", "*")
        .texts()
        .iter()
        .map(|room| cmd!(wire, "DUMP", room).bytes().to_vec())
        .collect();
    cmd!(wire, "CHAT.SEND", "tiny", "alice", "x").ok();
    payloads.push(cmd!(wire, "DUMP", "tiny").bytes().to_vec());
    cmd!(wire, "FLUSHALL").ok();
    let mut random = seeded("damaged payloads");
    let (mut refused, mut loaded) = (0, 0);
    for round in 0..rounds(1_000_000) / BATCH {
        let batch: Vec<Command> = (0..BATCH)
            .map(|n| {
                let original = payloads.choose(&mut random).expect("some");
                // Small payloads far more often: the same damage in a tenth of the time.
                let small = original.len() < 1000 || random.random_ratio(1, 50);
                let original = if small { original } else { payloads.last().expect("tiny") };
                let payload = seal(damaged(body(original), &mut random), original);
                args!["RESTORE", ["lobby", "@alice", "dm:alice,bob"][n % 3], 0, payload, "REPLACE"]
            })
            .collect();
        for reply in wire.pipeline(&batch) {
            match reply {
                Reply::Error(line) => {
                    assert!(line.contains("Bad data format"), "{line}");
                    refused += 1;
                }
                _ => loaded += 1,
            }
        }
        if round % 10 == 0 {
            use_rooms(&mut wire, &mut random);
        }
    }
    assert_eq!(cmd!(wire, "PING").text(), "PONG");
    println!("{refused} refused, {loaded} loaded");
    assert!(refused > BATCH && loaded > BATCH, "{refused} refused, {loaded} loaded");
    // No length in a payload was trusted with an allocation.
    let peak: u64 = redis.info("memory", "used_memory_peak").parse().expect("a number");
    assert!(peak < 300_000_000, "{peak} bytes at the peak");
}

/// Everything that was loaded must work.
fn use_rooms(wire: &mut Wire, random: &mut SmallRng) {
    for room in ["lobby", "@alice", "dm:alice,bob"] {
        let calls = [
            args!["CHAT.HISTORY", room, "COUNT", 1000],
            args!["CHAT.SYNC", room, "0-0"],
            args!["CHAT.MEMBERS", room],
            args!["CHAT.WHO", room],
            args!["CHAT.ROOM_RO", room],
            args!["CHAT.SANCTIONS", room],
            args!["CHAT.MEMBERS", room, "PREFIX", "a"],
            args!["CHAT.FOLLOWS", room],
            args!["CHAT.SEND", room, "alice", "after", "NONCE", random.random::<u32>().to_string()],
            args!["CHAT.PRESENCE", room, "alice", "c9", "TTL", 1000],
            args!["CHAT.UNREAD", room, "alice", "bob", "carol"],
            args!["CHAT.MOD", room, "*", "BAN", "bob", "FOR", 1000],
            args!["CHAT.MOD", room, "*", "UNBAN", "bob"],
            args!["CHAT.LEAVE", room, "alice"],
            args!["DEBUG", "DIGEST-VALUE", room],
            args!["MEMORY", "USAGE", room],
            args!["COPY", room, "copy", "REPLACE"],
        ];
        let replies = wire.pipeline(&calls);
        if let Reply::List(page) = &replies[0] {
            for event in page[1].list().iter().take(5) {
                // Whatever its bytes are, an event begins with this.
                let text = String::from_utf8_lossy(event.bytes()).into_owned();
                let id = text.split('"').nth(3).unwrap_or_default();
                wire.pipeline(&[
                    args!["CHAT.EDIT", room, "*", id, "edited", "META", "{}"],
                    args!["CHAT.REACT", room, "*", id, "👍"],
                    args!["CHAT.READ", room, "alice", id],
                    args!["CHAT.DELETE", room, "*", id],
                ]);
            }
        }
        let payload = cmd!(wire, "DUMP", room);
        if let Reply::Text(payload) = payload {
            cmd!(wire, "RESTORE", "again", 0, payload, "REPLACE").ok();
        }
    }
}

/// One to four random changes.
fn damaged(body: &[u8], random: &mut SmallRng) -> Vec<u8> {
    // The first byte says that a module's value follows, the next nine name the module.
    const HEADER: usize = 10;
    let mut bytes = body.to_vec();
    for _ in 0..random.random_range(1..5) {
        if bytes.len() <= HEADER + 1 {
            break;
        }
        let at = random.random_range(HEADER..bytes.len());
        match random.random_range(0..7) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            3 => bytes.truncate(at),
            4 => {
                bytes.remove(at);
            }
            5 => bytes.insert(at, random.random()),
            _ => {
                let end = bytes.len().min(at + 9);
                bytes[at..end].fill(0xff);
            }
        }
    }
    bytes
}
