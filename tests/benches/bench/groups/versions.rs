//! This version beside an older one: `OLD_RELAY=/path/chat-relay OLD_MODULE=/path/libchat.so
//! BENCH=versions make bench`. Both must be built with the same profile.
//!
//! The one idea: the old version is measured against itself too. Two servers and relays of each
//! version run at the same time, and are measured in turns: old, new, old, new. The ratio is the
//! median over all pairs of new and old. The spread is the same of the two old ones; a difference up
//! to it, or up to 3 %, is none.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;

use crate::groups::direct::{Kind, Twos};
use crate::groups::storm;
use crate::load::crowd::{
    Flow, Measured, RoomBatch, drive, make_rooms, percentile, publish, room_of,
};
use crate::load::frame;
use crate::load::pipe::Pipe;
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;
use crate::measuring::server;

/// A difference up to this is none.
const NOISE: f64 = 0.03;
/// Sends per second of the paced part of `cross`.
const PER_SECOND: f64 = 200.0;
/// Clients of each relay in each room of `cross`.
const EACH: usize = 5;

/// The files of one version.
struct Version {
    relay: PathBuf,
    module: PathBuf,
}

/// One server of a version, and what runs beside it.
struct Side<'v> {
    version: &'v Version,
    name: String,
    redis: Redis,
}

/// What is measured: its name and its unit.
type What = (&'static str, &'static str);

/// Runs the group, if there is an older version.
pub(crate) fn run(report: &mut Report) {
    let file = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(relay), Some(module)) = (file("OLD_RELAY"), file("OLD_MODULE")) else {
        println!("  skipped: OLD_RELAY and OLD_MODULE do not name an older version");
        return;
    };
    let old = Version { relay, module };
    let new = Version { relay: artefacts::relay().into(), module: artefacts::module().into() };
    let both = [&old, &new];
    for part in [fanout, cross, direct, storms, idle] {
        part(report, both);
    }
}

impl<'v> Side<'v> {
    /// Old, new, old, new.
    fn all(what: &str, [old, new]: [&'v Version; 2]) -> [Side<'v>; 4] {
        let side = |(name, version): (&str, &'v Version)| {
            let redis = Redis::with_module(&version.module, &["chat.presence-announce 0"]);
            Side { version, name: format!("{what}-{name}"), redis }
        };
        [("old-1", old), ("new-1", new), ("old-2", old), ("new-2", new)].map(side)
    }

    fn relay(&self, suffix: &str, threads: usize) -> Measured {
        let name = format!("{}{suffix}", self.name);
        Measured::of_program(&self.version.relay, &name, &self.redis, threads)
    }
}

/// Measures the sides in turns, seven times after a warm-up, and adds a line for each of `whats`,
/// in the order of what `measure` returns.
fn compare<S>(
    report: &mut Report,
    sides: &mut [S; 4],
    whats: &[What],
    measure: impl FnMut(&mut S) -> Vec<f64>,
) {
    let mut measure = measure;
    let mut rounds: Vec<[Vec<f64>; 4]> =
        (0..=sized(1, 7, 7)).map(|_| sides.each_mut().map(&mut measure)).collect();
    rounds.remove(0);
    add(report, whats, &rounds);
}

fn add(report: &mut Report, whats: &[What], rounds: &[[Vec<f64>; 4]]) {
    for (at, (what, unit)) in whats.iter().enumerate() {
        let of = |side: usize| rounds.iter().map(move |round| round[side][at]);
        let new_and_old = of(1).zip(of(0)).chain(of(3).zip(of(2)));
        let spread = (Pairs::of(of(2).zip(of(0)).collect()).ratio() - 1.0).abs();
        let what = format!("{what} (old beside old: {:.1} %)", 100.0 * spread);
        let pairs = Pairs::of(new_and_old.collect());
        let measurement = Measurement::paired(what, unit, &pairs).against("the old version");
        report.add(measurement.within(Budget::Ratio(1.0 + spread.max(NOISE))));
    }
}

/// A relay with clients in rooms, and who sends to them.
struct Audience {
    relay: Measured,
    swarm: Swarm,
    pipe: Pipe,
    turn: usize,
}

fn fanout(report: &mut Report, versions: [&Version; 2]) {
    let clients = sized(100, 1000, 1000);
    let millis = sized(100, 700, 1000) as u64;
    let paced = |per_second, at_once| Flow::Paced {
        per_second,
        at_once,
        span: Duration::from_millis(millis),
    };
    let one: &[(What, Flow)] = &[
        (("CPU per delivery, one room, 40 events/s", "us"), paced(40.0, 1)),
        (("CPU per delivery, one room, ten at once", "us"), paced(100.0, 10)),
    ];
    let many: &[(What, Flow)] = &[
        (("CPU per delivery, rooms of ten, 500 events/s", "us"), paced(500.0, 1)),
        (("CPU per delivery, rooms of ten, 4,000 events/s", "us"), paced(4000.0, 1)),
    ];
    for (rooms, flows) in [(1, one), (clients / 10, many)] {
        let sides = Side::all("fanout", versions);
        let mut audiences = sides.each_ref().map(|side| {
            make_rooms(&side.redis, rooms);
            let relay = side.relay("", 1);
            let swarm = Swarm::new();
            join(&swarm, &relay, clients, |n| room_of(n, clients, rooms));
            Audience { relay, swarm, pipe: Pipe::connect(&side.redis), turn: 0 }
        });
        pace::rest(Duration::from_millis(1500));
        let whats: Vec<What> = flows.iter().map(|(what, _)| *what).collect();
        compare(report, &mut audiences, &whats, |audience| {
            let Audience { relay, swarm, pipe, turn } = audience;
            let mut send = |batches: &[RoomBatch]| publish(pipe, batches);
            let cpu = || relay.cpu();
            let each = flows
                .iter()
                .map(|(_, flow)| drive(*flow, clients, rooms, turn, swarm, &mut send, &cpu).cpu);
            each.collect()
        });
    }
}

/// `count` clients join rooms of a relay.
fn join(swarm: &Swarm, relay: &Measured, count: usize, room: impl Fn(usize) -> usize) {
    for n in 0..count {
        let request = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"room-{}\"}}", room(n));
        swarm.connect(relay.relay.address(), &format!("user-{}-{n:06}", relay.pid), &request);
        if n % 100 == 99 {
            swarm.wait_answers(n + 1);
        }
    }
    swarm.wait_answers(count);
}

