//! `profiles`: other users' names, avatars and presence, and whether presence of contacts is
//! allowed.
//!
//! These are the only reads that are not made `AS` the user: a personal room is closed to other
//! users. `--contacts` decides what the relay shows of it: with `open` the presence of its user,
//! with `deny` only the texts that the user has set. No other event of it is ever shown.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;
use chat_protocol::names;

use crate::client::bounded_object::BoundedObject;
use crate::client::error::Error;
use crate::client::request::Request;
use crate::config::Contacts;
use crate::contact::contact;
use crate::hub::profiles::profile::{Detail, Profile};
use crate::operations::answer::{Answer, Outcome, Refused};
use crate::operations::context::Context;
use crate::operations::scopes;
use crate::upstream::all_unavailable;

/// The most users in one `profiles`.
const PROFILES: usize = 100;

/// Refuses the presence of this room unless it is the user's own or contacts are open.
pub(super) fn check_contact(context: &Context, room: &str) -> Result<(), Error> {
    let is_other = contact(room, context.user()).is_some() && !context.caller.is_backend();
    if is_other && context.hub.config.contacts == Contacts::Deny {
        return Err(Error::with_word(
            ErrorCode::Denied,
            "contacts",
            "presence of others is not told",
        ));
    }
    Ok(())
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
    if let Some(away) = all_unavailable(replies.as_slice()) {
        return Err(away.into());
    }
    let mut out = BoundedObject::new("profiles");
    for user in &users {
        let (Some(what), Some(who)) = (replies.next(), replies.next()) else {
            return Err(Error::unavailable());
        };
        let is_open = context.caller.is_backend()
            || **user == *context.user()
            || (context.hub.config.contacts == Contacts::Open
                && scopes::admits(context, &format!("@{user}")));
        let detail = if is_open { Detail::Full } else { Detail::Texts };
        match Profile::read(what, who) {
            Ok(profile) => {
                out.add(user, &profile.as_ref().map(|profile| profile.view(detail)));
            }
            Err(error) if error.is(ErrorCode::Unavailable) => {
                out.add(user, &Refused { error: &error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Answer::Ok(out.finish()))
}
