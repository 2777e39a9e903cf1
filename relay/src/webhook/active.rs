//! The loop of the process that has the lease: looks for changed rooms, reads them, sends their
//! events, and stores how far each room is.
//!
//! The one idea: one task decides, and everything that waits for somebody runs beside it and comes back
//! as a [`Done`]. A room is read on only when all its events are settled, so a room has one page in
//! memory at most, and one event while it is refused.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use chat_protocol::id::Id;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::upstream::{Holding, Upstream};
use crate::webhook::changed::{Round, Walk};
use crate::webhook::reading::{self, Page};
use crate::webhook::rooms::Rooms;
use crate::webhook::sending::{Batch, Event, Outcome, Queues, Receiver};
use crate::webhook::servers::Failure;
use crate::webhook::settings::Settings;
use crate::webhook::state::{DEAD_MAX, LEASE_MS, Positions, State};
use crate::webhook::status::Status;

/// The pause between two looks for changed rooms.
const LOOK: Duration = Duration::from_millis(50);
/// The pause after Redis was away.
const AWAY: Duration = Duration::from_millis(200);
/// The lease is renewed after this time at the latest.
const RENEW: Duration = Duration::from_secs(3);
/// Nothing is sent when the lease was not renewed for so long.
const HELD: Duration = Duration::from_millis(LEASE_MS - 1000);
/// Rooms that wait to be read; while there are more, nobody looks for others.
const WANTED_MAX: usize = 100_000;
/// Events and rooms in memory; while there are more, nothing is read.
const EVENTS_MAX: usize = 10_000;
const ROOMS_MAX: usize = 20_000;
/// Rooms of one call, and calls at a time.
const READ_ROOMS: usize = 32;
const READS_MAX: usize = 4;
/// Positions of one transaction.
const KEEP_MAX: usize = 1000;
/// The pause between two log lines about refusals.
const TOLD: Duration = Duration::from_secs(10);

/// What the loop works with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) upstream: Arc<Upstream>,
    pub(super) settings: Arc<Settings>,
    pub(super) state: State,
    pub(super) receiver: Arc<Receiver>,
    pub(super) status: Arc<Status>,
    pub(super) concurrency: usize,
    pub(super) give_up: Duration,
}

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was to stop, and has stored everything.
    Stopped,
    /// The lease is not ours any more.
    LeaseLost,
    /// Somebody has to change something first.
    Problem(String),
}

/// What has come back.
enum Done {
    Looked(Walk, Result<Round, Failure>),
    Read(Vec<(Arc<str>, Result<Page, Failure>)>),
    Sent(Batch, Outcome, String),
    Kept(Keeping, Result<(Holding, bool), Failure>),
}

/// What is being stored.
struct Keeping {
    begun: Instant,
    rooms: Vec<(Arc<str>, Option<Id>)>,
    dead: Vec<Event>,
}

pub(super) struct Active {
    parts: Parts,
    queues: Queues,
    walk: Option<Walk>,
    look_at: Instant,
    rooms: Rooms,
    dead: Vec<Event>,
    is_keeping: bool,
    keep_after: Instant,
    kept_at: Instant,
    reads: usize,
    posts: usize,
    tasks: JoinSet<Done>,
    is_stopping: bool,
    told_at: Option<Instant>,
}

impl Active {
    pub(super) fn new(parts: Parts, positions: Positions) -> Active {
        let now = Instant::now();
        Active {
            queues: Queues::new(parts.give_up),
            parts,
            walk: Some(Walk::default()),
            look_at: now,
            rooms: Rooms::new(positions),
            dead: Vec::new(),
            is_keeping: false,
            keep_after: now,
            // The lease may be as old as the loading of the positions: it is renewed at once.
            kept_at: now.checked_sub(RENEW).unwrap_or(now),
            reads: 0,
            posts: 0,
            tasks: JoinSet::new(),
            is_stopping: false,
            told_at: None,
        }
    }

