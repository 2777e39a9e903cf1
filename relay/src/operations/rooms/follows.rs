//! Keeping users' lists of rooms complete: a list may have too many rooms, but never lacks one.
//!
//! `CHAT.FOLLOW` is sent before a user gains a room, and again after it, because a repair may have
//! run in between. The order holds where list and room lie on different nodes too: one answers before
//! the other is asked. `CHAT.UNFOLLOW` is sent after the user has lost the room, or has not gained it.
//! `inbox` finds and removes superfluous rooms. One case differs: the list of the other side of a
//! direct message is changed after the message and before its reply, because a refused message must
//! not create that list.

use std::time::Instant;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::names::{BACKEND, RoomKind, room_kind};
use redis::Value;

use crate::operations::context::Context;
use crate::upstream::{Command, CommandError, Reply, Unavailable, Upstream, commands};

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

    fn commands(&self) -> Vec<Command> {
        self.users.iter().map(|user| commands::follow(user, self.room)).collect()
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

    /// Sends commands of the room, by which the users gain it, and then its own commands again.
    /// Returns the replies to the former. Once the users have gained the room, the caller notes by
    /// [`Following::done`] whether their lists hold it, if [`Gained::is_listed`].
    pub(in crate::operations) async fn gain(
        &self,
        context: &Context,
        mut commands: Vec<Command>,
        patience: Patience,
    ) -> Gained {
        let upstream = &context.hub.upstream;
        let call = async |commands| match patience {
            Patience::ForAMoment => upstream.call(commands).await,
            Patience::None => upstream.call_at_once(commands).await,
        };
        let (count, again) = (commands.len(), self.commands());
        // One write where the nodes are the same, and the order is that of the commands.
        let mut replies = match self.are_on_one_node(upstream) {
            true => {
                commands.extend(again);
                call(commands).await
            }
            false => {
                let mut replies = call(commands).await;
                if first_unavailable(&replies).is_none() {
                    replies.extend(call(again).await);
                }
                replies
            }
        };
        let again = replies.split_off(count.min(replies.len()));
        let is_listed = again.len() == self.users.len() && again.iter().all(Result::is_ok);
        Gained { replies, is_listed }
    }

    fn are_on_one_node(&self, upstream: &Upstream) -> bool {
        self.users.iter().all(|user| is_same_node(upstream, user, self.room))
    }

    /// Undoes it after an error: removes the room from the lists of users who are not members. A
    /// user who became a member meanwhile keeps it.
    pub(in crate::operations) async fn withdraw(
        &self,
        context: &Context,
    ) -> Result<(), Unavailable> {
        let rows: Vec<_> = self.users.iter().map(|user| (*user, self.room)).collect();
        unlist(context, &rows).await
    }

    /// Notes the rooms in the cache, after the commands were sent for the second time.
    pub(in crate::operations) fn done(&self, context: &Context) {
        let now = Instant::now();
        for user in &self.users {
            context.hub.follow_cache.note(user, self.room, now);
        }
    }
}

/// What came of the commands by which users gain a room.
pub(in crate::operations) struct Gained {
    /// The replies to them.
    pub(in crate::operations) replies: Vec<Reply>,
    /// The room is in the list of each user, since the users have it.
    pub(in crate::operations) is_listed: bool,
}

/// Whether a command that meets a passing state is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Patience {
    /// The caller tries again.
    None,
    /// For as long as the upstream does.
    ForAMoment,
}

/// Removes rooms from the lists of users, unless Redis says that the user is a member, or does not
/// say. Each row is a user and a room.
pub(in crate::operations) async fn unlist(
    context: &Context,
    rows: &[(&str, &str)],
) -> Result<(), Unavailable> {
    if rows.is_empty() {
        return Ok(());
    }
    let upstream = &context.hub.upstream;
    for (user, room) in rows {
        context.hub.follow_cache.forget(user, room);
    }
    let mut unfollow: Vec<Command> =
        rows.iter().map(|(user, room)| commands::unfollow(user, room)).collect();
    let ask = rows.iter().map(|(user, room)| commands::unread(room, user));
    // Whoever gains a room is added to the list once more after that. So it must be certain that the
    // room was removed before the user is found to be no member.
    let replies = if rows.iter().all(|(user, room)| is_same_node(upstream, user, room)) {
        unfollow.extend(ask);
        upstream.call(unfollow).await.split_off(rows.len())
    } else {
        upstream.call(unfollow).await;
        upstream.call(ask.collect()).await
    };
    let asked = rows.iter().zip(&replies).filter(|(_, reply)| !is_no_member(reply));
    let again: Vec<Command> = asked.map(|((user, room), _)| commands::follow(user, room)).collect();
    let followed = match again.is_empty() {
        true => Vec::new(),
        false => upstream.call(again).await,
    };
    first_unavailable(&replies).or(first_unavailable(&followed)).map_or(Ok(()), Err)
}

/// Whether the reply to `CHAT.UNREAD` says that its one user is no member. An error does not say
/// it, except that there is no room.
fn is_no_member(reply: &Reply) -> bool {
    match reply {
        Ok(Value::Array(rows)) => rows.iter().all(|row| *row == Value::Nil),
        Err(CommandError::Refused(error)) => error.is(ErrorCode::NoRoom),
        _ => false,
    }
}

/// Whether one node has the list of this user and the room, and so executes their commands in the
/// order in which they are sent.
fn is_same_node(upstream: &Upstream, user: &str, room: &str) -> bool {
    match (upstream.owner(&format!("@{user}")), upstream.owner(room)) {
        (Some(list), Some(room)) => list == room,
        _ => false,
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
    use crate::client::error::Error;

    #[test]
    fn only_redis_itself_says_that_a_user_is_no_member() {
        let row = || Value::Array(vec![Value::Int(3)]);
        let refused = |code: &'static str| Err(CommandError::Refused(Error::new(code, "")));
        let rows: &[(Reply, bool)] = &[
            (Ok(Value::Array(vec![Value::Nil])), true),
            (Ok(Value::Array(vec![row()])), false),
            (refused("NOROOM"), true),
            (refused("WRONGTYPE"), false),
            (Err(Unavailable::Unreachable.into()), false),
            (Err(Unavailable::NotServing.into()), false),
        ];
        for (reply, expected) in rows {
            assert_eq!(is_no_member(reply), *expected, "{reply:?}");
        }
    }

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
