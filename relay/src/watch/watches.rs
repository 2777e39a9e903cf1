//! Who watches which patterns.

use std::collections::HashMap;
use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::glob::{self, Pattern};
use parking_lot::Mutex;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::relay_frame::RelayFrame;
use crate::metrics::METRICS;

/// Patterns of one connection.
pub(crate) const PATTERNS_MAX: usize = 20;
/// Answers that a connection may wait for, of one pattern.
const ANSWERS_MAX: usize = 16;
/// Different patterns of all connections: each changed room is compared with each of them.
const DIFFERENT_MAX: usize = 1_000;

/// Called once: the connection watches from now on, or why it does not.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// All patterns and those who watch them.
#[derive(Default)]
pub(crate) struct Watches {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    patterns: HashMap<Arc<str>, Watched>,
    /// The follower runs.
    is_followed: bool,
    /// The number of the last walk that has begun.
    walk: u64,
}

struct Watched {
    pattern: Pattern,
    /// The bytes that every matching name begins with.
    start: Vec<u8>,
    watchers: Vec<Watcher>,
}

struct Watcher {
    connection: Arc<Connection>,
    /// `None`: it receives events.
    waiting: Option<Waiting>,
}

/// A watcher whose rooms are not all noted yet.
struct Waiting {
    /// One for each time that it has asked.
    answers: Vec<Answer>,
    /// The walk that notes them; 0: it has not begun.
    walk: u64,
}

/// What became of a pattern that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The follower runs.
    Followed,
    /// The caller starts the follower.
    First,
}

/// Why a pattern was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The connection watches [`PATTERNS_MAX`] others.
    OfConnection,
    /// The connections of this relay watch too many different ones.
    OfRelay,
    /// The connection has asked for it so often that it should wait for the answers.
    Impatient,
}

/// What a room's events are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// No pattern matches.
    None,
    /// Only watchers match that do not receive events yet.
    Later,
    /// A watcher receives them.
    Now,
}

impl Watched {
    fn matches(&self, room: &str) -> bool {
        let room = room.as_bytes();
        room.starts_with(&self.start) && self.pattern.matches(room)
    }

    /// Whether somebody receives events by this pattern.
    fn is_ready(&self) -> bool {
        self.watchers.iter().any(|watcher| watcher.waiting.is_none())
    }
}

impl Watches {
    /// The connection watches this pattern as soon as `answer` is called with `Ok`. Before that,
    /// `noted` is called: from then on the connection gets each event once.
    pub(super) fn add(
        &self,
        connection: &Arc<Connection>,
        name: Arc<str>,
        pattern: Pattern,
        noted: impl FnOnce(),
        answer: Answer,
    ) -> Result<Added, Refused> {
        let start = glob::literal_start(name.as_bytes()).0;
        let mut state = self.state.lock();
        if !state.patterns.contains_key(&name) && state.patterns.len() >= DIFFERENT_MAX {
            return Err(Refused::OfRelay);
        }
        // Under the lock, so that it is known here and there, or nowhere.
        if !connection.add_pattern(&name, PATTERNS_MAX) {
            return Err(Refused::OfConnection);
        }
        noted();
        let watched = state.patterns.entry(name);
        let watched = watched.or_insert_with(|| Watched { pattern, start, watchers: Vec::new() });
        // The follower knows the positions of all rooms that match.
        let is_ready = watched.is_ready();
        match watched.of(connection) {
            // Asked again: one walk answers all.
            Some(Waiting { answers, .. }) if answers.len() >= ANSWERS_MAX => {
                return Err(Refused::Impatient);
            }
            Some(waiting) => waiting.answers.push(answer),
            None if is_ready => {
                watched.take(connection);
                let connection = connection.clone();
                watched.watchers.push(Watcher { connection, waiting: None });
                answer(Ok(()));
            }
            None => {
                let waiting = Some(Waiting { answers: vec![answer], walk: 0 });
                watched.watchers.push(Watcher { connection: connection.clone(), waiting });
            }
        }
        state.count();
        Ok(match std::mem::replace(&mut state.is_followed, true) {
            true => Added::Followed,
            false => Added::First,
        })
    }