    /// Forwards until something ends it. What is on its way then is sent again by the next process.
    pub(super) async fn run(mut self, stopped: &mut watch::Receiver<bool>) -> End {
        loop {
            let now = Instant::now();
            self.begin(now);
            self.measure(now);
            let is_stored = self.rooms.is_stored() && self.dead.is_empty() && !self.is_keeping;
            if self.is_stopping && self.posts == 0 && is_stored {
                return End::Stopped;
            }
            let wake = self.wake(now);
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped), if !self.is_stopping => {
                    self.is_stopping = true;
                }
                Some(done) = self.tasks.join_next() => {
                    let Ok(done) = done else { continue };
                    if let Some(end) = self.done(done, Instant::now()) {
                        return self.end(end).await;
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// Stores what is settled, as far as one transaction can, before a problem ends the loop.
    async fn end(mut self, end: End) -> End {
        if matches!(end, End::Problem(_)) && !self.is_keeping {
            let rooms = self.rooms.take_changed(KEEP_MAX);
            // An error: these events are sent again.
            let _ = self.parts.state.keep(&rooms, Vec::new()).await;
        }
        end
    }

    fn wake(&self, now: Instant) -> Instant {
        let mut wake = now + RENEW;
        if self.walk.is_some() && self.rooms.wanted() < WANTED_MAX && !self.is_stopping {
            wake = wake.min(self.look_at);
        }
        if !self.is_keeping {
            wake = wake.min(self.keep_after.max(self.kept_at + RENEW));
        }
        let due = if self.posts < self.parts.concurrency { self.queues.due() } else { None };
        due.map_or(wake, |due| wake.min(due)).max(now + Duration::from_millis(1))
    }

    /// Begins everything that can begin.
    fn begin(&mut self, now: Instant) {
        if !self.is_stopping {
            self.look(now);
            self.read();
            self.send(now);
        }
        self.keep(now);
    }

    fn look(&mut self, now: Instant) {
        if now < self.look_at || self.rooms.wanted() >= WANTED_MAX {
            return;
        }
        let Some(mut walk) = self.walk.take() else { return };
        let (upstream, settings) = (self.parts.upstream.clone(), self.parts.settings.clone());
        self.tasks.spawn(async move {
            let round = walk.round(&upstream, &settings).await;
            Done::Looked(walk, round)
        });
    }

    fn read(&mut self) {
        while self.reads < READS_MAX && self.rooms.wanted() > 0 {
            let (rooms, events) = self.queues.size();
            if events >= EVENTS_MAX || rooms >= ROOMS_MAX {
                return;
            }
            let rooms = self.rooms.take_wanted(READ_ROOMS);
            self.reads += 1;
            let (upstream, settings) = (self.parts.upstream.clone(), self.parts.settings.clone());
            self.tasks.spawn(async move {
                let pages = reading::read(&upstream, &settings, &rooms).await;
                if pages.iter().any(|page| matches!(page, Err(Failure::Away(_)))) {
                    tokio::time::sleep(AWAY).await;
                }
                Done::Read(rooms.into_iter().map(|(room, _)| room).zip(pages).collect())
            });
        }
    }

    fn send(&mut self, now: Instant) {
        if now.duration_since(self.kept_at) >= HELD {
            return;
        }
        while self.posts < self.parts.concurrency
            && let Some(batch) = self.queues.next(now)
        {
            self.posts += 1;
            let receiver = self.parts.receiver.clone();
            self.tasks.spawn(async move {
                let (outcome, why) = receiver.send(&batch).await;
                Done::Sent(batch, outcome, why)
            });
        }
    }

    fn keep(&mut self, now: Instant) {
        let is_due = !self.rooms.is_stored()
            || !self.dead.is_empty()
            || now.duration_since(self.kept_at) >= RENEW;
        if self.is_keeping || now < self.keep_after || !is_due {
            return;
        }
        self.is_keeping = true;
        let rooms = self.rooms.take_changed(KEEP_MAX);
        let dead = std::mem::take(&mut self.dead);
        let buried =
            dead.iter().map(|event| self.parts.state.bury(&event.room, &event.id, event.after));
        let (buried, state) = (buried.collect::<Vec<_>>(), self.parts.state.clone());
        self.tasks.spawn(async move {
            let kept = async {
                let count = if buried.is_empty() { 0 } else { state.dead_count().await? };
                let has_space = count + buried.len() as i64 <= DEAD_MAX;
                let buried = if has_space { buried } else { Vec::new() };
                Ok((state.keep(&rooms, buried).await?, has_space))
            };
            let kept = kept.await;
            Done::Kept(Keeping { begun: now, rooms, dead }, kept)
        });
    }

    /// Takes what has come back. Returns why the loop ends, if it does.
    fn done(&mut self, done: Done, now: Instant) -> Option<End> {
        match done {
            Done::Looked(walk, round) => {
                self.walk = Some(walk);
                self.look_at = now + LOOK;
                match round {
                    Ok(round) => {
                        if !round.is_complete {
                            self.look_at = now;
                        }
                        self.rooms.listed(round, &self.parts.settings, now);
                    }
                    Err(Failure::Away(_)) => self.look_at = now + AWAY,
                    Err(failure) => return Some(End::Problem(failure.to_string())),
                }
            }
            Done::Read(pages) => {
                self.reads -= 1;
                for (room, page) in pages {
                    match page {
                        Ok(page) => self.page(room, page, now),
                        Err(Failure::Refused(why)) if why.starts_with("NOPERM") => {
                            return Some(End::Problem(why));
                        }
                        Err(Failure::Away(_)) => {
                            self.rooms.not_read(room, now);
                        }
                        Err(failure) => {
                            tracing::warn!(%room, why = %failure, "the room cannot be read");
                            self.rooms.forget(&room);
                        }
                    }
                }
            }
            Done::Sent(batch, outcome, why) => {
                self.posts -= 1;
                return self.answered(&batch, outcome, &why, now);
            }
            Done::Kept(keeping, kept) => {
                self.is_keeping = false;
                return self.kept(keeping, kept, now);
            }
        }
        None
    }

    fn page(&mut self, room: Arc<str>, page: Page, now: Instant) {
        self.rooms.continue_at(&room, page.next, page.more);
        if page.events.is_empty() {
            self.rooms.finish(&room, now);
        } else {
            self.queues.push(room, page.events);
        }
    }

    fn answered(
        &mut self,
        batch: &Batch,
        outcome: Outcome,
        why: &str,
        now: Instant,
    ) -> Option<End> {
        let answered = self.queues.answered(batch, outcome, now);
        match outcome {
            Outcome::Accepted => {
                Status::add(&self.parts.status.events, batch.events().len());
                Status::add(&self.parts.status.batches, 1);
            }
            Outcome::Gone => {
                let why = "the receiver wants no events any more (status 410)";
                return Some(End::Problem(why.to_owned()));
            }
            Outcome::Refused { .. } | Outcome::Unreachable => {
                Status::add(&self.parts.status.retries, 1);
                if self.told_at.is_none_or(|at| now.duration_since(at) >= TOLD) {
                    self.told_at = Some(now);
                    let events = batch.events().len();
                    tracing::warn!(%why, events, "the receiver has not taken a request");
                }
            }
        }
        for last in answered.through {
            self.settled(&last, now);
        }
        for room in answered.waiting {
            let first = self.queues.keep_first(&room).map(|event| event.next);
            if first.is_some() {
                self.rooms.continue_at(&room, first, true);
            }
        }
        self.dead.extend(answered.give_up);
        None
    }

    /// The receiver has a room's events up to this one.
    fn settled(&mut self, last: &Event, now: Instant) {
        if last.id.starts_with("lost ") {
            Status::add(&self.parts.status.lost, 1);
        }
        if self.queues.holds(&last.room) {
            self.rooms.set_place(&last.room, Some(last.next));
        } else {
            self.rooms.finish(&last.room, now);
        }
    }

    fn kept(
        &mut self,
        keeping: Keeping,
        kept: Result<(Holding, bool), Failure>,
        now: Instant,
    ) -> Option<End> {
        match kept {
            Ok((Holding::Done, has_space)) => {
                self.kept_at = keeping.begun;
                for event in keeping.dead {
                    if !has_space {
                        self.queues.not_given_up(&event.room, now);
                        continue;
                    }
                    let (room, id) = (&event.room, &event.id);
                    tracing::error!(%room, %id, "given up: it is in the stream of dead events");
                    Status::add(&self.parts.status.dead, 1);
                    if let Some(event) = self.queues.given_up(&event.room) {
                        self.settled(&event, now);
                    }
                }
            }
            Ok((Holding::Lost, _)) => return Some(End::LeaseLost),
            Ok((Holding::Changed, _)) | Err(Failure::Away(_)) => {
                self.keep_after = now + AWAY;
                self.rooms.not_stored(keeping.rooms);
                self.dead.extend(keeping.dead);
            }
            Err(failure) => return Some(End::Problem(failure.to_string())),
        }
        None
    }

    fn measure(&self, now: Instant) {
        let status = &self.parts.status;
        let (_, events) = self.queues.size();
        status.lag_events.store(events as u64, Relaxed);
        status.lag_rooms.store(self.rooms.wanted() as u64, Relaxed);
        let lag = self.rooms.lag(now);
        status.lag_ms.store(u64::try_from(lag.as_millis()).unwrap_or_default(), Relaxed);
    }
}
