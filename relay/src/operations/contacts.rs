//! `profiles`, and receiving the presence of other users' personal rooms.
//!
//! These are the only reads that are not made `AS` the user: a personal room is closed to others,
//! and the relay tells of it what `--contacts` allows: with `open` whether its user is here, never
//! any other event; with `deny` what the user has written about themselves.

use std::sync::Arc;

use super::{Answer, Context, Outcome};
use crate::client::error::Error;
use crate::client::request::Request;
use crate::config::Contacts;
use crate::hub::profile::{Detail, Profile};
use crate::names::{self, contact};
use crate::room::subscribers::PendingFlush;
use crate::room::{Attached, Joiner, Room};
use crate::upstream::replies::BoundedObject;

/// Most users that one `profiles` names.
const PROFILES: usize = 100;

/// A contact that is asked about and waits for its place.
pub(super) struct ReadyContact {
    pub(super) room: Arc<Room>,
    joiner: Joiner,
    profile: Profile,
}

/// Refuses to tell of this room's presence unless it is the user's own or contacts are open.
pub(super) fn check_contact(context: &Context, room: &str) -> Result<(), Error> {
    if context.hub.config.contacts == Contacts::Deny && contact(room, context.user()).is_some() {
        return Err(Error::with_word("DENIED", "contacts", "presence of others is not told"));
    }
    Ok(())
}

/// Everything that has to be asked before a contact can be placed.
pub(super) async fn prepare(
    context: &Context,
    room: &str,
    user: &str,
) -> Result<ReadyContact, Error> {
    check_contact(context, room)?;
    let hub = &context.hub;
    if !hub.upstream.is_up() {
        return Err(Error::unavailable());
    }
    let (room, joiner) = hub.begin_join(room, &context.connection);
    super::join::confirmed(&room).await?;
    let mut replies = hub.upstream.call(Profile::commands(user).into()).await.into_iter();
    let (Some(what), Some(who)) = (replies.next(), replies.next()) else {
        return Err(Error::unavailable());
    };
    let profile = Profile::read(what, who)?.unwrap_or_default();
    Ok(ReadyContact { room, joiner, profile })
}

/// Gives a contact its place; None: ask again.
pub(super) fn place(
    context: &Context,
    ready: &ReadyContact,
    pending_flush: &mut PendingFlush,
) -> Option<String> {
    let ReadyContact { room, joiner, profile } = ready;
    match room.attach_contact(joiner, &context.connection, profile.last, pending_flush) {
        Attached::Then(next) => context.hub.follow(room, next),
        Attached::FetchAgain | Attached::Removed => return None,
    }
    let mut members = format!(
        r#""last":"{}","events":[],"more":false,"role":null,"online":{},"status":"#,
        profile.last, profile.online
    );
    profile.write_shown(&mut members);
    members.push_str(&format!(r#","last_seen":{},"contact":true"#, profile.last_seen));
    Some(members)
}

pub(super) async fn profiles(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let users = request.fields.texts("users")?;
    if users.len() > PROFILES {
        return Err(Error::invalid("users", "at most 100"));
    }
    if !users.iter().all(|user| names::is_user(user)) {
        return Err(Error::invalid("users", "no user can have this name"));
    }
    let commands = users.iter().flat_map(|user| Profile::commands(user)).collect::<Vec<_>>();
    let mut replies = match commands.is_empty() {
        true => Vec::new().into_iter(),
        false => context.hub.upstream.call(commands).await.into_iter(),
    };
    let mut out = BoundedObject::new("profiles");
    for user in &users {
        let (Some(what), Some(who)) = (replies.next(), replies.next()) else {
            return Err(Error::unavailable());
        };
        let is_open = context.hub.config.contacts == Contacts::Open || **user == *context.user();
        let told = if is_open { Detail::Full } else { Detail::Texts };
        let profile = Profile::read(what, who)?;
        out.add(user, |out| match profile {
            Some(profile) => out.push_str(&format!("{{{}}}", profile.json(told))),
            None => out.push_str("null"),
        });
    }
    Ok(Answer::Ok(out.finish()))
}
