//! `join`, `subscribe`: receiving rooms from now on. `resume` does the same for many rooms.
//!
//! The reply holds the past of each room, as far as it fits into one reply; live events follow it.
//! So the connection's outbox is corked while the rooms are attached, and uncorked with the reply.
//! `join.rs` attaches a room without gap or duplicate.

use std::collections::HashSet;
use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use futures_util::future::join_all;
use serde::Serialize;

use crate::auth::Scope;
use crate::client::error::Error;
use crate::client::json;
use crate::client::reply;
use crate::client::reply::PAGE_BYTES;
use crate::client::request::Request;
use crate::operations::answer::{Answer, Done, Outcome};
use crate::operations::context::Context;
use crate::operations::rooms::join::{self, ATTEMPTS, Membership, Prepared, Start, Wanted};
use crate::operations::scopes;
use crate::room::Attached;
use crate::room::subscribers::PendingFlush;

/// Rooms prepared at the same time. Each may bring as many bytes as a reply holds.
const AT_A_TIME: usize = 8;

/// The reply of a room, an object, or why the room is not received.
pub(in crate::operations) type Received = Result<String, Error>;

pub(in crate::operations) async fn join(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    if !context.caller.receives() || !scopes::has(context, Scope::Read) {
        join::become_member(context, &request.fields.room()?).await?;
        return Ok(Answer::of(&Done {}));
    }
    receive_one(context, request, Membership::Join).await
}

pub(in crate::operations) async fn subscribe(
    context: &Arc<Context>,
    request: Request<'_>,
) -> Outcome {
    receive_one(context, request, Membership::Unchanged).await
}

async fn receive_one(context: &Context, request: Request<'_>, membership: Membership) -> Outcome {
    let room = request.fields.room()?.into_owned();
    let start = request.fields.id("since")?.map_or(Start::Page, Start::After);
    let wanted = [Wanted { room, start, membership }];
    check_room_count(context, &wanted)?;
    let answer = match receive(context, &wanted).await.pop() {
        Some(Ok(page)) => reply::ok(request.reference, &page),
        Some(Err(error)) => reply::error(request.reference, &error),
        None => reply::error(request.reference, &Error::unavailable()),
    };
    context.connection.uncork(&answer);
    Ok(Answer::Sent)
}

/// Refuses if the connection would receive too many rooms.
pub(in crate::operations) fn check_room_count(
    context: &Context,
    wanted: &[Wanted],
) -> Result<(), Error> {
    let received = context.connection.rooms();
    let received: HashSet<&str> = received.iter().map(|room| &**room).collect();
    let new = wanted.iter().filter(|wanted| !received.contains(&*wanted.room)).count();
    if received.len() + new > context.hub.config.max_rooms {
        return Err(too_many_rooms());
    }
    Ok(())
}

pub(in crate::operations) fn too_many_rooms() -> Error {
    Error::new(ErrorCode::Denied, "too many rooms on this connection")
}

/// Attaches the connection to these rooms. Returns the reply of each, in order. A room whose events
/// do not fit into one reply is answered by [`later`]. The outbox is corked on return: the caller
/// uncorks it with the reply.
pub(in crate::operations) async fn receive(context: &Context, wanted: &[Wanted]) -> Vec<Received> {
    let connection = &context.connection;
    let mut results: Vec<Received> = Vec::new();
    results.resize(wanted.len(), Err(Error::unavailable()));
    let mut space = Space::new(wanted.len());
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    for attempt in 0..ATTEMPTS {
        let prepared = prepare_all(context, wanted, &open, attempt, &mut space).await;
        connection.cork();
        let mut pending_flush = PendingFlush::new();
        let mut again = Vec::new();
        for (index, prepared) in open.into_iter().zip(prepared) {
            let wanted = &wanted[index];
            results[index] = match prepared {
                Ok(Some(prepared)) => match join::attach(context, &prepared, &mut pending_flush) {
                    Attached::Then(_) => Ok(reply_of(&prepared.initial)),
                    Attached::FetchAgain | Attached::Removed => {
                        space.give_back(index);
                        again.push(index);
                        Err(Error::unavailable())
                    }
                },
                Ok(None) => later(context, wanted),
                Err(error) => Err(error),
            };
        }
        context.hub.flush(pending_flush);
        open = again;
        if open.is_empty() {
            break;
        }
    }
    connection.cork();
    results
}

