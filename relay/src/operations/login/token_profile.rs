//! The profile that a token describes: its claims `name` and `picture`, written at login.
//!
//! The service that signs tokens knows its users, so what it says replaces what the profile has. One
//! question and at most one change for each login, in the background: nothing waits for it, and
//! nothing that goes wrong with it is an error of the login. The next login tries again.

use std::sync::Arc;

use chat_protocol::limits::{AVATAR_MAX, PROFILE_NAME_MAX};
use chat_protocol::visibility::{is_bidi_control, shows};
use redis::Value;
use tracing::debug;

use crate::auth::Identity;
use crate::hub::Hub;
use crate::hub::standing::Standing;
use crate::operations::context::Context;
use crate::panics::catch_panic;
use crate::upstream::commands::{self, Reader};
use crate::upstream::replies::{field, text};

/// Begins to write what the token of a new connection says, if relays are to do that.
pub(in crate::operations) fn write_in_background(context: &Context) {
    let Some(identity) = context.connection.identity() else { return };
    if context.hub.config.auth.writes_profiles() && !claimed(&identity).is_empty() {
        let hub = context.hub.clone();
        tokio::spawn(catch_panic("writing a profile", async move { write(&hub, &identity).await }));
    }
}

async fn write(hub: &Arc<Hub>, identity: &Identity) {
    let (user, room) = (&*identity.user, format!("@{}", identity.user));
    let reply = hub.upstream.call_one(commands::room(&room, Reader::User(user))).await;
    let may_act = Standing::read(&reply).and_then(|standing| standing.admits(Some(identity)));
    if may_act.is_err() {
        return;
    }
    // Without a room nothing is set yet.
    let room_now = reply.unwrap_or(Value::Nil);
    let mut settings = claimed(identity);
    settings.retain(|(name, wanted)| {
        field(&room_now, name).cloned().and_then(|value| text(value).ok()).as_ref() != Some(wanted)
    });
    if settings.is_empty() {
        return;
    }
    if let Err(error) =
        hub.upstream.call_one(commands::set_room(&room, &settings, Reader::User(user))).await
    {
        debug!(source = "upstream", ?error, "the profile of a token is not written");
    }
}

/// What the token says, as settings of the personal room. What no profile can have is left out.
fn claimed(identity: &Identity) -> Vec<(&'static str, String)> {
    let is_text = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    let name = identity.name.as_deref().filter(is_text);
    let name = name.filter(|name| name.len() <= PROFILE_NAME_MAX && shows(name));
    let name = name.filter(|name| !name.chars().any(is_bidi_control));
    let avatar = identity.picture.as_deref().filter(is_text);
    let avatar = avatar.filter(|avatar| avatar.len() <= AVATAR_MAX);
    let settings = [("name", name), ("avatar", avatar)].into_iter();
    settings.filter_map(|(field, value)| Some((field, value?.to_owned()))).collect()
}
