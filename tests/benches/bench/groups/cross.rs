//! From a client of one relay to clients of another: 100 rooms with five clients on either side,
//! 200 sends per second.
//!
//! The baseline is Redis alone: `SPUBLISH` by one client, received by a subscriber.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};
use chat_tests::{args, cmd};

use crate::load::crowd::{Measured, make_rooms, percentile};
use crate::load::frame;
use crate::load::pipe::{Batch, Pipe};
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;

const PER_SECOND: usize = 200;

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let rooms = sized(10, 100, 100);
    let redis = Redis::with(&["chat.presence-announce 0"]);
    make_rooms(&redis, rooms);
    let relays = [Measured::start("cross-a", &redis, 0), Measured::start("cross-b", &redis, 0)];
    let swarms = [Swarm::new(), Swarm::new()];
    for n in 0..rooms * 5 {
        for (relay, swarm) in relays.iter().zip(&swarms) {
            let name = format!("user-{}-{n:06}", relay.pid);
            let room = n % rooms;
            let request = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"room-{room}\"}}");
            swarm.connect(relay.relay.address(), &name, &request);
        }
        if n % 100 == 99 {
            swarms.iter().for_each(|swarm| swarm.wait_answers(n + 1));
        }
    }
    swarms.iter().for_each(|swarm| swarm.wait_answers(rooms * 5));
    pace::rest(Duration::from_millis(1500));
    let [near, far] = swarms;
    let subscriber = Subscriber::new(&redis, rooms);
    let mut pipe = Pipe::connect(&redis);
    let sends = sized(100, 400, 1000);
    let ours = |nth: usize| {
        let room = nth % rooms;
        let text = frame::timed_text();
        let request =
            format!("{{\"ref\":1,\"op\":\"send\",\"room\":\"room-{room}\",\"text\":\"{text}\"}}");
        near.send(room, &request);
    };
    let mut found = Vec::new();
    for _ in 0..=sized(1, 5, 7) {
        far.latencies();
        let before = far.events();
        paced(sends, ours);
        far.wait_events(before + sends as u64 * 5);
        let mut delivered = far.latencies();
        delivered.sort_by(f64::total_cmp);
        paced(sends, |nth| {
            let event = format!("{{\"text\":\"{}\"}}", frame::timed_text());
            pipe.run(&Batch::repeat(1, args!["SPUBLISH", format!("bare-{}", nth % rooms), event]));
        });
        let published = subscriber.take(sends);
        found.push((delivered, published));
    }
    found.remove(0);
    for percent in [50.0, 99.0] {
        let of = |sorted: &[f64]| percentile(sorted, percent);
        let pairs = found.iter().map(|(ours, baseline)| (of(ours), of(baseline))).collect();
        let what = format!(
            "send to delivery on another relay, p{percent}, {} clients, {PER_SECOND}/s",
            rooms * 10
        );
        let measurement =
            Measurement::paired(what, "ms", &Pairs::of(pairs)).against("SPUBLISH to SSUBSCRIBE");
        report.add(if percent > 90.0 {
            measurement.within(Budget::Value(10.0))
        } else {
            measurement
        });
    }
}

/// Calls `send` `count` times at the pace of the group.
fn paced(count: usize, mut send: impl FnMut(usize)) {
    let start = Instant::now();
    for nth in 0..count {
        pace::until(start + Duration::from_secs_f64(nth as f64 / PER_SECOND as f64));
        send(nth);
    }
}

/// Reads what Redis publishes and records the latencies.
struct Subscriber {
    seen: Arc<Mutex<Vec<f64>>>,
    socket: TcpStream,
}

impl Subscriber {
    fn new(redis: &Redis, channels: usize) -> Subscriber {
        let mut wire = redis.wire();
        for channel in 0..channels {
            cmd!(wire, "SSUBSCRIBE", format!("bare-{channel}")).ok();
        }
        let socket = wire.socket().try_clone().expect("a second handle");
        socket.set_read_timeout(None).expect("a socket option");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut reading = socket.try_clone().expect("a second handle");
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reading.read(&mut buffer) {
                let now = frame::now();
                let times = frame::times(&buffer[..count]);
                let times = times.map(|then| now.saturating_sub(then) as f64 / 1e6);
                noted.lock().unwrap_or_else(PoisonError::into_inner).extend(times);
            }
        });
        Subscriber { seen, socket }
    }

    /// Takes all latencies recorded since the last call, ascending, once there are about `count`.
    /// An event that arrived in two parts is not recorded.
    fn take(&self, count: usize) -> Vec<f64> {
        eventually("publications", SOON, || {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() < count - count / 100 {
                return Err(format!("{} of {count}", seen.len()));
            }
            let mut seen = std::mem::take(&mut *seen);
            seen.sort_by(f64::total_cmp);
            Ok(seen)
        })
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // An error means that the server closed first.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
