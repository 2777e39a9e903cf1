//! The bodies of requests and responses, as the description of the API has them.
//!
//! Replies are written elsewhere, in part by hand around the bytes of events. Scenarios compare every
//! response with these.

mod requests;
mod responses;

use requests::{Edit, Frame, Frames, Moderation, ReadUpTo, Role, RoomNames, Send, Set, Signal};
use responses::{
    Changed, Cursor, Done, Error, ErrorReply, Failed, History, Id, Inbox, InboxFailed, InboxRoom,
    InboxRow, Member, Members, Message, OkReply, Online, Present, Profile, Profiles, Reaction,
    Read, Replies, Reply, Room, RoomRow, Rooms, Sanction, Sanctions, Settings, SomeProfile, Stored,
    Unread, UnreadCounts, UnreadRoom, Who,
};

use crate::server::v1::problem::ProblemDocument;

/// All of them.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    Id,
    Cursor,
    Done,
    Stored,
    Changed,
    History,
    Message,
    Reaction,
    Rooms,
    RoomRow,
    Room,
    Settings,
    Members,
    Member,
    Who,
    Present,
    Sanctions,
    Sanction,
    Read,
    Inbox,
    InboxRow,
    InboxRoom,
    InboxFailed,
    Unread,
    UnreadRoom,
    UnreadCounts,
    Failed,
    Online,
    Profiles,
    SomeProfile,
    Profile,
    Error,
    Replies,
    Reply,
    OkReply,
    ErrorReply,
    Frames,
    Frame,
    Send,
    Edit,
    Set,
    Role,
    Moderation,
    Signal,
    ReadUpTo,
    RoomNames,
    ProblemDocument,
)))]
pub(super) struct Schemas;
