//! Presence compared with the usual sorted set of connections by their deadlines.
//!
//! A sorted set publishes nothing by itself. So for joins and leaves the baseline publishes too;
//! for the sweep it finds the expired connections, removes them and publishes that.

use std::time::Duration;

use chat_tests::args;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace::rest;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::{pairs, sized};
use crate::measuring::server::{self, Meter, Side};

type Command = Vec<Vec<u8>>;

const HERE: usize = 1000;
const DEPTH: usize = 50;
/// Connection names as long as a relay's.
fn connection(n: usize) -> String {
    format!("r1-0badcafe-{n:06}")
}

fn user(n: usize) -> String {
    format!("user-{n:06}")
}

fn make(room: &str) -> Command {
    args!["CHAT.JOIN", room, "owner"]
}

fn present(room: &str, n: usize, ttl: usize) -> Command {
    args!["CHAT.PRESENCE", room, user(n), connection(n), "TTL", ttl]
}

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    {
        let redis = Redis::with(&["chat.presence-grace 0"]);
        let mut pipe = Pipe::connect(&redis);
        pipe.run_all(&Batch::chunks(500, ["room", "visited"].into_iter().map(make)));
        pipe.run_all(&Batch::chunks(500, (0..HERE).map(|n| present("room", n, 3_600_000))));
        pipe.run_all(&Batch::chunks(500, (0..HERE).map(|n| zadd(&[n], n))));
        one_by_one(report, &redis);
        many_at_once(report, &redis);
        lists(report);
    }
    sweep(report);
}

/// ZADD of connections with scores that change each time, as deadlines do.
fn zadd(members: &[usize], turn: usize) -> Command {
    let mut command = args!["ZADD", "set"];
    for n in members {
        command.extend(args![1_795_225_205_879 + turn, connection(*n)]);
    }
    command
}

fn one_by_one(report: &mut Report, redis: &Redis) {
    let mut meter = Meter::new(redis, HERE / DEPTH);
    let keep = Batch::chunks(DEPTH, (0..HERE).map(|n| present("room", n, 3_600_000)));
    let turns = (0..7).flat_map(|turn| (0..HERE).map(move |n| zadd(&[n], turn * 7919 + n)));
    let set = Batch::chunks(DEPTH, turns);
    let found = meter.compare(
        pairs(),
        Side::new(&keep, &["chat.presence"], DEPTH),
        Side::new(&set, &["zadd"], DEPTH),
    );
    report
        .add(Measurement::paired("server time, one connection kept", "us", &found).against("ZADD"));

    // Few enough that each one is announced.
    let visits = (0..HERE).flat_map(|n| {
        let off = args!["CHAT.PRESENCE", "visited", user(n), connection(n), "OFF"];
        [present("visited", n, 60_000), off]
    });
    let visits = Batch::chunks(2 * DEPTH, visits);
    let set = (0..HERE).flat_map(|n| {
        let publish = args!["SPUBLISH", "visited", user(n)];
        let gone = args!["ZREM", "visitors", connection(n)];
        let came = args!["ZADD", "visitors", 1_795_225_205_879 + n, connection(n)];
        [came, publish.clone(), gone, publish]
    });
    let set = Batch::chunks(4 * DEPTH, set);
    let found = meter.compare(
        pairs(),
        Side::new(&visits, &["chat.presence"], DEPTH),
        Side::new(&set, &["zadd", "zrem", "spublish"], DEPTH),
    );
    let measurement = Measurement::paired("server time, one comes and goes", "us", &found);
    report.add(measurement.against("ZADD, ZREM, 2 SPUBLISH"));
}

fn many_at_once(report: &mut Report, redis: &Redis) {
    for many in [1, 50, 500] {
        let groups =
            || (0..HERE).collect::<Vec<_>>().chunks(many).map(<[_]>::to_vec).collect::<Vec<_>>();
        let calls = groups().len();
        let beat = |group: Vec<usize>| {
            let mut command = args!["CHAT.BEAT", "room", 3_600_000];
            command.extend(group.iter().map(|n| connection(*n).into_bytes()));
            command
        };
        let depth = (DEPTH / many).max(1);
        let beats = Batch::chunks(depth, groups().into_iter().map(beat));
        let turns = (0..7).flat_map(|turn| groups().into_iter().map(move |group| (turn, group)));
        let sets = turns.map(|(turn, group)| zadd(&group, turn * 7919 + group[0]));
        let sets = Batch::chunks(depth, sets);
        let mut meter = Meter::new(redis, (calls / depth).max(4));
        let found = meter.compare(
            pairs(),
            Side::new(&beats, &["chat.beat"], depth * many),
            Side::new(&sets, &["zadd"], depth * many),
        );
        let what = format!("server time per connection, {many} beaten at once");
        let measurement = Measurement::paired(what, "us", &found).against("ZADD of as many");
        report.add(if many == 1 { measurement } else { measurement.within(Budget::Ratio(1.0)) });
    }
}

