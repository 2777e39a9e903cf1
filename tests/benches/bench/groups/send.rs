//! CHAT.SEND compared with one XADD and with the usual Lua script.
//!
//! Both sides are in a steady state: the room holds `history_max` messages and drops one per send,
//! the stream is cut by `MAXLEN ~` of the same length. Text: 64 bytes, from a member. The Lua
//! script does the same work with Redis's own types: it checks the membership, makes the next id of
//! millisecond and number, encodes the event, stores and publishes it. `fixtures/floor.c` makes
//! only the calls to Redis that a send makes: no module with the same guarantees can be faster.

use std::time::{Duration, Instant};

use chat_tests::servers::fixture::Fixture;
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::{pairs, sized};
use crate::measuring::server::{self, Meter, Side};

/// A text of 64 bytes.
pub(crate) const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog sleeps.";

const KEPT: &str = "10000";
const DEPTH: usize = 64;

const SCRIPT: &str = "
local now, known = redis.call('TIME'), redis.call('HMGET', KEYS[2], ARGV[1], 'ms', 'n')
if not known[1] then return redis.error_reply('NOTMEMBER') end
local ms = math.max(now[1] * 1000 + math.floor(now[2] / 1000), tonumber(known[2] or 0))
local n = tonumber(known[3] or 0) + 1
local id = string.format('%d-%d', ms, n)
local prev = string.format('%d-%d', tonumber(known[2] or 0), n - 1)
local event = cjson.encode({id = id, prev = prev, room = KEYS[1], type = 'message', ts = ms,
  user = ARGV[1], kind = 'text', text = ARGV[2], m = n})
redis.call('HSET', KEYS[2], 'ms', string.format('%d', ms), 'n', n)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'e', event)
redis.call('SPUBLISH', KEYS[1], event)
return id";

fn send() -> Vec<Vec<u8>> {
    args!["CHAT.SEND", "room", "alice", TEXT]
}

fn xadd() -> Vec<Vec<u8>> {
    args!["XADD", "stream", "MAXLEN", "~", KEPT, "*", "text", TEXT]
}

fn spublish() -> Vec<Vec<u8>> {
    args!["SPUBLISH", "channel", TEXT]
}

/// Brings room, stream and the stream of the script to their steady states.
fn fill(redis: &Redis) -> String {
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "room", "alice").ok();
    cmd!(wire, "HSET", "members", "alice", "member").ok();
    let script = cmd!(wire, "SCRIPT", "LOAD", SCRIPT).text().to_owned();
    let mut pipe = Pipe::connect(redis);
    let rounds = sized(1, 12, 12);
    for command in [send(), xadd(), eval(&script)] {
        let thousand = Batch::repeat(1000, &command);
        (0..rounds).for_each(|_| pipe.run(&thousand));
    }
    script
}

fn eval(script: &str) -> Vec<Vec<u8>> {
    args!["EVALSHA", script, 2, "scripted", "members", "alice", TEXT, KEPT]
}

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    {
        let floor = Fixture::compile("floor");
        let floor = format!("loadmodule {}", floor.library().display());
        let redis = Redis::with(&["chat.nonce-window 1000", "chat.nonce-max 10000000", &floor]);
        let script = fill(&redis);
        server_time(report, &redis, &script);
        throughput(report, &redis);
    }
    with_copies(report);
}

fn server_time(report: &mut Report, redis: &Redis, script: &str) {
    let mut meter = Meter::new(redis, sized(4, 32, 32));
    let sends = [Batch::repeat(DEPTH, send())];
    let ours = || Side::new(&sends, &["chat.send"], DEPTH);

    let adds = [Batch::repeat(DEPTH, xadd())];
    let found = meter.compare(pairs(), ours(), Side::new(&adds, &["xadd"], DEPTH));
    let measurement =
        Measurement::paired("server time per send", "us", &found).against("XADD MAXLEN ~");
    report.add(measurement.within(Budget::Ratio(0.8)));

    cmd!(redis, "FLOOR.MAKE", "floor").text();
    let floor = [Batch::repeat(DEPTH, args!["FLOOR.SEND", "floor", "alice", TEXT])];
    let least = Side::new(&floor, &["floor.send"], DEPTH);
    let found = meter.compare(pairs(), least, Side::new(&adds, &["xadd"], DEPTH));
    let measurement =
        Measurement::paired("of it, Redis's own calls and nothing else", "us", &found);
    report.add(measurement.against("XADD MAXLEN ~"));

    let both = alternating(&[xadd(), spublish()]);
    let baseline = Side::new(&both, &["xadd", "spublish"], DEPTH);
    let found = meter.compare(pairs(), ours(), baseline);
    report
        .add(Measurement::paired("server time per send", "us", &found).against("XADD + SPUBLISH"));

    let transaction = alternating(&[args!["MULTI"], xadd(), spublish(), args!["EXEC"]]);
    let baseline = Side::new(&transaction, &["multi", "exec"], DEPTH);
    let found = meter.compare(pairs(), ours(), baseline);
    report.add(
        Measurement::paired("server time per send", "us", &found).against("MULTI/EXEC of both"),
    );

    let scripted = [Batch::repeat(DEPTH, eval(script))];
    let baseline = Side::new(&scripted, &["evalsha"], DEPTH);
    let found = meter.compare(pairs(), ours(), baseline);
    let measurement = Measurement::paired("server time per send", "us", &found);
    report.add(measurement.against("Lua, the same work").within(Budget::Ratio(0.2)));

    with_nonce(report, &mut meter);
    of_the_past(report, &mut meter);
}

