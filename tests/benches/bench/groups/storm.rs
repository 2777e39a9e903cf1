//! All clients at once: they lose their sockets, miss ten messages, reconnect and resume; in one room
//! each, and in ten.
//!
//! They do not wait for one another: all connect at once, and a client that the kernel refuses
//! because too many connections wait to be accepted tries again after a second, as TCP does.
//!
//! The baseline of the time is the bare server, which accepts as many sockets and answers each with
//! as many bytes. The baseline of Redis's time is the least that has to be read: the missed range,
//! and a score in a sorted set of users online.

// With tokens, after a relay was killed, while others send.
mod tokens;

use std::time::Instant;

use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

use crate::groups::send::TEXT;
use crate::load::bare::Bare;
use crate::load::crowd::{Measured, make_rooms, room_of};
use crate::load::pipe::{Batch, Pipe};
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pairs::{Pairs, median};
use crate::measuring::scale::sized;
use crate::measuring::server;

pub(super) const MISSED: usize = 10;
/// Rooms of a client that has many.
const ROOMS: usize = 10;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let clients = sized(200, 5000, 5000);
    let rooms = clients / 10;
    let redis = Redis::with(&["chat.presence-announce 0"]);
    make_rooms(&redis, rooms);
    let measured = Measured::start("storm", &redis, 0);
    let pid = server::pid(&redis);
    let mut pipe = Pipe::connect(&redis);
    let mut wire = redis.wire();
    for room in 0..rooms {
        let add = args!["XADD", format!("stream-{room}"), "*", "text", TEXT];
        pipe.run(&Batch::repeat(MISSED, &add));
    }
    let mut found = Vec::new();
    for _ in 0..=sized(1, 3, 5) {
        let cursors = miss(&mut wire, &mut pipe, rooms, MISSED);
        let request = |n: usize| {
            let room = room_of(n, clients, rooms);
            let cursor = &cursors[room];
            format!("{{\"ref\":1,\"op\":\"resume\",\"rooms\":{{\"room-{room}\":\"{cursor}\"}}}}")
        };
        let store = server::main_thread_cpu(pid);
        let (ours, bytes) = storm(measured.relay.address(), clients, request);
        let store = (server::main_thread_cpu(pid) - store) / clients as f64;
        assert!(bytes > MISSED * TEXT.len(), "every client received the missed events");

        let bare = Bare::start(bytes);
        let (theirs, _) = storm(bare.address(), clients, |_| "{}".to_owned());
        let before = server::main_thread_cpu(pid);
        let asked = (0..clients).flat_map(|n| {
            let room = room_of(n, clients, rooms);
            let range = args!["XRANGE", format!("stream-{room}"), "-", "+", "COUNT", MISSED];
            [range, args!["ZADD", format!("set-{room}"), 1_795_225_205_879 + n, format!("r1-{n}")]]
        });
        pipe.run_all(&Batch::chunks(64, asked));
        let asked = (server::main_thread_cpu(pid) - before) / clients as f64;
        found.push(((ours, theirs), (store, asked)));
    }
    // The first time every client is new to the relay.
    found.remove(0);
    let (times, stores): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let what = format!("until {clients} clients are back with {MISSED} messages each");
    report
        .add(Measurement::paired(what, "ms", &Pairs::of(times)).against("bare server, same bytes"));
    let measurement =
        Measurement::paired("Redis CPU per client that resumes", "us", &Pairs::of(stores));
    report.add(measurement.against("XRANGE + ZADD"));
    with_many_rooms(report);
    tokens::run(report);
}

