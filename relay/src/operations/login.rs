//! What every connection receives without asking: its user's personal room, and the rooms of
//! `--auto-join`, all live from now on.
//!
//! Nothing is fetched here: a client that wants the past asks for it. If Redis is away, login goes
//! on in the background when it is back.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::Context;
use super::follows::{Following, Gain};
use super::join::{ATTEMPTS, Membership, confirmed, is_member};
use crate::client::error::Error;
use crate::hub::presence;
use crate::room::Attached;
use crate::room::subscribers::PendingFlush;
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{Elements, field, id};
use crate::upstream::{CommandError, State, Unavailable};

/// Brings a new connection into these rooms, or begins to.
pub(crate) async fn login(context: Arc<Context>) {
    let rooms = login_rooms(&context);
    if let Err(rest) = enter_all(&context, rooms).await {
        tokio::spawn(login_later(context, rest));
    }
}

fn login_rooms(context: &Context) -> Vec<(String, Membership)> {
    let personal = (format!("@{}", context.user()), Membership::AsItIs);
    let auto = context.hub.config.auto_join.iter();
    let auto = auto.map(|room| (room.clone(), Membership::Join));
    std::iter::once(personal).chain(auto).collect()
}

/// Enters these rooms; the error holds those that could not be entered because Redis is away.
async fn enter_all(
    context: &Context,
    rooms: Vec<(String, Membership)>,
) -> Result<(), Vec<(String, Membership)>> {
    let mut rest = Vec::new();
    for (room, membership) in rooms {
        match enter(context, &room, membership).await {
            Err(error) if error.code == "UNAVAILABLE" => rest.push((room, membership)),
            Err(error) => {
                let code = &*error.code;
                tracing::info!(source = "client", room, code, "refused at login");
            }
            Ok(()) => {}
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(rest) }
}

async fn login_later(context: Arc<Context>, mut rooms: Vec<(String, Membership)>) {
    let upstream = context.hub.upstream.clone();
    let mut states = upstream.states();
    // While Redis is away the connection may end, and with it what is kept for it.
    let waiting = Arc::downgrade(&context);
    drop(context);
    let context = loop {
        upstream.wait_readable().await;
        let Some(context) = waiting.upgrade() else { return };
        if context.connection.ended().is_some() {
            break context;
        }
        match enter_all(&context, rooms).await {
            Ok(()) => break context,
            Err(rest) => rooms = rest,
        }
        drop(context);
        tokio::time::sleep(Duration::from_millis(100)).await;
        // What is left needs a write, if only writes are refused.
        let changes = |state: &State| !matches!(state, State::WritesRefused(_));
        let _ = states.wait_for(changes).await;
    };
    if context.connection.ended().is_some() {
        // It ended while it was on its way in.
        for name in context.connection.take_rooms() {
            if let Some(room) = context.hub.room(&name) {
                room.remove(&context.connection);
            }
            presence::end_later(&context.hub, &context.connection, &name);
        }
    }
}

async fn enter(context: &Context, name: &str, membership: Membership) -> Result<(), Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    let mut present_at = None;
    for _ in 0..ATTEMPTS {
        if !hub.upstream.state().can_read() {
            return Err(Error::unavailable());
        }
        if hub.room_of(connection, name).is_some_and(|room| room.is_receiving(connection)) {
            return Ok(());
        }
        let joined = match membership {
            Membership::Join => join(context, name).await,
            Membership::AsItIs => Ok(()),
        };
        // While writes are refused, members are let in as they are.
        let must_be_member = match joined {
            Ok(()) => false,
            Err(error) if error.can_read() => true,
            Err(error) => return Err(error.into()),
        };
        let (room, joiner) = hub.begin_join(name, connection);
        confirmed(&room).await?;
        let ttl = hub.config.presence_ttl;
        let commands = vec![
            presence::present(name, connection, ttl),
            commands::room(name, Reader::User(context.user())),
        ];
        let mut replies = hub.upstream.call(commands).await.into_iter();
        let mut next = || replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
        let (present, seen) = (next(), next());
        match present {
            Err(error) if !error.can_read() => return Err(error.into()),
            // Refused for now: the beats tell it later.
            Err(_) => {}
            // What happens after the first time is to be heard: a kick between two commands too.
            Ok(value) => {
                let mut elements = Elements::of(value)?;
                let _users = elements.integer()?;
                present_at = present_at.or(Some(elements.id()?));
            }
        }
        let seen = match seen {
            Err(CommandError::Refused(error)) if error.code == "NOROOM" => Value::Nil,
            seen => seen?,
        };
        if must_be_member && !is_member(&seen) {
            return Err(Unavailable::WritesRefused.into());
        }
        let newest = field(&seen, "last").and_then(|last| id(last.clone()).ok());
        let position = present_at.or(newest).unwrap_or_default();
        let mut pending_flush = PendingFlush::new();
        let placed = room.attach_present(&joiner, connection, position, &mut pending_flush);
        hub.flush(pending_flush);
        match placed {
            Attached::Then(next) => {
                connection.add_room(&room.name);
                hub.follow(&room, next);
                return Ok(());
            }
            Attached::Removed => {
                presence::end_later(hub, connection, name);
                return Ok(());
            }
            Attached::FetchAgain => {}
        }
    }
    Err(Error::unavailable())
}

/// Makes the user a member, with the room in the user's list before and after.
async fn join(context: &Context, name: &str) -> Result<(), CommandError> {
    let following = Following::before(context, name, Gain::Join);
    following.send(context).await?;
    let mut commands = vec![commands::join(name, context.user())];
    commands.extend(following.commands());
    let mut replies = context.hub.upstream.call(commands).await.into_iter();
    replies.next().unwrap_or(Err(Unavailable::Unreachable.into()))?;
    if replies.all(|reply| reply.is_ok()) {
        following.done(context);
    }
    Ok(())
}
