//! What a request `send` asks for: read once, borrowed as long as the send does not have to wait.

use std::borrow::Cow;
use std::time::Instant;

use chat_protocol::id::Id;
use chat_protocol::names::RoomKind;
use serde_json::value::RawValue;
use tracing::Span;

use crate::client::error::Error;
use crate::client::relay_frame::RelayFrame;
use crate::client::request::{Fields, Request};
use crate::config::Offline;
use crate::hub::now_ms;
use crate::operations::context::Context;
use crate::operations::messages::judged;
use crate::operations::messages::judgement::Judgement;
use crate::operations::messages::send_queue::PendingSend;
use crate::send_hook::{Question, Words};
use crate::upstream::Command;
use crate::upstream::commands::{self, Message};

/// What a request wants to have sent.
pub(super) struct Written<'r> {
    pub(super) room: Cow<'r, str>,
    text: Cow<'r, str>,
    /// The client's, or a random one.
    nonce: Cow<'r, str>,
    kind: Option<Cow<'r, str>>,
    meta: Option<&'r RawValue>,
    reply: Option<Id>,
    pub(super) mentions: Vec<String>,
    pub(super) is_stored: bool,
    /// The room is neither a direct nor a personal one.
    pub(super) is_ordinary: bool,
}

impl<'r> Written<'r> {
    /// Errors: `INVALID` with the field's name.
    pub(super) fn read(fields: &Fields<'r>) -> Result<Written<'r>, Error> {
        let is_stored = !fields.flag("ephemeral")?;
        let (room, is_ordinary) = fields.room_and_kind(|kind| kind == RoomKind::Ordinary)?;
        let text = fields.text("text")?;
        let nonce = match fields.optional_text("nonce")? {
            Some(nonce) => nonce,
            None => Cow::Owned(format!("{:032x}", rand::random::<u128>())),
        };
        let (kind, meta) = (fields.optional_text("kind")?, fields.object("meta")?);
        let (reply, mentions) = (fields.id("reply")?, fields.texts("mentions")?);
        Ok(Written { room, text, nonce, kind, meta, reply, mentions, is_stored, is_ordinary })
    }

    /// The command that sends it.
    pub(super) fn command(&self, user: &str) -> Command {
        commands::send(&Message {
            room: &self.room,
            user,
            text: &self.text,
            nonce: self.is_stored.then_some(&*self.nonce),
            kind: self.kind.as_deref(),
            meta: self.meta.map(RawValue::get),
            reply: self.reply,
            mentions: &self.mentions,
        })
    }

    /// The send as it may have to wait.
    pub(super) fn pending(self, context: &Context, request: &Request<'_>) -> PendingSend {
        let command = self.command(context.user());
        let Written { room, text, nonce, kind, meta, reply, mentions, is_stored, .. } = self;
        let judged = judged::hook(context).map(|_| {
            let words =
                Words { text: Some(text.clone().into_owned()), meta: meta.map(RawValue::to_owned) };
            Judgement::new(Question {
                kind: kind.as_deref().map(str::to_owned),
                reply,
                mentions: mentions.clone(),
                nonce: is_stored.then(|| nonce.clone().into_owned()),
                is_repeatable: is_stored && request.fields.has("nonce"),
                ephemeral: !is_stored,
                ..judged::question(context, "send", &room, words)
            })
        });
        // Nobody is shown what may have to be judged first, or what passes for a message of the backend
        // until the store refuses it.
        let is_shown = context.hub.config.offline == Offline::Local
            && judged.is_none()
            && kind.as_deref() != Some("system");
        let local_frame = is_shown.then(|| {
            let local_frame = RelayFrame::Message {
                room: &room,
                ts: now_ms(),
                user: context.user(),
                kind: kind.as_deref().unwrap_or("text"),
                text: &text,
                meta,
                reply,
                nonce: &nonce,
                local: true,
            };
            local_frame.encode()
        });
        // Half the window, so that all submissions fall into one window.
        let until = Instant::now() + context.hub.config.nonce_window / 2;
        PendingSend {
            reference: request.reference.to_owned(),
            room: room.into_owned(),
            command,
            judged,
            mentions,
            nonce: nonce.into_owned(),
            begun: request.begun,
            span: Span::none(),
            until,
            local_frame,
        }
    }
}
