//! The rooms that every connection receives without a request: its user's personal room and the
//! rooms of `--auto-join`, from now on.
//!
//! Their past is not fetched: a client that needs it requests it. `join.rs` has the protocol.
//!
//! The reply of `CHAT.ROOM_RO @user AS user`, which comes when the subscription to that room is
//! confirmed, decides whether the user may log in: until then the client gets nothing. If Redis cannot
//! be asked, the client gets `hello`, login continues in the background, and each request of the
//! client asks for itself whether the user may act.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::close_code;
use chat_protocol::error_code::ErrorCode;
use tokio::time::timeout;

use crate::auth::{LoginError, Scope};
use crate::client::connection::End;
use crate::client::error::Error;
use crate::hub::presence;
use crate::operations::context::Context;
use crate::operations::login::token_profile;
use crate::operations::rooms::join::{self, ATTEMPTS, Initial, Membership, Start, Wanted};
use crate::operations::scopes;
use crate::room::Attached;
use crate::room::subscribers::PendingFlush;
use crate::upstream::State;
use crate::verification::note_login;

/// The pauses before a login that failed is tried again.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(2);
/// How long a login waits for a room at another node than that of the personal room.
const ENTER_WITHIN: Duration = Duration::from_secs(1);

/// Attaches a new connection to these rooms, in the background if Redis is unreachable.
pub(crate) async fn login(context: Arc<Context>) {
    if context.connection.is_guest() {
        // Guests have no room of their own, and nothing is known of one of them.
        context.connection.set_admitted(true);
        return context.connection.release();
    }
    let is_admitted = enter_personal_room(&context).await;
    context.connection.release();
    let rooms = auto_join_rooms(&context);
    let rest = match is_admitted {
        true => enter_all(&context, rooms).await,
        false => Err(rooms),
    };
    if let Err(rest) = rest {
        tokio::spawn(login_later(context, rest, is_admitted));
    }
}

/// Attaches the connection to the personal room of its user, and asks whether the user may log in.
/// False: there was no answer, or the connection was closed.
async fn enter_personal_room(context: &Context) -> bool {
    let room = format!("@{}", context.user());
    let personal = Wanted { room, start: Start::Live, membership: Membership::Unchanged };
    let has_entered = match enter(context, &personal).await {
        Err(error) if error.is(ErrorCode::Unavailable) => false,
        Err(error) => {
            let code = &*error.code;
            tracing::info!(source = "client", room = personal.room, code, "refused at login");
            true
        }
        Ok(()) => true,
    };
    let (connection, way) = (&context.connection, context.connection.way);
    match connection.ended() {
        None if has_entered => {
            connection.set_admitted(true);
            context.hub.user_connections.close_surplus(&connection.user);
            note_login(way, Ok(()));
            token_profile::write_in_background(context);
        }
        Some(End::Close(close_code::SUSPENDED)) => note_login(way, Err(LoginError::Suspended)),
        Some(End::Close(close_code::EXPIRED)) => note_login(way, Err(LoginError::Revoked)),
        _ => {}
    }
    has_entered && connection.ended().is_none()
}

fn auto_join_rooms(context: &Context) -> Vec<Wanted> {
    let start = Start::Live;
    let auto = context.hub.config.auto_join.iter();
    let auto =
        auto.filter(|room| scopes::admits(context, room) && scopes::has(context, Scope::Read));
    // Without the right to join, those who may read receive the room.
    let membership = match scopes::has(context, Scope::Send) {
        true => Membership::Join,
        false => Membership::Unchanged,
    };
    auto.map(|room| Wanted { room: room.clone(), start, membership }).collect()
}

/// Attaches the connection to these rooms. Error: the rooms that Redis does not serve now.
async fn enter_all(context: &Context, rooms: Vec<Wanted>) -> Result<(), Vec<Wanted>> {
    // Nothing closes it, so this only waits.
    let _turn = context.hub.logins.acquire().await;
    let mut rest = Vec::new();
    let own_node = context.hub.upstream.owner(&format!("@{}", context.user()));
    for wanted in rooms {
        let entered = enter(context, &wanted);
        // The client can do nothing before that. It does not wait for another node that is slow.
        let entered = match context.hub.upstream.owner(&wanted.room) == own_node {
            true => entered.await,
            false => timeout(ENTER_WITHIN, entered).await.unwrap_or(Err(Error::unavailable())),
        };
        match entered {
            // Without memory only the join of a room is refused; a later attempt joins it.
            Err(error) if matches!(&*error.code, "UNAVAILABLE" | "OOM") => rest.push(wanted),
            Err(error) => {
                let (room, code) = (&*wanted.room, &*error.code);
                tracing::info!(source = "client", room, code, "refused at login");
            }
            Ok(()) => {}
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(rest) }
}

async fn login_later(context: Arc<Context>, mut rooms: Vec<Wanted>, mut is_admitted: bool) {
    let upstream = context.hub.upstream.clone();
    let mut pause = PAUSE_FIRST;
    let personal = format!("@{}", context.user());
    // While Redis is unreachable the connection may end, and its context with it.
    let waiting = Arc::downgrade(&context);
    drop(context);
    let context = loop {
        upstream.wait_readable(&personal).await;
        let Some(context) = waiting.upgrade() else { return };
        if context.connection.ended().is_some() {
            break context;
        }
        // Before the user is admitted nothing is done in other rooms.
        if is_admitted || enter_personal_room(&context).await {
            is_admitted = true;
            match enter_all(&context, rooms).await {
                Ok(()) => break context,
                Err(rest) => rooms = rest,
            }
        }
        drop(context);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
        // If only writes are refused, the remaining rooms need a write: wait for a change.
        if is_admitted {
            let changes = |state: &State| !matches!(state, State::WritesRefused(_));
            upstream.wait_until(|upstream| changes(&upstream.state_of(&personal))).await;
        }
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
        if !hub.upstream.state_of(&wanted.room).can_read() {
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