/// Two relays with clients that send to each other.
struct Couple {
    relays: [Measured; 2],
    near: Swarm,
    far: Swarm,
    answers: usize,
}

impl Couple {
    fn cpu(&self) -> f64 {
        self.relays.iter().map(Measured::cpu).sum()
    }

    fn send(&mut self, client: usize, rooms: usize) {
        let text = frame::timed_text();
        let room = client % rooms;
        self.near.send(
            client,
            &format!("{{\"ref\":1,\"op\":\"send\",\"room\":\"room-{room}\",\"text\":\"{text}\"}}"),
        );
        self.answers += 1;
    }

    /// Calls `send`, which makes `count` sends, and waits until all have arrived. The CPU per send.
    fn measured(&mut self, count: usize, send: impl FnOnce(&mut Couple)) -> f64 {
        let (cpu, before) = (self.cpu(), [self.near.events(), self.far.events()]);
        send(self);
        for (swarm, before) in [&self.near, &self.far].into_iter().zip(before) {
            swarm.wait_events(before + (count * EACH) as u64);
        }
        self.near.wait_answers(self.answers);
        pace::rest(Duration::from_millis(20));
        (self.cpu() - cpu) / count as f64
    }
}

fn cross(report: &mut Report, versions: [&Version; 2]) {
    let rooms = sized(10, 100, 100);
    let clients = rooms * EACH;
    let sides = Side::all("cross", versions);
    let mut couples = sides.each_ref().map(|side| {
        make_rooms(&side.redis, rooms);
        let relays = [side.relay("-a", 0), side.relay("-b", 0)];
        let [near, far] = [Swarm::new(), Swarm::new()];
        join(&near, &relays[0], clients, |n| n % rooms);
        join(&far, &relays[1], clients, |n| n % rooms);
        Couple { relays, near, far, answers: clients }
    });
    pace::rest(Duration::from_millis(1500));
    let whats = [
        ("CPU of both relays per send and its ten deliveries, 200/s", "us"),
        ("send to delivery on another relay, p50, 200/s", "ms"),
        ("send to delivery on another relay, p99, 200/s", "ms"),
        ("CPU of both relays per send and its ten deliveries, 500 at once", "us"),
    ];
    let (paced, times) = (sized(50, 300, 400), sized(1, 4, 8));
    compare(report, &mut couples, &whats, |couple| {
        couple.far.latencies();
        let cpu_paced = couple.measured(paced, |couple| {
            let start = Instant::now();
            for nth in 0..paced {
                pace::until(start + Duration::from_secs_f64(nth as f64 / PER_SECOND));
                couple.send(nth % clients, rooms);
            }
        });
        let mut latencies = couple.far.latencies();
        latencies.sort_by(f64::total_cmp);
        let at_once = (0..times).map(|_| {
            couple.measured(clients, |couple| (0..clients).for_each(|n| couple.send(n, rooms)))
        });
        let cpu_at_once = at_once.sum::<f64>() / times as f64;
        let of = |percent| percentile(&latencies, percent);
        vec![cpu_paced, of(50.0), of(99.0), cpu_at_once]
    });
}

