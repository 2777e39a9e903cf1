//! `resume`: receiving many rooms again, each from its own cursor, in one reply.
//!
//! The reply is bounded as every other is. Rooms whose events do not fit are answered with
//! `more:true` and no events: the client asks for them again.

use std::collections::HashSet;
use std::sync::Arc;

use super::receive::{Membership, Wish, check_room_count, receive};
use super::{Answer, Context, Outcome};
use crate::event::Id;
use crate::failure::Failure;
use crate::names::room_kind;
use crate::protocol::{self, Request};

pub(super) async fn resume(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.members("rooms")?;
    let rooms = rooms.ok_or_else(|| Failure::invalid("rooms", "this field is needed"))?;
    let mut wishes: Vec<Wish> = Vec::new();
    let mut named = HashSet::new();
    for (room, cursor) in rooms.iter() {
        if room_kind(room).is_none() {
            return Err(Failure::invalid("room", "no room can have this name"));
        }
        let since = match cursor {
            "null" => None,
            cursor => {
                let cursor = protocol::text(cursor).ok();
                let id = cursor.and_then(|cursor| Id::parse(cursor.as_bytes()));
                Some(id.ok_or_else(|| Failure::invalid("rooms", "a cursor is not an id"))?)
            }
        };
        if !named.insert(room) {
            return Err(Failure::invalid("rooms", "a room is named twice"));
        }
        wishes.push(Wish { room: room.to_owned(), since, membership: Membership::AsItIs });
    }
    check_room_count(context, &wishes)?;
    let received = receive(context, &wishes).await;
    let mut inside = String::from("\"rooms\":{");
    for (index, (wish, received)) in wishes.iter().zip(received).enumerate() {
        if index > 0 {
            inside.push(',');
        }
        protocol::string(&mut inside, &wish.room);
        match received {
            Ok(members) => inside.push_str(&format!(":{{{members}}}")),
            Err(failure) => {
                inside.push_str(":{\"error\":{");
                failure.write(&mut inside);
                inside.push_str("}}");
            }
        }
    }
    inside.push('}');
    context.connection.release(&protocol::ok(request.reference, &inside));
    Ok(Answer::Sent)
}
