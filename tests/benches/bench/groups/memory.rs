//! Bytes in `used_memory` for one more of everything, compared with Redis's own types. Both sides
//! are filled alike, many keys of a usual size, so that the measurements include the reserves of
//! tables and queues.

use chat_tests::args;
use chat_tests::servers::redis::Redis;

use crate::groups::send::TEXT;
use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;
use crate::measuring::server;

type Command = Vec<Vec<u8>>;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    messages(report);
    members(report);
    connections(report);
    nonces(report);
}

/// The growth of the server's memory by `commands`, for each of `things`.
fn growth(redis: &Redis, commands: impl Iterator<Item = Command>, things: usize) -> f64 {
    let mut pipe = Pipe::connect(redis);
    let before = used(redis);
    pipe.run_all(&Batch::chunks(500, commands));
    drop(pipe);
    (used(redis) - before) / things as f64
}

/// Memory in use without the buffers of clients.
fn used(redis: &Redis) -> f64 {
    let of = |field| server::number(redis, "memory", field);
    of("used_memory") - of("mem_clients_normal")
}

fn pair(ours: f64, baseline: f64) -> Pairs {
    Pairs::of(vec![(ours, baseline)])
}

fn messages(report: &mut Report) {
    let rooms = sized(2, 10, 20);
    let limits: [(&'static str, usize); 2] = [("10,000", 10_000), ("100", 100)];
    for (label, kept) in limits {
        let rooms = rooms * 10_000 / kept;
        let redis = Redis::with(&["chat.history-max 10000"]);
        let mut pipe = Pipe::connect(&redis);
        let make =
            |room: usize| args!["CHAT.ROOM", format!("room-{room}"), "SET", "history_max", kept];
        pipe.run_all(&Batch::chunks(500, (0..rooms).map(make)));
        let join = |room: usize| args!["CHAT.JOIN", format!("room-{room}"), "alice"];
        pipe.run_all(&Batch::chunks(500, (0..rooms).map(join)));
        // A fifth more than is kept, as in a room that has been in use for a long time.
        let sent = kept + kept / 5;
        let turns = |rooms: usize| (0..sent).flat_map(move |_| 0..rooms);
        let send = |room: usize| args!["CHAT.SEND", format!("room-{room}"), "alice", TEXT];
        let ours = growth(&redis, turns(rooms).map(send), rooms * kept) - TEXT.len() as f64;
        drop(redis);
        let redis = Redis::start();
        let add = |room: usize| {
            args!["XADD", format!("stream-{room}"), "MAXLEN", kept, "*", "text", TEXT]
        };
        let baseline = growth(&redis, turns(rooms).map(add), rooms * kept) - TEXT.len() as f64;
        let what = format!("bytes per message beyond its text, rooms of {label}");
        let measurement =
            Measurement::paired(what, "B", &pair(ours, baseline)).against("stream entry");
        report.add(if kept == 10_000 {
            measurement.within(Budget::Value(64.0))
        } else {
            measurement
        });
    }
}

fn user(n: usize) -> String {
    format!("user-{n:06}")
}

fn members(report: &mut Report) {
    for (rooms, each) in [(sized(2, 10, 10), 10_000), (sized(200, 2000, 2000), 50)] {
        let redis = Redis::start();
        let (all, room) = (rooms * each, |n: usize| format!("room-{}", n % rooms));
        // The room itself is not a member's cost.
        let mut pipe = Pipe::connect(&redis);
        pipe.run_all(&Batch::chunks(500, (0..rooms).map(|n| args!["CHAT.JOIN", room(n), "owner"])));
        let join = |n: usize| args!["CHAT.JOIN", room(n), user(n)];
        let ours = growth(&redis, (0..all).map(join), all);
        pipe.run_all(&Batch::chunks(
            500,
            (0..rooms).map(|n| args!["HSET", format!("hash-{n}"), "owner", 0]),
        ));
        let set = |n: usize| {
            args![
                "HSET",
                format!("hash-{}", n % rooms),
                user(n),
                "member,1795225205879,1795225205879-58"
            ]
        };
        let baseline = growth(&redis, (0..all).map(set), all);
        let what = format!("bytes per member, rooms of {each}");
        let measurement = Measurement::paired(what, "B", &pair(ours, baseline));
        report.add(
            measurement.against("hash: user -> role, joined, cursor").within(Budget::Value(96.0)),
        );
    }
}

/// A member's connection, as a relay makes it.
fn connections(report: &mut Report) {
    for (rooms, each) in [(sized(2, 10, 10), 10_000), (sized(200, 2000, 2000), 50)] {
        let redis = Redis::with(&["chat.presence-grace 0"]);
        let (all, room) = (rooms * each, |n: usize| format!("room-{}", n % rooms));
        let connection = |n: usize| format!("r1-0badcafe-{n}");
        let mut pipe = Pipe::connect(&redis);
        pipe.run_all(&Batch::chunks(500, (0..all).map(|n| args!["CHAT.JOIN", room(n), user(n)])));
        let present =
            |n: usize| args!["CHAT.PRESENCE", room(n), user(n), connection(n), "TTL", 3_600_000];
        let ours = growth(&redis, (0..all).map(present), all);
        let set = |n: usize| {
            let score = 1_795_225_205_879 + n;
            let member = format!("{} {}", connection(n), user(n));
            args!["ZADD", format!("set-{}", n % rooms), score, member]
        };
        let baseline = growth(&redis, (0..all).map(set), all);
        let what = format!("bytes per connection online, rooms of {each}");
        let measurement = Measurement::paired(what, "B", &pair(ours, baseline));
        report.add(
            measurement
                .against("sorted set: deadline, connection, user")
                .within(Budget::Value(160.0)),
        );
    }
}

fn nonces(report: &mut Report) {
    let count = sized(5_000, 50_000, 50_000);
    let redis = Redis::with(&["chat.nonce-window 86400000", "chat.history-max 10"]);
    let nonce = |n: usize| format!("{n:032x}");
    let mut pipe = Pipe::connect(&redis);
    pipe.run(&Batch::repeat(20, args!["CHAT.SEND", "room", "alice", TEXT]));
    let send = |n: usize| args!["CHAT.SEND", "room", "alice", TEXT, "NONCE", nonce(n)];
    let ours = growth(&redis, (0..count).map(send), count);
    let set =
        |n: usize| args!["SET", format!("room:{}", nonce(n)), "1795225205879-58", "PX", 86_400_000];
    let baseline = growth(&redis, (0..count).map(set), count);
    let measurement =
        Measurement::paired("bytes per nonce of 32 characters", "B", &pair(ours, baseline));
    report.add(measurement.against("SET PX"));
}
