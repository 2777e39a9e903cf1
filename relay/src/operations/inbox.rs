//! `read`, `unread`, `inbox`: how far the user has read, and what waits.
//!
//! `inbox` is composed of many rooms: the user's list, one pipeline of `CHAT.UNREAD`, the newest
//! message of those shown. It also repairs the list: a room that the user is no member of is taken
//! off it.

use std::fmt::Write;
use std::sync::Arc;

use redis::{Cmd, Value};

use super::lists::list;
use super::{Answer, Context, Outcome, notices};
use crate::event::Id;
use crate::failure::Failure;
use crate::protocol::{self, Request};
use crate::replies::{Elements, PAGE_BYTES, Page, text};
use crate::upstream::{Failed, Reply, all_away};

/// Rooms asked about in one pipeline.
const ROOMS_PER_CALL: usize = 1000;
/// Rooms of one inbox unless told otherwise, and the most.
const INBOX_ROOMS: u64 = 100;
const INBOX_MOST: u64 = 1000;

/// What waits for the user in a room.
#[derive(Clone, Copy, Debug)]
struct Unread {
    unread: i64,
    mentions: i64,
    cursor: Id,
    last: Id,
}

impl Unread {
    /// Reads the reply of `CHAT.UNREAD` for one user; None: not a member, or there is no such room.
    fn read(reply: Reply) -> Result<Option<Unread>, Failure> {
        let value = match reply {
            Ok(value) => value,
            Err(Failed::Refused(failure)) if failure.code == "NOROOM" => return Ok(None),
            Err(failed) => return Err(failed.into()),
        };
        let one = Elements::of(value)?.any()?;
        if matches!(one, Value::Nil) {
            return Ok(None);
        }
        let mut one = Elements::of(one)?;
        Ok(Some(Unread {
            unread: one.integer()?,
            mentions: one.integer()?,
            cursor: one.id()?,
            last: one.id()?,
        }))
    }

    fn write(&self, out: &mut String) {
        let Unread { unread, mentions, cursor, last } = self;
        let _ = write!(
            out,
            r#""unread":{unread},"mentions":{mentions},"cursor":"{cursor}","last":"{last}""#
        );
    }
}

pub(super) async fn read(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let room = request.fields.room()?;
    let upto = request.fields.needed_id("id")?;
    let mut command = redis::cmd("CHAT.READ");
    command.arg(&*room).arg(context.user()).arg(upto.to_string());
    let mut reply = Elements::of(context.ask(command).await?)?;
    let (cursor, unread) = (reply.id()?, reply.integer()?);
    // Only forward: another cursor is further on, and was told when it went there.
    if cursor == upto {
        notices::tell_of_reading(context, &room, cursor, unread);
    }
    Ok(Answer::Ok(format!("\"id\":\"{cursor}\",\"unread\":{unread}")))
}

pub(super) async fn unread(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let rooms = request.fields.rooms()?;
    let replies = ask_all(context, &rooms).await;
    if let Some(away) = all_away(&replies) {
        return Err(away.into());
    }
    let mut out = String::from("\"rooms\":{");
    for (index, (room, reply)) in rooms.iter().zip(replies).enumerate() {
        if index > 0 {
            out.push(',');
        }
        protocol::string(&mut out, room);
        match Unread::read(reply) {
            Ok(Some(unread)) => {
                out.push_str(":{");
                unread.write(&mut out);
                out.push('}');
            }
            Err(failure) if failure.code == "UNAVAILABLE" => {
                out.push_str(":{\"error\":{");
                failure.write(&mut out);
                out.push_str("}}");
            }
            Ok(None) | Err(_) => out.push_str(":null"),
        }
    }
    out.push('}');
    Ok(Answer::Ok(out))
}

pub(super) async fn inbox(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let count = request.fields.number("count")?.unwrap_or(INBOX_ROOMS);
    if !(1..=INBOX_MOST).contains(&count) {
        return Err(Failure::invalid("count", "1 to 1000"));
    }
    let rooms = followed(context).await?;
    let replies = ask_all(context, &rooms).await;
    let (mut waiting, mut lost) = (Vec::new(), Vec::new());
    for (room, reply) in rooms.into_iter().zip(replies) {
        match Unread::read(reply) {
            Ok(Some(unread)) => waiting.push((room, unread)),
            Ok(None) => lost.push(room),
            Err(failure) if failure.code == "UNAVAILABLE" => return Err(failure),
            // No room any more but something else: not the list's fault.
            Err(_) => {}
        }
    }
    waiting.sort_unstable_by(|(room, unread), (other, than)| {
        than.last.cmp(&unread.last).then_with(|| room.cmp(other))
    });
    waiting.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let messages = newest_messages(context, &waiting).await?;
    if !lost.is_empty() {
        repair(context, &lost).await?;
    }
    let mut bytes = 0;
    let mut out = String::from("\"rooms\":[");
    for (index, ((room, unread), message)) in waiting.iter().zip(messages).enumerate() {
        out.push_str(if index > 0 { ",{\"room\":" } else { "{\"room\":" });
        protocol::string(&mut out, room);
        out.push(',');
        unread.write(&mut out);
        if let Some(message) = message.filter(|message| bytes + message.len() <= PAGE_BYTES) {
            bytes += message.len();
            out.push_str(",\"message\":");
            out.push_str(&message);
        }
        out.push('}');
    }
    out.push(']');
    Ok(Answer::Ok(out))
}

