//! `history`, `members`, `who`, `online`, `rooms`, `room`: reading what the user may see.

use std::sync::Arc;

use chat_protocol::limits::{ROOM_NAME_MAX, STATUS_MAX, TOPIC_MAX, USER_NAME_MAX};
use chat_protocol::names::{self, RoomKind};
use redis::Value;
use serde::Serialize;

use crate::client::error::Error;
use crate::client::reply::PAGE_BYTES;
use crate::client::request::{Fields, Request};
use crate::hub::logins::guests;
use crate::operations::answer::{Answer, Outcome};
use crate::operations::contacts;
use crate::operations::context::Context;
use crate::operations::room_list::{self, ListCursor, ListPage};
use crate::operations::room_settings;
use crate::operations::scopes;
use crate::operations::table::{COUNT_MOST, Cell, Row, count, table};
use crate::upstream::commands::{self, Bounds, Part, Rows};
use crate::upstream::replies::{Elements, Json, Keep, Page, integer, text};
use crate::upstream::{Command, CommandError, NodeId, Unavailable, all_unavailable};

/// The most rows of a reply, if every row is the longest possible and every byte of a text is
/// escaped.
const MEMBERS_MOST: u64 = (PAGE_BYTES / (2 * USER_NAME_MAX + 64)) as u64;
const WHO_MOST: u64 = (PAGE_BYTES / (2 * USER_NAME_MAX + 2 * STATUS_MAX + 112)) as u64;
const ROOMS_MOST: u64 = (PAGE_BYTES / (2 * ROOM_NAME_MAX + 2 * TOPIC_MAX + 144)) as u64;

/// Rows whose rooms a guest's list asks for at the cost of one operation.
const ROWS_PER_OPERATION: usize = 10;

pub(super) async fn history(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let room = fields.room()?;
    let (part, keep) = match (fields.id("before")?, fields.id("after")?, fields.id("around")?) {
        (None, None, None) => (Part::Newest, Keep::Newest),
        (Some(id), None, None) => (Part::Before(id), Keep::Newest),
        (None, Some(id), None) => (Part::After(id), Keep::Oldest),
        (None, None, Some(id)) => (Part::Around(id), Keep::Oldest),
        _ => return Err(Error::invalid("before", "only one of before, after and around")),
    };
    let bounds = Bounds { count: count(fields, COUNT_MOST)?, bytes: Some(PAGE_BYTES) };
    let command = commands::history(&room, part, bounds, context.reader());
    let mut page = Page::read(ask(context, &room, command).await?)?;
    page.bound(keep);
    Ok(Answer::Ok(format!("{{{}}}", page.json())))
}

pub(super) async fn members(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let cursor = request.fields.optional_text("cursor")?;
    let prefix = request.fields.optional_text("prefix")?;
    let page = Rows { cursor: cursor.as_deref(), count: count(&request.fields, MEMBERS_MOST)? };
    let command = commands::members(&room, page, prefix.as_deref(), context.reader());
    let mut reply = Elements::of(context.ask(command).await?)?;
    let cursor = reply.any()?;
    let members = table(reply.list()?, &["user", "role", "joined"])?;
    Ok(Answer::of(&MembersReply { cursor: Json(&cursor), members }))
}

pub(super) async fn who(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let cursor = request.fields.optional_text("cursor")?;
    let page = Rows { cursor: cursor.as_deref(), count: count(&request.fields, WHO_MOST)? };
    let command = commands::who(&room, page, context.reader());
    let mut reply = Elements::of(context.ask(command).await?)?;
    let cursor = reply.any()?;
    let (users, connections) = (reply.integer()?, reply.integer()?);
    let list = table(reply.list()?, &["user", "status", "connections", "since"])?;
    Ok(Answer::of(&WhoReply { cursor: Json(&cursor), users, connections, list }))
}

pub(super) async fn online(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.rooms()?;
    rooms.iter().try_for_each(|room| contacts::check_contact(context, room))?;
    if !rooms.iter().all(|room| scopes::admits(context, room)) {
        return Err(scopes::denied());
    }
    if rooms.is_empty() {
        return Ok(Answer::of(&OnlineReply { counts: Row(Vec::new()) }));
    }
    // Personal rooms are read as contacts, the others as the user may read them.
    let commands = rooms.iter().map(|room| match names::room_kind(room) {
        Some(RoomKind::Personal(_)) => commands::online(room),
        _ => commands::who(room, Rows { cursor: None, count: Some(1) }, context.reader()),
    });
    let replies = context.hub.upstream.call(commands.collect()).await;
    if let Some(away) = all_unavailable(&replies) {
        return Err(away.into());
    }
    let mut counts = Vec::with_capacity(rooms.len());
    for (room, reply) in rooms.iter().zip(replies) {
        let count = match reply {
            // Unknown now.
            Err(CommandError::Unavailable(_)) => None,
            Err(CommandError::Refused(_)) => Some(0),
            Ok(Value::Array(counts)) if counts.len() == 1 => Some(integer(&counts[0])?),
            Ok(who) => {
                let mut who = Elements::of(who)?;
                who.any()?;
                Some(who.integer()?)
            }
        };
        counts.push((&**room, count));
    }
    Ok(Answer::of(&OnlineReply { counts: Row(counts) }))
}

