//! What every connection receives without asking: its user's personal room, and the rooms of
//! `--auto-join`, all live from now on.
//!
//! Nothing is fetched here: a client that wants the past asks for it. If Redis is away, login goes
//! on in the background when it is back.

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::lists::{Following, Gain};
use super::receive::{ATTEMPTS, Membership, confirmed, join_command};
use crate::failure::Failure;
use crate::presence;
use crate::receivers::Dirty;
use crate::replies::Elements;
use crate::room::Placed;
use crate::upstream::Away;

/// Brings a new connection into these rooms, or begins to.
pub async fn login(context: Arc<Context>) {
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
    mut rooms: Vec<(String, Membership)>,
) -> Result<(), Vec<(String, Membership)>> {
    while let Some((room, membership)) = rooms.first() {
        match enter(context, room, *membership).await {
            Err(failure) if failure.code == "UNAVAILABLE" => return Err(rooms),
            Err(failure) => {
                let code = &*failure.code;
                tracing::info!(source = "client", room, code, "refused at login");
            }
            Ok(()) => {}
        }
        rooms.remove(0);
    }
    Ok(())
}

async fn login_later(context: Arc<Context>, mut rooms: Vec<(String, Membership)>) {
    let upstream = context.hub.upstream.clone();
    // While Redis is away the connection may end, and with it what is kept for it.
    let waiting = Arc::downgrade(&context);
    drop(context);
    let context = loop {
        upstream.wait_up().await;
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
    };
    if context.connection.ended().is_some() {
        // It ended while it was on its way in.
        for room in context.connection.rise_all() {
            room.depart(&context.connection);
            presence::end_later(&context.hub, &context.connection, &room);
        }
    }
}

async fn enter(context: &Context, name: &str, membership: Membership) -> Result<(), Failure> {
    let (hub, connection) = (&context.hub, &context.connection);
    for _ in 0..ATTEMPTS {
        if !hub.upstream.is_up() {
            return Err(Failure::unavailable());
        }
        if connection.room(name).is_some_and(|room| room.is_receiving(connection)) {
            return Ok(());
        }
        if membership == Membership::Join {
            let following = Following::before(context, name, Gain::Join);
            following.send(context).await?;
            let mut commands = vec![join_command(context, name)];
            commands.extend(following.commands());
            let mut replies = hub.upstream.call(commands).await.into_iter();
            replies.next().unwrap_or(Err(Away::Unreachable.into()))?;
            if replies.all(|reply| reply.is_ok()) {
                following.done(context);
            }
        }
        let (room, newcomer) = hub.arrive(name, connection);
        confirmed(&room).await?;
        let ttl = hub.config.presence_ttl.as_millis();
        let reply = context.ask(presence::present(name, connection, ttl)).await?;
        let mut elements = Elements::of(reply)?;
        let _users = elements.integer()?;
        let newest = elements.id()?;
        let mut dirty = Dirty::new();
        let placed = room.place(&newcomer, connection, newest, &[], &mut dirty);
        hub.flush(dirty);
        if let Placed::Then(next) = placed {
            connection.sit(&room);
            hub.follow(&room, next);
            return Ok(());
        }
    }
    Err(Failure::unavailable())
}
