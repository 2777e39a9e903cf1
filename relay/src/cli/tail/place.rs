//! How far one room is, and what is to be written next: pure, without Redis.
//!
//! The one idea: what `CHAT.SYNC` answers is the order, and ephemeral events are put between by the id
//! that they carry. Where the room does not know the place any more, a `lost` line says so, and the
//! messages that it has after that place follow.

use std::collections::VecDeque;

use chat_protocol::id::Id;

use crate::cli::tail::inbox::Ephemeral;
use crate::upstream::commands::{self, Bounds, Command, Part, Reader};
use crate::upstream::replies::{Page, Synced, UnexpectedReply, event_id};

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An event, as Redis has it.
    Event(String),
    /// Events after `after` are lost: up to `until`, or without it those of a room that is gone.
    Lost {
        /// The last event that was written.
        after: Id,
        /// From where events continue.
        until: Option<Id>,
    },
}

/// Whether there is more to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At once.
    Ask,
    /// In a moment: the channel may say by then that the room was dropped.
    AskLater,
    /// Once the channel says so.
    Wait,
}

/// After every id.
const END: Id = Id { ms: u64::MAX, n: u64::MAX };

/// See the documentation of this file.
#[derive(Debug, Default)]
pub(super) struct RoomPlace {
    /// The last durable event that was written.
    at: Id,
    /// Messages are read up to this event, because `at` was not known any more.
    until: Option<Id>,
    /// `at` was not known when it was last asked for.
    is_doubtful: bool,
    /// Ephemeral events that are not written yet.
    held: VecDeque<Ephemeral>,
}

impl RoomPlace {
    /// After this event.
    pub(super) fn after(at: Id) -> RoomPlace {
        RoomPlace { at, ..RoomPlace::default() }
    }

    /// The events of a page that was asked for before this place, and the place after them.
    pub(super) fn after_page(page: Page) -> Result<(RoomPlace, Vec<Told>), UnexpectedReply> {
        let told = page.events.into_iter().map(|event| Ok(Told::Event(text(event)?)));
        Ok((RoomPlace::after(page.newest), told.collect::<Result<_, _>>()?))
    }

    /// Takes ephemeral events.
    pub(super) fn hold(&mut self, events: Vec<Ephemeral>) {
        self.held.extend(events);
    }

    /// Bytes of ephemeral events that are not written yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.iter().map(|event| event.json.len()).sum()
    }

    /// What to ask next; [`RoomPlace::take`] or [`RoomPlace::gone`] takes the answer.
    pub(super) fn question(&self, room: &str, bounds: Bounds) -> Command {
        match self.until {
            Some(_) => commands::history(room, Part::After(self.at), bounds, Reader::Backend),
            None => commands::sync(room, self.at, bounds, Reader::Backend),
        }
    }

    /// Takes the answer.
    pub(super) fn take(
        &mut self,
        reply: redis::Value,
        told: &mut Vec<Told>,
    ) -> Result<Next, UnexpectedReply> {
        match self.until {
            Some(until) => self.page(Page::read(reply)?, until, told),
            None => self.synced(Synced::read(reply)?, told),
        }
    }

    /// The room went while its messages were read: the next question says more. Returns whether it was
    /// so.
    pub(super) fn gone(&mut self) -> bool {
        let until = self.until.take();
        self.at = until.unwrap_or(self.at);
        until.is_some()
    }

    fn synced(&mut self, synced: Synced, told: &mut Vec<Told>) -> Result<Next, UnexpectedReply> {
        if !synced.recovered {
            return Ok(self.unknown(synced.newest, told));
        }
        self.is_doubtful = false;
        self.events(synced.events, END, told)?;
        if synced.more {
            return Ok(Next::Ask);
        }
        self.at = synced.newest;
        self.tell_held(END, told);
        Ok(Next::Wait)
    }

    /// The room does not know the place: it is gone, or another one, or its past was trimmed.
    fn unknown(&mut self, newest: Id, told: &mut Vec<Told>) -> Next {
        let dropped = self.held.iter().position(|event| event.is_drop);
        let is_new = self.at == Id::ZERO && newest == Id::ZERO;
        if dropped.is_none() && !is_new && !std::mem::replace(&mut self.is_doubtful, true) {
            return Next::AskLater;
        }
        self.is_doubtful = false;
        if dropped.is_none() && newest != Id::ZERO {
            told.push(Told::Lost { after: self.at, until: Some(newest) });
            self.until = Some(newest);
            return Next::Ask;
        }
        let end = dropped.map_or(self.held.len(), |at| at + 1);
        // Without the event of its end nobody knows what its last one was.
        let last = dropped.and_then(|at| self.held.get(at)).map_or(Id::ZERO, |event| event.last);
        if self.at != last {
            told.push(Told::Lost { after: self.at, until: None });
        }
        told.extend(self.held.drain(..end).map(|event| Told::Event(event.json)));
        self.at = Id::ZERO;
        let is_read = newest == Id::ZERO && self.held.is_empty();
        if is_read { Next::Wait } else { Next::Ask }
    }

    fn page(
        &mut self,
        page: Page,
        until: Id,
        told: &mut Vec<Told>,
    ) -> Result<Next, UnexpectedReply> {
        let was_last = self.events(page.events, until, told)?;
        if was_last || !page.more {
            (self.at, self.until) = (until, None);
        }
        Ok(Next::Ask)
    }

    /// Writes events up to this one. Returns whether there were others.
    fn events(
        &mut self,
        events: Vec<Vec<u8>>,
        until: Id,
        told: &mut Vec<Told>,
    ) -> Result<bool, UnexpectedReply> {
        for event in events {
            let id = event_id(&event).ok_or(UnexpectedReply)?;
            if id > until {
                return Ok(true);
            }
            self.tell_held(id, told);
            told.push(Told::Event(text(event)?));
            self.at = id;
        }
        Ok(false)
    }

    /// Writes the ephemeral events from before this event.
    fn tell_held(&mut self, before: Id, told: &mut Vec<Told>) {
        while self.held.front().is_some_and(|event| event.last < before) {
            told.extend(self.held.pop_front().map(|event| Told::Event(event.json)));
        }
    }
}

