//! What one command accepts and refuses: the types of the table, and what several commands share.

use chat_protocol::limits;

/// What bounds an argument.
pub(crate) enum Bound {
    /// At most this many bytes; one more is refused with this error.
    Bytes(usize, &'static str),
    /// A JSON object of at most this many bytes.
    Object(usize, &'static str),
    /// At most this many words, each this name with a number.
    Words(usize, &'static str, &'static str),
    /// A number up to this one.
    Number(u64, &'static str),
    /// The id of an event; longer than two numbers is refused.
    Id,
    /// One of a few words, such as this one.
    Keyword(&'static str, &'static str),
    /// A word that is present or absent.
    Flag(&'static str),
    /// Refused from clients.
    Internal,
}

/// One argument of a command.
pub(crate) struct Argument {
    /// Its name in COMMAND DOCS, after the names of the blocks that hold it.
    pub(crate) name: &'static str,
    /// The words of a call after the command's name. `$`: the argument. `{id}`: the id of a new
    /// message, a word that was used nowhere else. `{49}`, `{50}`: that many users.
    pub(crate) call: &'static [&'static str],
    /// Its bound.
    pub(crate) bound: Bound,
    /// Elements that the call with the largest argument may visit, in a room of any size.
    pub(crate) work: u64,
}

/// Work that does not grow with the room: look-ups, and one slice of pending removals.
pub(crate) const FIXED: u64 = 1_280;
/// Work of a page, and of a call with many names: three elements for each of a thousand.
pub(crate) const PAGE: u64 = 3_000 + FIXED;

/// A call without its command's name, the error, and what is wrong with the call. `{id}` stands for
/// the id of alice's message in the room `lobby`, `{bobs}` and `{muteds}` for those of other users'
/// messages there, `{gone}` for a deleted message's, `{event}` for an event's that is no message,
/// `{full}` for a message with 20 different emoji, `{frozen}` for bob's message in `frozen`. `{long}`
/// is 5,000 bytes, `{name}` 201 bytes, `{deep}` an object of depth 33, `{big}` one over 16 KiB,
/// `{bytes}` not UTF-8.
pub(crate) type RefusedCall = (&'static [&'static str], &'static str, &'static str);

/// One command of the table.
pub(crate) struct Command {
    /// As in `CHAT.SEND`.
    pub(crate) name: &'static str,
    /// Its arguments with their bounds.
    pub(crate) arguments: &'static [Argument],
    /// Calls that it refuses. In `lobby`, alice is the owner, bob a member, muted muted and banned
    /// banned for ever; `closed` is for members only, `frozen` is frozen, `string` is no room.
    pub(crate) refused: &'static [RefusedCall],
}

/// An [`Argument`].
pub(crate) const fn argument(
    name: &'static str,
    call: &'static [&'static str],
    bound: Bound,
    work: u64,
) -> Argument {
    Argument { name, call, bound, work }
}

/// The error for too few or too many words.
pub(crate) const ARITY: &str = "ERR wrong number of arguments";

pub(crate) const ROOM_NAME: Bound = Bound::Bytes(limits::ROOM_NAME_MAX, "INVALID room");
pub(crate) const USER: Bound = Bound::Bytes(limits::USER_NAME_MAX, "INVALID user");
pub(crate) const REASON: Bound = Bound::Bytes(limits::REASON_MAX, "TOOBIG 256");
pub(crate) const COUNT: Bound = Bound::Number(limits::COUNT_MAX as u64, "INVALID count");
pub(crate) const ALICE: Bound = Bound::Keyword("alice", "NOTMEMBER");
pub(crate) const LOBBY: Bound = Bound::Keyword("lobby", "NOROOM");