/// Who is online: all pages of the list.
fn lists(report: &mut Report) {
    for here in [20, 1000, sized(2000, 10_000, 10_000)] {
        let redis = Redis::with(&["chat.presence-grace 0"]);
        let mut pipe = Pipe::connect(&redis);
        pipe.run_all(&Batch::chunks(500, std::iter::once(make("room"))));
        pipe.run_all(&Batch::chunks(500, (0..here).map(|n| present("room", n, 3_600_000))));
        pipe.run_all(&Batch::chunks(500, (0..here).map(|n| zadd(&[n], n))));
        let page = here.min(1000);
        let mut wire = redis.wire();
        let (mut who, mut range) = (Batch::default(), Batch::default());
        let mut cursor = String::new();
        for start in (0..here).step_by(page) {
            let command = match cursor.as_str() {
                "" => args!["CHAT.WHO", "room", "COUNT", page],
                cursor => args!["CHAT.WHO", "room", "CURSOR", cursor, "COUNT", page],
            };
            let reply = wire.call(&command).ok();
            assert_eq!(
                reply.list()[3].list().len(),
                page,
                "the number of users in the measurement"
            );
            if start + page < here {
                cursor = reply.list()[0].text().to_owned();
            }
            who.push(&command);
            range.push(args!["ZRANGE", "set", start, start + page - 1, "WITHSCORES"]);
        }
        let mut meter = Meter::new(&redis, (4000 / here).max(2));
        let found = meter.compare(
            pairs().min(11),
            Side::new(&[who], &["chat.who"], here),
            Side::new(&[range], &["zrange"], here),
        );
        let what = format!("server time per user of a list of {here}");
        report.add(Measurement::paired(what, "us", &found).against("ZRANGE WITHSCORES"));
    }
}

/// The timeout of all connections of many rooms at once.
fn sweep(report: &mut Report) {
    let (rooms, here) = (sized(100, 1000, 10_000), 10);
    let redis = Redis::with(&["chat.presence-grace 0"]);
    let pid = server::pid(&redis);
    let mut pipe = Pipe::connect(&redis);
    let made = (0..rooms).map(|room| make(&format!("room-{room}")));
    pipe.run_all(&Batch::chunks(500, made));
    let arrivals = |n: usize| present(&format!("room-{}", n / here), n, 2000);
    let arrivals = Batch::chunks(500, (0..rooms * here).map(arrivals));
    let added =
        |n: usize| args!["ZADD", format!("set-{}", n / here), 1_795_225_205_879 + n, connection(n)];
    let added = Batch::chunks(500, (0..rooms * here).map(added));
    let removals = (0..rooms).flat_map(|room| {
        let due = args!["ZRANGEBYSCORE", format!("set-{room}"), "-inf", "+inf"];
        let gone = (room * here..(room + 1) * here).flat_map(move |n| {
            let publish = args!["SPUBLISH", format!("set-{room}"), user(n)];
            [args!["ZREM", format!("set-{room}"), connection(n)], publish]
        });
        std::iter::once(due).chain(gone)
    });
    let removals = Batch::chunks(500, removals);
    let mut meter = Meter::new(&redis, removals.len());
    let mut longest = 0.0_f64;
    let pairs = (0..=sized(1, 3, 5)).map(|_| {
        pipe.run_all(&arrivals);
        // From before the first deadline until well after the last.
        rest(Duration::from_millis(1000));
        let swept = over(&redis, pid);
        longest = longest.max(server::number(&redis, "chat", "chat_sweep_longest_us"));
        let idle = over(&redis, pid);
        pipe.run_all(&added);
        let commands = ["zrangebyscore", "zrem", "spublish"];
        let things = rooms * here / removals.len();
        let baseline = meter.server_time(&mut Side::new(&removals, &commands, things));
        ((swept - idle).max(0.0) / (rooms * here) as f64, baseline)
    });
    let found = Pairs::of(pairs.skip(1).collect());
    let measurement =
        Measurement::paired("server CPU per connection that ends by itself", "us", &found);
    report.add(measurement.against("ZRANGEBYSCORE, ZREM, SPUBLISH"));
    report.add(Measurement::alone("longest slice of a sweep", "us", longest));
}

/// The server's CPU over some seconds, after which no user is online.
fn over(redis: &Redis, pid: u32) -> f64 {
    let before = server::main_thread_cpu(pid);
    rest(Duration::from_millis(2500));
    eventually("the end of all connections", LATER, || {
        let left = server::number(redis, "chat", "chat_connections_online");
        if left == 0.0 { Ok(()) } else { Err(format!("{left} are here")) }
    });
    server::main_thread_cpu(pid) - before
}
