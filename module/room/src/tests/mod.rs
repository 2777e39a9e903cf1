//! Tests of the core as a whole: rules as tables, random commands against a simple model, damaged
//! bytes.
//!
//! [`World`] takes the place of the module: it holds one room, and a copy that only gets the
//! records.

mod damage;
mod direct_rooms;
mod erasing;
mod event_fixtures;
mod event_folding;
mod expiry;
mod foreign_records;
mod id_lead;
mod importing;
mod moderation;
mod notices;
mod presence;
mod presence_log;
mod random_commands;
mod record_bytes;
mod resuming;
mod rules;
mod snapshot_pieces;
mod stored_forms;
mod trimming;

use chat_protocol::names::{Actor, RoomName};

use crate::command_error::CommandError;
use crate::decide;
use crate::decide::context::{Context, Judging};
use crate::decide::decision::{Decision, Steps};
use crate::state::limits::Limits;
use crate::{Now, Outcome, Part, Record, Room};

/// A room, its copy, and the clock.
pub(crate) struct World {
    name: String,
    pub(crate) room: Room,
    copy: Room,
    limits: Limits,
    now: u64,
    /// Milliseconds by which ids are ahead of the clock.
    ahead: u64,
    /// All published events, in order.
    published: Vec<String>,
}

impl World {
    pub(crate) fn new(name: &str) -> World {
        World {
            name: name.into(),
            room: Room::default(),
            copy: Room::default(),
            limits: Limits::default(),
            now: 1_795_225_200_000,
            ahead: 0,
            published: Vec::new(),
        }
    }

    fn context<'r, 'a>(&'r self, name: &'a str) -> Context<'r, 'a> {
        let name = RoomName::parse(name.as_bytes()).expect("a room name");
        Context { room: &self.room, name, now: self.time(), limits: &self.limits }
    }

    /// The time. The monotonic clock differs from the wall clock.
    pub(crate) fn time(&self) -> Now {
        let (ms, monotonic_ms) = (self.now, self.now + 7_000_000);
        let id_ms = ms + self.ahead;
        Now { ms, id_ms, unused_ms: id_ms + 1, monotonic_ms }
    }

    fn send(&mut self, user: &str, text: &str) -> Result<String, CommandError> {
        self.send_with(user, text, None)
    }

    pub(crate) fn send_with(
        &mut self,
        user: &str,
        text: &str,
        nonce: Option<&str>,
    ) -> Result<String, CommandError> {
        let name = self.name.clone();
        let send = send(user, text, nonce);
        let reply = self.run(&name, |c, d| decide::send::decide(c, &send, d))?;
        Ok(reply.map(|id| id.to_string()).unwrap_or_default())
    }

    fn join(
        &mut self,
        user: &str,
        role: Option<&str>,
        by: Option<&str>,
    ) -> Result<bool, CommandError> {
        let name = self.name.clone();
        let role = role
            .map(|role| crate::state::users::members::Role::parse(role.as_bytes()))
            .transpose()?;
        let by = by.map(|by| Actor::parse(by.as_bytes())).transpose()?;
        let join =
            decide::join::Join { user, role, by, creation: decide::context::Creation::Allowed };
        self.run(&name, |c, d| decide::join::join(c, join, d))
    }

    fn set(&mut self, field: &str, value: &str, by: Option<&str>) -> Result<(), CommandError> {
        let name = self.name.clone();
        let by = by.map(|by| Actor::parse(by.as_bytes())).transpose()?;
        let fields = [(field.as_bytes(), value.as_bytes())];
        self.run(&name, |c, d| {
            let (creation, judging) = Default::default();
            decide::room::set(c, decide::room::Set { fields: &fields, by, creation, judging }, d)
        })
    }

    fn leave(&mut self, user: &str) -> Result<bool, CommandError> {
        let name = self.name.clone();
        self.run(&name, |c, d| decide::join::leave(c, user, d))
    }

    /// Runs a rule and executes its decision.
    fn run<'a, R>(
        &mut self,
        name: &'a str,
        rule: impl FnOnce(Context<'_, 'a>, &mut Decision<'a>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let mut decision = Decision::on(&self.room);
        let reply = rule(self.context(name), &mut decision)?;
        decision.check_numbers(&self.room)?;
        self.finish(name, decision.steps);
        Ok(reply)
    }

    /// One step of the timer, with at most `most` items of each kind.
    fn expire(&mut self, most: usize) {
        let name = self.name.clone();
        let ends = decide::expire::ConnectionExpiry::Enabled;
        let mut decision = Decision::on(&self.room);
        decide::expire::decide(self.context(&name), ends, most, &mut decision);
        self.finish(&name, decision.steps);
    }

    /// Executes a decision, and applies its records to the copy.
    fn finish(&mut self, name: &str, steps: Steps<'_>) {
        let mut outcome = Outcome::default();
        let is_new = self.room.is_blank();
        self.room.execute(name, self.time(), &steps, &mut outcome);
        let durable = Record::read_all(&outcome.durable).expect("what was written can be read");
        let creates = durable.first().is_some_and(Record::creates_room);
        assert!(!is_new || creates || !outcome.changes(), "a copy refuses {durable:?}");
        for blob in [&outcome.durable, &outcome.presence] {
            for record in &Record::read_all(blob).expect("what was written can be read") {
                let monotonic = self.now + 3_000;
                self.copy.apply(record, monotonic);
            }
        }
        let texts = outcome.events.iter().map(|event| String::from_utf8_lossy(event).into_owned());
        self.published.extend(texts);
    }

    /// Checks that the room, its copy and a reloaded room are equal.
    fn check_copies(&self) {
        let whole = self.room.encode(Part::Everything(self.time()));
        assert_eq!(self.room.encode(Part::Durable), self.copy.encode(Part::Durable));
        let loaded = Room::decode(&whole).expect("what was saved can be loaded");
        assert_eq!(digest(&self.room), digest(&self.copy));
        assert_eq!(digest(&self.room), digest(&loaded));
        assert_eq!(loaded.encode(Part::Durable), self.room.encode(Part::Durable));
        assert_eq!(loaded.online(), self.room.online());
        assert_eq!(loaded.connections(), self.room.connections());
        assert_eq!(self.copy.connections(), self.room.connections());
        let mut room = self.room.clone();
        while room.free_pending(1000) {}
        assert_eq!(room.encode(Part::Durable), self.room.encode(Part::Durable));
        assert_eq!(loaded.users.len(), room.users.len(), "no user leaks");
        assert_eq!(loaded.journal.bytes(), room.journal.bytes(), "nothing is left of what is gone");
        let bare = Room::decode(&self.room.encode(Part::Durable)).expect("a snapshot loads");
        assert_eq!(bare.connections(), 0);
        assert_eq!(bare.encode(Part::Durable), self.room.encode(Part::Durable));
    }
}

/// The input of DEBUG DIGEST.
fn digest(room: &Room) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    room.digest(&mut |piece| pieces.push(piece.to_vec()));
    pieces
}

fn send<'a>(user: &'a str, text: &'a str, nonce: Option<&'a str>) -> decide::send::Send<'a> {
    decide::send::Send {
        user: Actor::parse(user.as_bytes()).expect("a user name"),
        text: text.as_bytes(),
        nonce,
        kind: None,
        meta: None,
        reply: None,
        mentions: Default::default(),
        ephemeral: false,
        judging: Judging::Done,
        creation: decide::context::Creation::Allowed,
    }
}

/// The code and the argument of an error: the first words of its text.
fn code(error: &CommandError) -> String {
    let message = error.to_string();
    message.split(" - ").next().unwrap_or_default().to_owned()
}
