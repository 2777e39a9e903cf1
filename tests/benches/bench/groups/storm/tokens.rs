//! A relay is killed, and all of its clients come to another one at once, with ES256 tokens. Clients
//! that were there before send meanwhile.
//!
//! The baseline is the same without tokens (`--auth none`), in turns. Each client resumes a room and
//! gets ten messages. The others send at a fixed rate; their delay is that from sending to delivery.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_tests::args;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use serde_json::json;

use crate::groups::send::TEXT;
use crate::load::crowd::{make_rooms, percentile, room_of};
use crate::load::frame;
use crate::load::pipe::{Batch, Pipe};
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;

const MISSED: usize = 10;
/// Others; one of them records delays.
const OTHERS: usize = 8;
/// Sends of the others per second, all together.
const RATE: f64 = 400.0;
/// How long they send before the relay is killed.
const BEFORE: Duration = Duration::from_secs(3);

/// Runs this part of the group `storm`.
pub(super) fn run(report: &mut Report) {
    let clients = sized(200, 5000, 5000);
    let rooms = clients / 10;
    let redis = Redis::with(&["chat.presence-announce 0"]);
    make_rooms(&redis, rooms + 1);
    let sides = [
        Side::new("jwt", &redis, Some(Issuer::es256()), clients),
        Side::new("none", &redis, None, clients),
    ];
    let mut found = Vec::new();
    for _ in 0..=sized(1, 3, 5) {
        let [ours, theirs] = sides.each_ref().map(|side| side.round(&redis, clients, rooms));
        found.push((ours, theirs));
    }
    // The first time every client is new.
    found.remove(0);
    let pairs = |of: fn(&Found) -> f64| {
        Pairs::of(found.iter().map(|(ours, theirs)| (of(ours), of(theirs))).collect())
    };
    let add = |report: &mut Report, what: String, of: fn(&Found) -> f64, budget| {
        let measurement = Measurement::paired(what, "ms", &pairs(of));
        report.add(measurement.against("without tokens").within(budget));
    };
    let what = format!("until {clients} clients with ES256 tokens are back");
    add(report, what, |found| found.took, Budget::Ratio(3.0));
    let what = "others' sends meanwhile, p99, beyond that before".to_owned();
    add(report, what, |found| found.meanwhile - found.before, Budget::Value(50.0));
    let what = Measurement::paired("others' sends before, p99", "ms", &pairs(|found| found.before));
    report.add(what.against("without tokens"));
}

/// What one round has measured, in milliseconds.
struct Found {
    /// Until all clients were back.
    took: f64,
    /// The p99 of the others' sends, before and meanwhile.
    before: f64,
    meanwhile: f64,
}

/// A relay with others, and clients that will come to it.
struct Side {
    name: &'static str,
    issuer: Option<Issuer>,
    /// Of the clients, and then of the others.
    credentials: Vec<String>,
    relay: Relay,
    others: Swarm,
}

impl Side {
    fn new(name: &'static str, redis: &Redis, issuer: Option<Issuer>, clients: usize) -> Side {
        let users = (0..clients + OTHERS).map(|n| format!("{name}-{n:06}"));
        let credential = |user: String| match &issuer {
            Some(issuer) => issuer.token_of(&user, json!({"exp": u32::MAX})),
            None => user,
        };
        let credentials: Vec<String> = users.map(credential).collect();
        let relay = relay(name, redis, issuer.as_ref());
        let others = Swarm::new();
        let side = Side { name, issuer, credentials, relay, others };
        for n in clients..clients + OTHERS {
            let join = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"others-{name}\"}}");
            side.connect(&side.others, &side.relay, n, &join);
        }
        side.others.wait_answers(OTHERS);
        side
    }

    fn connect(&self, swarm: &Swarm, relay: &Relay, n: usize, opening: &str) {
        let credential = &self.credentials[n];
        match self.issuer {
            Some(_) => swarm.connect_with_token(relay.address(), credential, opening),
            None => swarm.connect(relay.address(), credential, opening),
        }
    }

    fn round(&self, redis: &Redis, clients: usize, rooms: usize) -> Found {
        let mut victim = relay("victim", redis, self.issuer.as_ref());
        let lost = Swarm::new();
        for n in 0..clients {
            let room = room_of(n, clients, rooms);
            let request = format!("{{\"ref\":1,\"op\":\"subscribe\",\"room\":\"room-{room}\"}}");
            self.connect(&lost, &victim, n, &request);
            if n % 200 == 199 {
                lost.wait_answers(n + 1);
            }
        }
        lost.wait_answers(clients);
        let cursors = miss_messages(redis, rooms);
        // What was begun by the arrivals is done.
        pace::rest(Duration::from_secs(2));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.send_until(&is_over));
            self.others.latencies();
            pace::rest(BEFORE);
            let before = p99(&self.others);
            let back = Swarm::new();
            victim.process().kill();
            let start = Instant::now();
            for n in 0..clients {
                let room = room_of(n, clients, rooms);
                let cursor = &cursors[room];
                let request = format!(
                    "{{\"ref\":1,\"op\":\"resume\",\"rooms\":{{\"room-{room}\":\"{cursor}\"}}}}"
                );
                self.connect(&back, &self.relay, n, &request);
            }
            back.wait_answers(clients);
            let took = start.elapsed().as_secs_f64() * 1000.0;
            let meanwhile = p99(&self.others);
            is_over.store(true, Ordering::Relaxed);
            assert!(
                back.bytes() as usize > clients * MISSED * TEXT.len(),
                "every client received the missed events"
            );
            println!("    {}: {took:.0} ms, p99 {before:.1} and {meanwhile:.1} ms", self.name);
            Found { took, before, meanwhile }
        })
    }

    fn send_until(&self, is_over: &AtomicBool) {
        let start = Instant::now();
        let mut sent = 0;
        while !is_over.load(Ordering::Relaxed) {
            let request = format!(
                "{{\"ref\":1,\"op\":\"send\",\"room\":\"others-{}\",\"text\":\"{}\"}}",
                self.name,
                frame::timed_text()
            );
            self.others.send(sent % OTHERS, &request);
            sent += 1;
            pace::until(start + Duration::from_secs_f64(sent as f64 / RATE));
        }
    }
}

/// A relay without rate limits.
fn relay(name: &str, redis: &Redis, issuer: Option<&Issuer>) -> Relay {
    let options = ["--operations-per-second", "100000", "--log", "warn"];
    match issuer {
        Some(issuer) => issuer.relay(name, redis, &options),
        None => {
            let relay = Relay::with(name, &redis.url(), &options);
            relay.wait_ready();
            relay
        }
    }
}

/// The positions of the rooms, each of which then has [`MISSED`] messages more.
fn miss_messages(redis: &Redis, rooms: usize) -> Vec<String> {
    let mut wire = redis.wire();
    let position = |room| {
        let page = cmd!(wire, "CHAT.HISTORY", format!("room-{room}"), "COUNT", 1).ok();
        page.list()[0].text().to_owned()
    };
    let cursors = (0..rooms).map(position).collect();
    let mut pipe = Pipe::connect(redis);
    for room in 0..rooms {
        let send = args!["CHAT.SEND", format!("room-{room}"), "sender", TEXT];
        pipe.run(&Batch::repeat(MISSED, &send));
    }
    cursors
}

/// The delay that 99 of 100 sends since the last call did not exceed.
fn p99(swarm: &Swarm) -> f64 {
    let mut delays = swarm.latencies();
    delays.sort_by(f64::total_cmp);
    percentile(&delays, 99.0)
}
