//! The users' own lists of rooms, kept so that each is always a superset of the truth.
//!
//! `CHAT.FOLLOW` goes out before a room is gained and once more after it, for a repair may have come
//! in between; `CHAT.UNFOLLOW` goes out after it is lost, or was not gained after all. What is too much
//! in a list is found and taken out by `inbox`. Only the list of the other side of a direct message
//! goes out after it, and before it is answered: a refused message must not make that list.

use std::time::Instant;

use chat_protocol::names::{RoomKind, room_kind};
use redis::Value;

use crate::operations::context::Context;
use crate::upstream::{Command, CommandError, Reply, Unavailable, commands};

/// How a user comes by a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gain {
    /// By joining it oneself.
    Join,
    /// By a message, which makes a direct room appear on both sides.
    Send,
}

/// The users who gain this room by an act of `user`.
fn gainers<'a>(user: &'a str, room: &'a str, gain: Gain) -> Vec<&'a str> {
    match (room_kind(room), gain) {
        (Some(RoomKind::Ordinary), _) => vec![user],
        // Only the two themselves: nobody puts others' direct rooms into lists.
        (Some(RoomKind::Direct(first, second)), _) if first != user && second != user => vec![],
        (Some(RoomKind::Direct(..)), Gain::Join) => vec![user],
        (Some(RoomKind::Direct(first, second)), Gain::Send) => vec![first, second],
        (Some(RoomKind::Personal(_)) | None, _) => vec![],
    }
}

/// A room that some users are about to gain and that is not known to be in their lists.
pub(super) struct Following<'a> {
    users: Vec<&'a str>,
    room: &'a str,
}

impl<'a> Following<'a> {
    /// Who has yet to follow before this act of the context's user.
    pub(super) fn before(context: &'a Context, room: &'a str, gain: Gain) -> Following<'a> {
        let now = Instant::now();
        let mut users = gainers(context.user(), room, gain);
        users.retain(|user| !context.hub.follow_cache.holds(user, room, now));
        Following { users, room }
    }

    /// What `user` has yet to follow, and what others have.
    pub(super) fn split(self, user: &str) -> (Following<'a>, Following<'a>) {
        let room = self.room;
        let (own, others) = self.users.into_iter().partition(|gainer| *gainer == user);
        (Following { users: own, room }, Following { users: others, room })
    }

    /// One other user, who is about to be added.
    pub(super) fn of(user: &'a str, room: &'a str) -> Following<'a> {
        Following { users: vec![user], room }
    }

    /// The commands, one per user.
    pub(super) fn commands(&self) -> Vec<Command> {
        self.users.iter().map(|user| commands::follow(user, self.room)).collect()
    }

    /// How many commands there are.
    pub(super) fn count(&self) -> usize {
        self.users.len()
    }

    /// Sends the commands. A refusal is the room's to explain, by refusing what follows.
    pub(super) async fn send(&self, context: &Context) -> Result<(), Unavailable> {
        let commands = self.commands();
        if commands.is_empty() {
            return Ok(());
        }
        first_unavailable(&context.hub.upstream.call(commands).await).map_or(Ok(()), Err)
    }

    /// The act was refused: those who are no members do not keep the room in their lists. Whoever
    /// became one meanwhile does.
    pub(super) async fn withdraw(&self, context: &Context) -> Result<(), Unavailable> {
        if self.users.is_empty() {
            return Ok(());
        }
        let mut commands = Vec::with_capacity(self.users.len() * 2);
        for user in &self.users {
            commands.push(commands::unfollow(user, self.room));
            commands.push(commands::unread(self.room, user));
        }
        let replies = context.hub.upstream.call(commands).await;
        if let Some(away) = first_unavailable(&replies) {
            return Err(away);
        }
        let member = |reply: &Reply| match reply {
            Ok(Value::Array(rows)) => rows.iter().any(|row| *row != Value::Nil),
            _ => false,
        };
        let members = self.users.iter().zip(replies.iter().skip(1).step_by(2));
        let members = members.filter(|(_, reply)| member(reply));
        let again: Vec<Command> =
            members.map(|(user, _)| commands::follow(user, self.room)).collect();
        if !again.is_empty() {
            return first_unavailable(&context.hub.upstream.call(again).await).map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// The room is gained and the commands were sent once more.
    pub(super) fn done(&self, context: &Context) {
        let now = Instant::now();
        for user in &self.users {
            context.hub.follow_cache.note(user, self.room, now);
        }
    }
}

/// Why the first of these commands that was not answered was not.
fn first_unavailable(replies: &[Reply]) -> Option<Unavailable> {
    replies.iter().find_map(|reply| match reply {
        Err(CommandError::Unavailable(away)) => Some(*away),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_followed_by_those_who_gain_it() {
        let rows: &[(&str, Gain, &[&str], &str)] = &[
            ("lobby", Gain::Join, &["alice"], "joining"),
            ("lobby", Gain::Send, &["alice"], "sending joins"),
            ("dm:alice,bob", Gain::Join, &["alice"], "the other side gains nothing yet"),
            ("dm:alice,bob", Gain::Send, &["alice", "bob"], "both sides"),
            ("dm:bob,carol", Gain::Send, &[], "others' direct rooms"),
            ("@alice", Gain::Send, &[], "personal rooms are in no list"),
        ];
        for (room, gain, expected, why) in rows {
            assert_eq!(gainers("alice", room, *gain), *expected, "{why}");
        }
    }
}