/// The same with ten rooms for each client, which ten clients share, and one missed message in each.
fn with_many_rooms(report: &mut Report) {
    let clients = sized(100, 5000, 5000);
    let redis = Redis::with(&["chat.presence-announce 0"]);
    // As many rooms as clients: those of a client are those of its ten.
    make_rooms(&redis, clients);
    let measured = Measured::start("rooms", &redis, 0);
    let (mut pipe, mut wire) = (Pipe::connect(&redis), redis.wire());
    let pid = server::pid(&redis);
    let (mut times, mut commands) = (Vec::new(), Vec::new());
    let (mut relays, mut stores) = (Vec::new(), Vec::new());
    for _ in 0..=sized(1, 3, 5) {
        let cursors = miss(&mut wire, &mut pipe, clients, 1);
        let request = |n: usize| {
            let first = n / ROOMS * ROOMS;
            let rooms = (first..first + ROOMS).map(|room| {
                let cursor = &cursors[room];
                format!("\"room-{room}\":\"{cursor}\"")
            });
            let rooms = rooms.collect::<Vec<_>>().join(",");
            format!("{{\"ref\":1,\"op\":\"resume\",\"rooms\":{{{rooms}}}}}")
        };
        let asked = || server::number(&redis, "stats", "total_commands_processed");
        let cpu = || (measured.cpu(), server::main_thread_cpu(pid));
        let (before, cpu_before) = (asked(), cpu());
        let (ours, bytes) = storm(measured.relay.address(), clients, request);
        let cpu_after = cpu();
        let each = |before: f64, after: f64| (after - before) / clients as f64;
        commands.push(each(before, asked()));
        relays.push(each(cpu_before.0, cpu_after.0));
        stores.push(each(cpu_before.1, cpu_after.1));
        assert!(bytes > ROOMS * TEXT.len(), "every client received the missed events");
        let bare = Bare::start(bytes);
        let (theirs, _) = storm(bare.address(), clients, request);
        times.push((ours, theirs));
    }
    // The first time every client is new to the relay.
    times.remove(0);
    for counted in [&mut commands, &mut relays, &mut stores] {
        counted.remove(0);
    }
    let what = format!("until {clients} clients are back in {ROOMS} rooms each");
    let measurement = Measurement::paired(what, "ms", &Pairs::of(times));
    report.add(measurement.against("bare server, same bytes").within(Budget::Ratio(2.0)));
    // Three for the client, two for each room, and a share of a CHAT.SYNC.
    let most = (3 + 2 * ROOMS) as f64 + 1.0;
    let commands = median(commands.into_iter());
    let what = format!("commands of such a client, of all {ROOMS} rooms");
    report.add(Measurement::alone(what, "", commands).within(Budget::Value(most)));
    for (whose, cpu) in [("relay", relays), ("Redis", stores)] {
        let what = format!("{whose} CPU of such a client");
        report.add(Measurement::alone(what, "us", median(cpu.into_iter())));
    }
}

/// Sends to each room so many messages that its clients will have missed. Returns the rooms' cursors from before.
pub(super) fn miss(wire: &mut Wire, pipe: &mut Pipe, rooms: usize, missed: usize) -> Vec<String> {
    let cursor = |room: usize| {
        let page = cmd!(wire, "CHAT.HISTORY", format!("room-{room}"), "COUNT", 1).ok();
        page.list()[0].text().to_owned()
    };
    let cursors = (0..rooms).map(cursor).collect();
    for room in 0..rooms {
        let send = args!["CHAT.SEND", format!("room-{room}"), "sender", TEXT];
        pipe.run(&Batch::repeat(missed, &send));
    }
    cursors
}

/// Milliseconds until all have their replies; bytes of a reply.
pub(super) fn storm(
    address: std::net::SocketAddr,
    clients: usize,
    request: impl Fn(usize) -> String,
) -> (f64, usize) {
    let swarm = Swarm::new();
    let start = Instant::now();
    (0..clients).for_each(|n| swarm.connect(address, &format!("user-{n:06}"), &request(n)));
    swarm.wait_answers(clients);
    let took = start.elapsed().as_secs_f64() * 1000.0;
    (took, swarm.bytes() as usize / clients)
}