    /// The connection watches `pattern` no more. False: it did not.
    pub(crate) fn end(&self, connection: &Connection, pattern: &str) -> bool {
        let mut state = self.state.lock();
        let is_known = connection.remove_pattern(pattern);
        let watcher = state.patterns.get_mut(pattern).and_then(|watched| watched.take(connection));
        if let Some(waiting) = watcher.and_then(|watcher| watcher.waiting) {
            waiting.answer(&Err(Error::new(ErrorCode::Unavailable, "the pattern was unwatched")));
        }
        state.remove_unwatched();
        is_known
    }

    /// The connection may not watch `pattern` any more, and is told why.
    pub(crate) fn refuse(&self, connection: &Connection, pattern: &str, why: &Error) {
        let mut state = self.state.lock();
        connection.remove_pattern(pattern);
        let watcher = state.patterns.get_mut(pattern).and_then(|watched| watched.take(connection));
        state.remove_unwatched();
        if let Some(watcher) = watcher {
            watcher.refuse(pattern, why);
        }
    }

    /// The connection has ended.
    pub(crate) fn remove(&self, connection: &Connection) {
        let patterns = connection.patterns();
        if patterns.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for pattern in patterns {
            connection.remove_pattern(&pattern);
            state.patterns.get_mut(&pattern).and_then(|watched| watched.take(connection));
        }
        state.remove_unwatched();
    }

    // What the follower asks.

    /// Whether anybody watches. If not, the follower that asks has ended.
    pub(super) fn is_needed(&self) -> bool {
        let mut state = self.state.lock();
        state.is_followed = !state.patterns.is_empty();
        state.is_followed
    }

    /// The follower has ended before its time: nobody watches, and everybody is told why.
    pub(super) fn abandon(&self, why: &Error) {
        let mut state = self.state.lock();
        state.end_all(why);
        state.is_followed = false;
    }

    /// The pattern that is the only one, if there is only one.
    pub(super) fn only_pattern(&self) -> Option<Arc<str>> {
        let state = self.state.lock();
        state.patterns.keys().next().filter(|_| state.patterns.len() == 1).cloned()
    }

    /// Who wants the events of this room.
    pub(super) fn interest(&self, room: &str) -> Interest {
        let state = self.state.lock();
        let mut interest = Interest::None;
        for watched in state.patterns.values().filter(|watched| watched.matches(room)) {
            if watched.is_ready() {
                return Interest::Now;
            }
            interest = Interest::Later;
        }
        interest
    }

    /// Those who receive the events of this room, each once.
    pub(super) fn receivers(&self, room: &str) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        let matching = state.patterns.values().filter(|watched| watched.matches(room));
        let ready = matching.flat_map(|watched| &watched.watchers);
        let ready = ready.filter(|watcher| watcher.waiting.is_none());
        let mut all: Vec<_> = ready.map(|watcher| watcher.connection.clone()).collect();
        all.sort_unstable_by_key(|connection| connection.number);
        all.dedup_by_key(|connection| connection.number);
        all
    }

    /// Begins a walk for all watchers that wait for one: its number. `None`: none waits.
    pub(super) fn begin_walk(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let number = state.walk + 1;
        let mut has_begun = false;
        for waiting in state.waiting().filter(|waiting| waiting.walk == 0) {
            waiting.walk = number;
            has_begun = true;
        }
        if has_begun {
            state.walk = number;
        }
        has_begun.then_some(number)
    }

    /// The walk of this number has noted all rooms: those who waited for it receive events.
    pub(super) fn end_walk(&self, number: u64) {
        let mut state = self.state.lock();
        for watcher in state.watchers() {
            if let Some(ready) = watcher.waiting.take_if(|waiting| waiting.walk == number) {
                ready.answer(&Ok(()));
            }
        }
    }

    /// Those who wait do not watch: the rooms cannot be read now.
    pub(super) fn refuse_waiting(&self) {
        let mut state = self.state.lock();
        for (name, watched) in &mut state.patterns {
            let waiting = watched.watchers.extract_if(.., |watcher| watcher.waiting.is_some());
            for watcher in waiting {
                watcher.connection.remove_pattern(name);
                watcher.refuse(name, &Error::unavailable());
            }
        }
        state.remove_unwatched();
    }

    /// Nobody watches any more, and everybody is told why.
    pub(super) fn end_all(&self, why: &Error) {
        self.state.lock().end_all(why);
    }
}

