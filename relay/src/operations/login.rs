//! The rooms that every connection receives without a request: its user's personal room and the
//! rooms of `--auto-join`, from now on.
//!
//! Their past is not fetched: a client that needs it requests it. If Redis is unreachable, login
//! continues in the background. `join.rs` has the protocol.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::names::{RoomKind, room_kind};

use crate::auth::Scope;
use crate::client::error::Error;
use crate::hub::presence;
use crate::operations::context::Context;
use crate::operations::join::{self, ATTEMPTS, Initial, Membership, Start, Wanted};
use crate::operations::scopes;
use crate::operations::token_profile;
use crate::room::Attached;
use crate::room::subscribers::PendingFlush;
use crate::upstream::State;

/// Attaches a new connection to these rooms, in the background if Redis is unreachable.
pub(crate) async fn login(context: Arc<Context>) {
    let rooms = login_rooms(&context);
    if let Err(rest) = enter_all(&context, rooms).await {
        tokio::spawn(login_later(context, rest));
    }
}

fn login_rooms(context: &Context) -> Vec<Wanted> {
    let start = Start::Live;
    let room = format!("@{}", context.user());
    let personal = Wanted { room, start, membership: Membership::Unchanged };
    let auto = context.hub.config.auto_join.iter();
    let auto =
        auto.filter(|room| scopes::admits(context, room) && scopes::has(context, Scope::Read));
    // Without the right to join, those who may read receive the room.
    let membership = match scopes::has(context, Scope::Send) {
        true => Membership::Join,
        false => Membership::Unchanged,
    };
    let auto = auto.map(|room| Wanted { room: room.clone(), start, membership });
    std::iter::once(personal).chain(auto).collect()
}

/// Attaches the connection to these rooms. Error: the rooms that Redis does not serve now.
async fn enter_all(context: &Context, rooms: Vec<Wanted>) -> Result<(), Vec<Wanted>> {
    // Nothing closes it, so this only waits.
    let _turn = context.hub.logins.acquire().await;
    let mut rest = Vec::new();
    for wanted in rooms {
        let is_personal = room_kind(&wanted.room) == Some(RoomKind::Personal(context.user()));
        // Before the user is admitted nothing is done in other rooms.
        if !is_personal && !context.connection.is_admitted() {
            rest.push(wanted);
            continue;
        }
        match enter(context, &wanted).await {
            // Without memory only the join of a room is refused; a later attempt joins it.
            Err(error) if matches!(&*error.code, "UNAVAILABLE" | "OOM") => rest.push(wanted),
            Err(error) => {
                let (room, code) = (&*wanted.room, &*error.code);
                tracing::info!(source = "client", room, code, "refused at login");
            }
            Ok(()) if is_personal => {
                context.connection.set_admitted(true);
                token_profile::write_in_background(context);
            }
            Ok(()) => {}
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(rest) }
}

async fn login_later(context: Arc<Context>, mut rooms: Vec<Wanted>) {
    let upstream = context.hub.upstream.clone();
    let mut states = upstream.states();
    // While Redis is unreachable the connection may end, and its context with it.
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
        // If only writes are refused, the remaining rooms need a write: wait for a change.
        let changes = |state: &State| !matches!(state, State::WritesRefused(_));
        let _ = states.wait_for(changes).await;
    };
    if context.connection.ended().is_some() {
        // The connection ended during login.
        for name in context.connection.take_rooms() {
            if let Some(room) = context.hub.room(&name) {
                room.remove(&context.connection);
            }
            presence::end_in_background(&context.hub, &context.connection, &name);
        }
    }
}

/// Attaches the connection to one room. Without an error it may still not be in the room: its user
/// was removed meanwhile and has been notified.
async fn enter(context: &Context, wanted: &Wanted) -> Result<(), Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    // An event that removes the user after presence was first set removes this connection too.
    let mut first_present = None;
    for attempt in 0..ATTEMPTS {
        if !hub.upstream.state().can_read() {
            return Err(Error::unavailable());
        }
        if hub.room_of(connection, &wanted.room).is_some_and(|room| room.is_subscribed(connection))
        {
            return Ok(());
        }
        let mut prepared = join::prepare(context, wanted, attempt).await?;
        if let Initial::Live { present_at, .. } = &mut prepared.initial {
            first_present = first_present.or(*present_at);
            *present_at = first_present;
        }
        let mut pending_flush = PendingFlush::new();
        let attached = join::attach(context, &prepared, &mut pending_flush);
        hub.flush(pending_flush);
        match attached {
            Attached::Then(_) | Attached::Removed => {
                // A narrower token may have come meanwhile.
                scopes::leave_forbidden_rooms(context);
                return Ok(());
            }
            Attached::FetchAgain => {}
        }
    }
    Err(Error::unavailable())
}
