//! Presence as a user sees it who watches rooms through a relay: from a list and the events after
//! it; after a `reset`, from a new list. And ghosts: presences that nobody keeps, which must end.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::checking::people::who;
use crate::clients::client::Client;
use crate::clients::cluster_wire::ClusterWire;
use crate::servers::store::Store;
use crate::wait::{LATER, eventually};

/// A user who watches.
pub struct Witness {
    client: Client,
    /// Each room with who was there at the beginning.
    rooms: Vec<(String, BTreeSet<String>)>,
}

impl Witness {
    /// A user who has joined these rooms through this relay.
    #[track_caller]
    pub fn at(relay: SocketAddr, user: &str, rooms: &[String]) -> Witness {
        let client = Client::connect(relay, user);
        let joined = rooms.iter().map(|room| {
            client.ok(json!({"op": "join", "room": room}));
            (room.clone(), listed(&client, room).expect("a list"))
        });
        let rooms = joined.collect();
        Witness { client, rooms }
    }

    /// Its user.
    pub fn user(&self) -> &str {
        &self.client.user
    }

    /// Waits until it sees in each room whom the servers have there.
    #[track_caller]
    pub fn assert_sees(&self, store: &impl Store) {
        for (room, before) in &self.rooms {
            eventually(&format!("{} to see who is in {room}", self.user()), LATER, || {
                let here = who(&mut store.wire_to(room), room);
                match self.seen(room, before)? {
                    seen if seen == here => Ok(()),
                    seen => Err(format!("{seen:?}, not {here:?}; {}", self.client.arrived())),
                }
            });
        }
        assert!(self.client.closed().is_none(), "the socket of {} stays open", self.user());
    }

    /// Whom it believes to be in a room.
    fn seen(&self, room: &str, before: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
        if self.count(room, |event| event["type"] == "reset") > 0 {
            return listed(&self.client, room);
        }
        let mut here = before.clone();
        for event in self.client.events(room) {
            let user = event.json["user"].as_str().unwrap_or_default().to_owned();
            match event.json["kind"].as_str().filter(|_| event.json["type"] == "presence") {
                // One that is in the list already: it came while the list was read.
                Some("join") => drop(here.insert(user)),
                Some("leave") => drop(here.remove(&user)),
                _ => {}
            }
        }
        Ok(here)
    }

    /// Checks that it saw each ghost leave once; in a room with a `reset` it may have missed that.
    #[track_caller]
    pub fn assert_saw_leave(&self, ghosts: &[Ghost]) {
        let mut seen = 0;
        for Ghost { room, user } in ghosts {
            let is_leave = |event: &Value| event["kind"] == "leave" && event["user"] == **user;
            let leaves = self.count(room, is_leave);
            let may_be_missed = self.count(room, |event| event["type"] == "reset") > 0;
            let as_it_should = leaves == 1 || (leaves == 0 && may_be_missed);
            assert!(as_it_should, "{user}: {leaves} leaves in {:#?}", self.client.events(room));
            seen += leaves;
        }
        println!("{}: {seen} leaves of {} ghosts", self.user(), ghosts.len());
    }

    /// How many frames of this type it received about any of its rooms.
    pub fn frames(&self, kind: &str) -> usize {
        self.rooms.iter().map(|(room, _)| self.count(room, |event| event["type"] == kind)).sum()
    }

    fn count(&self, room: &str, wanted: impl Fn(&Value) -> bool) -> usize {
        self.client.events(room).iter().filter(|event| wanted(&event.json)).count()
    }
}

/// The list of a room's users, by the operation `who`.
fn listed(client: &Client, room: &str) -> Result<BTreeSet<String>, String> {
    let reply = client.call(json!({"op": "who", "room": room, "count": 1000}));
    let reply = reply.map_err(|error| error.to_string())?;
    let users = reply["list"].as_array().cloned().unwrap_or_default();
    Ok(users.iter().map(|row| row["user"].as_str().unwrap_or_default().to_owned()).collect())
}

/// A presence that nobody keeps.
#[derive(Clone, Debug)]
pub struct Ghost {
    /// Where it is.
    pub room: String,
    /// Its name.
    pub user: String,
}

impl Ghost {
    /// One ghost in each of these rooms, which ends after `ttl` without a beat.
    #[track_caller]
    pub fn in_each(
        wire: &mut ClusterWire,
        rooms: &[String],
        name: &str,
        ttl: Duration,
    ) -> Vec<Ghost> {
        let ttl = ttl.as_millis().to_string();
        let ghosts = rooms.iter().map(|room| {
            let user = format!("{name}-{room}");
            let command = ["CHAT.PRESENCE", room, &user, &user, "TTL", &ttl];
            wire.call(room, &command, LATER).ok();
            Ghost { room: room.clone(), user }
        });
        ghosts.collect()
    }
}
