//! `join`, `subscribe`: beginning to receive rooms, which `resume` does too.
//!
//! For each room: subscription confirmed, then `CHAT.SYNC` or the newest page, then live events,
//! joined without gap or duplicate. The reply and the live events that follow it leave in order:
//! the connection's outbox is held while the rooms are placed, and released with the reply.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;

use super::contacts::{self, ReadyContact};
use super::follows::{Following, Gain};
use super::{Answer, Context, Outcome};
use crate::client::error::Error;
use crate::client::reply;
use crate::client::request::Request;
use crate::event::Id;
use crate::hub::access;
use crate::hub::presence;
use crate::names::contact;
use crate::room::fetch::{Fetched, Key};
use crate::room::subscribers::PendingFlush;
use crate::room::{Attached, Joiner, Room};
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{PAGE_BYTES, field, id, integer, write_json};
use crate::upstream::{CommandError, Reply, Unavailable};

/// Longest wait for a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// Rooms fetched at a time: each may bring as much as a reply holds.
const AT_A_TIME: usize = 8;
/// How often a room may move on under a newcomer before it is told to try again.
pub(super) const ATTEMPTS: usize = 5;

/// A room that a connection wants to receive.
pub(super) struct Wish {
    pub(super) room: String,
    pub(super) since: Option<Id>,
    pub(super) membership: Membership,
}

/// Whether receiving a room also makes the user a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    Join,
    AsItIs,
}

/// What comes of a wish.
pub(super) type Received = Result<String, Error>;

/// What waits for its place.
enum Prepared {
    Room(Ready),
    Contact(ReadyContact),
}

/// A room that is fetched.
struct Ready {
    room: Arc<Room>,
    joiner: Joiner,
    fetched: Arc<Fetched>,
    role: Value,
    online: i64,
}

pub(super) async fn join(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    receive_one(context, request, Membership::Join).await
}

pub(super) async fn subscribe(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    receive_one(context, request, Membership::AsItIs).await
}

async fn receive_one(context: &Context, request: Request<'_>, membership: Membership) -> Outcome {
    let room = request.fields.room()?.into_owned();
    let wish = Wish { room, since: request.fields.id("since")?, membership };
    check_room_count(context, std::slice::from_ref(&wish))?;
    let connection = &context.connection;
    let mut received = receive(context, &[wish]).await;
    let answer = match received.pop() {
        Some(Ok(inside)) => reply::ok(request.reference, &inside),
        Some(Err(error)) => reply::error(request.reference, &error),
        None => reply::error(request.reference, &Error::unavailable()),
    };
    connection.release(&answer);
    Ok(Answer::Sent)
}

pub(super) fn check_room_count(context: &Context, wishes: &[Wish]) -> Result<(), Error> {
    let seats = context.connection.rooms();
    let seats: HashSet<&str> = seats.iter().map(|room| &**room).collect();
    let new = wishes.iter().filter(|wish| !seats.contains(&*wish.room)).count();
    if seats.len() + new > context.hub.config.max_rooms {
        return Err(too_many_rooms());
    }
    Ok(())
}

pub(super) fn too_many_rooms() -> Error {
    Error::new("DENIED", "too many rooms on this connection")
}

/// Fetches and places all wishes, as far as their events fit into one reply; for each the members of
/// its reply, in the same order. A wish that does not fit is to be asked for again, see [`later`].
/// The connection's outbox is held on return: the caller releases it with the reply.
pub(super) async fn receive(context: &Context, wishes: &[Wish]) -> Vec<Received> {
    let connection = &context.connection;
    let mut results: Vec<Received> = Vec::new();
    results.resize(wishes.len(), Err(Error::unavailable()));
    let mut space = Space::for_wishes(wishes.len());
    let mut open: Vec<usize> = (0..wishes.len()).collect();
    for attempt in 0..ATTEMPTS {
        let prepared = prepare_all(context, wishes, &open, attempt, &mut space).await;
        connection.hold();
        let mut pending_flush = PendingFlush::new();
        let mut again = Vec::new();
        for (index, ready) in open.into_iter().zip(prepared) {
            let placed = ready.and_then(|ready| match ready {
                Some(Prepared::Room(ready)) => match place(context, &ready, &mut pending_flush) {
                    Some(members) => {
                        connection.add_room(&ready.room.name);
                        Ok(Some(members))
                    }
                    None => Ok(None),
                },
                Some(Prepared::Contact(ready)) => {
                    let members = contacts::place(context, &ready, &mut pending_flush);
                    if members.is_some() {
                        connection.add_room(&ready.room.name);
                    }
                    Ok(members)
                }
                None => later(context, &wishes[index]).map(Some),
            });
            results[index] = match placed {
                Ok(Some(members)) => Ok(members),
                Ok(None) => {
                    space.give_back(index);
                    again.push(index);
                    Err(Error::unavailable())
                }
                Err(error) => Err(error),
            };
        }
        context.hub.flush(pending_flush);
        open = again;
        if open.is_empty() {
            break;
        }
    }
    connection.hold();
    results
}