pub(super) async fn rooms(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let cursor = fields.optional_text("cursor")?;
    let glob = fields.optional_text("match")?;
    let page = list_rooms(context, cursor.as_deref(), glob.as_deref(), fields).await?;
    let is_for = |row: &Value| match row {
        Value::Array(row) => row
            .first()
            .and_then(|name| text(name.clone()).ok())
            .is_some_and(|name| scopes::admits(context, &name)),
        _ => true,
    };
    let mut rows: Vec<Value> = page.rows.into_iter().filter(is_for).collect();
    if context.connection.is_guest() {
        rows = only_open(context, rows).await?;
    }
    let rooms = table(rows.into_iter(), &["room", "last", "members", "online", "topic"])?;
    let incomplete = page.is_incomplete.then_some(true);
    Ok(Answer::of(&RoomsReply { cursor: page.cursor, rooms, incomplete }))
}

/// One page of the rooms of all nodes.
async fn list_rooms(
    context: &Context,
    cursor: Option<&str>,
    glob: Option<&str>,
    fields: &Fields<'_>,
) -> Result<ListPage, Error> {
    let (upstream, wanted) = (&context.hub.upstream, fields.number("count")?);
    let overview = upstream.overview();
    let nodes: Vec<NodeId> = overview.nodes.iter().map(|node| node.id.clone()).collect();
    if let [_] = &nodes[..] {
        // One node has all rooms: its cursor is the list's.
        let page = Rows { cursor, count: room_list::count_per_node(wanted, 1, ROOMS_MOST) };
        let mut reply =
            Elements::of(context.ask(commands::rooms(page, glob, context.reader())).await?)?;
        let cursor = match reply.any()? {
            Value::Nil => None,
            cursor => Some(text(cursor)?),
        };
        return Ok(ListPage {
            cursor,
            rows: reply.list()?.collect(),
            is_incomplete: overview.has_missing_slots(),
        });
    }
    let cursor = ListCursor::read(cursor)?;
    let count = room_list::count_per_node(wanted, nodes.len(), ROOMS_MOST);
    let command = |node: &NodeId| {
        let page = Rows { cursor: cursor.at(node)?, count };
        Some(commands::rooms(page, glob, context.reader()))
    };
    let mut page = room_list::merge(&cursor, &nodes, upstream.call_every_node(command).await)?;
    page.is_incomplete |= overview.has_missing_slots();
    Ok(page)
}

pub(super) async fn room(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let fields = &request.fields;
    let room = fields.room()?;
    let settings = match fields.members("set")? {
        Some(fields) => room_settings::set(context, &room, &fields).await?,
        None => ask(context, &room, commands::room(&room, context.reader())).await?,
    };
    Ok(Answer::of(&RoomReply { settings: Json(&settings) }))
}

/// The rows of rooms that are open: Redis lists closed rooms of which the user `guest` is a member.
async fn only_open(context: &Context, rows: Vec<Value>) -> Result<Vec<Value>, Error> {
    context.owe(rows.len() / ROWS_PER_OPERATION);
    let access = rows.iter().map(|row| {
        let name = match row {
            Value::Array(row) => row.first().cloned().and_then(|name| text(name).ok()),
            _ => None,
        };
        commands::room(&name.unwrap_or_default(), context.reader())
    });
    let replies = context.hub.upstream.call(access.collect()).await;
    if let Some(away) = all_unavailable(&replies) {
        return Err(away.into());
    }
    let seen = rows.into_iter().zip(replies);
    Ok(seen.filter_map(|(row, reply)| guests::only_open(reply).ok().map(|_| row)).collect())
}

/// Sends a command that reads this room. Guests get the reply only if the room is open.
async fn ask(context: &Context, room: &str, command: Command) -> Result<Value, Error> {
    if !context.connection.is_guest() {
        return context.ask(command).await;
    }
    let access = commands::room(room, context.reader());
    let mut replies = context.hub.upstream.call(vec![access, command]).await.into_iter();
    let mut next = || replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
    guests::only_open(next())?;
    Ok(next()?)
}

#[derive(Serialize)]
struct MembersReply<'a> {
    cursor: Json<'a>,
    members: Vec<Row<'a, Cell>>,
}

#[derive(Serialize)]
struct WhoReply<'a> {
    cursor: Json<'a>,
    users: i64,
    connections: i64,
    list: Vec<Row<'a, Cell>>,
}

#[derive(Serialize)]
struct OnlineReply<'a> {
    /// Users online by room; null: not known now.
    counts: Row<'a, Option<i64>>,
}

#[derive(Serialize)]
struct RoomsReply<'a> {
    cursor: Option<String>,
    rooms: Vec<Row<'a, Cell>>,
    /// The rooms of some nodes are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<bool>,
}

#[derive(Serialize)]
struct RoomReply<'a> {
    settings: Json<'a>,
}