fn direct(report: &mut Report, versions: [&Version; 2]) {
    let sides = Side::all("direct", versions);
    let mut twos = sides
        .each_ref()
        .map(|side| Twos::connect(sized(5, 20, 20), side.relay("", 1), &side.redis));
    let whats = [
        ("CPU of relay and Redis per message to a room", "us"),
        ("CPU of relay and Redis per direct message", "us"),
        ("CPU of relay and Redis per mention", "us"),
    ];
    let messages = sized(20, 200, 400);
    compare(report, &mut twos, &whats, |twos| {
        [Kind::Room, Kind::Direct, Kind::Mention].map(|kind| twos.measured(kind, messages)).to_vec()
    });
}

fn storms(report: &mut Report, versions: [&Version; 2]) {
    let clients = sized(100, 2000, 2000);
    let rooms = clients / 10;
    let sides = Side::all("storm", versions);
    let mut relays = sides.each_ref().map(|side| {
        make_rooms(&side.redis, rooms);
        (side.relay("", 0), side.redis.wire(), Pipe::connect(&side.redis))
    });
    let whats = [
        ("until all clients are back with 10 messages each", "ms"),
        ("relay CPU per client that resumes", "us"),
    ];
    compare(report, &mut relays, &whats, |(relay, wire, pipe)| {
        let cursors = storm::miss(wire, pipe, rooms, storm::MISSED);
        let request = |n: usize| {
            let room = room_of(n, clients, rooms);
            let cursor = &cursors[room];
            format!("{{\"ref\":1,\"op\":\"resume\",\"rooms\":{{\"room-{room}\":\"{cursor}\"}}}}")
        };
        let cpu = relay.cpu();
        let (took, _) = storm::storm(relay.relay.address(), clients, request);
        vec![took, (relay.cpu() - cpu) / clients as f64]
    });
}

fn idle(report: &mut Report, versions: [&Version; 2]) {
    let clients = sized(100, 2000, 2000);
    let rooms = clients / 10;
    let sides = Side::all("idle", versions);
    let relays = sides.each_ref().map(|side| {
        make_rooms(&side.redis, rooms);
        side.relay("", 0)
    });
    let empty = relays.each_ref().map(|relay| server::resident_kb(relay.pid));
    let swarms = relays.each_ref().map(|relay| {
        let swarm = Swarm::new();
        join(&swarm, relay, clients, |n| room_of(n, clients, rooms));
        swarm
    });
    pace::rest(Duration::from_secs(2));
    let mut memory = empty;
    for (memory, relay) in memory.iter_mut().zip(&relays) {
        *memory = (server::resident_kb(relay.pid) - *memory) / clients as f64;
    }
    let cpu = || relays.each_ref().map(Measured::cpu);
    // All do nothing at the same time; the span covers the beats and a part of the pings.
    let span = Duration::from_secs(sized(1, 5, 10) as u64);
    let rounds: Vec<[Vec<f64>; 4]> = (0..sized(1, 7, 7))
        .map(|_| {
            let before = cpu();
            pace::rest(span);
            let after = cpu();
            [0, 1, 2, 3]
                .map(|at| vec![(after[at] - before[at]) / 1000.0 / span.as_secs_f64(), memory[at]])
        })
        .collect();
    let whats = [("CPU for idle connections", "ms/s"), ("memory per idle connection", "KiB")];
    add(report, &whats, &rounds);
    drop(swarms);
}
