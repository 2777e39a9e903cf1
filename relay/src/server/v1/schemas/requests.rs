//! The bodies of requests.

#![allow(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::server::v1::schemas::responses::Id;

/// One request frame, or up to 32 in an array
#[derive(ToSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum Frames {
    One(Frame),
    Several(Vec<Frame>),
}

/// A request frame, with the fields of its operation
#[derive(ToSchema, Deserialize)]
pub(super) struct Frame {
    op: String,
    /// A number or a string, which comes back in the reply
    r#ref: Option<Value>,
    /// From the backend: the user as whom to act
    r#as: Option<String>,
}

/// A message to send
#[derive(ToSchema, Deserialize)]
pub(super) struct Send {
    text: String,
    /// As the header `Idempotency-Key`: a word under which it is stored once
    nonce: Option<String>,
    kind: Option<String>,
    meta: Option<BTreeMap<String, Value>>,
    reply: Option<Id>,
    mentions: Option<Vec<String>>,
    /// Published and not stored
    ephemeral: Option<bool>,
}

/// A new text
#[derive(ToSchema, Deserialize)]
pub(super) struct Edit {
    text: String,
    meta: Option<BTreeMap<String, Value>>,
}

/// Settings to change, by name: strings, numbers, true and false
#[derive(ToSchema, Deserialize)]
pub(super) struct Set(BTreeMap<String, Value>);

/// The role to give. Without it, and with the caller as the user: join
#[derive(ToSchema, Deserialize)]
pub(super) struct Role {
    role: Option<String>,
}

/// What a moderator does to a user
#[derive(ToSchema, Deserialize)]
pub(super) struct Moderation {
    /// kick, ban, unban, mute, unmute or role
    action: String,
    user: String,
    role: Option<String>,
    for_ms: Option<u64>,
    reason: Option<String>,
}

/// What is published and not stored
#[derive(ToSchema, Deserialize)]
pub(super) struct Signal {
    name: String,
    data: Option<BTreeMap<String, Value>>,
}

/// Up to where the user has read
#[derive(ToSchema, Deserialize)]
pub(super) struct ReadUpTo {
    id: Id,
}

/// Rooms, by name
#[derive(ToSchema, Deserialize)]
pub(super) struct RoomNames {
    rooms: Vec<String>,
}
