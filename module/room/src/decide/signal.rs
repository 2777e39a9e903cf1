//! CHAT.SIGNAL: an event nobody stores.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Context, Decision};
use crate::event::{Ephemeral, NOTICE, PROFILE};
use crate::id::Id;
use crate::json;
use crate::names::Actor;
use crate::refusal::Refusal;

/// Decides CHAT.SIGNAL. The backend may signal a room that does not exist, without making it.
///
/// Errors: `DENIED backend` for a user's `notice` or `profile`, `MUTED`, `FROZEN`, `RATELIMIT`, `INVALID
/// data`, and what reading is refused with.
pub fn decide<'a>(
    context: Context<'_, 'a>,
    user: Actor<'a>,
    name: &'a str,
    data: Option<&'a [u8]>,
    decision: &mut Decision<'a>,
) -> Result<(), Refusal> {
    let data = data.map(|data| json::object(data, "data")).transpose()?;
    if name == PROFILE {
        return Err(Refusal::Denied("backend"));
    }
    if let Actor::User(user) = user {
        if name == NOTICE {
            return Err(Refusal::Denied("backend"));
        }
        let room = context.readable(Some(user))?;
        context.may_speak(user, room.role(user))?;
    }
    context.pace(user, decision)?;
    decision.event(Ephemeral::Signal { user: user.as_str(), name, data });
    Ok(())
}

/// Decides CHAT.SIGNAL room user profile json [REF id] BY *: the backend tells the room that `user` is
/// shown in another way. Reply: whether it was told; it is not where the user is absent.
///
/// Errors: `NOROOM`, `INVALID data` for anything but name, avatar and status.
pub fn profile<'a>(
    context: Context<'_, 'a>,
    user: &'a str,
    source: Option<Id>,
    data: &'a [u8],
    decision: &mut Decision<'a>,
) -> Result<bool, Refusal> {
    let data = json::object(data, "data")?;
    let fields: Option<BTreeMap<Cow<'_, str>, String>> = serde_json::from_str(data).ok();
    let of_profiles = |fields: &BTreeMap<Cow<'_, str>, String>| {
        fields.keys().all(|field| matches!(&**field, "name" | "avatar" | "status"))
    };
    if !fields.as_ref().is_some_and(of_profiles) {
        return Err(Refusal::invalid("data", "name, avatar, status as texts, nothing else"));
    }
    let is_here = context.existing()?.presence_of(user).is_some();
    if is_here {
        decision.event(Ephemeral::Profile { user, source, data });
    }
    Ok(is_here)
}
