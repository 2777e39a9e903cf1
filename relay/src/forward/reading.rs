//! Reading: which rooms have changed, and their events, by the rules of `CHAT.CHANGES`.
//!
//! Nothing is remembered here that is not in the sink's state, except what still has to be read. A
//! room that cannot be read now stays owed, and while one is, no cursor is written: after a restart
//! it is listed again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chat_protocol::id::Id;

use crate::config::Config;
use crate::forward::entry::Entry;
use crate::forward::settings::Settings;
use crate::forward::stream::{Batch, State};
use crate::upstream::commands::{self, Bounds, Part, Reader, feed};
use crate::upstream::replies::{Changes, Page, Synced};
use crate::upstream::{CommandError, NoSubscriptions, NodeId, Reply, Upstream, probe_room};

/// Rooms examined by one CHAT.CHANGES.
const COUNT: u64 = 500;
/// Rooms asked for in one write.
const ROOMS: usize = 100;
/// Entries, and bytes of entries, that are asked for in one write, and after which a batch is written.
const ENTRIES: usize = 1_000;
const BYTES: usize = 1 << 20;
/// Events asked for of one room at a time, at most and at least.
const EVENTS: (u64, u64) = (400, 20);

/// See the documentation of this file.
pub(super) struct Reading {
    upstream: Arc<Upstream>,
    pattern: Option<String>,
    kinds: Option<String>,
    types: Option<Vec<String>>,
    imported: bool,
    positions: HashMap<String, Id>,
    cursors: HashMap<String, String>,
    /// Cursors that are not written yet.
    unwritten: HashMap<String, String>,
    /// Rooms to be read.
    owed: VecDeque<String>,
    is_owed: HashSet<String>,
    /// Rooms with a position that were not listed since a walk began anew.
    unlisted: Option<BTreeSet<String>>,
    /// Nodes whose changes are not read to the end.
    behind: HashSet<String>,
}

impl Reading {
    /// Reads on from a state.
    pub(super) fn new(upstream: Arc<Upstream>, settings: &Settings, state: State) -> Reading {
        Reading {
            upstream,
            pattern: settings.pattern.clone(),
            kinds: settings.kinds.clone(),
            types: settings.types.clone(),
            imported: settings.imported,
            positions: state.positions,
            cursors: state.cursors,
            unwritten: HashMap::new(),
            owed: VecDeque::new(),
            is_owed: HashSet::new(),
            unlisted: None,
            behind: HashSet::new(),
        }
    }

    /// Reads one page of the changes of each node. True: something is to be read. Errors: a node
    /// refuses, and says why.
    pub(super) async fn look(&mut self) -> Result<bool, String> {
        let pages = self.ask_nodes().await;
        let (mut all_answered, mut refused) = (!pages.is_empty(), None);
        self.behind.clear();
        for (node, reply) in pages {
            let page = match reply {
                Ok(value) => Changes::read(value).map_err(|_| "an unknown reply".to_owned())?,
                Err(CommandError::Unavailable(_)) => {
                    all_answered = false;
                    continue;
                }
                Err(CommandError::Refused(error)) => {
                    (all_answered, refused) =
                        (false, Some(format!("{} {}", error.code, error.message)));
                    continue;
                }
            };
            self.take(node.as_str(), page);
        }
        if let Some(why) = refused {
            return Err(why);
        }
        if all_answered && self.behind.is_empty() {
            // Those that no node has listed may be gone.
            for room in self.unlisted.take().unwrap_or_default() {
                self.owe(room);
            }
        }
        Ok(!self.owed.is_empty() || !self.behind.is_empty())
    }

    fn take(&mut self, node: &str, page: Changes) {
        if page.anew || !self.cursors.contains_key(node) {
            let all = || self.positions.keys().cloned().collect();
            self.unlisted = Some(self.unlisted.take().unwrap_or_else(all));
        }
        for (room, newest) in &page.rooms {
            if let Some(unlisted) = &mut self.unlisted {
                unlisted.remove(room);
            }
            if newest.is_none() || *newest != self.positions.get(room).copied() {
                self.owe(room.clone());
            }
        }
        self.note_cursor(node, page);
    }

    fn owe(&mut self, room: String) {
        if self.is_owed.insert(room.clone()) {
            self.owed.push_back(room);
        }
    }

    /// Reads events of rooms that have changed, as many as belong into one batch. The second part:
    /// some rooms could not be read.
    pub(super) async fn read(&mut self) -> (Batch, bool) {
        let (mut batch, mut bytes, mut away) = (Batch::default(), 0, Vec::new());
        while !self.owed.is_empty() && batch.entries.len() < ENTRIES && bytes < BYTES {
            let rooms: Vec<String> = self.owed.drain(..self.owed.len().min(ROOMS)).collect();
            for room in &rooms {
                self.is_owed.remove(room);
            }
            let after = |room: &String| self.positions.get(room).copied().unwrap_or(Id::ZERO);
            let page = page(rooms.len());
            let asked = rooms.iter();
            let asked = asked.map(|room| commands::sync(room, after(room), page, Reader::Backend));
            let replies = self.upstream.call(asked.collect()).await;
            let before = batch.entries.len();
            for (room, reply) in rooms.into_iter().zip(replies) {
                match self.room(&room, reply, &mut batch).await {
                    Done::All => {}
                    Done::Part => self.owe(room),
                    Done::Away => away.push(room),
                }
            }
            bytes += batch.entries.iter().skip(before).map(Entry::size).sum::<usize>();
        }
        let some_away = !away.is_empty();
        away.into_iter().for_each(|room| self.owe(room));
        if self.owed.is_empty() {
            batch.cursors = self.unwritten.drain().collect();
        }
        (batch, some_away)
    }

