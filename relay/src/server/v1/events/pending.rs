//! The rooms of a stream that it does not receive yet, and the answers to its `resume`.
//!
//! A room is pending from the beginning, while a reply was full, while Redis does not serve it, and
//! after the relay has lost its position. Until the answer comes, durable events of the room are not
//! for the client: the answer holds them.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_protocol::id::Id;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::json;
use crate::client::request::Fields;

/// The first bytes of a reply. No event and no frame of the relay begins so.
pub(super) const REPLY: &[u8] = br#"{"ref":"#;
/// The pause before a room is asked for again that Redis did not serve.
const AWAY_PAUSE: Duration = Duration::from_millis(500);

/// The rooms to resume.
#[derive(Debug, Default)]
pub(super) struct Pending {
    rooms: BTreeMap<String, Asked>,
    /// The answer has not come yet.
    is_asked: bool,
    /// How long to wait before asking.
    pause: Duration,
}

/// How a room is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The last event that the client has.
    pub(super) cursor: Option<Id>,
    /// The client has not named the room: it needs no page of it.
    pub(super) is_unnamed: bool,
}

/// What the answer says of a room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered<'a> {
    /// These events follow the cursor.
    Events { events: Vec<&'a str>, last: Option<Id>, more: bool },
    /// There is nothing after the cursor, or none: this is what the room is now. The members of an
    /// object, without its first brace.
    Page { members: &'a str, last: Option<Id> },
    /// The room cannot be asked for now.
    Later,
    /// The user may not receive it: the members of an error, without its first brace.
    Refused { members: &'a str },
}

#[derive(Serialize)]
struct Resume<'a> {
    #[serde(rename = "ref")]
    reference: u8,
    op: &'a str,
    rooms: BTreeMap<&'a str, Option<String>>,
}

impl Pending {
    /// Adds a room, or changes how it is asked for.
    pub(super) fn add(&mut self, room: &str, asked: Asked) {
        self.rooms.insert(room.to_owned(), asked);
    }

    /// As [`Pending::add`], for a room that was received: not at once, in case that it fails again.
    pub(super) fn add_lost(&mut self, room: &str, cursor: Option<Id>) {
        self.add(room, Asked { cursor, is_unnamed: false });
        self.pause = AWAY_PAUSE;
    }

    /// Whether rooms are pending that no request is under way for.
    pub(super) fn waits(&self) -> bool {
        !self.is_asked && !self.rooms.is_empty()
    }

    /// Whether the room is pending.
    pub(super) fn holds(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// The request to make now and how long to wait before, if there is one. It names the rooms whose
    /// node can be read, so that none of them waits for the others.
    pub(super) fn request(
        &mut self,
        can_be_read: impl Fn(&str) -> bool,
    ) -> Option<(Duration, String)> {
        if self.is_asked {
            return None;
        }
        let rooms = self.rooms.iter().filter(|(room, _)| can_be_read(room));
        let rooms = rooms.map(|(room, asked)| (&**room, asked.cursor.map(|id| id.to_string())));
        let request = Resume { reference: 0, op: "resume", rooms: rooms.collect() };
        if request.rooms.is_empty() {
            return None;
        }
        self.is_asked = true;
        Some((std::mem::take(&mut self.pause), json::write(&request)))
    }

    /// Takes the answer: what it says of each room, and how the room was asked for.
    pub(super) fn answered<'a>(&mut self, reply: &'a [u8]) -> Vec<(String, Asked, Answered<'a>)> {
        self.is_asked = false;
        let reply = Fields::of(reply);
        let rooms = reply.members("ok").ok().flatten().unwrap_or_default().members("rooms");
        let rooms = rooms.ok().flatten().unwrap_or_default();
        let mut answers = Vec::new();
        if let Some(error) = reply.raw("error") {
            match self.refusal(error) {
                Answered::Later => {}
                refused => {
                    let Answered::Refused { members } = refused else { return answers };
                    for (room, asked) in std::mem::take(&mut self.rooms) {
                        answers.push((room, asked, Answered::Refused { members }));
                    }
                }
            }
            return answers;
        }
        for (room, answer) in rooms.iter() {
            let Some(asked) = self.rooms.get(room).copied() else { continue };
            let answered = self.answer(answer);
            match &answered {
                Answered::Later => continue,
                Answered::Events { last, more: true, .. } => {
                    self.add(room, Asked { cursor: last.or(asked.cursor), ..asked });
                }
                _ => drop(self.rooms.remove(room)),
            }
            answers.push((room.to_owned(), asked, answered));
        }
        answers
    }

    fn answer<'a>(&mut self, answer: &'a str) -> Answered<'a> {
        let fields = Fields::of(answer.as_bytes());
        if let Some(error) = fields.raw("error") {
            return self.refusal(error);
        }
        let last = fields.id("last").ok().flatten();
        if fields.raw("recovered") != Some("true") {
            let members = answer.strip_prefix('{').unwrap_or_default();
            return Answered::Page { members, last };
        }
        let events = fields.raw("events").and_then(|events| serde_json::from_str(events).ok());
        let events: Vec<&'a RawValue> = events.unwrap_or_default();
        let events = events.into_iter().map(RawValue::get).collect();
        let more = fields.flag("more").unwrap_or_default();
        Answered::Events { events, last, more }
    }

    fn refusal<'a>(&mut self, error: &'a str) -> Answered<'a> {
        let fields = Fields::of(error.as_bytes());
        let code = fields.optional_text("code").ok().flatten().unwrap_or_default();
        let pause = match &*code {
            "RATELIMIT" => {
                Duration::from_millis(fields.number("retry_ms").ok().flatten().unwrap_or_default())
            }
            "UNAVAILABLE" => AWAY_PAUSE,
            _ => return Answered::Refused { members: error.strip_prefix('{').unwrap_or_default() },
        };
        self.pause = self.pause.max(pause);
        Answered::Later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Id = Id { ms: 7, n: 3 };

    fn pending(rooms: &[(&str, Option<Id>)]) -> Pending {
        let mut pending = Pending::default();
        for (room, cursor) in rooms {
            pending.add(room, Asked { cursor: *cursor, is_unnamed: false });
        }
        pending
    }

    #[test]
    fn one_request_at_a_time_names_all_rooms() {
        let mut pending = pending(&[("a", Some(AT)), ("\"", None)]);
        let text = r#"{"ref":0,"op":"resume","rooms":{"\"":null,"a":"7-3"}}"#;
        assert_eq!(pending.request(|_| true), Some((Duration::ZERO, text.to_owned())));
        assert_eq!(pending.request(|_| true), None, "it is under way");
        let reply = r#"{"ref":0,"error":{"code":"RATELIMIT","retry_ms":40}}"#;
        assert_eq!(pending.answered(reply.as_bytes()), []);
        assert_eq!(pending.request(|_| true), Some((Duration::from_millis(40), text.to_owned())));
    }

    #[test]
    fn each_room_is_answered_for_itself() {
        let mut pending = pending(&[
            ("done", Some(AT)),
            ("full", Some(AT)),
            ("fresh", None),
            ("away", None),
            ("shut", None),
        ]);
        pending.request(|_| true).expect("a request");
        let reply = br#"{"ref":0,"ok":{"rooms":{
            "done":{"recovered":true,"last":"8-4","events":[{"id": 1}],"more":false,"role":null},
            "full":{"recovered":true,"last":"9-9","events":[],"more":true},
            "fresh":{"last":"5-5","events":[],"more":true,"role":null,"online":1},
            "away":{"error":{"code":"UNAVAILABLE","message":"x"}},
            "shut":{"error":{"code":"NOTMEMBER","message":"x"}},
            "never asked for":{"last":"5-5"}}}}"#;
        let answers = pending.answered(reply);
        let names: Vec<&str> = answers.iter().map(|(room, ..)| &**room).collect();
        assert_eq!(names, ["done", "full", "fresh", "shut"]);
        let (events, last) = match &answers[0].2 {
            Answered::Events { events, last, more: false } => (events[0], *last),
            other => panic!("{other:?}"),
        };
        assert_eq!((events, last), (r#"{"id": 1}"#, Some(Id { ms: 8, n: 4 })), "its own bytes");
        assert!(matches!(answers[1].2, Answered::Events { more: true, .. }));
        let members = r#""last":"5-5","events":[],"more":true,"role":null,"online":1}"#;
        assert_eq!(answers[2].2, Answered::Page { members, last: Some(Id { ms: 5, n: 5 }) });
        let members = r#""code":"NOTMEMBER","message":"x"}"#;
        assert_eq!(answers[3].2, Answered::Refused { members });
        assert!(pending.holds("full") && pending.holds("away") && !pending.holds("done"));
        let text = r#"{"ref":0,"op":"resume","rooms":{"away":null,"full":"9-9"}}"#;
        assert_eq!(pending.request(|_| true), Some((AWAY_PAUSE, text.to_owned())));
    }

    #[test]
    fn rooms_that_cannot_be_read_hold_up_no_other() {
        let mut pending = pending(&[("a", None), ("b", Some(AT))]);
        assert_eq!(pending.request(|_| false), None);
        assert!(pending.waits());
        let text = r#"{"ref":0,"op":"resume","rooms":{"b":"7-3"}}"#;
        assert_eq!(pending.request(|room| room == "b"), Some((Duration::ZERO, text.to_owned())));
        assert!(!pending.waits());
        let reply = br#"{"ref":0,"ok":{"rooms":{"b":{"last":"5-5","events":[],"more":false}}}}"#;
        assert_eq!(pending.answered(reply).len(), 1);
        assert!(pending.holds("a") && pending.waits());
    }

    #[test]
    fn a_refused_request_is_refused_for_all_rooms() {
        let mut pending = pending(&[("a", None), ("b", Some(AT))]);
        pending.request(|_| true).expect("a request");
        let reply = br#"{"ref":0,"error":{"code":"DENIED","message":"x"}}"#;
        assert_eq!(pending.answered(reply).len(), 2);
        assert_eq!(pending.request(|_| true), None);
    }
}
