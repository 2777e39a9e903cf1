//! What a client asks for: rooms, and where it was in them.
//!
//! `GET` names rooms in the query, `POST` rooms with cursors in the body. `Last-Event-ID` counts more
//! than both: a client that comes back repeats its first request.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};
use chat_protocol::id::Id;
use chat_protocol::names::room_kind;

use crate::client::json;
use crate::client::request::Fields;
use crate::server::auth;
use crate::server::v1::events::positions::{self, POSITIONS_MAX};
use crate::server::v1::problem::Problem;

/// The longest query, besides a token in it.
const QUERY_MAX: usize = POSITIONS_MAX;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Rooms with the cursors after which to begin; without one, at the newest page.
pub(super) type Rooms = BTreeMap<String, Option<Id>>;

/// The rooms of a query: `rooms=a,b`.
pub(super) fn of_query(query: &str) -> Result<Rooms, Problem> {
    let others = query.split('&').filter(|pair| !pair.starts_with("access_token="));
    if others.map(|pair| pair.len() + 1).sum::<usize>() > QUERY_MAX {
        return Err(Problem::invalid("rooms", "a query of at most 4096 bytes; use POST"));
    }
    let mut found = auth::parameters(query, "rooms");
    let names = match (found.next(), found.next()) {
        (None, _) => return Ok(Rooms::new()),
        (Some(Some(names)), None) => names,
        (Some(None), None) => {
            return Err(Problem::invalid("rooms", "not UTF-8 in percent-encoding"));
        }
        (Some(_), Some(_)) => return Err(Problem::invalid("rooms", "given twice")),
    };
    let mut rooms = Rooms::new();
    let mut rest = &*names;
    while !rest.is_empty() {
        // The comma in the name of a direct room separates its users.
        let from =
            if rest.starts_with("dm:") { rest.find(',').map_or(0, |comma| comma + 1) } else { 0 };
        let end = rest[from..].find(',').map_or(rest.len(), |comma| from + comma);
        insert(&mut rooms, &rest[..end], None)?;
        rest = rest[end..].strip_prefix(',').unwrap_or_default();
    }
    Ok(rooms)
}

/// The rooms of a body: `{"rooms":{room: cursor or null}}`.
pub(super) fn of_body(body: &str) -> Result<Rooms, Problem> {
    let fields: Fields<'_> =
        serde_json::from_str(body).map_err(|_| Problem::invalid("json", "not a JSON object"))?;
    let mut rooms = Rooms::new();
    for (room, cursor) in fields.members("rooms").map_err(Problem::from)?.unwrap_or_default().iter()
    {
        let cursor = match cursor {
            "null" => None,
            cursor => {
                let cursor = json::text(cursor).ok();
                let id = cursor.and_then(|cursor| Id::parse(cursor.as_bytes()));
                Some(id.ok_or_else(|| Problem::invalid("rooms", "a cursor is not an id"))?)
            }
        };
        insert(&mut rooms, room, cursor)?;
    }
    Ok(rooms)
}

/// The positions that a client sends back.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<BTreeMap<String, Id>, Problem> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let wrong = || Problem::invalid("last-event-id", "not an id that a stream of events has sent");
    match (values.next(), values.next()) {
        (None, _) => Ok(BTreeMap::new()),
        (Some(value), None) => value.to_str().ok().and_then(positions::read).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn insert(rooms: &mut Rooms, room: &str, cursor: Option<Id>) -> Result<(), Problem> {
    if room_kind(room).is_none() {
        return Err(Problem::invalid("room", "no room can have this name"));
    }
    match rooms.insert(room.to_owned(), cursor) {
        Some(_) => Err(Problem::invalid("rooms", "a room is named twice")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_query_names_rooms() {
        let long = format!("rooms={}", "x".repeat(10_000));
        let token = format!("access_token={}&rooms=a", "x".repeat(8_000));
        let rows: &[(&str, Option<&[&str]>, &str)] = &[
            ("", Some(&[]), "none"),
            ("rooms=", Some(&[]), "none"),
            ("user=x&rooms=a,b", Some(&["a", "b"]), "two"),
            ("rooms=a%2Cb", Some(&["a", "b"]), "the separator escaped"),
            ("rooms=dm:a,b,c", Some(&["c", "dm:a,b"]), "a direct room"),
            ("rooms=c,dm%3Aa%2Cb", Some(&["c", "dm:a,b"]), "escaped"),
            ("rooms=dm:a", None, "half of a direct room"),
            ("rooms=a,,b", None, "an empty name"),
            ("rooms=a,a", None, "twice"),
            ("rooms=a&rooms=b", None, "two lists"),
            ("rooms=@", None, "no user"),
            ("rooms=a%00", None, "NUL"),
            ("rooms=%ff", None, "not UTF-8"),
            (&long, None, "too long"),
            (&token, Some(&["a"]), "a token is not counted"),
        ];
        for (query, expected, why) in rows {
            let rooms = of_query(query).ok();
            let names = rooms.as_ref().map(|rooms| rooms.keys().map(String::as_str).collect());
            assert_eq!(names, expected.map(<[&str]>::to_vec), "{why}: {query}");
        }
    }

    #[test]
    fn a_body_names_rooms_with_cursors() {
        let rows = [
            (r#"{"rooms":{"a":"1-2","b":null}}"#, Some(2)),
            (r#"{"rooms":{}}"#, Some(0)),
            ("{}", Some(0)),
            ("", None),
            ("[]", None),
            (r#"{"rooms":[]}"#, None),
            (r#"{"rooms":{"a":1}}"#, None),
            (r#"{"rooms":{"a":"1"}}"#, None),
            (r#"{"rooms":{"a":null,"a":null}}"#, None),
            (r#"{"rooms":{"a":null,"\u0061":null}}"#, None),
            (r#"{"rooms":{"a\u0000":null}}"#, None),
        ];
        for (body, expected) in rows {
            assert_eq!(of_body(body).ok().map(|rooms| rooms.len()), expected, "{body}");
        }
    }

    #[test]
    fn last_event_id_is_one_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_event_id(&headers).ok(), Some(BTreeMap::new()));
        headers.insert(LAST_EVENT_ID, HeaderValue::from_static("a=1-2"));
        assert_eq!(last_event_id(&headers).ok().map(|positions| positions.len()), Some(1));
        headers.append(LAST_EVENT_ID, HeaderValue::from_static("b=1-2"));
        assert!(last_event_id(&headers).is_err());
        let value = HeaderValue::from_bytes("é=1-2".as_bytes()).expect("allowed in a header");
        headers.insert(LAST_EVENT_ID, value);
        assert!(last_event_id(&headers).is_err());
    }
}
