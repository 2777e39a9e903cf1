//! What a forwarder stores in the rooms' Redis: the positions, the lease, and the events that were
//! given up. No room can have names like theirs, and all three are in one slot.
//!
//! The one idea: whatever is written is written in one transaction that begins only if the lease is
//! ours, and renews it. So a process that was frozen and wakes after another one took over writes
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;

use chat_protocol::id::Id;
use redis::Value;

use crate::upstream::commands::feed;
use crate::upstream::replies::{Elements, text};
use crate::upstream::{Command, Holding, Upstream};
use crate::webhook::servers::{self, Failure};

/// How long a lease lasts that is not renewed.
pub(super) const LEASE_MS: u64 = 10_000;
/// The most events that are given up and not sent again.
pub(super) const DEAD_MAX: i64 = 10_000;
/// The field of the positions that says that they were created. No room can have this name.
const CREATED: &str = "@*created";

/// The keys of one forwarder, and who this process is.
#[derive(Clone)]
pub(super) struct State {
    upstream: Arc<Upstream>,
    lease: String,
    positions: String,
    dead: String,
    token: String,
}

/// The stored positions by room.
pub(super) type Positions = HashMap<Arc<str>, Id>;

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    /// Its place in the stream of those.
    pub(super) entry: Id,
    /// Its room.
    pub(super) room: String,
    /// Its id.
    pub(super) id: String,
    /// The id before it.
    pub(super) after: Id,
}

impl State {
    pub(super) fn new(upstream: Arc<Upstream>, name: &str) -> State {
        let key = |what: &str| format!("dm:forward:{{{name}}}:{what}");
        let token = format!("{:032x}", rand::random::<u128>());
        let (lease, positions, dead) = (key("lease"), key("positions"), key("dead"));
        State { upstream, lease, positions, dead, token }
    }

    /// The stored positions. `None`: nobody has created them, or they were lost.
    pub(super) async fn load(&self) -> Result<Option<Positions>, Failure> {
        let (mut positions, mut is_created) = (Positions::new(), false);
        let mut cursor = "0".to_owned();
        loop {
            let scan = feed::scan_fields(&self.positions, &cursor, 1000);
            let mut page = Elements::of(servers::ask(&self.upstream, scan).await?)?;
            cursor = page.text()?;
            let mut fields = page.list()?;
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                let (field, value) = (text(field)?, text(value)?);
                is_created |= field == CREATED;
                if let Some(id) = Id::parse(value.as_bytes()) {
                    positions.insert(field.into(), id);
                }
            }
            if cursor == "0" {
                return Ok(is_created.then_some(positions));
            }
        }
    }

    /// Takes the lease if nobody has it.
    pub(super) async fn take(&self) -> Result<bool, Failure> {
        let take = feed::take(&self.lease, &self.token, LEASE_MS);
        Ok(self.upstream.call_one(take).await? != Value::Nil)
    }

    /// Stores positions (`None`: the room is gone) and events that were given up, and renews the
    /// lease.
    pub(super) async fn keep(
        &self,
        positions: &[(Arc<str>, Option<Id>)],
        dead: Vec<Command>,
    ) -> Result<Holding, Failure> {
        let there = positions.iter().filter_map(|(room, id)| Some((&**room, (*id)?.to_string())));
        let stored: Vec<(&str, String)> = there.collect();
        let gone = positions.iter().filter(|(_, id)| id.is_none()).map(|(room, _)| &**room);
        let gone: Vec<&str> = gone.collect();
        let mut commands = dead;
        if !stored.is_empty() {
            let fields = stored.iter().map(|(room, id)| (*room, id.as_str()));
            commands.push(feed::set_fields(&self.positions, fields));
        }
        if !gone.is_empty() {
            commands.push(feed::remove_fields(&self.positions, gone.into_iter()));
        }
        commands.push(feed::keep(&self.lease, LEASE_MS));
        Ok(self.upstream.call_holding(&self.lease, &self.token, commands).await?)
    }

    /// Marks the positions as created.
    pub(super) async fn mark_created(&self, now_ms: u64) -> Result<(), Failure> {
        let since = format!("since {now_ms}");
        let fields = std::iter::once((CREATED, since.as_str()));
        let mark = feed::set_fields(&self.positions, fields);
        self.upstream.call_one(mark).await?;
        Ok(())
    }

    /// Gives the lease back.
    pub(super) async fn release(&self) {
        let remove = feed::remove(&self.lease);
        // An error: it expires by itself.
        let _ = self.upstream.call_holding(&self.lease, &self.token, vec![remove]).await;
    }

    /// The number of events that were given up.
    pub(super) async fn dead_count(&self) -> Result<i64, Failure> {
        let count = self.upstream.call_one(feed::length(&self.dead)).await?;
        Ok(crate::upstream::replies::integer(&count)?)
    }

    /// The command that stores an event that was given up. Its content stays in the room, where it
    /// can be deleted.
    pub(super) fn bury(&self, room: &str, id: &str, after: Id) -> Command {
        let after = after.to_string();
        let fields =
            [("room", room.as_bytes()), ("id", id.as_bytes()), ("after", after.as_bytes())];
        feed::append(&self.dead, &fields)
    }

    /// Events that were given up, the next ones after this entry.
    pub(super) async fn dead(&self, after: Id) -> Result<Vec<Dead>, Failure> {
        let reply = servers::ask(&self.upstream, feed::entries(&self.dead, after)).await?;
        let Value::Array(entries) = reply else { return Err(Failure::Reply) };
        let read = |entry: Value| {
            let mut entry = Elements::of(entry)?;
            let mut dead = Dead {
                entry: entry.id()?,
                room: String::new(),
                id: String::new(),
                after: Id::ZERO,
            };
            let mut fields = entry.list()?;
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                let value = text(value)?;
                match text(field)?.as_str() {
                    "room" => dead.room = value,
                    "id" => dead.id = value,
                    "after" => dead.after = Id::parse(value.as_bytes()).unwrap_or_default(),
                    _ => {}
                }
            }
            Ok(dead)
        };
        entries.into_iter().map(read).collect()
    }

    /// Removes an event that was given up.
    pub(super) async fn unbury(&self, entry: Id) -> Result<(), Failure> {
        self.upstream.call_one(feed::remove_entry(&self.dead, entry)).await?;
        Ok(())
    }
}
