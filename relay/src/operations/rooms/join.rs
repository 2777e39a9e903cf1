//! The join protocol: how a connection begins to receive a room.
//!
//! `join`, `subscribe`, `resume` and login describe what they want ([`Wanted`]) and run this
//! protocol. No other code attaches a connection to a room.
//!
//! The race: a room moves on while the relay asks Redis about it. The client gets the past as a page
//! and the rest as live events, and between the two no event may be missing and none doubled. A user
//! who loses access meanwhile must receive nothing that happens afterwards. So the order is fixed:
//!
//! 1. **List.** `CHAT.FOLLOW` puts the room into the user's list before the user can become a member,
//!    so that the list never lacks a room.
//! 2. **Subscribe.** The room counts the connection as a joiner and keeps its recent events; the
//!    connection receives nothing. Redis must confirm the subscription before step 3, so that an
//!    event is either in the answers of step 3 or arrives here.
//! 3. **Ask.** One pipeline: `CHAT.JOIN`, `CHAT.PRESENCE`, `CHAT.ROOM_RO … AS user`, and after it
//!    `CHAT.FOLLOW` again (a repair of the list may have run in between). The page is requested first and by the
//!    backend, once for all connections that ask for the same. `CHAT.ROOM_RO` says whether this user
//!    may read it; if its answer is older than the page, it is sent again.
//! 4. **Attach.** Under the room's lock, the page must end at a position that the room's recent events
//!    continue. If it does not, or if the room's access has changed since step 2 (its epoch says so),
//!    the caller starts again at step 2. `room/joining.rs` has this rule.
//! 5. **Answer.** The caller sends the reply before the live events that were queued in step 4.
//!
//! A connection that wants no past ([`Start::Live`]) takes the position that `CHAT.PRESENCE` answers.
//! Of another user's personal room (a contact) it receives presence only: step 3 is then the profile.
//!
//! An attempt that fails leaves nothing behind: the connection continues from its old
//! position, and presence that step 3 has set ends. While Redis refuses writes, a member needs neither
//! `CHAT.JOIN` nor `CHAT.PRESENCE`: the beats set presence later.

use std::sync::Arc;
use std::time::Duration;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use chat_protocol::names::{RoomKind, room_kind};
use redis::Value;

use crate::client::error::Error;
use crate::contact::contact;
use crate::hub::Hub;
use crate::hub::access;
use crate::hub::logins::guests;
use crate::hub::presence;
use crate::hub::profiles::profile::Profile;
use crate::hub::standing::sockets;
use crate::hub::status_updates;
use crate::hub::sync;
use crate::operations::contacts::check_contact;
use crate::operations::context::Context;
use crate::operations::rooms::follows::{Following, Gain, Gained, Patience};
use crate::operations::scopes;
use crate::room::fetch::{Fetched, Key};
use crate::room::subscribers::PendingFlush;
use crate::room::{Attached, Joiner, Next, Room};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{RoomView, presence_position};
use crate::upstream::{Command, CommandError, Reply, Unavailable};

/// Attempts before the client must try again. An attempt fails if the room has moved on meanwhile.
pub(in crate::operations) const ATTEMPTS: usize = 5;
/// Longest wait for the confirmation of a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// A room that a connection wants to receive.
pub(in crate::operations) struct Wanted {
    pub(in crate::operations) room: String,
    pub(in crate::operations) start: Start,
    pub(in crate::operations) membership: Membership,
}

/// Where the connection starts to receive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::operations) enum Start {
    /// At the newest page.
    Page,
    /// After this cursor; at the newest page if the room does not know it.
    After(Id),
    /// At the event that happens next.
    Live,
}

/// Whether the user becomes a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::operations) enum Membership {
    Join,
    Unchanged,
}

/// A room after step 3. Until it is dropped, the room keeps its recent events.
pub(in crate::operations) struct Prepared {
    pub(in crate::operations) room: Arc<Room>,
    pub(in crate::operations) initial: Initial,
    joiner: Joiner,
}

