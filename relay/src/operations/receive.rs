//! `join`, `subscribe`, `resume`, `leave`, `unsubscribe`: beginning and ending to receive a room.
//!
//! For each room: subscription confirmed, then `CHAT.SYNC` or the newest page, then live events,
//! joined without gap or duplicate. The reply and the live events that follow it leave in order:
//! the connection's outbox is held while the rooms are placed, and released with the reply.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;

use super::{Answer, Context, Outcome, follow_commands};
use crate::event::Id;
use crate::fetch::{Fetched, Key};
use crate::names::{RoomKind, room_kind};
use crate::presence;
use crate::protocol::{self, Failure, Request};
use crate::receivers::Dirty;
use crate::replies::{Elements, field, integer, write_json};
use crate::room::{Newcomer, Placed, Room};
use crate::sync::room_as;

/// Longest wait for a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a room may move on under a newcomer before it is told to try again.
const ATTEMPTS: usize = 5;

/// A room that a connection wants to receive.
struct Wish {
    room: String,
    since: Option<Id>,
    membership: Membership,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Membership {
    Join,
    AsItIs,
}

/// A room that is fetched and waits for its place.
struct Ready {
    room: Arc<Room>,
    newcomer: Newcomer,
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
        Some(Ok(inside)) => protocol::ok(request.reference, &inside),
        Some(Err(failure)) => protocol::error(request.reference, &failure),
        None => protocol::error(request.reference, &Failure::unavailable()),
    };
    connection.release(&answer);
    Ok(Answer::Sent)
}

