//! The loop: takes what channels have said, reads those rooms, writes their lines.
//!
//! Nothing is read before the lines of before are written, but for a few pages: so a slow reader is waited
//! for, and what comes meanwhile stays in Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::cli::printable::{excerpt, printable};
use crate::cli::process::say;
use crate::cli::tail::inbox::Inbox;
use crate::cli::tail::line::Form;
use crate::cli::tail::output::Output;
use crate::cli::tail::place::{Next, RoomPlace, Told};
use crate::cli::tail::settings::{Begin, Settings};
use crate::client::error::Error;
use crate::config::Config;
use crate::upstream::commands::{self, Bounds, Part, Reader};
use crate::upstream::replies::Page;
use crate::upstream::{CommandError, State, Upstream, probe_room};

/// How long the servers may take to be found.
const FOUND_WITHIN: Duration = Duration::from_secs(15);
/// The pause before a server that is away is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// Rooms that are read in one write, and what is read of each.
const ROOMS: usize = 8;
const BOUNDS: Bounds = Bounds { count: Some(200), bytes: Some(256 << 10) };
/// Bytes of ephemeral events that wait for the durable ones before them.
const HELD_MAX: usize = 1 << 20;

/// Characters of what a server says about an error.
const WORDS_MAX: usize = 300;

/// See the documentation of this file.
pub(super) struct Reading<'a> {
    upstream: Arc<Upstream>,
    inbox: Arc<Inbox>,
    rooms: BTreeMap<Arc<str>, RoomPlace>,
    /// Rooms to be read.
    owed: BTreeSet<Arc<str>>,
    output: &'a Output,
    form: Form,
    /// Lines that are still to be written; `None`: there is no end.
    left: Option<u64>,
    has_announced: bool,
}

