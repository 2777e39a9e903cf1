//! `chat-relay forward` against plain XADD of the same entries.

use std::time::{Duration, Instant};

use chat_tests::args;
use chat_tests::cmd;
use chat_tests::servers::forwarder::Forwarder;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

use crate::load::pipe::{Batch, Pipe};
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;

const TEXT: &str =
    "a message of about a hundred bytes, as people write them when they have something to say";
const DEPTH: usize = 500;
/// What Redis does for a forwarder. EXEC contains what is executed by it.
const COMMANDS: [&str; 5] = ["chat.changes", "chat.sync", "watch", "get", "exec"];

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let many = sized(2_000, 100_000, 100_000);
    let events = sized(2_000, 100_000, 200_000);
    load(report, "1 room", &Load { rooms: 1, events, most: 2.0 });
    load(report, "1,000 rooms", &Load { rooms: 1_000, events, most: 3.0 });
    load(report, "one event in each room", &Load { rooms: many, events: many, most: 8.0 });
    lag(report);
    idle(report, sized(2_000, 100_000, 1_000_000));
}

/// Events in turns over rooms, and the most times that Redis may need for one, beside an XADD.
struct Load {
    rooms: usize,
    events: usize,
    most: f64,
}

fn sends(rooms: usize, events: usize, prefix: &str, depth: usize) -> Vec<Batch> {
    let send = |at: usize| args!["CHAT.SEND", format!("{prefix}{}", at % rooms), "alice", TEXT];
    Batch::chunks(depth, (0..events).map(send))
}

/// The microseconds of these commands.
fn spent(redis: &Redis, commands: &[&str]) -> f64 {
    let info = cmd!(redis, "INFO", "commandstats");
    let usec = |command: &&str| -> f64 {
        let prefix = format!("cmdstat_{command}:");
        let line = info.text().lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        let part =
            line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
        part.and_then(|number| number.parse().ok()).unwrap_or(0.0)
    };
    commands.iter().map(usec).sum()
}

fn await_length(redis: &Redis, key: &str, events: usize) {
    eventually("all events", LATER * 4, || match cmd!(redis, "XLEN", key).int() {
        found if usize::try_from(found) == Ok(events) => Ok(()),
        found => Err(found.to_string()),
    });
}

fn started(redis: &Redis, key: &str) -> (String, Vec<&'static str>) {
    let to = format!("{}/{key}", redis.url());
    let (code, said) = Forwarder::create(&redis.url(), &to, &[]);
    assert_eq!(code, Some(0), "{said}");
    (to, vec!["--stream-max", "10000000"])
}

fn load(report: &mut Report, what: &str, load: &Load) {
    // The rooms keep all events until they are forwarded.
    let redis = Redis::with(&["chat.history-max 1000000", "chat.room-bytes 1gb"]);
    let (mut measured, mut rates) = (Vec::new(), Vec::new());
    for round in 0..sized(1, 4, 6) {
        let (key, prefix) = (format!("dm:events-{round}"), format!("room{round}-"));
        let (to, options) = started(&redis, &key);
        let mut pipe = Pipe::connect(&redis);
        pipe.run_all(&sends(load.rooms, load.events, &prefix, DEPTH));
        cmd!(redis, "CONFIG", "RESETSTAT").ok();
        let begun = Instant::now();
        let forwarder = Forwarder::run(&redis.url(), &to, &options);
        await_length(&redis, &key, load.events);
        let seconds = begun.elapsed().as_secs_f64();
        let ours = spent(&redis, &COMMANDS) / load.events as f64;
        drop(forwarder);
        let event = cmd!(redis, "XRANGE", &key, "-", "+", "COUNT", 1).ok();
        let fields = event.list()[0].list()[1].texts();
        let mut add = args!["XADD", "plain", "*"];
        add.extend(fields.into_iter().map(String::into_bytes));
        cmd!(redis, "CONFIG", "RESETSTAT").ok();
        pipe.run_all(&Batch::chunks(DEPTH, (0..load.events).map(|_| add.clone())));
        measured.push((ours, spent(&redis, &["xadd"]) / load.events as f64));
        rates.push((load.events as f64 / seconds, 1.0));
        cmd!(redis, "FLUSHALL").ok();
    }
    let warm = |mut all: Vec<(f64, f64)>| Pairs::of(all.split_off(usize::from(all.len() > 1)));
    let pairs = warm(measured);
    let measurement = Measurement::paired(format!("server time per event, {what}"), "us", &pairs);
    report.add(measurement.against("XADD").within(Budget::Ratio(load.most)));
    let rate = warm(rates).ours();
    report.add(Measurement::alone(format!("forwarded, {what}, start included"), "events/s", rate));
}

/// How late events are written at 1,000 events a second over 1,000 rooms.
fn lag(report: &mut Report) {
    let redis = Redis::start();
    let (to, options) = started(&redis, "dm:events");
    let forwarder = Forwarder::run(&redis.url(), &to, &options);
    forwarder.await_active();
    let (seconds, mut pipe) = (sized(1, 5, 20), Pipe::connect(&redis));
    for batch in &sends(1_000, seconds * 1_000, "room", 10) {
        pipe.run(batch);
        pace::rest(Duration::from_millis(10));
    }
    await_length(&redis, "dm:events", seconds * 1_000);
    let entries = cmd!(redis, "XRANGE", "dm:events", "-", "+").ok();
    let ms = |id: &str| id.split('-').next().and_then(|ms| ms.parse::<f64>().ok()).expect("an id");
    let mut lags: Vec<f64> = entries
        .list()
        .iter()
        .map(|entry| {
            let fields = entry.list()[1].texts();
            let at = fields.iter().position(|field| field == "id").expect("a field");
            ms(entry.list()[0].text()) - ms(&fields[at + 1])
        })
        .collect();
    lags.sort_by(f64::total_cmp);
    let at = |part: f64| lags[((lags.len() - 1) as f64 * part) as usize];
    report.add(Measurement::alone("lag at 1,000 events/s, median", "ms", at(0.5)));
    report.add(Measurement::alone("lag at 1,000 events/s, p99", "ms", at(0.99)));
}

/// What a forwarder costs Redis while nothing happens.
fn idle(report: &mut Report, rooms: usize) {
    let redis = Redis::start();
    Pipe::connect(&redis).run_all(&sends(rooms, rooms, "room", DEPTH));
    let (to, options) = started(&redis, "dm:events");
    let forwarder = Forwarder::run(&redis.url(), &to, &options);
    forwarder.await_active();
    // At its start it looks at every room once.
    eventually("the end of the first look", LATER, || {
        cmd!(redis, "CONFIG", "RESETSTAT").ok();
        pace::rest(Duration::from_secs(1));
        match spent(&redis, &["chat.changes"]) / 1_000.0 {
            ms if ms < 10.0 => Ok(()),
            ms => Err(format!("{ms} ms within a second")),
        }
    });
    cmd!(redis, "CONFIG", "RESETSTAT").ok();
    let span = sized(1, 5, 20) as u64;
    pace::rest(Duration::from_secs(span));
    let spent = spent(&redis, &COMMANDS) / 1_000.0 / span as f64;
    let what = format!("server time beside {rooms} idle rooms");
    report.add(Measurement::alone(what, "ms/s", spent).within(Budget::Value(1.0)));
}
