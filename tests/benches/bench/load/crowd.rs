//! A relay with many clients, and the bare server with as many: shared by the groups that measure
//! relays.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use chat_tests::args;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;

use crate::load::bare::Bare;
use crate::load::frame;
use crate::load::pipe::{Batch, Pipe};
use crate::load::swarm::Swarm;
use crate::measuring::pace;
use crate::measuring::server;

/// A relay and its process.
pub(crate) struct Measured {
    pub(crate) relay: Relay,
    pub(crate) pid: u32,
}

impl Measured {
    /// Starts a relay without rate limits, with this many threads; 0: one for each processor.
    pub(crate) fn start(name: &str, redis: &Redis, threads: usize) -> Measured {
        Measured::of_program(artefacts::relay(), name, redis, threads)
    }

    /// As [`Measured::start`], of another build.
    pub(crate) fn of_program(
        program: &Path,
        name: &str,
        redis: &Redis,
        threads: usize,
    ) -> Measured {
        let threads = threads.to_string();
        let options =
            ["--operations-per-second", "100000", "--log", "warn", "--threads", threads.as_str()];
        let relay = Relay::of_program(program, name, &redis.url(), &options);
        relay.wait_ready();
        Measured { relay, pid: pid_of(name) }
    }

    /// Microseconds of CPU so far.
    pub(crate) fn cpu(&self) -> f64 {
        server::process_cpu(self.pid)
    }
}

/// Our process that was started with `--name name`.
fn pid_of(name: &str) -> u32 {
    let ours = std::process::id().to_string();
    let is_it = |pid: &u32| {
        let read =
            |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let parent = read("stat")
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned));
        let cmdline = read("cmdline");
        let words: Vec<&str> = cmdline.split('\0').collect();
        parent.as_ref() == Some(&ours) && words.windows(2).any(|pair| pair == ["--name", name])
    };
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(is_it).expect("the relay runs")
}

/// The room of socket `n` of `all`: sockets of one room are adjacent.
pub(crate) fn room_of(n: usize, all: usize, rooms: usize) -> usize {
    n * rooms / all
}

/// The sockets of a room.
fn sockets_of(room: usize, all: usize, rooms: usize) -> Range<usize> {
    let start = |room: usize| (room * all).div_ceil(rooms);
    start(room)..start(room + 1)
}

/// Creates rooms `room-0` and so on, with one message each.
pub(crate) fn make_rooms(redis: &Redis, rooms: usize) {
    let send = |room: usize| args!["CHAT.SEND", format!("room-{room}"), "sender", "begin"];
    Pipe::connect(redis).run_all(&Batch::chunks(500, (0..rooms).map(send)));
}

/// Clients in rooms of a relay, and as many of the bare server.
pub(crate) struct Crowd {
    clients: usize,
    rooms: usize,
    pipe: Pipe,
    relay: Measured,
    ours: Swarm,
    bare: Bare,
    theirs: Swarm,
    /// The room of the next event.
    turn: usize,
}

/// One half of a pair.
pub(crate) struct Segment {
    /// Microseconds of the server's CPU per event and socket.
    pub(crate) cpu: f64,
    /// Deliveries per second.
    pub(crate) rate: f64,
    /// Milliseconds from sending to reading of some of them, ascending.
    pub(crate) latencies: Vec<f64>,
}

impl Segment {
    /// The latency that this percentage of deliveries did not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.latencies, percent)
    }
}

/// Events of one room that are sent together.
pub(crate) struct RoomBatch {
    pub(crate) room: usize,
    pub(crate) events: usize,
}

/// How events are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flow {
    /// At this rate for this time, `at_once` events together.
    Paced { per_second: f64, at_once: usize, span: Duration },
    /// As fast as possible, for this time.
    Flood { span: Duration },
}

impl Crowd {
    /// Connects `clients` clients to each, in `rooms` rooms.
    pub(crate) fn gather(
        name: &str,
        redis: &Redis,
        threads: usize,
        clients: usize,
        rooms: usize,
    ) -> Crowd {
        make_rooms(redis, rooms);
        let relay = Measured::start(name, redis, threads);
        let (ours, bare, theirs) = (Swarm::new(), Bare::start(100), Swarm::new());
        for n in 0..clients {
            let room = room_of(n, clients, rooms);
            let request = format!("{{\"ref\":1,\"op\":\"subscribe\",\"room\":\"room-{room}\"}}");
            ours.connect(relay.relay.address(), &format!("user-{n:06}"), &request);
            theirs.connect(bare.address(), "nobody", &request);
            if n % 200 == 199 {
                ours.wait_answers(n + 1);
            }
        }
        ours.wait_answers(clients);
        theirs.wait_answers(clients);
        // The last counts of users online are sent within a second.
        pace::rest(Duration::from_millis(1500));
        let pipe = Pipe::connect(redis);
        Crowd { clients, rooms, pipe, relay, ours, bare, theirs, turn: 0 }
    }

