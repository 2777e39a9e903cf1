//! What a message costs where chats really are: in rooms of ten, and between two.
//!
//! The clients, the rooms and the pace are the same for both halves, and each half has a Redis of its
//! own with the module. The baseline is a loop that does for each message what no relay can leave out.

use std::time::{Duration, Instant};

use chat_tests::servers::redis::Redis;

use crate::load::bare_chat::BareChat;
use crate::load::crowd::{Measured, room_of};
use crate::load::frame;
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::{Pairs, median};
use crate::measuring::scale::sized;
use crate::measuring::server;

/// A way to talk.
struct Load {
    what: &'static str,
    clients: usize,
    rooms: usize,
    per_second: f64,
    messages: usize,
    /// The most for the relay alone and for relay and Redis together, times the loop.
    budgets: [f64; 2],
    /// What the loop and its Redis were measured to take per delivery where the budgets were set.
    expected_us: f64,
}

/// A server, its Redis and its clients.
struct Side<S> {
    redis: Redis,
    server: S,
    pid: u32,
    swarm: Swarm,
    answers: usize,
}

/// Microseconds of CPU per delivery.
struct Costs {
    server: f64,
    all: f64,
}

impl<S> Side<S> {
    fn connect(
        load: &Load,
        redis: Redis,
        server: S,
        pid: u32,
        address: std::net::SocketAddr,
    ) -> Side<S> {
        let swarm = Swarm::new();
        for n in 0..load.clients {
            let room = room_of(n, load.clients, load.rooms);
            let request = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"room-{room}\"}}");
            swarm.connect(address, &format!("user-{n:06}"), &request);
            if n % 200 == 199 {
                swarm.wait_answers(n + 1);
            }
        }
        swarm.wait_answers(load.clients);
        Side { redis, server, pid, swarm, answers: load.clients }
    }

    fn measured(&mut self, load: &Load) -> (Costs, Vec<f64>) {
        let redis = server::pid(&self.redis);
        let cpu = || (server::process_cpu(self.pid), server::process_cpu(redis));
        let in_room = load.clients / load.rooms;
        self.swarm.latencies();
        let (before, events) = (cpu(), self.swarm.events());
        let start = Instant::now();
        for nth in 0..load.messages {
            pace::until(start + Duration::from_secs_f64(nth as f64 / load.per_second));
            let room = nth % load.rooms;
            let request = format!(
                "{{\"ref\":1,\"op\":\"send\",\"room\":\"room-{room}\",\"text\":\"{}\",\
                 \"nonce\":\"{}\"}}",
                frame::timed_text(),
                self.answers + nth
            );
            self.swarm.send(room * in_room, &request);
        }
        self.answers += load.messages;
        let deliveries = (load.messages * in_room) as u64;
        self.swarm.wait_events(events + deliveries);
        self.swarm.wait_answers(self.answers);
        let after = cpu();
        let per_delivery = |from: f64, to: f64| (to - from) / deliveries as f64;
        let server = per_delivery(before.0, after.0);
        let all = server + per_delivery(before.1, after.1);
        (Costs { server, all }, self.swarm.latencies())
    }
}

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let loads = [
        Load {
            what: "100 rooms of ten, 400 messages/s",
            clients: 1000,
            rooms: 100,
            per_second: 400.0,
            messages: sized(100, 1200, 2400),
            budgets: [1.6, 1.5],
            expected_us: 15.0,
        },
        Load {
            what: "one room of two, 3,000 messages/s",
            clients: 2,
            rooms: 1,
            per_second: 3000.0,
            messages: sized(100, 9000, 18_000),
            budgets: [2.0, 1.8],
            expected_us: 20.0,
        },
    ];
    loads.iter().for_each(|load| run_load(report, load));
}

fn run_load(report: &mut Report, load: &Load) {
    let new_redis = || Redis::with(&["chat.presence-announce 0"]);
    let redis = new_redis();
    let relay = Measured::start("small", &redis, 1);
    let (pid, address) = (relay.pid, relay.relay.address());
    let mut ours = Side::connect(load, redis, relay, pid, address);
    let redis = new_redis();
    let bare = BareChat::start(&redis);
    let (pid, address) = (bare.pid(), bare.address());
    let mut theirs = Side::connect(load, redis, bare, pid, address);
    let (mut servers, mut alls, mut delays) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=sized(1, 9, 15) {
        let ((our, our_delays), (their, their_delays)) =
            (ours.measured(load), theirs.measured(load));
        // The first round warms up.
        if round > 0 {
            servers.push((our.server, their.server));
            alls.push((our.all, their.all));
            delays.push((median(our_delays.into_iter()), median(their_delays.into_iter())));
        }
    }
    let Load { what, budgets, expected_us, .. } = load;
    let rows = [
        (format!("{what}: relay, CPU per delivery"), "us", &servers, Some(budgets[0])),
        (format!("{what}: relay and Redis"), "us", &alls, Some(budgets[1])),
        (format!("{what}: until delivered, p50"), "ms", &delays, None),
    ];
    for (what, unit, pairs, budget) in rows {
        let ratios = pairs.iter().map(|(ours, theirs)| ours / theirs);
        let least = ratios.clone().fold(f64::INFINITY, f64::min);
        let most = ratios.fold(0.0, f64::max);
        let what = format!("{what} ({least:.2} to {most:.2} x)");
        let measured = Measurement::paired(what, unit, &Pairs::of(pairs.clone()));
        let measured = measured.against("a bare loop");
        report.add(match budget {
            Some(most) => measured.within(Budget::Ratio(most)),
            None => measured,
        });
    }
    let took = median(alls.iter().map(|(_, theirs)| *theirs));
    if (took / expected_us - 1.0).abs() > 0.2 {
        println!(
            "  the loop took {took:.1} us, not {expected_us:.0} within 20 %: on this machine, or while \
             it is this busy, the budgets do not hold"
        );
    }
    drop((ours.server, theirs.server));
}