/// The user's own list, whole.
async fn followed(context: &Context) -> Result<Vec<String>, Failure> {
    let mut rooms = Vec::new();
    let mut cursor = None;
    loop {
        let mut command = redis::cmd("CHAT.FOLLOWS");
        command.arg(format!("@{}", context.user()));
        if let Some(cursor) = &cursor {
            command.arg("CURSOR").arg(cursor);
        }
        command.arg("COUNT").arg(ROOMS_PER_CALL);
        let value = match context.hub.upstream.call_one(command).await {
            Ok(value) => value,
            Err(Failed::Refused(failure)) if failure.code == "NOROOM" => return Ok(rooms),
            Err(failed) => return Err(failed.into()),
        };
        let mut reply = Elements::of(value)?;
        let next = reply.any()?;
        for row in reply.list()? {
            rooms.push(Elements::of(row)?.text()?);
        }
        match next {
            Value::Nil => return Ok(rooms),
            next => cursor = Some(text(next)?),
        }
    }
}

/// `CHAT.UNREAD` of each of these rooms for the user.
async fn ask_all(context: &Context, rooms: &[String]) -> Vec<Reply> {
    let mut replies = Vec::with_capacity(rooms.len());
    for rooms in rooms.chunks(ROOMS_PER_CALL) {
        let commands = rooms.iter().map(|room| unread_command(context, room));
        replies.extend(context.hub.upstream.call(commands.collect()).await);
    }
    replies
}

fn unread_command(context: &Context, room: &str) -> Cmd {
    let mut command = redis::cmd("CHAT.UNREAD");
    command.arg(room).arg(context.user());
    command
}

/// The newest message of each room as the user sees it, byte for byte.
async fn newest_messages(
    context: &Context,
    rooms: &[(String, Unread)],
) -> Result<Vec<Option<String>>, Failure> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let commands = rooms.iter().map(|(room, _)| {
        let mut command = redis::cmd("CHAT.HISTORY");
        command.arg(room).arg("COUNT").arg(1).arg("AS").arg(context.user());
        command
    });
    let replies = context.hub.upstream.call(commands.collect()).await;
    let newest = |reply: Reply| {
        let page = Page::read(reply.ok()?).ok()?;
        String::from_utf8(page.events.into_iter().next_back()?).ok()
    };
    Ok(replies.into_iter().map(newest).collect())
}

/// Takes rooms off the user's list, unless the user has become a member meanwhile.
async fn repair(context: &Context, lost: &[String]) -> Result<(), Failure> {
    let mut commands = Vec::with_capacity(lost.len() * 2);
    for room in lost {
        context.hub.followed.forget(context.user(), room);
        commands.push(list("CHAT.UNFOLLOW", context.user(), room));
        commands.push(unread_command(context, room));
    }
    let replies = context.hub.upstream.call(commands).await;
    let asked = replies.into_iter().skip(1).step_by(2);
    let gained = lost.iter().zip(asked).filter_map(|(room, reply)| {
        let is_member = matches!(Unread::read(reply), Ok(Some(_)));
        is_member.then(|| list("CHAT.FOLLOW", context.user(), room))
    });
    let gained: Vec<Cmd> = gained.collect();
    if !gained.is_empty() {
        for reply in context.hub.upstream.call(gained).await {
            reply?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Away;

    #[test]
    fn unread_replies_tell_members_from_others() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let of = |one| Unread::read(Ok(Value::Array(vec![one])));
        assert!(of(Value::Nil).expect("a reply").is_none());
        let row = vec![Value::Int(3), Value::Int(1), bulk("5-1"), bulk("9-4")];
        let mut out = String::new();
        of(Value::Array(row)).expect("a reply").expect("a member").write(&mut out);
        assert_eq!(out, r#""unread":3,"mentions":1,"cursor":"5-1","last":"9-4""#);
        assert!(of(Value::Int(1)).is_err());
        let missing = Unread::read(Err(Failed::Refused(Failure::new("NOROOM", ""))));
        assert!(missing.expect("an answer").is_none());
        assert!(Unread::read(Err(Away::NotNow.into())).is_err());
    }
}