/// What the client starts from, by the answers of step 3.
pub(in crate::operations) enum Initial {
    /// The past, and what the user is in the room.
    Page {
        /// Events up to the position at which the connection is attached.
        fetched: Arc<Fetched>,
        /// What the user sees of the room.
        view: RoomView,
    },
    /// No past.
    Live {
        /// The room's newest id when presence was set, if it was: a removal after that counts.
        present_at: Option<Id>,
        /// The room's newest id when access was checked.
        newest: Id,
    },
    /// The profile of a contact.
    Contact(Profile),
}

/// Steps 1 to 3 for one room. `attempt` counts from 0.
pub(in crate::operations) async fn prepare(
    context: &Context,
    wanted: &Wanted,
    attempt: usize,
) -> Result<Prepared, Error> {
    if !scopes::admits(context, &wanted.room) {
        return Err(scopes::denied());
    }
    let contact = contact(&wanted.room, context.user());
    let contact = contact.filter(|_| wanted.membership == Membership::Unchanged);
    if contact.is_some() {
        check_contact(context, &wanted.room)?;
    }
    if !context.hub.upstream.reach(&wanted.room).await {
        return Err(Error::unavailable());
    }
    // The first attempt has made the user a member.
    let joins = attempt == 0 && wanted.membership == Membership::Join;
    if joins {
        list(context, &wanted.room).await?;
    }
    let (room, joiner) = context.hub.begin_join(&wanted.room, &context.connection);
    let initial = async {
        confirmed(context, &room).await?;
        match contact {
            Some(user) => ask_contact(context, user).await,
            None if context.connection.is_guest() => {
                ask_as_guest(context, wanted, &room, &joiner).await
            }
            None => ask(context, wanted, joins, &room).await,
        }
    };
    match initial.await {
        Ok(initial) => Ok(Prepared { room, initial, joiner }),
        Err(error) => {
            restore(context, &room, &joiner);
            Err(error)
        }
    }
}

/// Makes the user a member who receives nothing: the token does not allow reading.
pub(in crate::operations) async fn become_member(
    context: &Context,
    room: &str,
) -> Result<(), Error> {
    list(context, room).await?;
    let following = Following::before(context, room, Gain::Join);
    let join = commands::join(room, context.user());
    let commands = vec![scopes::creating(context, room, join)];
    let mut gained = following.gain(context, commands, Patience::ForAMoment).await;
    joined(context, &following, &mut gained)?;
    Ok(())
}

/// Step 1.
async fn list(context: &Context, room: &str) -> Result<(), Unavailable> {
    match Following::before(context, room, Gain::Join).send(context).await {
        // A member is in the list already; who would become one is refused in step 3.
        Err(unavailable) if unavailable.can_read() => Ok(()),
        outcome => outcome,
    }
}

/// Step 2: returns once the subscription is confirmed, or when that takes too long, or when the
/// room's node is away.
async fn confirmed(context: &Context, room: &Room) -> Result<(), Error> {
    if room.is_confirmed() {
        return Ok(());
    }
    let upstream = &context.hub.upstream;
    let confirmed = async {
        tokio::select! {
            biased;
            () = room.wait_subscribed() => true,
            () = upstream.wait_until(|upstream| upstream.is_away(&room.name)) => false,
        }
    };
    match tokio::time::timeout(CONFIRM_TIMEOUT, confirmed).await {
        Ok(true) => Ok(()),
        _ => Err(Error::unavailable()),
    }
}

