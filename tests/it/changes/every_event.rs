//! A reader that follows the rules has every event, or was told that some were lost, whatever happens
//! to rooms and servers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use chat_tests::checking::change_reader::ChangeReader;
use chat_tests::checking::view::history;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Rooms that are created and removed all the time. More than a page.
const ROOMS: usize = 40;
/// COUNT of the reader.
const COUNT: usize = 7;
/// Little is kept, so that pasts are lost.
const SETTINGS: &[&str] =
    &["chat.history-max 30", "chat.journal-max 40", "appendonly yes", "appendfsync always"];

/// The acknowledged events that the reader has neither received nor been told to be lost.
#[derive(Default)]
struct Oracle {
    open: BTreeMap<String, BTreeSet<String>>,
    /// Those in database 1, which the reader does not read.
    elsewhere: BTreeMap<String, BTreeSet<String>>,
    sent: usize,
    told: usize,
}

impl Oracle {
    fn acknowledged(&mut self, room: &str, reply: &Reply) {
        if let Reply::Text(id) = reply {
            self.open
                .entry(room.to_owned())
                .or_default()
                .insert(String::from_utf8_lossy(id).into());
            self.sent += 1;
        }
    }

    /// The room and all in it was removed.
    fn removed_if(&mut self, room: &str, is_removed: bool) {
        if is_removed {
            self.open.remove(room);
        }
    }

    /// The events of a room are in another now, and what was in that is removed.
    fn renamed_if(&mut self, from: &str, to: &str, is_renamed: bool) {
        if !is_renamed {
            return;
        }
        let moved = self.open.remove(from);
        self.open.remove(to);
        self.open.extend(moved.map(|ids| (to.to_owned(), ids)));
    }

    /// What the reader was told to be lost is not expected any more.
    fn note_told(&mut self, reader: &mut ChangeReader) {
        for room in reader.take_told() {
            self.told += self.open.remove(&room).map_or(0, |ids| ids.len());
        }
    }

    /// After the reader has read all changes.
    #[track_caller]
    fn check(&mut self, what: &str, reader: &mut ChangeReader) {
        self.note_told(reader);
        for (room, ids) in &mut self.open {
            let known = reader.rooms.get(room).map(|known| &known.ids);
            ids.retain(|id| !known.is_some_and(|known| known.contains(id)));
            assert!(ids.is_empty(), "after {what}: {room} lacks {ids:?}, and nothing was told");
        }
        self.open.clear();
    }
}

/// Checks that the folded events of every room are what its history shows.
#[track_caller]
fn assert_folded(what: &str, wire: &mut Wire, reader: &ChangeReader) {
    let mut rooms = cmd!(wire, "KEYS", "*").texts();
    rooms.retain(|room| cmd!(wire, "TYPE", room).text() == "chat-room");
    for room in &rooms {
        let page = history(wire, room, &["COUNT", "1000"]);
        let page: Vec<_> = page.events.into_iter().map(|event| event.json).collect();
        let known = reader.rooms.get(room);
        if page.is_empty() {
            continue;
        }
        let folded =
            known.unwrap_or_else(|| panic!("after {what}: {room} is unknown")).view.messages();
        // Trimmed messages are not shown, although their events are known.
        let skipped = folded.len().saturating_sub(page.len());
        assert_eq!(folded[skipped..], page, "after {what}: {room}");
    }
    let unknown: Vec<&String> = reader.rooms.keys().filter(|room| !rooms.contains(room)).collect();
    assert!(unknown.is_empty(), "after {what}: {unknown:?} are gone");
}

/// One server, or the replica that is promoted.
struct Scene {
    redis: Redis,
    random: SmallRng,
    oracle: Oracle,
    ids: Ids,
    counter: usize,
}

/// The ids that the rooms of each name ever had. Two rooms may have the same id, so a position in one
/// may look like a position in the other, if that takes its name.
#[derive(Default)]
struct Ids(BTreeMap<String, BTreeSet<String>>);

impl Ids {
    fn add(&mut self, room: &str, reply: &Reply) {
        if let Reply::Text(id) = reply {
            let id = String::from_utf8_lossy(id).into_owned();
            self.0.entry(room.to_owned()).or_default().insert(id);
        }
    }

    /// Whether `room` may get the name `to`. Then all its ids are also those of the other name.
    fn may_become(&mut self, room: &str, to: &str) -> bool {
        let ids = self.0.get(room).cloned().unwrap_or_default();
        let others = self.0.entry(to.to_owned()).or_default();
        let is_clear = ids.is_disjoint(others);
        if is_clear {
            others.extend(ids);
        }
        is_clear
    }
}

impl Scene {
    fn address(&self) -> SocketAddr {
        self.redis.address()
    }

    fn room(&mut self) -> String {
        format!("room{}", self.random.random_range(0..ROOMS))
    }

    /// Random commands, recorded.
    fn traffic(&mut self, count: usize) {
        let mut wire = self.redis.wire();
        for _ in 0..count {
            let room = self.room();
            self.counter += 1;
            match self.random.random_range(0..20) {
                0 => self.oracle.removed_if(&room, cmd!(wire, "DEL", &room).int() == 1),
                1 => {
                    let to = self.room();
                    if to != room && self.ids.may_become(&room, &to) {
                        let renamed = !cmd!(wire, "RENAME", &room, &to).is_error();
                        self.oracle.renamed_if(&room, &to, renamed);
                    }
                }
                2 => {
                    let to = self.room();
                    if self.ids.may_become(&room, &to) {
                        cmd!(wire, "COPY", &room, &to);
                    }
                }
                3 => {
                    let expires = cmd!(wire, "PEXPIRE", &room, 1).int() == 1;
                    await_end(&mut wire, &room, expires);
                    self.oracle.removed_if(&room, expires);
                }
                4 => {
                    cmd!(wire, "SET", &room, "no room", "PX", 1).ok();
                    await_end(&mut wire, &room, true);
                    self.oracle.removed_if(&room, true);
                }
                5 | 6 => {
                    let reply = self.change_a_message(&mut wire, &room);
                    self.ids.add(&room, &reply);
                }
                _ => {
                    let text = format!("message {}", self.counter);
                    let reply = cmd!(wire, "CHAT.SEND", &room, "alice", text);
                    self.oracle.acknowledged(&room, &reply);
                    self.ids.add(&room, &reply);
                }
            }
        }
    }

