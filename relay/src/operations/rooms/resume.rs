//! `resume`: receiving many rooms again, each from its own cursor, in one reply.
//!
//! The reply is bounded like every other. Rooms whose events do not fit are answered with
//! `more:true` and no events, and the client requests them again.

use std::collections::HashSet;
use std::sync::Arc;

use chat_protocol::id::Id;
use chat_protocol::names::room_kind;

use crate::client::error::Error;
use crate::client::json;
use crate::client::reply;
use crate::client::request::{Fields, Request};
use crate::operations::answer::{Answer, Outcome, Refused};
use crate::operations::context::Context;
use crate::operations::rooms::join::{Membership, Start, Wanted};
use crate::operations::rooms::subscribe::{check_room_count, receive, too_many_rooms};

pub(in crate::operations) async fn resume(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.members("rooms")?;
    let rooms = rooms.ok_or_else(|| Error::invalid("rooms", "this field is needed"))?;
    let wanted = wanted(&rooms, context.hub.config.max_rooms)?;
    check_room_count(context, &wanted)?;
    let received = receive(context, &wanted).await;
    // By hand: a page holds bytes of events.
    let mut object = String::from("{\"rooms\":{");
    for (index, (wanted, received)) in wanted.iter().zip(received).enumerate() {
        if index > 0 {
            object.push(',');
        }
        json::append(&mut object, &wanted.room);
        object.push(':');
        match received {
            Ok(page) => object.push_str(&page),
            Err(error) => json::append(&mut object, &Refused { error: &error }),
        }
    }
    object.push_str("}}");
    context.connection.uncork(&reply::ok(request.reference, &object));
    Ok(Answer::Sent)
}

/// The rooms of a request with their cursors, each named once, at most `most`.
fn wanted(rooms: &Fields<'_>, most: usize) -> Result<Vec<Wanted>, Error> {
    if rooms.iter().count() > most {
        return Err(too_many_rooms());
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut named = HashSet::new();
    for (room, cursor) in rooms.iter() {
        if room_kind(room).is_none() {
            return Err(Error::invalid("room", "no room can have this name"));
        }
        let start = match cursor {
            "null" => Start::Page,
            cursor => {
                let cursor = json::text(cursor).ok();
                let id = cursor.and_then(|cursor| Id::parse(cursor.as_bytes()));
                Start::After(id.ok_or_else(|| Error::invalid("rooms", "a cursor is not an id"))?)
            }
        };
        if !named.insert(room) {
            return Err(Error::invalid("rooms", "a room is named twice"));
        }
        wanted.push(Wanted { room: room.to_owned(), start, membership: Membership::Unchanged });
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_is_named_once_and_there_are_not_too_many() {
        let named = |rooms: &str, most| {
            let fields: Fields<'_> = serde_json::from_str(rooms).expect("an object");
            wanted(&fields, most).map(|wanted| wanted.len()).map_err(|error| error.code)
        };
        assert_eq!(named(r#"{"a":"1-1","b":null}"#, 2), Ok(2));
        assert_eq!(named("{}", 2), Ok(0));
        assert_eq!(named(r#"{"a":"1-1","b":null,"a":null}"#, 3), Err("INVALID".into()));
        assert_eq!(named(r#"{"a":"1-1","\u0061":null}"#, 3), Err("INVALID".into()));
        assert_eq!(named(r#"{"a":1}"#, 3), Err("INVALID".into()));
        let many: Vec<String> = (0..5000).map(|n| format!("\"r{n}\":\"0-0\"")).collect();
        let many = format!("{{{},\"@\":17}}", many.join(","));
        assert_eq!(named(&many, 5000), Err("DENIED".into()), "before any is looked at");
        assert_eq!(named(&many, 5001), Err("INVALID".into()));
    }
}
