//! Saving, loading and rewriting, compared with streams that hold the same texts.
//!
//! The measurement is the CPU of the process that does it: of the child for BGSAVE and BGREWRITEAOF,
//! of the whole server until it answers for loading. The rewrite has no RDB preamble, so it writes
//! commands. DUMP and RESTORE are server time: MIGRATE blocks that long.

use chat_tests::args;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

use crate::groups::send::TEXT;
use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Measurement, Report};
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;
use crate::measuring::server::{self, Meter, Side};

type Command = Vec<Vec<u8>>;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    whole(report);
    one_room(report);
}

fn add(stream: &str) -> Command {
    args!["XADD", stream, "*", "text", TEXT]
}

fn send(room: &str) -> Command {
    args!["CHAT.SEND", room, "alice", TEXT]
}

/// A server with `each` messages in each of `rooms`.
fn filled(rooms: usize, each: usize, command: impl Fn(usize) -> Command) -> Redis {
    let redis = Redis::with(&["aof-use-rdb-preamble no"]);
    let mut pipe = Pipe::connect(&redis);
    (0..rooms).for_each(|room| pipe.run(&Batch::repeat(each, command(room))));
    redis
}

fn whole(report: &mut Report) {
    let (rooms, each) = (sized(200, 10_000, 10_000), 100);
    let mut servers = [
        filled(rooms, each, |room| send(&format!("room-{room}"))),
        filled(rooms, each, |room| add(&format!("stream-{room}"))),
    ];
    let messages = rooms * each;
    let rounds = sized(1, 3, 5);
    let name = format!("{messages} messages in {rooms} rooms");
    let mut report = |what: &str, measure: &mut dyn FnMut(&mut Redis) -> f64| {
        let [ours, theirs] = &mut servers;
        let pairs = (0..rounds).map(|_| (measure(ours), measure(theirs))).collect();
        let what = format!("{what}, {name}");
        report.add(Measurement::paired(what, "ms", &Pairs::of(pairs)).against("streams"));
    };
    report("BGSAVE", &mut |redis| {
        child_cpu(redis, "BGSAVE", &["rdb_bgsave_in_progress", "rdb_last_bgsave_status"])
    });
    report("AOF rewrite", &mut |redis| {
        child_cpu(redis, "BGREWRITEAOF", &["aof_rewrite_in_progress", "aof_last_bgrewrite_status"])
    });
    report("load", &mut |redis| {
        redis.kill();
        redis.restart();
        eventually("a loaded server", LATER, || match redis.info("persistence", "loading") {
            loading if loading == "0" => Ok(()),
            loading => Err(loading),
        });
        assert!(cmd!(redis, "DBSIZE").int() > 0, "it has loaded what was saved");
        server::process_cpu(server::pid(redis)) / 1000.0
    });
}

/// Milliseconds of CPU of the child that `command` starts. `fields` of INFO: whether it still runs,
/// and how it ended.
fn child_cpu(redis: &Redis, command: &str, fields: &[&str; 2]) -> f64 {
    let cpu = || {
        let of = |field| server::number(redis, "cpu", field);
        (of("used_cpu_user_children") + of("used_cpu_sys_children")) * 1000.0
    };
    let before = cpu();
    cmd!(redis, command).ok();
    eventually("the end of a save", LATER, || {
        let running = redis.info("persistence", fields[0]);
        if running == "0" && cpu() > before { Ok(()) } else { Err(running) }
    });
    assert_eq!(redis.info("persistence", fields[1]), "ok");
    cpu() - before
}

fn one_room(report: &mut Report) {
    let messages = sized(10_000, 100_000, 1_000_000);
    let redis = Redis::with(&["chat.history-max 10000000"]);
    let mut pipe = Pipe::connect(&redis);
    for command in [send("room"), add("stream")] {
        let thousand = Batch::repeat(1000, &command);
        (0..messages / 1000).for_each(|_| pipe.run(&thousand));
    }
    let mut wire = redis.wire();
    let mut meter = Meter::new(&redis, 1);
    let rounds = sized(1, 5, 9);
    let dumps = ["room", "stream"].map(|key| [Batch::repeat(1, args!["DUMP", key])]);
    let restores = ["room", "stream"].map(|key| {
        let dump = cmd!(wire, "DUMP", key);
        [Batch::repeat(1, args!["RESTORE", format!("{key}-2"), 0, dump.bytes(), "REPLACE"])]
    });
    for (what, name, batches) in [("DUMP", "dump", &dumps), ("RESTORE", "restore", &restores)] {
        let found = meter.compare(
            rounds,
            Side::new(&batches[0], &[name], 1000),
            Side::new(&batches[1], &[name], 1000),
        );
        let what = format!("{what} of a room with {messages} messages");
        report.add(Measurement::paired(what, "ms", &found).against("stream"));
    }
}