impl Watched {
    /// What this connection waits for. `None`: nothing.
    fn of(&mut self, connection: &Connection) -> Option<&mut Waiting> {
        let same = |watcher: &&mut Watcher| watcher.connection.number == connection.number;
        self.watchers.iter_mut().find(same)?.waiting.as_mut()
    }

    fn take(&mut self, connection: &Connection) -> Option<Watcher> {
        let same = |watcher: &Watcher| watcher.connection.number == connection.number;
        let at = self.watchers.iter().position(same)?;
        Some(self.watchers.swap_remove(at))
    }
}

impl Watcher {
    /// Answers the one who waits, or sends the frame `watch` with this error.
    fn refuse(self, pattern: &str, why: &Error) {
        match self.waiting {
            Some(waiting) => waiting.answer(&Err(why.clone())),
            None => {
                let frame = RelayFrame::Watch { lost: &[], pattern: Some(pattern), why: Some(why) };
                self.connection.send(frame.encode());
            }
        }
    }
}

impl Waiting {
    fn answer(self, outcome: &Result<(), Error>) {
        self.answers.into_iter().for_each(|answer| answer(outcome.clone()));
    }
}

impl State {
    fn end_all(&mut self, why: &Error) {
        for (name, watched) in std::mem::take(&mut self.patterns) {
            for watcher in watched.watchers {
                watcher.connection.remove_pattern(&name);
                watcher.refuse(&name, why);
            }
        }
        self.count();
    }

    fn watchers(&mut self) -> impl Iterator<Item = &mut Watcher> {
        self.patterns.values_mut().flat_map(|watched| &mut watched.watchers)
    }

    fn waiting(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.watchers().filter_map(|watcher| watcher.waiting.as_mut())
    }

    fn remove_unwatched(&mut self) {
        self.patterns.retain(|_, watched| !watched.watchers.is_empty());
        self.count();
    }

