//! How the cost of CHAT.SEND grows with the messages in the room, the rooms and the members. The
//! baseline is the same command with few of them.

use chat_tests::args;
use chat_tests::servers::redis::Redis;

use crate::groups::send::TEXT;
use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Measurement, Report};
use crate::measuring::scale::{pairs, sized};
use crate::measuring::server::{Meter, Side};

type Command = Vec<Vec<u8>>;

const DEPTH: usize = 64;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    messages(report);
    rooms(report);
    members(report);
}

fn send(room: &str, user: &str) -> Command {
    args!["CHAT.SEND", room, user, TEXT]
}

fn numbered(of: &str, n: usize) -> String {
    format!("{of}-{n:07}")
}

fn fill(redis: &Redis, commands: impl Iterator<Item = Command>) {
    Pipe::connect(redis).run_all(&Batch::chunks(500, commands));
}

fn messages(report: &mut Report) {
    let many = sized(20_000, 1_000_000, 10_000_000);
    let redis = Redis::with(&[&format!("chat.history-max {many}")]);
    fill(&redis, [args!["CHAT.ROOM", "little", "SET", "history_max", 10]].into_iter());
    fill(&redis, (0..20).map(|_| send("little", "alice")));
    let mut pipe = Pipe::connect(&redis);
    let thousand = Batch::repeat(1000, send("much", "alice"));
    (0..many.div_ceil(1000)).for_each(|_| pipe.run(&thousand));
    let found = Meter::new(&redis, sized(4, 32, 64)).compare(
        pairs(),
        Side::new(&[Batch::repeat(DEPTH, send("much", "alice"))], &["chat.send"], DEPTH),
        Side::new(&[Batch::repeat(DEPTH, send("little", "alice"))], &["chat.send"], DEPTH),
    );
    let what = format!("server time per send, {many} messages stored");
    report.add(Measurement::paired(what, "us", &found).against("CHAT.SEND, 10 stored"));
}

fn rooms(report: &mut Report) {
    let many = sized(2000, 100_000, 1_000_000);
    let redis = Redis::start();
    let in_turns = |n: usize| send(&numbered("room", n.wrapping_mul(7919) % many), "alice");
    let add = |n: usize| {
        let stream = numbered("stream", n.wrapping_mul(7919) % many);
        args!["XADD", stream, "MAXLEN", "~", 10_000, "*", "text", TEXT]
    };
    fill(&redis, (0..many).map(in_turns));
    fill(&redis, (0..many).map(add));
    fill(&redis, [send("one", "alice")].into_iter());
    let calls = many.min(200_000);
    let everywhere = Batch::chunks(DEPTH, (0..calls).map(in_turns));
    let streams = Batch::chunks(DEPTH, (0..calls).map(add));
    let one = [Batch::repeat(DEPTH, send("one", "alice"))];
    let mut meter = Meter::new(&redis, sized(4, 64, 128));
    let ours = || Side::new(&everywhere, &["chat.send"], DEPTH);
    let found = meter.compare(pairs(), ours(), Side::new(&one, &["chat.send"], DEPTH));
    let what = format!("server time per send, {many} rooms in turns");
    report
        .add(Measurement::paired(what.clone(), "us", &found).against("CHAT.SEND, always one room"));
    let found = meter.compare(pairs(), ours(), Side::new(&streams, &["xadd"], DEPTH));
    report.add(Measurement::paired(what, "us", &found).against("XADD, as many streams in turns"));
}

fn members(report: &mut Report) {
    let many = sized(2000, 100_000, 100_000);
    let redis = Redis::start();
    for (room, count) in [("few", 10), ("many", many)] {
        fill(&redis, (0..count).map(|n| args!["CHAT.JOIN", room, numbered("user", n)]));
        fill(&redis, (0..12_000).map(|n| send(room, &numbered("user", n % count))));
    }
    let by_turns = |room: &'static str, count: usize| {
        let calls = 0..count.clamp(6400, 100_000);
        let user = move |n: usize| numbered("user", n.wrapping_mul(7919) % count);
        Batch::chunks(DEPTH, calls.map(move |n| send(room, &user(n))))
    };
    let (all, few) = (by_turns("many", many), by_turns("few", 10));
    let found = Meter::new(&redis, sized(4, 32, 64)).compare(
        pairs(),
        Side::new(&all, &["chat.send"], DEPTH),
        Side::new(&few, &["chat.send"], DEPTH),
    );
    let what = format!("server time per send, {many} members in turns");
    report.add(Measurement::paired(what, "us", &found).against("CHAT.SEND, 10 members in turns"));
}