    fn change_a_message(&mut self, wire: &mut Wire, room: &str) -> Reply {
        if cmd!(wire, "EXISTS", room).int() == 0 {
            return Reply::Nil;
        }
        let page = history(wire, room, &["COUNT", "5"]);
        let Some(id) = page.ids().choose(&mut self.random).map(|id| (*id).to_owned()) else {
            return Reply::Nil;
        };
        match self.counter % 2 {
            0 => cmd!(wire, "CHAT.EDIT", room, "alice", id, format!("edit {}", self.counter)),
            _ => cmd!(wire, "CHAT.DELETE", room, "alice", id),
        }
    }

    /// A replica that has everything and is promoted now.
    fn promoted(&self) -> Redis {
        let replica = Redis::replica(&self.redis, SETTINGS);
        replica.catch_up(&self.redis);
        // Its append-only file begins with a copy of the data.
        replica.wait_rewritten();
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        replica
    }

    /// Something that happens to the whole server.
    fn event(&mut self, reader: &mut ChangeReader) -> &'static str {
        let mut wire = self.redis.wire();
        match self.random.random_range(0..10) {
            0 => {
                cmd!(wire, "DEBUG", "RELOAD").ok();
                "DEBUG RELOAD"
            }
            1 => {
                cmd!(wire, "FLUSHDB").ok();
                self.oracle.open.clear();
                "FLUSHDB"
            }
            2 => {
                cmd!(wire, "SWAPDB", 0, 1).ok();
                let Oracle { open, elsewhere, .. } = &mut self.oracle;
                std::mem::swap(open, elsewhere);
                "SWAPDB"
            }
            3 => {
                cmd!(wire, "CONFIG", "SET", "maxmemory-policy", "allkeys-random").ok();
                cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
                cmd!(wire, "CHAT.SEND", "evicts", "alice", "hello");
                cmd!(wire, "CONFIG", "SET", "maxmemory", 0).ok();
                let left = cmd!(wire, "KEYS", "*").texts();
                self.oracle.open.retain(|room, _| left.contains(room));
                cmd!(wire, "SELECT", 1).ok();
                let left = cmd!(wire, "KEYS", "*").texts();
                self.oracle.elsewhere.retain(|room, _| left.contains(room));
                "eviction"
            }
            4 => {
                self.redis.kill();
                self.redis.restart();
                // One that was promoted starts as a replica.
                cmd!(self.redis, "REPLICAOF", "NO", "ONE").ok();
                "a restart"
            }
            5 => {
                let replica = self.promoted();
                self.redis = replica;
                "a promotion"
            }
            6 => {
                let replica = self.promoted();
                // What is acknowledged now is lost, and nobody knows of what was not read before.
                self.traffic(5);
                reader.read(&[self.address()]);
                self.oracle.check("a read before a promotion", reader);
                self.traffic(5);
                self.oracle.open.clear();
                self.redis = replica;
                "a promotion without the last writes"
            }
            _ => "nothing",
        }
    }
}

/// Waits until a key that expires has gone.
#[track_caller]
fn await_end(wire: &mut Wire, room: &str, expires: bool) {
    eventually("the end of a key", SOON, || {
        match expires && cmd!(wire, "EXISTS", room).int() == 1 {
            true => Err(room.to_owned()),
            false => Ok(()),
        }
    });
}

#[test]
fn a_reader_has_every_event_or_was_told_of_its_loss() {
    let mut scene = Scene {
        redis: Redis::with(SETTINGS),
        random: seeded("every event"),
        oracle: Oracle::default(),
        ids: Ids::default(),
        counter: 0,
    };
    let mut reader = ChangeReader::new(&[scene.address()], COUNT);
    for round in 0..rounds(60) {
        // Often little: each single change must be listed.
        for _ in 0..scene.random.random_range(0..12) {
            let few = scene.random.random_range(1..4);
            scene.traffic(few);
            reader.read(&[scene.address()]);
            scene.oracle.check(&format!("round {round}, {few} commands"), &mut reader);
        }
        scene.traffic(40);
        if scene.random.random_ratio(1, 2) {
            // Reads in the middle, while rooms come and go.
            reader.read(&[scene.address()]);
            scene.oracle.note_told(&mut reader);
            scene.traffic(20);
        }
        let before = scene.address();
        let event = scene.event(&mut reader);
        if before != scene.address() {
            reader.connect_to(&[scene.address()]);
        }
        reader.read(&[scene.address()]);
        let what = format!("round {round}, {event}");
        scene.oracle.check(&what, &mut reader);
        assert_folded(&what, &mut scene.redis.wire(), &reader);
    }
    let Oracle { sent, told, .. } = scene.oracle;
    println!("{sent} sent, {told} told as lost, {} times anew", reader.anew);
    assert!(told > 0 && told < sent / 2 && reader.anew > 3, "{told} of {sent}, {}", reader.anew);
}