/// The text of an event. Errors: it is no JSON on one line.
fn text(event: Vec<u8>) -> Result<String, UnexpectedReply> {
    let text = String::from_utf8(event).map_err(|_| UnexpectedReply)?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    if is_json { Ok(text) } else { Err(UnexpectedReply) }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn event(n: u64) -> String {
        format!(r#"{{"id":"1-{n}","prev":"1-{}","room":"a","type":"edit","ts":1}}"#, n - 1)
    }

    fn ephemeral(last: u64, is_drop: bool) -> Ephemeral {
        let last = Id { ms: 1, n: last };
        let json =
            format!(r#"{{"last":"{last}","type":"{}"}}"#, if is_drop { "drop" } else { "x" });
        Ephemeral { last, is_drop, json }
    }

    fn id(n: u64) -> Id {
        if n == 0 { Id::ZERO } else { Id { ms: 1, n } }
    }

    fn ids(events: impl IntoIterator<Item = u64>) -> Value {
        Value::Array(events.into_iter().map(|n| Value::BulkString(event(n).into())).collect())
    }

    fn newest(n: u64) -> Value {
        Value::BulkString(id(n).to_string().into())
    }

    /// A reply of CHAT.SYNC.
    fn synced(recovered: bool, last: u64, events: &[u64], more: bool) -> Value {
        let flag = |flag| Value::Int(i64::from(flag));
        let events = ids(events.iter().copied());
        Value::Array(vec![flag(recovered), newest(last), events, flag(more)])
    }

    /// A reply of CHAT.HISTORY.
    fn page(last: u64, events: &[u64], more: bool) -> Value {
        let events = ids(events.iter().copied());
        Value::Array(vec![newest(last), events, Value::Int(i64::from(more))])
    }

    /// What is written, in short: numbers of events, `x1` and `drop1` for ephemeral ones with their
    /// `last`, `lost1-3` and `lost1-` for losses.
    fn short(told: &[Told]) -> String {
        let word = |one: &Told| match one {
            Told::Lost { after, until } => {
                format!("lost{}-{}", after.n, until.map_or(String::new(), |id| id.n.to_string()))
            }
            Told::Event(json) => {
                let event: serde_json::Value = serde_json::from_str(json).expect("JSON");
                let id = |name: &str| {
                    event[name].as_str().map(|id| id.rsplit('-').next().map(str::to_owned))
                };
                match (id("id").flatten(), id("last").flatten()) {
                    (Some(n), _) => n,
                    (_, last) => format!(
                        "{}{}",
                        event["type"].as_str().unwrap_or(""),
                        last.unwrap_or_default()
                    ),
                }
            }
        };
        told.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    /// Takes these answers from a place on; each is with what has come on the channel before it.
    #[track_caller]
    fn assert_told(from: u64, answers: Vec<(&[Ephemeral], Value, Next)>, expected: &str) {
        let (mut place, mut told) = (RoomPlace::after(id(from)), Vec::new());
        for (at, (held, answer, next)) in answers.into_iter().enumerate() {
            place.hold(held.to_vec());
            assert_eq!(
                place.take(answer, &mut told).expect("a reply"),
                next,
                "answer {at}: {expected}"
            );
        }
        assert_eq!(short(&told), expected);
    }

    #[test]
    fn ephemeral_events_stand_where_they_were_published() {
        use Next::{Ask, Wait};
        let some = [ephemeral(3, false), ephemeral(5, false)];
        assert_told(
            2,
            vec![
                (&some, synced(true, 6, &[3, 4], true), Ask),
                (&[], synced(true, 6, &[5, 6], false), Wait),
            ],
            "3 x3 4 5 x5 6",
        );
        assert_told(6, vec![(&[ephemeral(6, false)], synced(true, 6, &[], false), Wait)], "x6");
    }

    #[test]
    fn a_room_that_is_dropped_has_lost_something_only_if_its_last_event_was_not_written() {
        use Next::{Ask, AskLater, Wait};
        let dropped = [ephemeral(4, false), ephemeral(4, true)];
        let gone = || synced(false, 0, &[], false);
        assert_told(4, vec![(&dropped, gone(), Wait)], "x4 drop4");
        assert_told(3, vec![(&dropped, gone(), Wait)], "lost3- x4 drop4");
        // It was made again.
        let again = || synced(false, 6, &[], false);
        assert_told(
            4,
            vec![(&dropped, again(), Ask), (&[], synced(true, 6, &[5, 6], false), Wait)],
            "x4 drop4 5 6",
        );
        // Its key is gone before the channel says so.
        assert_told(4, vec![(&[], gone(), AskLater), (&dropped, gone(), Wait)], "x4 drop4");
        assert_told(4, vec![(&[], gone(), AskLater), (&[], gone(), Wait)], "lost4-");
        let twice = [ephemeral(4, true), ephemeral(0, false)];
        assert_told(4, vec![(&twice, gone(), Ask), (&[], gone(), Wait)], "drop4 x0");
        assert_told(0, vec![(&[], gone(), Wait)], "");
    }

    #[test]
    fn what_is_lost_is_told_before_the_messages_that_are_left() {
        use Next::{Ask, AskLater, Wait};
        let unknown = || synced(false, 9, &[], false);
        assert_told(
            2,
            vec![
                (&[], unknown(), AskLater),
                (&[], unknown(), Ask),
                (&[], page(9, &[5, 7], true), Ask),
                (&[], page(11, &[9, 10], false), Ask),
                (&[], synced(true, 11, &[10, 11], false), Wait),
            ],
            "lost2-9 5 7 9 10 11",
        );
        // A room that goes meanwhile.
        let mut place = RoomPlace::after(id(2));
        let mut told = Vec::new();
        for _ in 0..2 {
            place.take(unknown(), &mut told).expect("a reply");
        }
        assert!(place.gone() && !place.gone());
        assert_eq!(place.at, id(9));
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let rows = [
            Value::BulkString(b"junk".to_vec()),
            Value::BulkString(br#"{"last":"1-1","room":"a","type":"x","ts":1}"#.to_vec()),
            Value::BulkString([event(3).as_bytes(), b"\nevil"].concat()),
            Value::Int(1),
        ];
        for row in rows {
            let reply = Value::Array(vec![
                Value::Int(1),
                newest(3),
                Value::Array(vec![row.clone()]),
                Value::Int(0),
            ]);
            let taken = RoomPlace::after(id(2)).take(reply, &mut Vec::new());
            assert_eq!(taken, Err(UnexpectedReply), "{row:?}");
        }
    }
}
