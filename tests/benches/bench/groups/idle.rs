//! The cost of connections that do nothing: each in one room of ten.

use std::ops::Range;
use std::time::Duration;

use chat_tests::servers::redis::Redis;

use crate::load::bare::Bare;
use crate::load::crowd::{Measured, make_rooms, room_of};
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;
use crate::measuring::server;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let clients = sized(500, 10_000, 10_000);
    let rooms = clients / 10;
    let redis = Redis::with(&["chat.presence-announce 0"]);
    make_rooms(&redis, rooms);
    let measured = Measured::start("idle", &redis, 0);
    let swarm = Swarm::new();
    // What does not grow with the connections is there before the first look.
    let first = clients / 5;
    connect(&swarm, &measured, 0..first, clients);
    let before = memory(&measured, &redis);
    connect(&swarm, &measured, first..clients, clients);
    let after = memory(&measured, &redis);
    let more = (clients - first) as f64;
    let (relay, store) = ((after.0 - before.0) / more, (after.1 - before.1) / more);
    let baseline = baseline(sized(500, 5000, 5000));
    let measurement = Measurement::paired(
        format!("relay memory per connection, {first} to {clients}, in rooms of ten"),
        "KiB",
        &Pairs::of(vec![(relay, baseline)]),
    );
    report.add(measurement.against("bare server").within(Budget::Value(4.0)));
    let what = "Redis memory per connection, its user's personal room included";
    report.add(Measurement::alone(what, "bytes", store).within(Budget::Value(1500.0)));

    // Long enough for every connection's ping, and for the beats to Redis.
    let redis_pid = server::pid(&redis);
    let span = Duration::from_secs(sized(2, 25, 50) as u64);
    let (relay, store) = (measured.cpu(), server::main_thread_cpu(redis_pid));
    pace::rest(span);
    let per_second = |before: f64, now: f64| (now - before) / 1000.0 / span.as_secs_f64();
    let (relay, store) =
        (per_second(relay, measured.cpu()), per_second(store, server::main_thread_cpu(redis_pid)));
    let what = format!("relay CPU for {clients} idle connections");
    report.add(Measurement::alone(what, "ms/s", relay).within(Budget::Value(8.0)));
    report.add(Measurement::alone(
        format!("Redis CPU for {clients} idle connections"),
        "ms/s",
        store,
    ));
}

/// Connects clients, each in a room of ten, and waits until nothing happens any more.
fn connect(swarm: &Swarm, measured: &Measured, numbers: Range<usize>, all: usize) {
    for n in numbers.clone() {
        let room = room_of(n, all, all / 10);
        let request = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"room-{room}\"}}");
        swarm.connect(measured.relay.address(), &format!("user-{n:06}"), &request);
        if n % 200 == 199 {
            swarm.wait_answers(n + 1);
        }
    }
    swarm.wait_answers(numbers.end);
    pace::rest(Duration::from_secs(2));
}

/// Kilobytes of the relay, and bytes of the data of Redis.
fn memory(measured: &Measured, redis: &Redis) -> (f64, f64) {
    (server::resident_kb(measured.pid), server::number(redis, "memory", "used_memory_dataset"))
}

/// Kilobytes per socket of a server that stores nothing about its sockets.
fn baseline(clients: usize) -> f64 {
    let (bare, swarm) = (Bare::start(100), Swarm::new());
    let before = server::resident_kb(bare.pid());
    (0..clients).for_each(|_| swarm.connect(bare.address(), "nobody", "{}"));
    swarm.wait_answers(clients);
    (server::resident_kb(bare.pid()) - before) / clients as f64
}
