//! The bodies of responses, problems excepted.

#![allow(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The place of an event in its room: milliseconds, a dash, a number
#[derive(ToSchema, Deserialize)]
#[schema(value_type = String, pattern = "^[0-9]+-[0-9]+$", example = "1795731844034-1")]
pub(super) struct Id(String);

/// Where the next page begins; null: this is the last one
#[derive(ToSchema, Deserialize)]
#[schema(value_type = Option<String>)]
pub(super) struct Cursor(Option<String>);

/// It is done
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {}

/// What was stored
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// Null: it was published and not stored
    #[schema(required)]
    id: Option<Id>,
}

/// Whether anything has changed
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    changed: bool,
}

/// A page of messages, the oldest first
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// The newest id of the room
    last: Id,
    events: Vec<Message>,
    /// Whether there are more in the direction asked for
    more: bool,
}

/// A message as it is now. A deleted one has no kind and no text
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    id: Id,
    /// The event before
    prev: Id,
    room: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^message$")]
    event_type: String,
    /// When, in milliseconds since the Unix epoch
    ts: u64,
    user: String,
    #[schema(nullable = false)]
    kind: Option<String>,
    #[schema(nullable = false)]
    text: Option<String>,
    #[schema(nullable = false)]
    meta: Option<BTreeMap<String, Value>>,
    /// The message it replies to
    #[schema(nullable = false)]
    reply: Option<Id>,
    #[schema(nullable = false)]
    mentions: Option<Vec<String>>,
    /// When it was edited, in milliseconds since the Unix epoch
    #[schema(nullable = false)]
    edited: Option<u64>,
    #[schema(nullable = false)]
    reactions: Option<Vec<Reaction>>,
    #[schema(nullable = false)]
    nonce: Option<String>,
    /// Who deleted it, if not the author
    #[schema(nullable = false)]
    by: Option<String>,
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it was deleted, in milliseconds since the Unix epoch
    #[schema(nullable = false)]
    deleted: Option<u64>,
    /// The number of the message
    m: u64,
}

/// One emoji on a message
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reaction {
    emoji: String,
    count: u64,
    /// The first of them
    users: Vec<String>,
}

/// A page of rooms, last active first
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rooms {
    #[schema(required)]
    cursor: Cursor,
    rooms: Vec<RoomRow>,
    /// True: nodes of Redis are away, and their rooms are missing
    #[schema(nullable = false)]
    incomplete: Option<bool>,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomRow {
    room: String,
    last: Id,
    members: u64,
    online: u64,
    topic: String,
}

/// What a room is, and its settings
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Room {
    settings: Settings,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    room: String,
    #[schema(pattern = "^(room|personal|direct)$")]
    kind: String,
    /// When, in milliseconds since the Unix epoch
    created: u64,
    last: Id,
    /// The number of the newest message
    m: u64,
    members: u64,
    /// Users
    online: u64,
    connections: u64,
    #[schema(pattern = "^(open|members)$")]
    access: String,
    topic: String,
    description: String,
    max_text: u64,
    history_max: u64,
    history_ttl: u64,
    room_bytes: u64,
    #[schema(pattern = "^(yes|no)$")]
    log_joins: String,
    #[schema(pattern = "^(yes|no)$")]
    hook: String,
    #[schema(pattern = "^(yes|no)$")]
    frozen: String,
    slow: u64,
    /// Of a personal room
    #[schema(nullable = false)]
    name: Option<String>,
    /// Of a personal room
    #[schema(nullable = false)]
    avatar: Option<String>,
    /// Of a personal room
    #[schema(nullable = false)]
    status: Option<String>,
    /// Of a personal room: milliseconds since the Unix epoch, 0: never
    #[schema(nullable = false)]
    last_seen: Option<u64>,
    /// Of a personal room, for its user and the backend
    #[schema(nullable = false)]
    tokens_after: Option<u64>,
    /// Of the user who asks; null: no member. Absent for the backend
    role: Option<String>,
    /// For a user who is muted
    #[schema(nullable = false)]
    muted_until: Option<u64>,
}

/// A page of members, in the order of joining
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    #[schema(required)]
    cursor: Cursor,
    members: Vec<Member>,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    user: String,
    #[schema(pattern = "^(owner|moderator|member)$")]
    role: String,
    /// When, in milliseconds since the Unix epoch
    joined: u64,
}

