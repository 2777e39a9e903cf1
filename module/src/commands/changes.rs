//! `CHAT.CHANGES cursor|0|$ [COUNT n] [BLOCK ms] [MATCH glob] [KINDS kind[,kind…]]`
//!
//! Returns the rooms of this node and database that changed after the cursor, in the order of their
//! newest changes, each once: rooms with a new event, rooms that came (made, loaded, restored, renamed,
//! copied or moved to here), and rooms that are gone. `0` begins with all rooms, `$` with the changes
//! from now on. COUNT, 1 to 1,000, bounds the rooms examined. KINDS: `ordinary`, `direct`, `personal`.
//! BLOCK waits until a room changes, at most so many milliseconds (0: without limit); not where clients
//! may not wait, as in transactions and scripts.
//!
//! - Reply: a cursor; 1 if the list begins anew with all rooms, because numbers from before do not
//!   tell all changes; an array of room and newest id (nil: it is gone from here); 1 if there are more.
//! - Errors: `RATELIMIT`: as many clients wait as `chat.waiters-max` allows.
//! - Complexity: O(M log N), M the rooms examined, N the rooms of the node.
//! - Replicates: nothing.

use chat_protocol::glob::Pattern;
use chat_room::CommandError;
use chat_room::page::count;

use crate::args::{Args, once};
use crate::changes::{Filter, Kinds, Request, has_place, reply, wait};
use crate::error_reply::ErrorReply;
use crate::index::Since;
use crate::redis::{Arg, Call, CommandSpec, Keys, may_not_block};
use crate::serving::entry;

/// COUNT where none is given.
const COUNT_DEFAULT: usize = 100;
/// The longest time to wait, in milliseconds.
const BLOCK_MAX: u64 = 86_400_000;
/// After how many milliseconds to try again if too many wait.
const BUSY_MS: u64 = 1_000;

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.changes",
    entry: entry!(run),
    flags: "readonly admin",
    arity: -2,
    keys: Keys::None,
    summary: "Returns the rooms of this node that changed after a cursor.",
    complexity: "O(M*log(N)) with M the rooms examined and N the rooms of the node",
    arguments: &[
        Arg::Text("cursor"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalNumber("BLOCK", "milliseconds"),
        Arg::OptionalText("MATCH", "glob"),
        Arg::OptionalText("KINDS", "kinds"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 1);
    let since = Since::parse(args.word()?);
    let since = since.ok_or(CommandError::invalid("cursor", "0, $ or what was answered before"))?;
    let (mut wanted, mut time, mut pattern, mut kinds) = (None, None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"COUNT" => once(&mut wanted, args.number("count")?)?,
            b"BLOCK" => once(&mut time, args.number("block")?)?,
            b"MATCH" => once(&mut pattern, Pattern::parse(args.word()?)?)?,
            b"KINDS" => once(&mut kinds, Kinds::parse(args.word()?)?)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    if time.is_some_and(|time| time > BLOCK_MAX) {
        return Err(CommandError::invalid("block", "0 to 86400000 milliseconds").into());
    }
    let filter = Filter { pattern, kinds: kinds.unwrap_or(Kinds::ALL) };
    let count = count(wanted, COUNT_DEFAULT)?;
    let request = Request { database: call.database(), count, filter };
    let page = request.page(since);
    let is_empty = page.rooms.is_empty() && !page.anew && !page.more;
    match time.filter(|_| is_empty && !may_not_block(call)) {
        Some(_) if !has_place() => return Err(CommandError::RateLimit(BUSY_MS).into()),
        Some(time) => wait(call, time, request, page.next),
        None => reply(call, &page),
    }
    Ok(())
}
