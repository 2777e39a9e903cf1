//! What an application answers about a session: who its user is, for how long, and within which bounds.
//!
//! The members mean what the claims of a token mean, and are checked as strictly: what was meant as a
//! bound must not be ignored.

use chat_protocol::names;
use serde_json::Value;

use crate::auth::claims::{self, ChatClaim};
use crate::auth::identity::{Identity, Proof};
use crate::auth::json;
use crate::auth::login_error::LoginError;
use crate::auth::scopes::Scopes;

/// Seconds after which the application is asked again if it does not say.
const EXPIRES_IN: u64 = 300;

/// The identity that this answer of `now`, in seconds since the Unix epoch, gives.
pub fn identity(body: &[u8], now: u64) -> Result<Identity, LoginError> {
    let mut answer = json::object(body).ok_or(LoginError::Application)?;
    let user = answer.get("user").and_then(Value::as_str);
    let user = user.filter(|user| names::is_user(user)).ok_or(LoginError::User)?.into();
    let expires_in = claims::seconds(&answer, "expires_in")?.unwrap_or(EXPIRES_IN);
    // Whoever acts as the backend brings a key or a token.
    let scopes = Scopes::of_claims(&answer)?.without_backend_unless(false);
    let (name, picture) = (claims::text(&answer, "name"), claims::text(&answer, "picture"));
    let ChatClaim { rooms, watch, meta } = ChatClaim::take(&mut answer, "chat")?;
    Ok(Identity {
        user,
        proof: Proof::Session,
        issued_at: Some(now),
        // At least a second, so that no answer asks for the next question at once.
        expires_at: Some(now.saturating_add(expires_in.max(1))),
        scopes,
        rooms,
        watch,
        meta,
        name,
        picture,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::scopes::Scope;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn an_answer_names_a_user_for_a_time() {
        let rows: &[(Value, Result<u64, LoginError>, &str)] = &[
            (json!({"user": "alice"}), Ok(300), "only a user"),
            (json!({"user": "alice", "expires_in": 60, "more": [1]}), Ok(60), "a time"),
            (json!({"user": "alice", "expires_in": 0}), Ok(1), "no time at all"),
            (json!({"user": "alice", "expires_in": 1.9}), Ok(1), "a fraction"),
            (json!({"user": "alice", "name": 7}), Ok(300), "a name that is none"),
            (json!({"user": "alice", "expires_in": -1}), Err(LoginError::Claim("expires_in")), "-"),
            (
                json!({"user": "alice", "expires_in": "60"}),
                Err(LoginError::Claim("expires_in")),
                "text",
            ),
            (
                json!({"user": "alice", "expires_in": null}),
                Err(LoginError::Claim("expires_in")),
                "null",
            ),
            (json!({}), Err(LoginError::User), "nobody"),
            (json!({"user": null}), Err(LoginError::User), "null"),
            (json!({"user": 7}), Err(LoginError::User), "a number"),
            (json!({"user": ""}), Err(LoginError::User), "an empty name"),
            (json!({"user": "*"}), Err(LoginError::User), "the backend"),
            (json!({"user": "@alice"}), Err(LoginError::User), "a personal room"),
            (json!({"user": "a b"}), Err(LoginError::User), "a space"),
            (json!({"user": "a\r\nb"}), Err(LoginError::User), "two lines"),
            (json!({"user": "x".repeat(1000)}), Err(LoginError::User), "a long name"),
            (json!({"user": "alice", "scope": 7}), Err(LoginError::Claim("scope")), "a scope"),
            (json!({"user": "alice", "chat": 7}), Err(LoginError::Claim("chat")), "no object"),
            (
                json!({"user": "alice", "chat": {"rooms": "x"}}),
                Err(LoginError::Claim("rooms")),
                "rooms",
            ),
            (json!({"user": "alice", "chat": {"dm": 1}}), Err(LoginError::Claim("dm")), "dm"),
        ];
        for (answer, expected, why) in rows {
            let found = identity(answer.to_string().as_bytes(), NOW);
            let found = found.map(|identity| identity.expires_at.unwrap_or_default() - NOW);
            assert_eq!(found, *expected, "{why}");
        }
        let bounded =
            json!({"user": "alice", "scope": "chat:read", "chat": {"rooms": ["a*"], "dm": false}});
        let bounded = identity(bounded.to_string().as_bytes(), NOW).expect("a good answer");
        assert_eq!((bounded.proof, bounded.issued_at), (Proof::Session, Some(NOW)));
        assert!(bounded.scopes.has(Scope::Read) && !bounded.scopes.has(Scope::Send));
        assert!(bounded.rooms.admits("alice", "ab") && !bounded.rooms.admits("alice", "b"));
    }

    #[test]
    fn what_is_no_object_is_no_answer() {
        let broken: &[&[u8]] = &[
            b"",
            b"alice",
            b"\"alice\"",
            b"[]",
            b"<html>",
            b"{\"user\":\"alice\"",
            b"null",
            b"{\"user\":\"alice\",\"user\":\"bob\"}",
            b"{\"user\":\"\xff\"}",
        ];
        for body in broken {
            assert_eq!(identity(body, NOW), Err(LoginError::Application), "{body:?}");
        }
    }
}