impl<'a> Reading<'a> {
    /// Begins to read these rooms. Errors: why not, in words.
    pub(super) async fn open(
        config: &Config,
        settings: Settings,
        output: &'a Output,
    ) -> Result<Reading<'a>, String> {
        let inbox = Arc::new(Inbox::default());
        let probe_room = probe_room(&config.name, "tail");
        let upstream = Upstream::new(&config.redis, &config.name, probe_room, config.probe);
        let upstream = Arc::new(upstream);
        tokio::spawn(Arc::clone(&upstream).run(inbox.clone()));
        let mut reading = Reading {
            upstream,
            inbox,
            rooms: BTreeMap::new(),
            owed: BTreeSet::new(),
            output,
            form: settings.form,
            left: settings.count,
            has_announced: false,
        };
        reading.wait_readable(&settings.rooms).await?;
        for room in settings.rooms {
            reading.begin(room.into(), settings.begin).await?;
        }
        Ok(reading)
    }

    /// Waits for the nodes of these rooms. What is wrong with others does not matter.
    async fn wait_readable(&self, rooms: &BTreeSet<String>) -> Result<(), String> {
        let problem = |upstream: &Upstream| {
            rooms.iter().find_map(|room| match upstream.state_of(room) {
                State::Unavailable(problem) => Some(problem),
                State::Open | State::WritesRefused(_) => None,
            })
        };
        let is_decided = self.upstream.wait_until(|upstream| match problem(upstream) {
            None => true,
            Some(problem) => problem.lasts(),
        });
        // An error: it takes too long.
        let _ = tokio::time::timeout(FOUND_WITHIN, is_decided).await;
        match problem(&self.upstream) {
            None => Ok(()),
            Some(problem) => {
                let why = excerpt(&problem.to_string(), WORDS_MAX);
                Err(format!("Redis cannot be used: {why}"))
            }
        }
    }

    /// Takes the place of a room, which must exist.
    async fn begin(&mut self, room: Arc<str>, begin: Begin) -> Result<(), String> {
        let count = if let Begin::Last(count) = begin { count } else { 1 };
        let bounds = Bounds { count: Some(count), bytes: None };
        let history = commands::history(&room, Part::Newest, bounds, Reader::Backend);
        let page = match self.upstream.call_one(history).await {
            Ok(value) => Page::read(value).map_err(|_| unknown_reply(&room))?,
            Err(CommandError::Refused(error)) => return Err(refused(&room, &error)),
            Err(CommandError::Unavailable(away)) => return Err(format!("{room}: {away}")),
        };
        let (mut place, told) = RoomPlace::after_page(page).map_err(|_| unknown_reply(&room))?;
        match begin {
            Begin::Now => {}
            Begin::After(id) => place = RoomPlace::after(id),
            Begin::Last(_) => {
                self.write(vec![(room.clone(), told)]).await;
            }
        }
        self.rooms.insert(room.clone(), place);
        self.owed.insert(room.clone());
        self.upstream.subscribe(room);
        Ok(())
    }

    /// Reads until enough is written, or nobody reads it. Errors: a room cannot be read, and why.
    pub(super) async fn run(mut self) -> Result<(), String> {
        while self.left != Some(0) {
            self.take();
            self.announce();
            if self.owed.is_empty() {
                self.inbox.changed().await;
                continue;
            }
            let (lines, is_later) = self.read().await?;
            if !self.write(lines).await {
                break;
            }
            if is_later {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Takes what has come, unless much of it waits to be written.
    fn take(&mut self) {
        if self.rooms.values().map(RoomPlace::held_bytes).sum::<usize>() > HELD_MAX {
            return;
        }
        let taken = self.inbox.take();
        if taken.dropped > 0 {
            warn!(count = taken.dropped, "ephemeral events are left out: output is too slow");
        }
        for (room, arrived) in taken.rooms {
            if arrived.is_moving {
                self.upstream.moved(&room);
            }
            if let Some(place) = self.rooms.get_mut(&room) {
                place.hold(arrived.events);
                self.owed.insert(room);
            }
        }
    }

    /// Says once that nothing can be missed from now on.
    fn announce(&mut self) {
        if !self.has_announced && self.inbox.subscribed() == self.rooms.len() {
            self.has_announced = true;
            let rooms: Vec<&str> = self.rooms.keys().map(|room| &**room).collect();
            say(&format!("following {}", rooms.join(" ")));
        }
    }

    /// Reads some rooms. Returns their lines, and whether to pause before the next.
    async fn read(&mut self) -> Result<(Vec<(Arc<str>, Vec<Told>)>, bool), String> {
        let some: Vec<Arc<str>> = self.owed.iter().take(ROOMS).cloned().collect();
        let question = |room: &Arc<str>| Some(self.rooms.get(room)?.question(room, BOUNDS));
        let replies = self.upstream.call(some.iter().filter_map(question).collect()).await;
        let (mut lines, mut is_later) = (Vec::new(), false);
        for (room, reply) in some.into_iter().zip(replies) {
            let Some(place) = self.rooms.get_mut(&room) else { continue };
            let mut told = Vec::new();
            let next = match reply {
                Ok(value) => place.take(value, &mut told).map_err(|_| unknown_reply(&room))?,
                Err(CommandError::Unavailable(_)) => Next::AskLater,
                Err(CommandError::Refused(error)) if error.code == "NOROOM" && place.gone() => {
                    Next::Ask
                }
                Err(CommandError::Refused(error)) => return Err(refused(&room, &error)),
            };
            is_later |= next == Next::AskLater;
            if next == Next::Wait {
                self.owed.remove(&room);
            }
            lines.push((room, told));
        }
        Ok((lines, is_later))
    }

    /// Writes lines, as many as are wanted. False: nobody reads them.
    async fn write(&mut self, lines: Vec<(Arc<str>, Vec<Told>)>) -> bool {
        let mut out = String::new();
        for (room, told) in &lines {
            for one in told {
                if let Some(left) = &mut self.left {
                    if *left == 0 {
                        break;
                    }
                    *left -= 1;
                }
                self.form.append(&mut out, room, one);
            }
        }
        self.output.write(out).await
    }
}

fn refused(room: &str, error: &Error) -> String {
    format!("{room}: {} {}", printable(&error.code), excerpt(&error.message, WORDS_MAX))
}

fn unknown_reply(room: &str) -> String {
    format!("{room}: Redis gave an unknown reply")
}
