//! `auth`: a new token for an open connection.
//!
//! It must be the same user's. What it says replaces what the one before said: narrower bounds act at
//! once, on the rooms that the connection receives too. A wrong token ends the connection, as it
//! would have at login.

use std::sync::Arc;

use chat_protocol::error_code::ErrorCode;

use crate::auth::{Identity, LoginError};
use crate::client::error::Error;
use crate::client::reply::AuthReply;
use crate::client::request::Request;
use crate::hub::now_ms;
use crate::hub::standing::{Refusal, gate, sockets};
use crate::operations::answer::{Answer, Outcome};
use crate::operations::context::Context;
use crate::operations::{scopes, watch};
use crate::verification::note_login;

pub(in crate::operations) async fn auth(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let Some(verification) = &context.hub.verification else {
        return Err(Error::invalid(
            "token",
            match context.hub.sessions {
                Some(_) => "the relay renews sessions itself; there is no token",
                None => "this relay checks no tokens",
            },
        ));
    };
    let token = request.fields.text("token")?;
    let now = now_ms();
    let verified = verification.verify(&token, now).await.and_then(|identity| {
        let is_same = *identity.user == *context.user();
        if is_same { Ok(identity) } else { Err(LoginError::OtherUser) }
    });
    let identity = match verified {
        Ok(identity) => Arc::new(identity),
        // The token before is still good.
        Err(error) if error.is_temporary() => {
            note_login("refresh", Err(error));
            let message = "the token cannot be verified now; try again";
            return Err(Error::new(ErrorCode::Unavailable, message));
        }
        Err(error) => {
            note_login("refresh", Err(error));
            context.connection.refuse(error.close(), error.what());
            return Ok(Answer::Sent);
        }
    };
    if replace(context, &identity).await {
        return Ok(Answer::of(&AuthReply { expires_in: identity.expires_in(now) }));
    }
    Ok(Answer::Sent)
}

/// Replaces what is known of the user by what a newer credential says, if the store admits that one.
/// False: it does not, and the connection has been closed.
pub(in crate::operations) async fn replace(context: &Context, identity: &Arc<Identity>) -> bool {
    // The new token may be an older one.
    let may_act = gate::may_act_from_now(&context.hub, context.user(), Some(identity)).await;
    let accepted = match may_act {
        Ok(()) => {
            context.set_identity(identity.clone());
            sockets::check_new_token(&context.hub, &context.connection)
        }
        // An open socket goes on.
        Err(Refusal::Away) => {
            context.set_identity(identity.clone());
            sockets::doubt_token(&context.hub, &context.connection);
            Ok(())
        }
        Err(refusal) => {
            refusal.close(&context.connection);
            Err(refusal)
        }
    };
    if let Err(refusal) = accepted {
        if let Some(error) = refusal.login_error() {
            note_login("refresh", Err(error));
        }
        return false;
    }
    note_login("refresh", Ok(()));
    scopes::leave_forbidden_rooms(context);
    watch::end_forbidden(context);
    true
}
