//! What several commands take: who reads, which part, how much.

use chat_protocol::id::Id;

/// Who reads. Redis shows a user only what this user may see, and refuses the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader<'a> {
    /// The backend, which may see everything. The answer is not for a user as it is.
    Backend,
    /// This user.
    User(&'a str),
}

/// What `CHAT.SEND` stores or publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The room.
    pub(crate) room: &'a str,
    /// The author.
    pub(crate) user: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// The nonce under which the message is stored once. None: it is published and not stored.
    pub(crate) nonce: Option<&'a str>,
    /// The sender's own word for the kind of message.
    pub(crate) kind: Option<&'a str>,
    /// A JSON object.
    pub(crate) meta: Option<&'a str>,
    /// The message it replies to.
    pub(crate) reply: Option<Id>,
    /// The users it mentions.
    pub(crate) mentions: &'a [String],
}

/// The part of a room's history that `CHAT.HISTORY` returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// The newest messages.
    #[default]
    Newest,
    /// Those before this id.
    Before(Id),
    /// Those after this id.
    After(Id),
    /// Those around this id.
    Around(Id),
}

/// How much a page may hold. None: the server's own bound.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Messages or events.
    pub(crate) count: Option<u64>,
    /// Bytes of all of them.
    pub(crate) bytes: Option<usize>,
}

/// A page of a list, from where the page before has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows<'a> {
    /// The cursor that the page before has answered.
    pub(crate) cursor: Option<&'a str>,
    /// Rows of the page. None: the server's own bound.
    pub(crate) count: Option<u64>,
}

/// What a moderator does to a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moderation<'a> {
    /// The room.
    pub(crate) room: &'a str,
    /// The moderator.
    pub(crate) actor: &'a str,
    /// `KICK`, `BAN`, `UNBAN`, `MUTE`, `UNMUTE` or `ROLE`.
    pub(crate) action: &'a str,
    /// The other user.
    pub(crate) user: &'a str,
    /// The role given, with `ROLE` only.
    pub(crate) role: Option<&'a str>,
    /// How long it lasts, in milliseconds.
    pub(crate) for_ms: Option<u64>,
    /// What the user reads about it.
    pub(crate) reason: Option<&'a str>,
}
