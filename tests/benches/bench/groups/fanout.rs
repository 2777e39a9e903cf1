//! The cost of delivering one event to one socket by a relay, compared with a bare loop of
//! `write(2)` over as many sockets.
//!
//! The measurement is the CPU of the whole process, the relay's connection to Redis included, divided
//! by
//! events and sockets. The relay runs on one thread, as does the loop; the cost of more threads
//! (connections move between caches) has a line of its own. The clients are the same for both. A
//! latency begins before the event is sent and ends when a client has read it, so it includes the
//! wait for all sockets served before.

use std::time::Duration;

use chat_tests::servers::redis::Redis;

use crate::load::crowd::{Crowd, Flow, Segment};
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;

const LOOP: &str = "loop of write(2)";

/// Redis announces only the number of users online: joins and leaves are no deliveries.
fn redis() -> Redis {
    Redis::with(&["chat.presence-announce 0"])
}

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let clients = sized(200, 2000, 2000);
    one_room(report, clients);
    all_threads(report, clients);
    many_rooms(report, clients);
    growing(report);
}

fn span() -> Duration {
    Duration::from_millis(sized(200, 700, 2000) as u64)
}

/// Ten events at least: with fewer, a moment's noise dominates.
fn paced(per_second: f64, at_once: usize) -> Flow {
    let ten = Duration::from_secs_f64(sized(1, 10, 10) as f64 / per_second);
    Flow::Paced { per_second, at_once, span: span().max(ten) }
}

/// Segments in turns; the first pair is a warm-up.
fn segments(crowd: &mut Crowd, flow: Flow, pairs: usize) -> Vec<(Segment, Segment)> {
    (0..=pairs).map(|_| (crowd.ours(flow), crowd.baseline(flow))).skip(1).collect()
}

fn pairs_of(segments: &[(Segment, Segment)], value: impl Fn(&Segment) -> f64) -> Pairs {
    Pairs::of(segments.iter().map(|(ours, baseline)| (value(ours), value(baseline))).collect())
}

fn one_room(report: &mut Report, clients: usize) {
    let redis = redis();
    let mut crowd = Crowd::gather("fanout-one", &redis, 1, clients, 1);
    for per_second in [5, 20, 40] {
        let found = segments(&mut crowd, paced(f64::from(per_second), 1), sized(1, 5, 9));
        let cpu = pairs_of(&found, |segment| segment.cpu);
        let name = format!("{clients} in one room, {per_second} events/s");
        let measurement = Measurement::paired(format!("CPU per delivery, {name}"), "us", &cpu);
        report.add(measurement.against(LOOP).within(Budget::Ratio(1.25)));
        for percent in [50.0, 99.0, 99.9] {
            let latency = pairs_of(&found, |segment| segment.percentile(percent));
            let what = format!("latency p{percent}, {name}");
            report.add(Measurement::paired(what, "ms", &latency).against(LOOP));
        }
    }
    let found = segments(&mut crowd, paced(40.0, 10), sized(1, 3, 7));
    let cpu = pairs_of(&found, |segment| segment.cpu);
    let what = format!("CPU per delivery, {clients} in one room, 10 at once");
    let measurement =
        Measurement::paired(what, "us", &cpu).against("loop of write(2) of 10 frames");
    report.add(measurement.within(Budget::Value(1.0)));
    flood(report, &mut crowd, &format!("{clients} in one room"));
}

/// A thread for each processor.
fn all_threads(report: &mut Report, clients: usize) {
    let redis = redis();
    let mut crowd = Crowd::gather("fanout-all", &redis, 0, clients, 1);
    for (at_once, each) in [(1, "40 events/s"), (10, "10 at once")] {
        let found = segments(&mut crowd, paced(40.0, at_once), sized(1, 3, 7));
        let cpu = pairs_of(&found, |segment| segment.cpu);
        let what = format!("CPU per delivery, {clients} in one room, {each}, default threads");
        report.add(Measurement::paired(what, "us", &cpu).against(LOOP));
    }
}

fn flood(report: &mut Report, crowd: &mut Crowd, name: &str) {
    let found = segments(crowd, Flow::Flood { span: 2 * span() }, sized(1, 3, 5));
    let time = pairs_of(&found, |segment| 1e6 / segment.rate);
    let what = format!("time per delivery at saturation, {name}");
    report.add(Measurement::paired(what, "us", &time).against(LOOP));
    let rate = pairs_of(&found, |segment| segment.rate / 1000.0);
    let what = format!("thousand deliveries per second, {name}");
    report.add(Measurement::alone(what, "k/s", rate.ours()));
}

fn many_rooms(report: &mut Report, clients: usize) {
    let redis = redis();
    let rooms = clients / 10;
    let mut crowd = Crowd::gather("fanout-many", &redis, 1, clients, rooms);
    let name = format!("{clients} in {rooms} rooms");
    for per_second in [500, 2000, 4000] {
        let found = segments(&mut crowd, paced(f64::from(per_second), 1), sized(1, 3, 7));
        let cpu = pairs_of(&found, |segment| segment.cpu);
        let what = format!("CPU per delivery, {name}, {per_second} events/s");
        report.add(Measurement::paired(what, "us", &cpu).against(LOOP));
        let latency = pairs_of(&found, |segment| segment.percentile(99.0));
        let what = format!("latency p99, {name}, {per_second} events/s");
        report.add(Measurement::paired(what, "ms", &latency).against(LOOP));
    }
    flood(report, &mut crowd, &name);
}

/// The same number of deliveries to more and more sockets.
fn growing(report: &mut Report) {
    // Both sides' sockets are open files of this process, which has a limit.
    for clients in [10, 100, 1000, sized(1000, 9500, 9500)] {
        let redis = redis();
        let mut crowd = Crowd::gather("fanout-grow", &redis, 1, clients, 1);
        let (per_second, span) = (20_000.0 / clients as f64, 2 * span());
        let flow = Flow::Paced { per_second, at_once: 1, span };
        let found = segments(&mut crowd, flow, sized(1, 3, 5));
        let cpu = pairs_of(&found, |segment| segment.cpu);
        let what = format!("CPU per delivery, {clients} in one room, 20,000 deliveries/s");
        report.add(Measurement::paired(what, "us", &cpu).against(LOOP));
    }
}
