//! What a direct message and a mention cost beside a message to a room: the CPU of the relay and of
//! Redis together.
//!
//! The rooms have the same two users, both receive each message, and one of them sends it: so the
//! baseline does the same deliveries, and what is left is the notice and its conditions.

use std::time::{Duration, Instant};

use chat_tests::servers::redis::Redis;

use crate::load::crowd::Measured;
use crate::load::frame;
use crate::load::swarm::Swarm;
use crate::measuring::measurement::{Budget, Measurement, Report};
use crate::measuring::pace;
use crate::measuring::pairs::Pairs;
use crate::measuring::scale::sized;
use crate::measuring::server;

const PER_SECOND: f64 = 400.0;

/// How a message is addressed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// To a room of two.
    Room,
    /// To their direct room.
    Direct,
    /// To the room, with a mention of the other user.
    Mention,
}

/// Users in twos, each two in a room and in their direct room.
pub(crate) struct Twos {
    relay: Measured,
    redis: u32,
    swarm: Swarm,
    count: usize,
    answers: usize,
}

impl Twos {
    /// Connects `count` twos.
    pub(crate) fn connect(count: usize, relay: Measured, redis: &Redis) -> Twos {
        let swarm = Swarm::new();
        for two in 0..count {
            for name in ["a", "b"] {
                let join = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"room-{two}\"}}");
                swarm.connect(relay.relay.address(), &format!("{name}{two}"), &join);
            }
        }
        let answers = 2 * count;
        swarm.wait_answers(answers);
        let mut twos = Twos { relay, redis: server::pid(redis), swarm, count, answers };
        for socket in 0..2 * count {
            let room = twos.room(Kind::Direct, socket / 2);
            let join = format!("{{\"ref\":1,\"op\":\"join\",\"room\":\"{room}\"}}");
            twos.request(socket, &join);
        }
        twos.swarm.wait_answers(twos.answers);
        twos
    }

    fn room(&self, kind: Kind, two: usize) -> String {
        match kind {
            Kind::Direct => format!("dm:a{two},b{two}"),
            Kind::Room | Kind::Mention => format!("room-{two}"),
        }
    }

    fn request(&mut self, socket: usize, request: &str) {
        self.swarm.send(socket, request);
        self.answers += 1;
    }

    fn cpu(&self) -> f64 {
        self.relay.cpu() + server::process_cpu(self.redis)
    }

    /// Microseconds of CPU per message.
    pub(crate) fn measured(&mut self, kind: Kind, messages: usize) -> f64 {
        let (cpu, before) = (self.cpu(), self.swarm.events());
        let start = Instant::now();
        for nth in 0..messages {
            pace::until(start + Duration::from_secs_f64(nth as f64 / PER_SECOND));
            let two = nth % self.count;
            let mentions = match kind {
                Kind::Mention => format!(",\"mentions\":[\"b{two}\"]"),
                Kind::Room | Kind::Direct => String::new(),
            };
            let (room, text) = (self.room(kind, two), frame::timed_text());
            let request = format!(
                "{{\"ref\":1,\"op\":\"send\",\"room\":\"{room}\",\"text\":\"{text}\",\
                 \"nonce\":\"{}\"{mentions}}}",
                self.answers
            );
            self.request(2 * two, &request);
        }
        self.swarm.wait_events(before + 2 * messages as u64);
        self.swarm.wait_answers(self.answers);
        // Notices are sent after the reply.
        pace::rest(Duration::from_millis(30));
        (self.cpu() - cpu) / messages as f64
    }
}

/// Runs the group.
pub(crate) fn run(report: &mut Report) {
    let redis = Redis::with(&["chat.presence-announce 0"]);
    let relay = Measured::start("direct", &redis, 1);
    let mut twos = Twos::connect(sized(5, 20, 20), relay, &redis);
    let messages = sized(20, 200, 400);
    for kind in [Kind::Direct, Kind::Room, Kind::Mention] {
        twos.measured(kind, messages);
    }
    let rounds: Vec<[f64; 4]> = (0..sized(1, 9, 15))
        .map(|_| {
            [Kind::Direct, Kind::Room, Kind::Mention, Kind::Room]
                .map(|kind| twos.measured(kind, messages))
        })
        .collect();
    for (what, at) in [("a direct message", 0), ("a mention", 2)] {
        let pairs = Pairs::of(rounds.iter().map(|round| (round[at], round[at + 1])).collect());
        let mut ratios: Vec<f64> = rounds.iter().map(|round| round[at] / round[at + 1]).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let what = format!("{what}, CPU of relay and Redis ({least:.2} to {most:.2} x)");
        let measurement = Measurement::paired(what, "us", &pairs).against("a message to a room");
        report.add(measurement.within(Budget::Ratio(2.0)));
    }
}