/// Step 3.
async fn ask(
    context: &Context,
    wanted: &Wanted,
    joins: bool,
    room: &Arc<Room>,
) -> Result<Initial, Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    let mut commands = Vec::with_capacity(4);
    let following = joins.then(|| Following::before(context, &wanted.room, Gain::Join));
    if joins {
        let join = commands::join(&wanted.room, context.user());
        commands.push(scopes::creating(context, &wanted.room, join));
    }
    commands.push(presence::online_command(&wanted.room, connection, hub.config.presence_ttl));
    commands.push(seen_by(context, &wanted.room));
    let mut unanswered = Unanswered { context, room, is_over: false };
    // The page first: Redis answers later commands later.
    let page = page(hub, room, wanted.start);
    let asked = async {
        match &following {
            Some(following) => following.gain(context, commands, Patience::ForAMoment).await,
            None => Gained { replies: hub.upstream.call(commands).await, is_listed: false },
        }
    };
    let (page, mut gained) = tokio::join!(page, asked);
    unanswered.is_over = true;
    let joined = match &following {
        Some(following) => joined(context, following, &mut gained),
        None => Ok(Value::Nil),
    };
    let mut replies = gained.replies.into_iter();
    let (present, seen) = (next(&mut replies), next(&mut replies));
    let is_present = present.is_ok();
    let is_own = room_kind(&wanted.room) == Some(RoomKind::Personal(context.user()));
    if is_own && sockets::check_login(hub, connection, &seen).is_err() {
        if is_present {
            end_presence(context, room);
        }
        return Err(Error::unavailable());
    }
    let initial = admit(context, wanted, page, joined, Some(present), seen).await;
    if initial.is_err() && is_present {
        end_presence(context, room);
    }
    initial
}

/// A question of step 3. If its connection ends before the answer, the presence that it may have set
/// ends too: nobody else knows of it.
struct Unanswered<'a> {
    context: &'a Context,
    room: &'a Room,
    is_over: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        // Without a runtime the relay itself is ending.
        if !self.is_over && tokio::runtime::Handle::try_current().is_ok() {
            end_presence(self.context, self.room);
        }
    }
}

/// The question what the user is in a room: of its fields only those that are read.
fn seen_by(context: &Context, room: &str) -> Command {
    let fields: &[&str] = match room_kind(room) {
        Some(RoomKind::Personal(_)) => &["role", "last", "online", "tokens_after"],
        _ if context.connection.is_guest() => &["role", "last", "online", "access"],
        _ => &["role", "last", "online"],
    };
    commands::room_fields(room, Reader::User(context.user()), fields)
}

/// Step 3 for a guest: the answer of all guests, and no presence.
async fn ask_as_guest(
    context: &Context,
    wanted: &Wanted,
    room: &Room,
    joiner: &Joiner,
) -> Result<Initial, Error> {
    let hub = &context.hub;
    let page = page(hub, room, wanted.start);
    let (page, seen) = tokio::join!(page, guests::view(hub, room, joiner));
    admit(context, wanted, page, Ok(Value::Nil), None, seen).await
}

/// The past, if the connection wants it.
async fn page(hub: &Hub, room: &Room, start: Start) -> Result<Option<Arc<Fetched>>, Error> {
    match start {
        Start::Page => hub.fetch(room, Key::Page).await.map(Some),
        Start::After(cursor) => hub.fetch(room, Key::Since(cursor)).await.map(Some),
        Start::Live => Ok(None),
    }
}

/// Takes the reply of `CHAT.JOIN`, the first one. Notes that the room is in the user's list, if it was
/// put there again after the join.
fn joined(context: &Context, following: &Following<'_>, gained: &mut Gained) -> Reply {
    let joined = match gained.replies.is_empty() {
        true => Err(Unavailable::Unreachable.into()),
        false => gained.replies.remove(0),
    };
    if joined.is_ok() && gained.is_listed {
        following.done(context);
    }
    joined
}

