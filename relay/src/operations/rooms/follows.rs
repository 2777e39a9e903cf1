//! Keeping users' lists of rooms complete: a list may have too many rooms, but never lacks one.
//!
//! `CHAT.FOLLOW` is sent before a user gains a room, and again after it, because a repair may have
//! run in between. `CHAT.UNFOLLOW` is sent after the user has lost the room, or has not gained it.
//! `inbox` finds and removes superfluous rooms. One case differs: the list of the other side of a
//! direct message is changed after the message and before its reply, because a refused message must
//! not create that list.

use std::time::Instant;

use chat_protocol::names::{BACKEND, RoomKind, room_kind};
use redis::Value;

use crate::operations::context::Context;
use crate::upstream::{Command, CommandError, Reply, Unavailable, commands};

/// How a user gains a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Gain {
    /// By joining it.
    Join,
    /// By a message, which makes a direct room appear on both sides.
    Send,
}

/// The users who gain this room when `user` joins it or sends to it.
fn gainers<'a>(user: &'a str, room: &'a str, gain: Gain) -> Vec<&'a str> {
    match (room_kind(room), gain) {
        (Some(RoomKind::Direct(first, second)), Gain::Send) if user == BACKEND => {
            vec![first, second]
        }
        // The backend is in no room.
        (Some(RoomKind::Ordinary), _) if user == BACKEND => vec![],
        (Some(RoomKind::Ordinary), _) => vec![user],
        // Only the two users themselves: no one adds other users' direct rooms to lists.
        (Some(RoomKind::Direct(first, second)), _) if first != user && second != user => vec![],
        (Some(RoomKind::Direct(..)), Gain::Join) => vec![user],
        (Some(RoomKind::Direct(first, second)), Gain::Send) => vec![first, second],
        (Some(RoomKind::Personal(_)) | None, _) => vec![],
    }
}

/// Users who are about to gain a room that is not known to be in their lists.
pub(in crate::operations) struct Following<'a> {
    users: Vec<&'a str>,
    room: &'a str,
}

impl<'a> Following<'a> {
    /// The users whose lists lack the room before the context's user joins it or sends to it.
    pub(in crate::operations) fn before(
        context: &'a Context,
        room: &'a str,
        gain: Gain,
    ) -> Following<'a> {
        let now = Instant::now();
        let mut users = gainers(context.user(), room, gain);
        users.retain(|user| !context.hub.follow_cache.holds(user, room, now));
        Following { users, room }
    }

    /// Splits into `user` and the other users.
    pub(in crate::operations) fn split(self, user: &str) -> (Following<'a>, Following<'a>) {
        let room = self.room;
        let (own, others) = self.users.into_iter().partition(|gainer| *gainer == user);
        (Following { users: own, room }, Following { users: others, room })
    }

    /// One other user, who is about to be added to the room.
    pub(in crate::operations) fn of(user: &'a str, room: &'a str) -> Following<'a> {
        Following { users: vec![user], room }
    }

    /// The commands, one per user.
    pub(in crate::operations) fn commands(&self) -> Vec<Command> {
        self.users.iter().map(|user| commands::follow(user, self.room)).collect()
    }

    /// How many commands there are.
    pub(in crate::operations) fn count(&self) -> usize {
        self.users.len()
    }

    /// Sends the commands. Errors are ignored: the command that follows is refused too and
    /// explains why.
    pub(in crate::operations) async fn send(&self, context: &Context) -> Result<(), Unavailable> {
        let commands = self.commands();
        if commands.is_empty() {
            return Ok(());
        }
        first_unavailable(&context.hub.upstream.call(commands).await).map_or(Ok(()), Err)
    }

    /// Undoes it after an error: removes the room from the lists of users who are not members. A
    /// user who became a member meanwhile keeps it.
    pub(in crate::operations) async fn withdraw(
        &self,
        context: &Context,
    ) -> Result<(), Unavailable> {
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

    /// Notes the rooms in the cache, after the commands were sent for the second time.
    pub(in crate::operations) fn done(&self, context: &Context) {
        let now = Instant::now();
        for user in &self.users {
            context.hub.follow_cache.note(user, self.room, now);
        }
    }
}

/// Why the first unanswered command of these was not answered.
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
    fn the_backend_gains_no_room_and_gives_direct_ones_to_both_sides() {
        let rows: &[(&str, &[&str])] =
            &[("lobby", &[]), ("dm:alice,bob", &["alice", "bob"]), ("@alice", &[])];
        for (room, expected) in rows {
            assert_eq!(gainers(BACKEND, room, Gain::Send), *expected, "{room}");
        }
    }

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