    /// Takes back a batch of cursors that is not worth a transaction.
    pub(super) fn keep_cursors(&mut self, batch: Batch) {
        self.unwritten.extend(batch.cursors);
    }

    /// Takes what CHAT.SYNC has answered for a room.
    async fn room(&mut self, room: &str, reply: Reply, batch: &mut Batch) -> Done {
        let synced = match reply.map(Synced::read) {
            Ok(Ok(synced)) => synced,
            Err(CommandError::Unavailable(_)) => return Done::Away,
            // The key holds something else, or nobody may read it: for a reader it is gone.
            Ok(Err(_)) | Err(CommandError::Refused(_)) => return self.gone(room, batch),
        };
        if synced.newest == Id::ZERO {
            return self.gone(room, batch);
        }
        let known = self.positions.get(room).copied().unwrap_or(Id::ZERO);
        if !synced.recovered {
            return self.past(room, known, batch).await;
        }
        let last = if synced.more { None } else { Some(synced.newest) };
        self.events(room, synced.events, last, batch);
        if synced.more { Done::Part } else { Done::All }
    }

    fn gone(&mut self, room: &str, batch: &mut Batch) -> Done {
        if let Some(last) = self.positions.remove(room) {
            batch.entries.push(Entry::gone(room, last));
            batch.positions.insert(room.to_owned(), None);
        }
        Done::All
    }

    /// The room does not know the position: part of its past is lost or trimmed. What it still has
    /// is read from its history.
    async fn past(&mut self, room: &str, known: Id, batch: &mut Batch) -> Done {
        let history = commands::history(room, Part::After(known), page(1), Reader::Backend);
        let page = match self.upstream.call_one(history).await.map(Page::read) {
            Ok(Ok(page)) => page,
            Err(CommandError::Unavailable(_)) => return Done::Away,
            Ok(Err(_)) | Err(CommandError::Refused(_)) => return self.gone(room, batch),
        };
        batch.entries.push(Entry::lost(room, known));
        let last = if page.more { None } else { Some(page.newest) };
        self.events(room, page.events, last, batch);
        if page.more { Done::Part } else { Done::All }
    }

    /// Takes events. `last`: the position after all of them, if it is known.
    fn events(&mut self, room: &str, events: Vec<Vec<u8>>, last: Option<Id>, batch: &mut Batch) {
        let mut position = None;
        for event in events {
            let Some(entry) = Entry::of_event(room, event) else { continue };
            position = Some(entry.id);
            let is_type = self.types.as_ref().is_none_or(|types| types.contains(&entry.kind));
            if is_type && (self.imported || !entry.is_imported()) {
                batch.entries.push(entry);
            }
        }
        if let Some(position) = last.or(position)
            && self.positions.get(room) != Some(&position)
        {
            self.positions.insert(room.to_owned(), position);
            batch.positions.insert(room.to_owned(), Some(position));
        }
    }

    /// Takes the newest ids of a page of rooms of each node as positions, without reading events.
    /// True: these were the last. Errors: a node did not answer, and why.
    pub(super) async fn walk(&mut self) -> Result<(Batch, bool), String> {
        let pages = self.ask_nodes().await;
        if pages.is_empty() {
            return Err("no server is known".to_owned());
        }
        let mut batch = Batch::default();
        self.behind.clear();
        for (node, reply) in pages {
            let value = reply.map_err(|error| match error {
                CommandError::Refused(error) => format!("{} {}", error.code, error.message),
                CommandError::Unavailable(why) => why.to_string(),
            })?;
            let page = Changes::read(value).map_err(|_| "an unknown reply".to_owned())?;
            for (room, newest) in &page.rooms {
                batch.positions.extend(newest.map(|newest| (room.clone(), Some(newest))));
            }
            self.note_cursor(node.as_str(), page);
        }
        if self.behind.is_empty() {
            batch.cursors = self.unwritten.drain().collect();
        }
        Ok((batch, self.behind.is_empty()))
    }

    async fn ask_nodes(&self) -> Vec<(NodeId, Reply)> {
        let (pattern, kinds) = (self.pattern.as_deref(), self.kinds.as_deref());
        let cursor = |node: &NodeId| self.cursors.get(node.as_str()).map_or("0", String::as_str);
        let ask = |node: &NodeId| Some(feed::changes(cursor(node), COUNT, pattern, kinds));
        self.upstream.call_every_node(ask).await
    }

    fn note_cursor(&mut self, node: &str, page: Changes) {
        if page.more {
            self.behind.insert(node.to_owned());
        }
        self.cursors.insert(node.to_owned(), page.next.clone());
        self.unwritten.insert(node.to_owned(), page.next);
    }
}

/// How much to ask for of each of this many rooms.
fn page(rooms: usize) -> Bounds {
    let of_each = |all: usize| (all / rooms.max(1)) as u64;
    let count = of_each(2 * ENTRIES).clamp(EVENTS.1, EVENTS.0);
    Bounds { count: Some(count), bytes: Some(2 * BYTES / rooms.max(1)) }
}

/// How far a room was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    All,
    /// There is more.
    Part,
    /// Its server is away.
    Away,
}

/// Opens links to the servers of the rooms, and keeps them open.
pub(super) fn open(config: &Config) -> Arc<Upstream> {
    let probe_room = probe_room(&config.name, "forward");
    let upstream = Upstream::new(&config.redis, &config.name, probe_room, config.probe);
    let upstream = Arc::new(upstream);
    tokio::spawn(Arc::clone(&upstream).run(Arc::new(NoSubscriptions)));
    upstream
}

/// The pause after a look that found nothing.
pub(super) const IDLE: Duration = Duration::from_millis(50);