pub(super) async fn resume(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.members("rooms")?;
    let rooms = rooms.ok_or_else(|| Failure::invalid("rooms", "this field is needed"))?;
    let mut wishes: Vec<Wish> = Vec::new();
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
        if wishes.iter().any(|wish| wish.room == room) {
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

fn check_room_count(context: &Context, wishes: &[Wish]) -> Result<(), Failure> {
    let new = wishes.iter().filter(|wish| context.connection.seat(&wish.room).is_none()).count();
    if context.connection.seat_count() + new > context.hub.config.max_rooms {
        return Err(Failure::new("DENIED", "too many rooms on this connection"));
    }
    Ok(())
}

/// Fetches and places all wishes; for each the members of its reply, in the same order. The
/// connection's outbox is held on return: the caller releases it with the reply.
async fn receive(context: &Context, wishes: &[Wish]) -> Vec<Result<String, Failure>> {
    let connection = &context.connection;
    let mut results: Vec<Result<String, Failure>> = Vec::new();
    results.resize(wishes.len(), Err(Failure::unavailable()));
    let mut open: Vec<usize> = (0..wishes.len()).collect();
    for attempt in 0..ATTEMPTS {
        let prepared = open.iter().map(|&index| {
            let wish = &wishes[index];
            // Who has joined in the first attempt need not join again.
            prepare(context, wish, if attempt == 0 { wish.membership } else { Membership::AsItIs })
        });
        let prepared = join_all(prepared).await;
        connection.hold();
        let mut dirty = Dirty::new();
        let mut again = Vec::new();
        for (index, ready) in open.into_iter().zip(prepared) {
            results[index] = match ready {
                Ok(ready) => match place(context, &ready, &mut dirty) {
                    Some(members) => {
                        connection.sit(&ready.room, wishes[index].membership == Membership::Join);
                        Ok(members)
                    }
                    None => {
                        again.push(index);
                        Err(Failure::unavailable())
                    }
                },
                Err(failure) => Err(failure),
            };
        }
        context.hub.flush(dirty);
        open = again;
        if open.is_empty() {
            break;
        }
    }
    connection.hold();
    results
}

/// Everything that has to be asked of Redis before the room can be placed.
async fn prepare(context: &Context, wish: &Wish, membership: Membership) -> Result<Ready, Failure> {
    let (hub, connection) = (&context.hub, &context.connection);
    if !hub.upstream.is_up() {
        return Err(Failure::unavailable());
    }
    if membership == Membership::Join
        && !connection.seat(&wish.room).is_some_and(|seat| seat.followed)
    {
        let commands = follow_commands(context.user(), &wish.room);
        if !commands.is_empty() {
            // A refusal here is the room's to explain, by refusing what follows.
            let _ = hub.upstream.call(commands).await?;
        }
    }
    let (room, newcomer) = hub.arrive(&wish.room, connection);
    let prepared = ask(context, wish, membership, &room).await;
    match prepared {
        Ok((fetched, role, online)) => Ok(Ready { room, newcomer, fetched, role, online }),
        Err(failure) => {
            put_back(context, &room, newcomer);
            Err(failure)
        }
    }
}

async fn ask(
    context: &Context,
    wish: &Wish,
    membership: Membership,
    room: &Arc<Room>,
) -> Result<(Arc<Fetched>, Value, i64), Failure> {
    let (hub, connection) = (&context.hub, &context.connection);
    let confirmed = tokio::time::timeout(CONFIRM_TIMEOUT, room.wait_confirmed()).await;
    confirmed.map_err(|_| Failure::unavailable())?;
    let ttl = hub.config.presence_ttl.as_millis();
    let mut commands = Vec::with_capacity(3);
    if membership == Membership::Join {
        let mut join = redis::cmd("CHAT.JOIN");
        join.arg(&wish.room).arg(context.user());
        commands.push(join);
    }
    commands.push(presence::present(&wish.room, connection, ttl));
    commands.push(room_as(&wish.room, context.user()));
    let fetch = hub.fetch(room, wish.since.map_or(Key::Page, Key::Since));
    let (replies, fetched) = tokio::join!(hub.upstream.call(commands), fetch);
    let mut replies = replies?;
    let seen = replies.pop().unwrap_or(Ok(Value::Nil));
    let present = replies.pop().unwrap_or(Ok(Value::Nil));
    let joined = replies.pop().unwrap_or(Ok(Value::Nil));
    let is_present = present.is_ok();
    let outcome = joined.and(present).and(seen).map_err(Failure::from);
    let outcome = outcome.and_then(|seen| Ok((fetched?, seen)));
    match outcome {
        Ok((fetched, seen)) => {
            let role = field(&seen, "role").cloned().unwrap_or(Value::Nil);
            let online = field(&seen, "online").and_then(|n| integer(n).ok()).unwrap_or(0);
            Ok((fetched, role, online))
        }
        Err(failure) => {
            if is_present && connection.seat(&wish.room).is_none() {
                presence::end_later(hub, connection, room);
            }
            Err(failure)
        }
    }
}

/// Gives a fetched room its place; None: fetch again.
fn place(context: &Context, ready: &Ready, dirty: &mut Dirty) -> Option<String> {
    let Ready { room, newcomer, fetched, role, online } = ready;
    // With more to fetch the client could not yet receive live events in order.
    if !fetched.unfinished {
        match room.place(newcomer, &context.connection, fetched.last, &fetched.known, dirty) {
            Placed::Then(next) => context.hub.follow(room, next),
            Placed::FetchAgain => return None,
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
fn put_back(context: &Context, room: &Arc<Room>, newcomer: Newcomer) {
    let Some(before) = newcomer.before else { return };
    let mut dirty = Dirty::new();
    match room.place(&newcomer, &context.connection, before, &[], &mut dirty) {
        Placed::Then(next) => context.hub.follow(room, next),
        // Too much has happened since: the client learns that it must ask anew.
        Placed::FetchAgain => {
            context.connection.rise(room);
            context.connection.send_text(&room.come_anew());
        }
    }
    context.hub.flush(dirty);
}

pub(super) async fn leave(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let (hub, connection) = (&context.hub, &context.connection);
    let room = request.fields.room()?;
    let mut leave = redis::cmd("CHAT.LEAVE");
    leave.arg(&*room).arg(context.user());
    if room_kind(&room) != Some(RoomKind::Ordinary) {
        // Mostly refused; then nothing else may have changed.
        context.ask(leave.clone()).await?;
    }
    let mut replies = hub.upstream.call(vec![presence::absent(&room, connection), leave]).await?;
    if let Some(left) = replies.pop() {
        left?;
    }
    forget(context, &room);
    let mut unfollow = redis::cmd("CHAT.UNFOLLOW");
    unfollow.arg(format!("@{}", context.user())).arg(&*room);
    // If this is lost the list is too long by one room, which the next login repairs.
    let _ = hub.upstream.call_one(unfollow).await;
    Ok(Answer::Ok(String::new()))
}

pub(super) async fn unsubscribe(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    if room_kind(&room) == Some(RoomKind::Personal(context.user())) {
        return Err(Failure::invalid("room", "one's own personal room stays"));
    }
    if context.connection.seat(&room).is_some() {
        context.ask(presence::absent(&room, &context.connection)).await?;
        forget(context, &room);
    }
    Ok(Answer::Ok(String::new()))
}

fn forget(context: &Context, room: &str) {
    if let Some(seat) = context.connection.seat(room) {
        seat.room.depart(&context.connection);
        context.connection.rise(&seat.room);
    }
}

/// What every connection gets without asking: its user's personal room, and membership of the
/// rooms of `--auto-join`, all live from now on. If Redis is away it goes on in the background.
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
    while context.connection.ended().is_none() {
        context.hub.upstream.wait_up().await;
        match enter_all(&context, rooms).await {
            Ok(()) => break,
            Err(rest) => rooms = rest,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if context.connection.ended().is_some() {
        // It ended while it was on its way in.
        for seat in context.connection.rise_all() {
            seat.room.depart(&context.connection);
            presence::end_later(&context.hub, &context.connection, &seat.room);
        }
    }
}

async fn enter(context: &Context, name: &str, membership: Membership) -> Result<(), Failure> {
    let (hub, connection) = (&context.hub, &context.connection);
    for _ in 0..ATTEMPTS {
        if !hub.upstream.is_up() {
            return Err(Failure::unavailable());
        }
        if connection.seat(name).is_some_and(|seat| seat.room.is_receiving(connection)) {
            return Ok(());
        }
        if membership == Membership::Join {
            let mut commands = follow_commands(context.user(), name);
            let mut join = redis::cmd("CHAT.JOIN");
            join.arg(name).arg(context.user());
            commands.push(join);
            for reply in hub.upstream.call(commands).await? {
                reply?;
            }
        }
        let (room, newcomer) = hub.arrive(name, connection);
        let confirmed = tokio::time::timeout(CONFIRM_TIMEOUT, room.wait_confirmed()).await;
        confirmed.map_err(|_| Failure::unavailable())?;
        let ttl = hub.config.presence_ttl.as_millis();
        let reply = context.ask(presence::present(name, connection, ttl)).await?;
        let mut elements = Elements::of(reply)?;
        let _users = elements.integer()?;
        let newest = elements.id()?;
        let mut dirty = Dirty::new();
        let placed = room.place(&newcomer, connection, newest, &[], &mut dirty);
        hub.flush(dirty);
        if let Placed::Then(next) = placed {
            connection.sit(&room, membership == Membership::Join);
            hub.follow(&room, next);
            return Ok(());
        }
    }
    Err(Failure::unavailable())
}