/// Whether the user may receive the room, by all answers of step 3.
async fn admit(
    context: &Context,
    wanted: &Wanted,
    page: Result<Option<Arc<Fetched>>, Error>,
    joined: Reply,
    present: Option<Reply>,
    seen: Reply,
) -> Result<Initial, Error> {
    let is_live = wanted.start == Start::Live;
    let view = match seen {
        // The user's personal room is made by `CHAT.PRESENCE`, which may be refused now.
        Err(CommandError::Refused(error)) if is_live && error.is(ErrorCode::NoRoom) => {
            Ok(RoomView::default())
        }
        seen => seen.map(|seen| RoomView::read(&seen)),
    };
    let is_member = view.as_ref().is_ok_and(|view| view.role.is_some());
    // Sent again after a passing state, it may have come after the others.
    let is_before_join = matches!(&joined, Ok(reply) if *reply != Value::Nil) && !is_member;
    if !(is_refused_write(&joined) && is_member) {
        joined?;
    }
    let present_at = match present {
        None => None,
        Some(Ok(present)) => Some(present),
        Some(Err(error)) if error.can_read() => None,
        Some(Err(error)) => return Err(error.into()),
    };
    let mut view = view?;
    let Some(fetched) = page? else {
        let present_at = present_at.map(presence_position).transpose()?;
        return Ok(Initial::Live { present_at, newest: view.newest });
    };
    // An answer from before the page says nothing about who may read it: the user may have been
    // removed in between, by an event that the page holds.
    if view.newest < fetched.last || is_before_join {
        let seen = context.hub.upstream.call_one(seen_by(context, &wanted.room)).await;
        let is_guest = context.connection.is_guest();
        let seen = if is_guest { guests::only_open(seen) } else { seen };
        view = RoomView::read(&seen?);
    }
    Ok(Initial::Page { fetched, view })
}

/// Step 3 for a contact.
async fn ask_contact(context: &Context, user: &str) -> Result<Initial, Error> {
    let mut replies = context.hub.upstream.call(Profile::commands(user).into()).await.into_iter();
    let (room, who) = (next(&mut replies), next(&mut replies));
    Ok(Initial::Contact(Profile::read(room, who)?.unwrap_or_default()))
}

/// Step 4. [`Attached::FetchAgain`]: the caller starts again at step 2. With
/// [`Attached::Removed`] the client has been notified.
pub(in crate::operations) fn attach(
    context: &Context,
    prepared: &Prepared,
    pending_flush: &mut PendingFlush,
) -> Attached {
    let (hub, connection) = (&context.hub, &context.connection);
    let Prepared { room, initial, joiner } = prepared;
    let attached = match initial {
        // The client asks for the rest first: with live events in between it would lose their order.
        Initial::Page { fetched, .. } if fetched.unfinished => Attached::Then(Next::Done),
        Initial::Page { fetched, .. } => {
            room.attach(joiner, connection, fetched.last, &fetched.known, pending_flush)
        }
        Initial::Live { present_at, newest } => {
            room.attach_present(joiner, connection, present_at.unwrap_or(*newest), pending_flush)
        }
        Initial::Contact(profile) => {
            room.attach_contact(joiner, connection, profile.last, pending_flush)
        }
    };
    match attached {
        Attached::Then(next) => {
            connection.add_room(&room.name);
            status_updates::tell_joined(hub, room, connection, pending_flush);
            sync::sync_if_needed(hub, room, next);
        }
        Attached::Removed => presence::end_in_background(hub, connection, &room.name),
        Attached::FetchAgain => {}
    }
    attached
}

/// The client does not receive this room after all: ends the presence that step 3 has set.
pub(in crate::operations) fn abandon(context: &Context, prepared: &Prepared) {
    if matches!(prepared.initial, Initial::Page { .. }) {
        end_presence(context, &prepared.room);
    }
}

/// Ends presence in a room, unless the connection received the room before.
fn end_presence(context: &Context, room: &Room) {
    if !context.connection.is_in(&room.name) {
        presence::end_in_background(&context.hub, &context.connection, &room.name);
    }
}

/// A connection that was in the room before a failed attempt continues from its old position.
fn restore(context: &Context, room: &Arc<Room>, joiner: &Joiner) {
    let mut pending_flush = PendingFlush::new();
    room.restore(joiner, &context.connection, &mut pending_flush);
    context.hub.flush(pending_flush);
    access::start_access_checks(&context.hub, room);
}

fn next(replies: &mut impl Iterator<Item = Reply>) -> Reply {
    replies.next().unwrap_or(Err(Unavailable::Unreachable.into()))
}

/// Whether only writes are refused, and only for now.
fn is_refused_write(reply: &Reply) -> bool {
    reply.as_ref().is_err_and(CommandError::can_read)
}
