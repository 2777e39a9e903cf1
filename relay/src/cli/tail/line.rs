//! The two forms of a line: the event's JSON, and text for people.
//!
//! What users write reaches a terminal in neither form as anything but visible characters.

use std::fmt::Write;
use std::io::IsTerminal;

use chat_protocol::event_header::MEMBERS;
use chat_protocol::id::Id;
use serde_json::{Map, Value, json};

use crate::cli::printable::printable;
use crate::cli::tail::place::Told;
use crate::clock;

/// Members of events that text shows in places of their own, or not.
const PLACED: [&str; 10] =
    ["id", "prev", "last", "room", "type", "ts", "user", "text", "nonce", "m"];

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
}

impl Form {
    /// The form of this name; without one, that for whoever reads.
    pub(super) fn of(name: Option<&str>) -> Form {
        match name {
            Some("text") => Form::Text,
            None if std::io::stdout().is_terminal() => Form::Text,
            _ => Form::Json,
        }
    }

    /// Appends the line.
    pub(super) fn append(self, out: &mut String, room: &str, told: &Told) {
        let line = match (self, told) {
            (Form::Json, Told::Event(json)) => json.clone(),
            (Form::Json, Told::Lost { after, until }) => lost(room, *after, *until).to_string(),
            (Form::Text, Told::Event(json)) => {
                text(room, &serde_json::from_str(json).unwrap_or_default())
            }
            (Form::Text, Told::Lost { after, until: Some(until) }) => {
                format!("- - {room} lost - after={after} until={until}")
            }
            (Form::Text, Told::Lost { after, until: None }) => {
                format!("- - {room} lost - after={after} gone=true")
            }
        };
        out.push_str(&printable(&line));
        out.push('\n');
    }
}

/// As webhooks tell it.
fn lost(room: &str, after: Id, until: Option<Id>) -> Value {
    let after = after.to_string();
    match until {
        Some(until) => {
            json!({"type": "lost", "room": room, "after": after, "until": until.to_string()})
        }
        None => json!({"type": "lost", "room": room, "after": after, "gone": true}),
    }
}

/// `time id room type user name=value …: text`.
fn text(room: &str, event: &Map<String, Value>) -> String {
    let word = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("-");
    let time = event.get("ts").and_then(Value::as_u64).map_or("-".to_owned(), clock::utc);
    let mut line = format!("{time} {} {room} {} {}", word("id"), word("type"), word("user"));
    for name in MEMBERS.into_iter().filter(|name| !PLACED.contains(name)) {
        match event.get(name) {
            None => {}
            Some(Value::String(text)) if name == "kind" && text == "text" => {}
            Some(Value::String(text))
                if text.chars().all(|one| !one.is_whitespace() && one != '"') =>
            {
                let _ = write!(line, " {name}={text}");
            }
            Some(value) => {
                let _ = write!(line, " {name}={value}");
            }
        }
    }
    if let Some(text) = event.get("text").and_then(Value::as_str) {
        let _ = write!(line, ": {text}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(form: Form, told: &Told) -> String {
        let mut out = String::new();
        form.append(&mut out, "lobby", told);
        out
    }

    #[test]
    fn a_line_has_what_an_event_says() {
        let rows = [
            (
                r#"{"id":"1795731718866-2","prev":"1795731718830-1","room":"lobby","type":"message","ts":1795731718866,"user":"bob","kind":"text","text":"hi @alice","meta":{"lang":"en"},"mentions":["alice"],"nonce":"c0ffee","m":2}"#,
                "2026-11-26T22:21:58.866Z 1795731718866-2 lobby message bob meta={\"lang\":\"en\"} mentions=[\"alice\"]: hi @alice\n",
            ),
            (
                r#"{"id":"3-3","prev":"2-2","room":"lobby","type":"member","ts":1000,"user":"bob","by":"alice","kind":"mute","reason":"calm down","until":7}"#,
                "1970-01-01T00:00:01.000Z 3-3 lobby member bob by=alice kind=mute reason=\"calm down\" until=7\n",
            ),
            (
                r#"{"last":"3-3","room":"lobby","type":"occupancy","ts":0,"users":2}"#,
                "1970-01-01T00:00:00.000Z - lobby occupancy - users=2\n",
            ),
        ];
        for (json, expected) in rows {
            assert_eq!(line(Form::Text, &Told::Event(json.to_owned())), expected);
            assert_eq!(line(Form::Json, &Told::Event(json.to_owned())), format!("{json}\n"));
        }
    }

    #[test]
    fn a_loss_is_a_line() {
        let (after, until) = (Id { ms: 1, n: 2 }, Some(Id { ms: 3, n: 4 }));
        let rows =
            [(until, r#""until":"3-4""#, "until=3-4"), (None, r#""gone":true"#, "gone=true")];
        for (until, json, text) in rows {
            let told = Told::Lost { after, until };
            let found = line(Form::Json, &told);
            assert!(found.contains(json) && found.contains(r#""after":"1-2""#), "{found}");
            let expected = format!("- - lobby lost - after=1-2 {text}\n");
            assert_eq!(line(Form::Text, &told), expected);
        }
    }

    #[test]
    fn what_users_write_is_one_line_that_moves_no_cursor() {
        let text = "a\u{1b}[2Jb\r\nc\u{9b}2Jd\u{202e}e\u{2028}f\u{7f}";
        let event = json!({"id": "1-1", "prev": "0-0", "room": "lobby", "type": "message",
            "ts": u64::MAX, "user": "x\u{202e}", "reason": text, "text": text, "odd\u{1b}": 1});
        for form in [Form::Json, Form::Text] {
            let found = line(form, &Told::Event(event.to_string()));
            assert_eq!(found.matches('\n').count(), 1, "{found:?}");
            assert!(!found.trim_end().chars().any(char::is_control), "{found:?}");
            assert!(!found.contains(['\u{202e}', '\u{2028}']), "{found:?}");
            if form == Form::Json {
                assert_eq!(serde_json::from_str::<Value>(&found).expect("JSON"), event);
            }
        }
    }
}