/// The reply of a room. A page is written by hand, because it holds bytes of events.
fn reply_of(initial: &join::Initial) -> String {
    match initial {
        join::Initial::Page { fetched, view } => {
            let mut out = String::with_capacity(fetched.json.len() + 80);
            out.push('{');
            if let Some(recovered) = fetched.recovered {
                out.push_str("\"recovered\":");
                json::append(&mut out, &recovered);
                out.push(',');
            }
            out.push_str(&fetched.json);
            out.push_str(",\"role\":");
            json::append(&mut out, &view.role);
            out.push_str(",\"online\":");
            json::append(&mut out, &view.online);
            out.push('}');
            out
        }
        join::Initial::Contact(profile) => json::write(&ContactReply {
            last: profile.last,
            events: [],
            more: false,
            role: (),
            online: profile.online,
            status: profile.shown.as_deref(),
            last_seen: profile.last_seen,
            contact: true,
        }),
        join::Initial::Live { .. } => json::write(&Done {}),
    }
}

/// The reply of a contact: the members of a room's reply, and the user's status.
#[derive(Serialize)]
struct ContactReply<'a> {
    #[serde(serialize_with = "json::id")]
    last: Id,
    events: [(); 0],
    more: bool,
    role: (),
    online: i64,
    status: Option<&'a str>,
    last_seen: i64,
    contact: bool,
}

/// The reply of a room that does not fit: there is more after the client's own cursor.
#[derive(Serialize)]
struct LaterReply {
    recovered: bool,
    #[serde(serialize_with = "json::id")]
    last: Id,
    events: [(); 0],
    more: bool,
}

/// How many bytes of one reply its rooms take.
struct Space {
    taken: Vec<usize>,
    is_full: bool,
}

impl Space {
    fn new(count: usize) -> Space {
        Space { taken: vec![0; count], is_full: false }
    }

    /// Takes space for a room. False: the reply is full. The first one always fits.
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

/// Prepares the rooms `open`, some at a time, until their events fill a reply. Returns one result
/// per room, in order. `None`: the room does not fit.
async fn prepare_all(
    context: &Context,
    wanted: &[Wanted],
    open: &[usize],
    attempt: usize,
    space: &mut Space,
) -> Vec<Result<Option<Prepared>, Error>> {
    /// The most bytes of a room in a reply, besides its name and its events.
    const FRAME: usize = 160;
    let mut all = Vec::with_capacity(open.len());
    for part in open.chunks(AT_A_TIME) {
        if space.is_full {
            all.extend(part.iter().map(|_| Ok(None)));
            continue;
        }
        let asked = part.iter().map(|&index| join::prepare(context, &wanted[index], attempt));
        for (&index, prepared) in part.iter().zip(join_all(asked).await) {
            let events = match &prepared {
                Ok(Prepared { initial: join::Initial::Page { fetched, .. }, .. }) => {
                    fetched.json.len()
                }
                _ => 0,
            };
            if space.take(index, wanted[index].room.len() * 2 + FRAME + events) {
                all.push(prepared.map(Some));
                continue;
            }
            if let Ok(prepared) = &prepared {
                join::abandon(context, prepared);
            }
            all.push(prepared.map(|_| None));
        }
    }
    all
}

/// The reply is full: the client must request this room again from its position. Until then it
/// receives nothing from it.
fn later(context: &Context, wanted: &Wanted) -> Received {
    if let Some(room) = context.hub.room_of(&context.connection, &wanted.room) {
        room.remove(&context.connection);
    }
    match wanted.start {
        Start::After(since) => {
            Ok(json::write(&LaterReply { recovered: true, last: since, events: [], more: true }))
        }
        Start::Page | Start::Live => Err(Error {
            message: "this reply is full; ask for the room again".into(),
            ..Error::ratelimit(0)
        }),
    }
}