    fn count(&self) {
        let count: usize = self.patterns.values().map(|watched| watched.watchers.len()).sum();
        METRICS.watches.set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(number: u64) -> Arc<Connection> {
        Arc::new(Connection::detached(number, "c".into(), "alice".into(), 1000))
    }

    /// Adds a pattern of a connection. The second part tells what it was answered.
    fn add(
        watches: &Watches,
        connection: &Arc<Connection>,
        name: &str,
    ) -> (Result<Added, Refused>, Arc<Mutex<Vec<bool>>>) {
        let answered = Arc::new(Mutex::new(Vec::new()));
        let note = answered.clone();
        let pattern = Pattern::parse(name.as_bytes()).expect("a pattern");
        let answer = Box::new(move |outcome: Result<(), Error>| note.lock().push(outcome.is_ok()));
        (watches.add(connection, name.into(), pattern, || {}, answer), answered)
    }

    fn numbers(watches: &Watches, room: &str) -> Vec<u64> {
        watches.receivers(room).iter().map(|connection| connection.number).collect()
    }

    #[test]
    fn who_begins_waits_for_a_walk_that_begins_after() {
        let (watches, one, two) = (Watches::default(), connection(1), connection(2));
        let (added, first) = add(&watches, &one, "a*");
        assert_eq!((added, watches.interest("a1")), (Ok(Added::First), Interest::Later));
        assert_eq!(watches.begin_walk(), Some(1));
        assert_eq!(watches.begin_walk(), None, "nobody else waits");
        let (added, second) = add(&watches, &two, "?1");
        assert_eq!(added, Ok(Added::Followed));
        watches.end_walk(1);
        assert_eq!((&*first.lock(), &*second.lock()), (&vec![true], &vec![]));
        assert_eq!(
            (watches.interest("a1"), watches.interest("b1")),
            (Interest::Now, Interest::Later)
        );
        assert_eq!((numbers(&watches, "a1"), numbers(&watches, "b1")), (vec![1], vec![]));
        // What others watch already needs no walk, and two patterns that match count once.
        let (_, third) = add(&watches, &two, "a*");
        assert_eq!(*third.lock(), [true]);
        assert_eq!(watches.begin_walk(), Some(2));
        watches.end_walk(2);
        assert_eq!(numbers(&watches, "a1"), [1, 2]);
        assert_eq!(watches.interest("c"), Interest::None);
    }

    #[test]
    fn everybody_who_waits_is_answered_once() {
        let (watches, one, two) = (Watches::default(), connection(1), connection(2));
        let (_, first) = add(&watches, &one, "a*");
        let (_, again) = add(&watches, &one, "a*");
        assert_eq!(watches.begin_walk(), Some(1));
        watches.end_walk(1);
        assert_eq!((&*first.lock(), &*again.lock()), (&vec![true], &vec![true]), "asked twice");
        let (_, ended) = add(&watches, &two, "b*");
        assert!(watches.end(&two, "b*") && !watches.end(&two, "b*"));
        assert_eq!(*ended.lock(), [false]);
        let (_, refused) = add(&watches, &two, "b*");
        watches.refuse_waiting();
        assert_eq!((&*refused.lock(), two.patterns().len()), (&vec![false], 0));
        assert_eq!(numbers(&watches, "a1"), [1], "who watches goes on");
        assert_eq!(watches.only_pattern().as_deref(), Some("a*"));
        watches.remove(&one);
        assert!(!watches.is_needed() && watches.only_pattern().is_none());
        assert_eq!(add(&watches, &one, "a*").0, Ok(Added::First), "and the follower begins again");
    }

    #[test]
    fn different_patterns_are_bounded_and_the_same_one_is_not() {
        let watches = Watches::default();
        for n in 0..DIFFERENT_MAX {
            let connection = connection(n as u64);
            assert!(add(&watches, &connection, &format!("{n}*")).0.is_ok());
        }
        let late = connection(9_999);
        assert_eq!(add(&watches, &late, "x").0, Err(Refused::OfRelay));
        assert!(late.patterns().is_empty());
        assert_eq!(add(&watches, &late, "7*").0, Ok(Added::Followed));
        for n in 100..100 + PATTERNS_MAX - 1 {
            assert!(add(&watches, &late, &format!("{n}*")).0.is_ok());
        }
        assert_eq!(add(&watches, &late, "50*").0, Err(Refused::OfConnection));
    }

    #[test]
    fn who_asks_again_delays_nobody_and_keeps_a_bounded_number_of_answers() {
        let (watches, one) = (Watches::default(), connection(1));
        let first = add(&watches, &one, "a*").1;
        assert_eq!(watches.begin_walk(), Some(1));
        let mut answers = Vec::from([first]);
        for n in 1..1_000 {
            match add(&watches, &one, "a*") {
                (Ok(_), answer) => answers.push(answer),
                (refused, _) => {
                    assert_eq!((refused, n >= ANSWERS_MAX), (Err(Refused::Impatient), true))
                }
            }
        }
        assert_eq!((answers.len(), watches.begin_walk()), (ANSWERS_MAX, None));
        watches.end_walk(1);
        assert!(answers.iter().all(|answered| *answered.lock() == [true]));
        assert_eq!(numbers(&watches, "a1"), [1]);
    }
}
