//! Random presence on three relays against a model: in the end the store, its replica, and the
//! followers of the events agree about who is online.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chat_tests::checking::people::{events_of, replayed, replayed_from, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::seed::{patience, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

const ROOMS: &[&str] = &["one", "two", "three", "four"];
const USERS: &[&str] = &["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
const STATUSES: &[&str] = &["away", "dnd", "online", "lunch", ""];
const OPTIONS: &[&str] = &[
    "--presence-ttl",
    "3s",
    "--grace",
    "1s",
    "--probe",
    "500ms",
    "--operations-per-second",
    "10000",
];
/// The user who is in every room all the time.
const WATCHER: &str = "watcher";
/// The approximate number of open sockets.
const CROWD: usize = 24;

/// A relay, and its sockets with the rooms each is in.
struct Branch {
    relay: Relay,
    sockets: Vec<(Client, BTreeSet<&'static str>)>,
}

struct World {
    random: SmallRng,
    url: String,
    branches: Vec<Branch>,
    started: usize,
    /// Connections without a relay, until their deadline: room and user by name.
    wild: BTreeMap<String, (&'static str, &'static str, Instant)>,
}

impl World {
    fn new(random: SmallRng, redis: &Redis) -> World {
        let wild = BTreeMap::new();
        let mut world = World { random, url: redis.url(), branches: Vec::new(), started: 0, wild };
        (0..3).for_each(|_| world.start_relay());
        world
    }

    fn start_relay(&mut self) {
        self.started += 1;
        let relay = Relay::with(&format!("r{}", self.started), &self.url, OPTIONS);
        relay.wait_ready();
        self.branches.push(Branch { relay, sockets: Vec::new() });
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.random).expect("one at least")
    }

    /// One random step.
    fn step(&mut self, redis: &Redis) {
        let at = self.random.random_range(0..self.branches.len());
        let count: usize = self.branches.iter().map(|branch| branch.sockets.len()).sum();
        match self.random.random_range(0..100) {
            0..30 if count < CROWD => {
                let (user, room) = (self.one(USERS), self.one(ROOMS));
                let client = self.branches[at].relay.connect(user);
                client.ok(json!({"op": "subscribe", "room": room}));
                self.branches[at].sockets.push((client, BTreeSet::from([room])));
            }
            0..50 => self.move_about(at),
            50..58 => self.lose_socket(at),
            58..70 => self.wild_connection(redis),
            70..71 => {
                let mut dead = self.branches.remove(at);
                dead.relay.process().kill();
                self.start_relay();
            }
            _ => {
                let status = self.one(STATUSES);
                if let Some((client, _)) = self.any_socket(at) {
                    client.ok(json!({"op": "status", "status": status}));
                }
            }
        }
    }

    fn any_socket(&mut self, at: usize) -> Option<&mut (Client, BTreeSet<&'static str>)> {
        let sockets = &mut self.branches[at].sockets;
        let place = (!sockets.is_empty()).then(|| self.random.random_range(0..sockets.len()))?;
        sockets.get_mut(place)
    }

    fn move_about(&mut self, at: usize) {
        let room = self.one(ROOMS);
        let Some((client, rooms)) = self.any_socket(at) else { return };
        if rooms.remove(room) {
            client.ok(json!({"op": "unsubscribe", "room": room}));
        } else {
            client.ok(json!({"op": "subscribe", "room": room}));
            rooms.insert(room);
        }
    }

    fn lose_socket(&mut self, at: usize) {
        let sockets = &mut self.branches[at].sockets;
        if !sockets.is_empty() {
            let place = self.random.random_range(0..sockets.len());
            drop(sockets.swap_remove(place));
        }
    }

    fn wild_connection(&mut self, redis: &Redis) {
        let (room, user) = (self.one(ROOMS), self.one(USERS));
        // The user is part of the connection's name: each name belongs to one user.
        let name = format!("wild-{room}-{user}-{}", self.random.random_range(0..2));
        if self.random.random_ratio(1, 3) {
            cmd!(redis, "CHAT.PRESENCE", room, user, &name, "OFF").ok();
            self.wild.remove(&name);
            return;
        }
        let ttl = self.random.random_range(1_000..6_000_u64);
        cmd!(redis, "CHAT.PRESENCE", room, user, &name, "TTL", ttl).ok();
        let end = Instant::now() + Duration::from_millis(ttl);
        self.wild.insert(name, (room, user, end));
    }

    /// The users online once every deadline has passed.
    fn expected(&self, room: &str) -> BTreeSet<String> {
        let sockets = self.branches.iter().flat_map(|branch| &branch.sockets);
        let connected = sockets.filter(|(_, rooms)| rooms.contains(room));
        let connected = connected.map(|(client, _)| client.user.clone());
        let now = Instant::now();
        let wild = self.wild.values().filter(|(of, _, end)| *of == room && *end > now);
        let wild = wild.map(|(_, user, _)| *user).chain([WATCHER]);
        connected.chain(wild.map(str::to_owned)).collect()
    }
}

#[test]
fn the_store_its_replica_and_the_events_agree_with_a_model() {
    // The load of the test itself must not cause a grace.
    let settings = ["chat.presence-grace 1000", "chat.presence-announce 1000"];
    let primary = Redis::with(&settings);
    let mut wire = primary.wire();
    let make: Vec<_> = ROOMS.iter().map(|room| args!["CHAT.SEND", room, "owner", "hi"]).collect();
    wire.pipeline(&make);
    let channel = Subscriber::new(&primary, ROOMS);
    let replica = Redis::replica(&primary, &settings);
    // A user who is in all rooms and never loses the connection.
    let stable = Relay::with("stable", &primary.url(), OPTIONS);
    stable.wait_ready();
    let watcher = stable.connect(WATCHER);
    for room in ROOMS {
        watcher.ok(json!({"op": "subscribe", "room": room}));
    }
    let mut world = World::new(seeded("presence against a model"), &primary);
    let end = Instant::now() + patience(Duration::from_secs(10));
    let mut steps = 0;
    while Instant::now() < end {
        world.step(&primary);
        steps += 1;
    }
    assert!(steps > 100, "only {steps} steps");
    eventually("the store to agree with the model", LATER, || {
        // Asked first: a deadline that passes between the comparison and this would be missed.
        if world.wild.values().any(|(_, _, end)| *end >= Instant::now()) {
            return Err("some have time left".into());
        }
        for room in ROOMS {
            let (found, expected) = (who(&mut wire, room), world.expected(room));
            if found != expected {
                return Err(format!("{room}: {found:?}, expected {expected:?}"));
            }
        }
        Ok(())
    });
    replica.catch_up(&primary);
    let mut copy = replica.wire();
    let mut changes = 0;
    for room in ROOMS {
        let expected = world.expected(room);
        assert_eq!(who(&mut wire, room), expected, "{room} on the primary");
        assert_eq!(who(&mut copy, room), expected, "{room} on the replica");
        eventually("the events to agree", LATER, || {
            let events = events_of(&channel, room, "presence");
            let from_events = replayed(&events);
            changes += events.len();
            if from_events == expected { Ok(()) } else { Err(format!("{room}: {from_events:?}")) }
        });
        eventually("the same to reach a client", LATER, || {
            let frames = watcher.events(room).into_iter().map(|frame| frame.json);
            let others = |event: &Value| event["type"] == "presence" && event["user"] != WATCHER;
            let here = BTreeSet::from([WATCHER.to_owned()]);
            let from_events = replayed_from(here, &frames.filter(others).collect::<Vec<_>>());
            if from_events == expected { Ok(()) } else { Err(format!("{room}: {from_events:?}")) }
        });
    }
    assert_eq!(primary.digest(), replica.digest());
    println!("{steps} steps, {changes} events of presence, {} relays", world.started);
}