    /// Sends events through the relay.
    pub(crate) fn ours(&mut self, flow: Flow) -> Segment {
        let Crowd { clients, rooms, pipe, relay, ours, turn, .. } = self;
        let mut publish = |batches: &[RoomBatch]| publish(pipe, batches);
        drive(flow, *clients, *rooms, turn, ours, &mut publish, &|| relay.cpu())
    }

    /// Sends events from the bare server.
    pub(crate) fn baseline(&mut self, flow: Flow) -> Segment {
        let Crowd { clients, rooms, bare, theirs, turn, .. } = self;
        let pid = bare.pid();
        let mut publish = |batches: &[RoomBatch]| {
            let order =
                |batch: &RoomBatch| (sockets_of(batch.room, *clients, *rooms), batch.events);
            bare.write(batches.iter().map(order));
        };
        drive(flow, *clients, *rooms, turn, theirs, &mut publish, &|| server::process_cpu(pid))
    }
}

/// Sends events to rooms with `CHAT.SEND`.
pub(crate) fn publish(pipe: &mut Pipe, batches: &[RoomBatch]) {
    let mut batch = Batch::default();
    for RoomBatch { room, events } in batches {
        let room = format!("room-{room}");
        for _ in 0..*events {
            batch.push(args!["CHAT.SEND", room, "sender", frame::timed_text()]);
        }
    }
    pipe.run(&batch);
}

/// Publishes according to `flow`, in the rooms in turns, and waits until everything has arrived.
pub(crate) fn drive(
    flow: Flow,
    clients: usize,
    rooms: usize,
    turn: &mut usize,
    swarm: &Swarm,
    publish: &mut dyn FnMut(&[RoomBatch]),
    cpu: &dyn Fn() -> f64,
) -> Segment {
    swarm.latencies();
    let (events_before, cpu_before, start) = (swarm.events(), cpu(), Instant::now());
    let mut due = 0_u64;
    let mut next = |count: usize, events: usize| -> Vec<RoomBatch> {
        let mut batch = || {
            let room = *turn % rooms;
            *turn += 1;
            due += (sockets_of(room, clients, rooms).len() * events) as u64;
            RoomBatch { room, events }
        };
        (0..count).map(|_| batch()).collect()
    };
    match flow {
        Flow::Paced { per_second, at_once, span } => {
            let batches = per_second / at_once as f64;
            // Not more often than a timer can wake us: then several rooms at a time.
            let tick = (1.0 / batches).max(0.000_25);
            let mut done = 0;
            for number in 0.. {
                let at = number as f64 * tick;
                if at >= span.as_secs_f64() {
                    break;
                }
                pace::until(start + Duration::from_secs_f64(at));
                let goal = ((at + tick) * batches).round() as usize;
                let batch = next(goal.saturating_sub(done), at_once);
                done = goal.max(done);
                publish(&batch);
            }
        }
        Flow::Flood { span } => {
            // Enough in flight that no part waits for another, and too few to fill an outbox.
            let room_size = (clients / rooms).max(1) as u64;
            let most = 32 * rooms as u64 * room_size;
            let mut sent = 0;
            while start.elapsed() < span {
                if sent - (swarm.events() - events_before) < most {
                    let batch = next(8, 1);
                    sent += batch.len() as u64 * room_size;
                    publish(&batch);
                } else {
                    pace::rest(Duration::from_micros(200));
                }
            }
        }
    }
    swarm.wait_events(events_before + due);
    let rate = due as f64 / start.elapsed().as_secs_f64();
    // The server's work after the last delivery belongs to it too.
    pace::rest(Duration::from_millis(20));
    let cpu = (cpu() - cpu_before) / due as f64;
    let mut latencies = swarm.latencies();
    latencies.sort_by(f64::total_cmp);
    Segment { cpu, rate, latencies }
}

/// A percentile of ascending values.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * percent / 100.0).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}
