//! `CHAT.ROOMS [CURSOR c] [MATCH glob] [COUNT n] [AS user]`
//!
//! Returns a page of the ordinary rooms of this node, last active first. COUNT bounds the rooms
//! examined, so a page may hold fewer. With AS, rooms that are for members only and of which the
//! user is not a member are left out. A pattern has at most 200 bytes; matching takes one step per
//! byte of a name.
//!
//! - Reply: a cursor or nil, and an array of room, newest id, members, users online, topic.
//! - Errors: only the common ones.
//! - Complexity: O(M log N), M the rooms examined, N the rooms of the node.
//! - Replicates: nothing.

use chat_protocol::glob::Pattern;
use chat_protocol::id::Id;
use chat_protocol::limits::PAGE_DEFAULT;
use chat_protocol::names::{RoomKind, RoomName};
use chat_protocol::slot::slot_of;
use chat_room::decide::room;
use chat_room::limits::Limits;
use chat_room::page::count;
use chat_room::{CommandError, Context};

use crate::args::{Args, Paging, once};
use crate::error_reply::ErrorReply;
use crate::index::Found;
use crate::redis::{Arg, Call, CommandSpec, Keys, serves};
use crate::serving::{entry, reply_id};
use crate::stored_room::{RoomKey, StoredRoom};
use crate::{clock, config, index};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.rooms",
    entry: entry!(run),
    flags: "readonly",
    arity: -1,
    keys: Keys::None,
    summary: "Returns a page of the rooms of this node, last active first.",
    complexity: "O(M*log(N)) with M the rooms examined and N the rooms of the node",
    arguments: &[
        Arg::OptionalText("CURSOR", "cursor"),
        Arg::OptionalText("MATCH", "glob"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalText("AS", "user"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 1);
    let (mut pattern, mut paging) = (None, Paging::default());
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"MATCH" => once(&mut pattern, Pattern::parse(args.word()?)?)?,
            other if paging.take(other, &mut args)? => {}
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let count = count(paging.count, PAGE_DEFAULT)?;
    let before = paging.cursor.map(place).transpose()?;
    let database = call.database();
    let mut found = index::with(|index| index.page(database, before, count + 1));
    let more = found.len() > count;
    found.truncate(count);
    let cursor =
        found.last().filter(|_| more).map(|last| format!("{}-{}", last.place.0, last.place.1));

    let limits = config::limits();
    let row = |found| row(call, found, pattern.as_ref(), paging.reader, &limits);
    let rows: Vec<Row> = found.iter().filter_map(row).collect();

    call.reply_array(2);
    call.reply_option(cursor.as_deref());
    call.reply_array(rows.len());
    for row in rows {
        call.reply_array(5);
        call.reply_bytes(&row.name);
        reply_id(call, row.last);
        call.reply_number(row.members as u64);
        call.reply_number(row.online as u64);
        call.reply_text(&row.topic);
    }
    Ok(())
}

/// One room of the reply.
struct Row {
    name: Box<[u8]>,
    last: Id,
    members: usize,
    online: usize,
    topic: String,
}

/// The row of a room, if it is an ordinary one that matches and that `reader` may see. Removes a stale
/// entry from the index: its name is unknown, or the key holds another room by now.
fn row(
    call: &Call<'_>,
    found: &Found,
    pattern: Option<&Pattern>,
    reader: Option<&str>,
    limits: &Limits,
) -> Option<Row> {
    let name = match RoomName::parse(&found.name) {
        Ok(name) => name,
        Err(_) if found.name.is_empty() => RoomName::INVALID,
        // The key was renamed to an invalid name, or has one that older rules allowed: no command
        // takes it, and it may look like another name.
        Err(_) => return None,
    };
    let matches = pattern.is_none_or(|pattern| pattern.matches(&found.name));
    if name.kind != RoomKind::Ordinary || !matches || !serves(|| slot_of(&found.name)) {
        return None;
    }
    let key = RoomKey::open_named(call, &found.name).ok();
    let same = |stored: &&StoredRoom| stored.has_number(found.place.1);
    let Some(stored) = key.as_ref().and_then(RoomKey::value).filter(same) else {
        index::with(|index| index.remove_stale(found));
        return None;
    };
    if name == RoomName::INVALID {
        return None;
    }
    let context = Context { room: &stored.room, name, now: clock::now(), limits };
    let room = room::answer(context, reader).ok()?;
    Some(Row {
        name: found.name.clone(),
        last: room.last,
        members: room.members,
        online: room.online,
        topic: room.topic.to_owned(),
    })
}

/// A cursor: last activity and number of the last room of the previous page.
fn place(cursor: &[u8]) -> Result<(u64, u64), CommandError> {
    let invalid = CommandError::invalid("cursor", "what the page before has answered");
    // It is written like an id.
    Id::parse(cursor).map(|place| (place.ms, place.n)).ok_or(invalid)
}
