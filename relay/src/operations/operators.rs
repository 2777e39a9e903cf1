//! What only operators ask, and no operation of the socket answers.

use chat_protocol::error_code::ErrorCode;
use chat_protocol::limits::ROOM_NAME_MAX;
use chat_protocol::names;
use serde::Serialize;

use crate::client::error::Error;
use crate::client::json;
use crate::client::reply::PAGE_BYTES;
use crate::hub::Hub;
use crate::operations::table::{COUNT_MOST, Cell, Row, table};
use crate::upstream::commands::{self, Reader, Rows};
use crate::upstream::replies::{Elements, Json};
use crate::upstream::{CommandError, Reply, Unavailable};

/// The most rows of a reply, if every row is the longest possible.
const FOLLOWS_MOST: u64 = (PAGE_BYTES / (2 * ROOM_NAME_MAX + 64)) as u64;

#[derive(Serialize)]
struct UserReply<'a> {
    /// In milliseconds since the epoch; 0: for ever. Null: the user is not suspended.
    suspended_until: Option<u64>,
    cursor: Json<'a>,
    rooms: Vec<Row<'a, Cell>>,
}

/// Until when a user is suspended, and a page of the user's list of rooms, as an object. Unlike `inbox`
/// it reads no room of the list and changes nothing, so it costs the same whatever the list.
pub(crate) async fn user(hub: &Hub, user: &str, page: Rows<'_>) -> Result<String, Error> {
    if !names::is_user(user) {
        return Err(Error::invalid("user", "no user can have this name"));
    }
    // A wrong number is for Redis to refuse.
    let most = |count: u64| if count <= COUNT_MOST { count.min(FOLLOWS_MOST) } else { count };
    let page = Rows { count: page.count.map(most), ..page };
    let standing = commands::room(&format!("@{user}"), Reader::User(user));
    let asked = vec![standing, commands::follows(user, page)];
    let mut replies = hub.upstream.call(asked).await.into_iter();
    let mut next = || replies.next().unwrap_or(Err(Unavailable::Unreachable.into()));
    let suspended_until = suspended_until(next())?;
    let mut follows = Elements::of(next()?)?;
    let cursor = follows.any()?;
    let rooms = table(follows.list()?, &["room", "since"])?;
    Ok(json::write(&UserReply { suspended_until, cursor: Json(&cursor), rooms }))
}

/// What the store says to a user who reads the own personal room.
fn suspended_until(reply: Reply) -> Result<Option<u64>, Error> {
    match reply {
        Err(CommandError::Refused(error)) if error.is(ErrorCode::Banned) => {
            Ok(Some(error.number().unwrap_or(0)))
        }
        Err(CommandError::Unavailable(away)) => Err(away.into()),
        // Another refusal: there is no such room yet.
        _ => Ok(None),
    }
}