/// CHAT.IMPORT, which brings messages of the past into a room.
fn of_the_past(report: &mut Report, meter: &mut Meter) {
    let count = DEPTH * sized(4, 32, 32) * (pairs() + 1);
    let import = |n| args!["CHAT.IMPORT", "past", "alice", 1_500_000_000_000 + n, TEXT, "AT", n];
    let imports = Batch::chunks(DEPTH, (1..=count).map(import));
    let adds = [Batch::repeat(DEPTH, xadd())];
    let ours = Side::new(&imports, &["chat.import"], DEPTH);
    let found = meter.compare(pairs(), ours, Side::new(&adds, &["xadd"], DEPTH));
    let measurement = Measurement::paired("server time per imported message", "us", &found)
        .against("XADD MAXLEN ~");
    report.add(measurement.within(Budget::Ratio(3.0)));
}

/// With a nonce: the cost of remembering one for a second and forgetting it.
fn with_nonce(report: &mut Report, meter: &mut Meter) {
    let count = DEPTH * sized(4, 32, 32) * (pairs() + 1);
    let nonce = |n: usize| format!("{n:032x}");
    let sends = Batch::chunks(
        DEPTH,
        (0..count).map(|n| args!["CHAT.SEND", "room", "alice", TEXT, "NONCE", nonce(n)]),
    );
    let set = |n| args!["SET", format!("nonce:{}", nonce(n)), "1795225205879-58", "NX", "PX", 1000];
    let instead = (0..count).flat_map(|n| [set(n), xadd(), spublish()]);
    let instead = Batch::chunks(3 * DEPTH, instead);
    let found = meter.compare(
        pairs(),
        Side::new(&sends, &["chat.send"], DEPTH),
        Side::new(&instead, &["set", "xadd", "spublish"], DEPTH),
    );
    let measurement = Measurement::paired("server time per send with NONCE", "us", &found);
    report.add(measurement.against("XADD + SPUBLISH + SET NX PX"));
}

/// A batch that repeats the commands `DEPTH` times.
fn alternating(commands: &[Vec<Vec<u8>>]) -> [Batch; 1] {
    let mut batch = Batch::default();
    for _ in 0..DEPTH {
        commands.iter().for_each(|command| batch.push(command));
    }
    [batch]
}

/// The throughput of one client with this many commands in flight.
fn throughput(report: &mut Report, redis: &Redis) {
    let mut pipe = Pipe::connect(redis);
    let span = Duration::from_millis(sized(20, 150, 400) as u64);
    let mut time_per_call = |batch: &Batch| {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < span {
            pipe.run(batch);
            calls += batch.commands;
        }
        start.elapsed().as_secs_f64() * 1e6 / calls as f64
    };
    for depth in [1, 16, 64] {
        let (ours, baseline) = (Batch::repeat(depth, send()), Batch::repeat(depth, xadd()));
        let found = (0..=sized(1, 7, 15)).map(|_| (time_per_call(&ours), time_per_call(&baseline)));
        let found = Pairs::of(found.skip(1).collect());
        let what = format!("time per send, {depth} under way");
        report.add(Measurement::paired(what, "us", &found).against("XADD, the same way"));
    }
}

/// The CPU of the whole server, with an append-only file and a replica: each side pays for its own
/// replication.
fn with_copies(report: &mut Report) {
    let redis = Redis::with(&["appendonly yes", "appendfsync everysec"]);
    let replica = Redis::replica(&redis, &[]);
    fill(&redis);
    let pid = server::pid(&redis);
    let mut pipe = Pipe::connect(&redis);
    let calls = DEPTH * sized(10, 300, 600);
    let mut cpu = |batch: &Batch| {
        let before = server::process_cpu(pid);
        (0..calls / DEPTH).for_each(|_| pipe.run(batch));
        // Writes still pending for the replica and the file belong to these calls.
        replica.catch_up(&redis);
        (server::process_cpu(pid) - before) / calls as f64
    };
    let ([sends], [both]) = (alternating(&[send()]), alternating(&[xadd(), spublish()]));
    let found = (0..=sized(2, 11, 21)).map(|_| (cpu(&sends), cpu(&both))).skip(1);
    let found = Pairs::of(found.collect());
    let measurement =
        Measurement::paired("server CPU per send, AOF everysec and a replica", "us", &found);
    report.add(measurement.against("XADD + SPUBLISH").within(Budget::Ratio(1.3)));
}
