//! A reader of all events of all rooms, by the rules of CHAT.CHANGES in `docs/commands.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Value;

use crate::checking::changes::Changes;
use crate::checking::fold::Folded;
use crate::checking::view::Event;
use crate::clients::cluster_wire::ClusterWire;
use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::wait::{SOON, eventually};

/// What the reader has of one room.
#[derive(Default)]
pub struct KnownRoom {
    /// The messages after all events.
    pub view: Folded,
    /// The ids of all events received, without those of an earlier room of this name.
    pub ids: BTreeSet<String>,
    /// The id of the last event received.
    position: String,
}

/// See the documentation of this file.
pub struct ChangeReader {
    cursors: BTreeMap<SocketAddr, String>,
    /// COUNT of each call.
    count: String,
    client: ClusterWire,
    /// The rooms that are there, as far as the reader knows.
    pub rooms: BTreeMap<String, KnownRoom>,
    /// Rooms of which something was lost, as the reader was told, since [`ChangeReader::take_told`].
    told: BTreeSet<String>,
    /// How often a walk began anew.
    pub anew: usize,
}

impl ChangeReader {
    /// A reader from the beginning. `seeds` are addresses of nodes, or of the one server.
    pub fn new(seeds: &[SocketAddr], count: usize) -> ChangeReader {
        ChangeReader {
            cursors: BTreeMap::new(),
            count: count.to_string(),
            client: ClusterWire::new(seeds),
            rooms: BTreeMap::new(),
            told: BTreeSet::new(),
            anew: 0,
        }
    }

    /// From now on asks these nodes about keys.
    pub fn connect_to(&mut self, seeds: &[SocketAddr]) {
        self.client = ClusterWire::new(seeds);
    }

    /// The rooms of which something was lost, as was told since the last call.
    pub fn take_told(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.told)
    }

    /// Reads the changes of these servers, all primaries, to their ends, in this order, and the
    /// events of the rooms that are listed.
    #[track_caller]
    pub fn read(&mut self, nodes: &[SocketAddr]) {
        let mut unlisted: BTreeSet<String> = self.rooms.keys().cloned().collect();
        let anew = nodes.iter().map(|node| self.walk(*node, &mut unlisted)).filter(|anew| *anew);
        if anew.count() > 0 {
            unlisted.iter().for_each(|room| self.ask(room));
        }
    }

    /// Reads the changes of one server. True: its list began anew.
    #[track_caller]
    pub fn walk(&mut self, node: SocketAddr, unlisted: &mut BTreeSet<String>) -> bool {
        let mut wire = Wire::connect(node).expect("a server");
        let mut anew = !self.cursors.contains_key(&node);
        loop {
            let cursor = self.cursors.get(&node).map_or("0", String::as_str);
            let page = wire.call(&["CHAT.CHANGES", cursor, "COUNT", &self.count]).ok();
            let page = Changes::read(&page);
            anew |= page.anew;
            self.anew += usize::from(page.anew);
            self.cursors.insert(node, page.next);
            for (room, _) in page.rooms {
                unlisted.remove(&room);
                self.ask(&room);
            }
            if !page.more {
                return anew;
            }
        }
    }

    /// Reads the events of a room after the reader's position.
    #[track_caller]
    fn ask(&mut self, room: &str) {
        loop {
            let known = self.rooms.get(room);
            let position = known.map_or("0-0", |known| known.position.as_str()).to_owned();
            let reply = self.call(room, &["CHAT.SYNC", room, &position, "COUNT", "100"]);
            let [recovered, newest, events, more] = reply.list() else { panic!("{reply:?}") };
            if newest.text() == "0-0" {
                self.told.insert(room.to_owned());
                self.rooms.remove(room);
                return;
            }
            if recovered.int() == 0 {
                self.told.insert(room.to_owned());
                self.read_anew(room);
                continue;
            }
            let known = self.rooms.entry(room.to_owned()).or_default();
            known.position = position;
            for event in events.list() {
                let event = Event::read(event.text());
                known.view.apply(&event.json);
                known.ids.insert(event.id().to_owned());
                known.position = event.id().to_owned();
            }
            if more.int() == 0 {
                return;
            }
        }
    }

    /// Reads a room from its history: its past is lost or trimmed.
    #[track_caller]
    fn read_anew(&mut self, room: &str) {
        let page = self.call(room, &["CHAT.HISTORY", room, "COUNT", "1000"]);
        let [newest, events, _] = page.list() else { panic!("{page:?}") };
        let events: Vec<Event> =
            events.list().iter().map(|event| Event::read(event.text())).collect();
        let known = KnownRoom {
            view: Folded::page(newest.text(), &events.iter().map(json).collect::<Vec<_>>()),
            ids: events.iter().map(|event| event.id().to_owned()).collect(),
            position: newest.text().to_owned(),
        };
        self.rooms.insert(room.to_owned(), known);
    }

    #[track_caller]
    fn call(&mut self, room: &str, args: &[&str]) -> Reply {
        eventually("an answer about a room", SOON, || match self.client.try_call(room, args) {
            Ok(Reply::Error(line)) => Err(line),
            answer => answer,
        })
    }
}

fn json(event: &Event) -> Value {
    event.json.clone()
}