/// How much of one reply its rooms take, in bytes.
struct Space {
    taken: Vec<usize>,
    is_full: bool,
}

impl Space {
    fn for_wishes(count: usize) -> Space {
        Space { taken: vec![0; count], is_full: false }
    }

    /// Takes space for a wish. False: the reply is full. The first one always fits.
    fn take(&mut self, index: usize, bytes: usize) -> bool {
        let before: usize = self.taken.iter().sum();
        let fits = before == 0 || before + bytes <= PAGE_BYTES;
        if fits {
            self.taken[index] = bytes;
        }
        self.is_full |= !fits;
        fits
    }

    fn give_back(&mut self, index: usize) {
        self.taken[index] = 0;
    }
}

/// Asks for the wishes `open`, some at a time, until what came fills a reply; in the same order.
/// `None`: it does not fit.
async fn prepare_all(
    context: &Context,
    wishes: &[Wish],
    open: &[usize],
    attempt: usize,
    space: &mut Space,
) -> Vec<Result<Option<Prepared>, Error>> {
    /// What a room takes in a reply besides its name and its events, at most.
    const FRAME: usize = 160;
    let mut all = Vec::with_capacity(open.len());
    for part in open.chunks(AT_A_TIME) {
        if space.is_full {
            all.extend(part.iter().map(|_| Ok(None)));
            continue;
        }
        let asked = part.iter().map(|&index| async move {
            let wish = &wishes[index];
            if let Some(user) = contact_of(context, wish) {
                return contacts::prepare(context, &wish.room, user).await.map(Prepared::Contact);
            }
            // Who has joined in the first attempt need not join again.
            let membership = if attempt == 0 { wish.membership } else { Membership::AsItIs };
            prepare(context, wish, membership).await.map(Prepared::Room)
        });
        for (&index, ready) in part.iter().zip(join_all(asked).await) {
            let events = match &ready {
                Ok(Prepared::Room(ready)) => ready.fetched.json.len(),
                _ => 0,
            };
            let bytes = wishes[index].room.len() * 2 + FRAME + events;
            if space.take(index, bytes) {
                all.push(ready.map(Some));
                continue;
            }
            if let Ok(Prepared::Room(ready)) = &ready
                && !context.connection.is_in(&ready.room.name)
            {
                presence::end_later(&context.hub, &context.connection, &ready.room.name);
            }
            all.push(ready.map(|_| None));
        }
    }
    all
}

/// The reply is full: the client is to ask for this room again, from where it stands. Until then it
/// receives nothing of it.
fn later(context: &Context, wish: &Wish) -> Received {
    if let Some(room) = context.hub.room_of(&context.connection, &wish.room) {
        room.remove(&context.connection);
    }
    match wish.since {
        Some(since) => Ok(format!(r#""recovered":true,"last":"{since}","events":[],"more":true"#)),
        None => Err(Error {
            message: "this reply is full; ask for the room again".into(),
            ..Error::ratelimit(0)
        }),
    }
}

/// Whose presence this wish is for, if for no more than that.
fn contact_of<'a>(context: &Context, wish: &'a Wish) -> Option<&'a str> {
    let contact = contact(&wish.room, context.user());
    contact.filter(|_| wish.membership == Membership::AsItIs)
}

/// Returns once the room's subscription is in force, or when that takes too long.
pub(super) async fn confirmed(room: &Room) -> Result<(), Error> {
    let confirmed = tokio::time::timeout(CONFIRM_TIMEOUT, room.wait_confirmed()).await;
    confirmed.map_err(|_| Error::unavailable())
}

/// Everything that has to be asked of Redis before the room can be placed.
async fn prepare(context: &Context, wish: &Wish, membership: Membership) -> Result<Ready, Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    if !hub.upstream.is_up() {
        return Err(Error::unavailable());
    }
    if membership == Membership::Join {
        match Following::before(context, &wish.room, Gain::Join).send(context).await {
            // A member need not follow anew; whoever would become one is refused below.
            Err(away) if !away.can_read() => return Err(away.into()),
            _ => {}
        }
    }
    let (room, joiner) = hub.begin_join(&wish.room, connection);
    let prepared = ask(context, wish, membership, &room).await;
    match prepared {
        Ok((fetched, role, online)) => Ok(Ready { room, joiner, fetched, role, online }),
        Err(error) => {
            put_back(context, &room, joiner);
            Err(error)
        }
    }
}