/// A page of users online
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    #[schema(required)]
    cursor: Cursor,
    /// All users online
    users: u64,
    /// All their connections
    connections: u64,
    list: Vec<Present>,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Present {
    user: String,
    status: String,
    connections: u64,
    /// Since when, in milliseconds since the Unix epoch
    since: u64,
}

/// A page of bans and mutes, by name
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sanctions {
    #[schema(required)]
    cursor: Cursor,
    sanctions: Vec<Sanction>,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sanction {
    user: String,
    /// Milliseconds since the Unix epoch, 0: for ever; null: not banned
    #[schema(required)]
    banned_until: Option<u64>,
    /// Milliseconds since the Unix epoch, 0: for ever; null: not muted
    #[schema(required)]
    muted_until: Option<u64>,
}

/// How far the user has read
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    /// The cursor, which only moves forward
    id: Id,
    unread: u64,
}

/// A page of the user's list of rooms, last active first
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbox {
    rooms: Vec<InboxRow>,
    #[schema(required)]
    cursor: Cursor,
}

#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum InboxRow {
    Known(Box<InboxRoom>),
    /// After all others: not known now
    Failed(InboxFailed),
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxFailed {
    room: String,
    error: Error,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxRoom {
    room: String,
    unread: u64,
    mentions: u64,
    /// The id up to which the user has read
    cursor: Id,
    last: Id,
    /// The newest message; left out where it does not fit
    #[schema(nullable = false)]
    message: Option<Message>,
}

/// What is unread, by room
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unread {
    /// Null: no member of the room
    rooms: BTreeMap<String, UnreadRoom>,
    /// True: what is missing did not fit
    #[schema(nullable = false)]
    more: Option<bool>,
}

#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum UnreadRoom {
    /// Of a member
    Counts(UnreadCounts),
    /// Not known now
    Failed(Failed),
    /// No member
    Nothing,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnreadCounts {
    unread: u64,
    mentions: u64,
    cursor: Id,
    last: Id,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failed {
    error: Error,
}

/// Users online, by room
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Online {
    /// Null: not known now
    counts: BTreeMap<String, Option<u64>>,
}

/// Profiles, by user
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profiles {
    /// Null: a user without a personal room
    profiles: BTreeMap<String, SomeProfile>,
    /// True: what is missing did not fit
    #[schema(nullable = false)]
    more: Option<bool>,
}

#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum SomeProfile {
    Profile(Profile),
    /// Not known now
    Failed(Failed),
    /// No personal room
    Nothing,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(nullable = false)]
    avatar: Option<String>,
    #[schema(nullable = false)]
    status: Option<String>,
    /// 1 or 0; absent with `--contacts deny`
    #[schema(nullable = false, maximum = 1)]
    online: Option<u64>,
    /// Milliseconds since the Unix epoch, 0: never; absent with `--contacts deny`
    #[schema(nullable = false)]
    last_seen: Option<u64>,
    /// The status that is shown; absent with `--contacts deny`
    shown: Option<String>,
}

/// An error in a reply frame
#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Error {
    code: String,
    /// For people
    message: String,
    #[schema(nullable = false)]
    what: Option<String>,
    #[schema(nullable = false)]
    retry_ms: Option<u64>,
    #[schema(nullable = false)]
    until_ms: Option<u64>,
    #[schema(nullable = false)]
    max_bytes: Option<u64>,
}

/// One reply frame, or as many in an array as there were frames
#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum Replies {
    One(Reply),
    Several(Vec<Reply>),
}

#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum Reply {
    Ok(OkReply),
    Error(ErrorReply),
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OkReply {
    /// That of the frame, or null
    #[schema(required)]
    r#ref: Option<Value>,
    ok: BTreeMap<String, Value>,
}

#[derive(ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorReply {
    /// That of the frame, or null
    #[schema(required)]
    r#ref: Option<Value>,
    error: Error,
}