async fn ask(
    context: &Context,
    wish: &Wish,
    membership: Membership,
    room: &Arc<Room>,
) -> Result<(Arc<Fetched>, Value, i64), Error> {
    let (hub, connection) = (&context.hub, &context.connection);
    confirmed(room).await?;
    let ttl = hub.config.presence_ttl;
    let mut commands = Vec::with_capacity(4);
    let mut following = None;
    if membership == Membership::Join {
        commands.push(commands::join(&wish.room, context.user()));
        let again = following.insert(Following::before(context, &wish.room, Gain::Join));
        commands.extend(again.commands());
    }
    commands.push(presence::present(&wish.room, connection, ttl));
    commands.push(commands::room(&wish.room, Reader::User(context.user())));
    let fetch = hub.fetch(room, wish.since.map_or(Key::Page, Key::Since));
    // The page first: what is asked of Redis later is answered later.
    let (fetched, replies) = tokio::join!(fetch, hub.upstream.call(commands));
    let mut replies = replies.into_iter();
    let mut joined = Ok(Value::Nil);
    if let Some(following) = following {
        joined = replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
        let follow_cache = replies.by_ref().take(following.count()).all(|reply| reply.is_ok());
        if joined.is_ok() && follow_cache {
            following.done(context);
        }
    }
    let mut present = replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
    let seen = replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
    let is_present = present.is_ok();
    // Receiving goes on while writes are refused: a member need not join, and presence is told later.
    if is_for_now(&joined) && seen.as_ref().is_ok_and(is_member) {
        joined = Ok(Value::Nil);
    }
    if is_for_now(&present) {
        present = Ok(Value::Nil);
    }
    let outcome = joined.and(present).and(seen).map_err(Error::from);
    let outcome = outcome.and_then(|seen| Ok((fetched?, seen)));
    let outcome = match outcome {
        Ok((fetched, seen)) => admitted(context, wish, fetched, seen).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok((fetched, seen)) => {
            let role = field(&seen, "role").cloned().unwrap_or(Value::Nil);
            let online = field(&seen, "online").and_then(|n| integer(n).ok()).unwrap_or(0);
            Ok((fetched, role, online))
        }
        Err(error) => {
            if is_present && !connection.is_in(&wish.room) {
                presence::end_later(hub, connection, &room.name);
            }
            Err(error)
        }
    }
}

/// Whether only a write was refused, and only for now.
fn is_for_now(reply: &Reply) -> bool {
    reply.as_ref().is_err_and(CommandError::can_read)
}

/// Whether what `CHAT.ROOM_RO` shows of a room is shown to a member.
pub(super) fn is_member(seen: &Value) -> bool {
    !matches!(field(seen, "role"), None | Some(Value::Nil))
}

/// What the user may see as of the page or later. A check from before it says nothing: who was taken
/// out in between would be placed after the event that did it.
async fn admitted(
    context: &Context,
    wish: &Wish,
    fetched: Arc<Fetched>,
    seen: Value,
) -> Result<(Arc<Fetched>, Value), Error> {
    let at = field(&seen, "last").and_then(|last| id(last.clone()).ok()).unwrap_or_default();
    if at >= fetched.last {
        return Ok((fetched, seen));
    }
    let seen = context.ask(commands::room(&wish.room, Reader::User(context.user()))).await?;
    Ok((fetched, seen))
}

/// Gives a fetched room its place; None: fetch again.
fn place(context: &Context, ready: &Ready, pending_flush: &mut PendingFlush) -> Option<String> {
    let Ready { room, joiner, fetched, role, online } = ready;
    // With more to fetch the client could not yet receive live events in order.
    if !fetched.unfinished {
        match room.place(joiner, &context.connection, fetched.last, &fetched.known, pending_flush) {
            Attached::Then(next) => context.hub.follow(room, next),
            Attached::FetchAgain | Attached::Removed => return None,
        }
    }
    let mut members = String::with_capacity(fetched.json.len() + 64);
    if let Some(recovered) = fetched.recovered {
        members.push_str(if recovered { "\"recovered\":true," } else { "\"recovered\":false," });
    }
    members.push_str(&fetched.json);
    members.push_str(",\"role\":");
    write_json(&mut members, role);
    members.push_str(&format!(",\"online\":{online}"));
    Some(members)
}

/// A connection that received the room before a refused attempt goes on where it stood.
fn put_back(context: &Context, room: &Arc<Room>, joiner: Joiner) {
    let mut pending_flush = PendingFlush::new();
    room.put_back(&joiner, &context.connection, &mut pending_flush);
    context.hub.flush(pending_flush);
    access::ask_later(&context.hub, room);
}
