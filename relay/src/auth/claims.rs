//! From the claims of a verified token to an identity: the table of claims, row by row.
//!
//! A claim of a wrong type refuses the token: what was meant as a bound must not be ignored. Time is
//! passed in, in seconds since the Unix epoch.

use chat_protocol::names;
use serde_json::{Map, Value};

use crate::auth::guest::is_guest_name;
use crate::auth::identity::{Identity, LEEWAY, Proof};
use crate::auth::login_error::LoginError;
use crate::auth::room_filter::RoomFilter;
use crate::auth::scopes::Scopes;
use crate::auth::watch_filter::WatchFilter;

/// The largest whole number that a JSON number names exactly.
const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// What a relay requires of claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be or contain.
    pub audience: Option<String>,
    /// The claim that names the user.
    pub user_claim: String,
    /// The claim that holds what is about chat.
    pub chat_claim: String,
    /// Whether a token may be without `exp`.
    pub allow_no_exp: bool,
    /// Whether guests are let in. No token may then have their name.
    pub has_guests: bool,
    /// Whether the scope `chat:backend` counts.
    pub backend_scope: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            issuer: None,
            audience: None,
            user_claim: "sub".to_owned(),
            chat_claim: "chat".to_owned(),
            allow_no_exp: false,
            has_guests: false,
            backend_scope: false,
        }
    }
}

impl Rules {
    /// The identity that these claims give at `now`.
    pub(super) fn identity(
        &self,
        mut claims: Map<String, Value>,
        now: u64,
    ) -> Result<Identity, LoginError> {
        self.check_parties(&claims)?;
        let expires_at = seconds(&claims, "exp")?;
        let (issued_at, not_before) = (seconds(&claims, "iat")?, seconds(&claims, "nbf")?);
        match expires_at {
            None if !self.allow_no_exp => return Err(LoginError::Claim("exp")),
            Some(end) if now >= end.saturating_add(LEEWAY) => return Err(LoginError::Expired),
            _ => {}
        }
        let latest = now.saturating_add(LEEWAY);
        if [issued_at, not_before].into_iter().flatten().any(|start| start > latest) {
            return Err(LoginError::NotYet);
        }
        let user = claims.get(&self.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| names::is_user(user)).ok_or(LoginError::User)?;
        if self.has_guests && is_guest_name(user) {
            return Err(LoginError::User);
        }
        let user = user.into();
        let scopes = Scopes::of_claims(&claims)?.without_backend_unless(self.backend_scope);
        let (name, picture) = (text(&claims, "name"), text(&claims, "picture"));
        let ChatClaim { rooms, watch, meta } = ChatClaim::take(&mut claims, &self.chat_claim)?;
        let proof = Proof::Token;
        Ok(Identity {
            user,
            proof,
            issued_at,
            expires_at,
            scopes,
            rooms,
            watch,
            meta,
            name,
            picture,
        })
    }

    fn check_parties(&self, claims: &Map<String, Value>) -> Result<(), LoginError> {
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(LoginError::Issuer);
        }
        let Some(audience) = &self.audience else { return Ok(()) };
        let is_for_us = match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => {
                all.iter().all(Value::is_string) && all.iter().any(|one| one == audience)
            }
            _ => false,
        };
        if is_for_us { Ok(()) } else { Err(LoginError::Audience) }
    }
}

/// What is about chat.
pub(super) struct ChatClaim {
    pub(super) rooms: RoomFilter,
    pub(super) watch: WatchFilter,
    pub(super) meta: Option<Box<str>>,
}

impl ChatClaim {
    /// Takes the claim of this name. Without it nothing is bounded.
    pub(super) fn take(
        claims: &mut Map<String, Value>,
        name: &str,
    ) -> Result<ChatClaim, LoginError> {
        let mut chat = match claims.remove(name) {
            None => Map::new(),
            Some(Value::Object(chat)) => chat,
            Some(_) => return Err(LoginError::Claim("chat")),
        };
        Ok(ChatClaim {
            rooms: RoomFilter::of_claim(&chat)?,
            watch: WatchFilter::of_claim(chat.get("watch"))?,
            meta: chat.remove("meta").map(|meta| meta.to_string().into()),
        })
    }
}

/// A NumericDate (RFC 7519, section 2), rounded down to seconds.
pub(super) fn seconds(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<u64>, LoginError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        let fraction = value.as_f64()?;
        (0.0..=NUMBER_MAX).contains(&fraction).then_some(fraction as u64)
    });
    whole.map(Some).ok_or(LoginError::Claim(name))
}

/// A claim that only describes the user: of a wrong type it is as if absent.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<Box<str>> {
    claims.get(name)?.as_str().map(Box::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::scopes::Scope;

    const NOW: u64 = 1_800_000_000;

    /// What becomes of claims that are good but for these, at [`NOW`].
    fn with(rules: &Rules, changes: Value) -> Result<Identity, LoginError> {
        let mut claims = json!({"sub": "alice", "exp": NOW + 60});
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let mut claims = claims.as_object().expect("an object").clone();
        claims.retain(|_, value| *value != json!("absent"));
        rules.identity(claims, NOW)
    }

    #[test]
    fn times_are_checked_with_one_leeway() {
        let rows: &[(Value, Result<(), LoginError>, &str)] = &[
            (json!({}), Ok(()), "an hour to go"),
            (json!({"exp": NOW - LEEWAY + 1}), Ok(()), "the last second of the leeway"),
            (json!({"exp": NOW - LEEWAY}), Err(LoginError::Expired), "the first one after it"),
            (json!({"exp": 0}), Err(LoginError::Expired), "1970"),
            (json!({"exp": u64::MAX}), Ok(()), "the end of time"),
            (json!({"exp": (NOW + 60) as f64 + 0.5}), Ok(()), "a fraction"),
            (json!({"exp": "absent"}), Err(LoginError::Claim("exp")), "no exp"),
            (json!({"exp": null}), Err(LoginError::Claim("exp")), "null is not absent"),
            (json!({"exp": (NOW + 60).to_string()}), Err(LoginError::Claim("exp")), "a string"),
            (json!({"exp": -1}), Err(LoginError::Claim("exp")), "before 1970"),
            (json!({"exp": 1e300}), Err(LoginError::Claim("exp")), "no time at all"),
            (json!({"exp": [NOW + 60]}), Err(LoginError::Claim("exp")), "a list"),
            (json!({"nbf": NOW + LEEWAY}), Ok(()), "nbf at the end of the leeway"),
            (json!({"nbf": NOW + LEEWAY + 1}), Err(LoginError::NotYet), "nbf after it"),
            (json!({"nbf": true}), Err(LoginError::Claim("nbf")), "nbf of a wrong type"),
            (json!({"iat": NOW + LEEWAY}), Ok(()), "iat at the end of the leeway"),
            (json!({"iat": NOW + LEEWAY + 1}), Err(LoginError::NotYet), "iat after it"),
            (json!({"iat": "now"}), Err(LoginError::Claim("iat")), "iat of a wrong type"),
        ];
        for (changes, expected, why) in rows {
            assert_eq!(with(&Rules::default(), changes.clone()).map(drop), *expected, "{why}");
        }
        let lax = Rules { allow_no_exp: true, ..Rules::default() };
        assert_eq!(with(&lax, json!({"exp": "absent"})).expect("allowed").expires_at, None);
        assert_eq!(
            with(&lax, json!({"exp": 1})),
            Err(LoginError::Expired),
            "if there is one it counts"
        );
        assert_eq!(with(&lax, json!({"exp": null})), Err(LoginError::Claim("exp")));
    }

    #[test]
    fn tokens_of_others_and_for_others_are_refused() {
        let rules = Rules {
            issuer: Some("https://id.example".to_owned()),
            audience: Some("chat".to_owned()),
            ..Rules::default()
        };
        let issuer = "https://id.example";
        let rows: &[(Value, Result<(), LoginError>, &str)] = &[
            (json!({"iss": issuer, "aud": "chat"}), Ok(()), "both as wanted"),
            (json!({"iss": issuer, "aud": ["mail", "chat"]}), Ok(()), "one of several"),
            (json!({"aud": "chat"}), Err(LoginError::Issuer), "no issuer"),
            (
                json!({"iss": "https://id.example/", "aud": "chat"}),
                Err(LoginError::Issuer),
                "a slash",
            ),
            (json!({"iss": [issuer], "aud": "chat"}), Err(LoginError::Issuer), "a list of issuers"),
            (json!({"iss": issuer}), Err(LoginError::Audience), "no audience"),
            (json!({"iss": issuer, "aud": []}), Err(LoginError::Audience), "an empty list"),
            (json!({"iss": issuer, "aud": "chat mail"}), Err(LoginError::Audience), "words"),
            (json!({"iss": issuer, "aud": "Chat"}), Err(LoginError::Audience), "another case"),
            (json!({"iss": issuer, "aud": {"chat": 1}}), Err(LoginError::Audience), "an object"),
            (json!({"iss": issuer, "aud": ["chat", 7]}), Err(LoginError::Audience), "a mixed list"),
        ];
        for (changes, expected, why) in rows {
            assert_eq!(with(&rules, changes.clone()).map(drop), *expected, "{why}");
        }
        assert!(with(&Rules::default(), json!({"iss": 7, "aud": {}})).is_ok(), "if none is wanted");
    }

    #[test]
    fn the_user_has_a_name_that_users_can_have() {
        let long = "x".repeat(97);
        let rows = [
            (json!("alíce"), true, "any letters"),
            (json!("*"), false, "the backend"),
            (json!("@alice"), false, "a personal room"),
            (json!("a,b"), false, "a comma"),
            (json!("a b"), false, "a space"),
            (json!("a\u{0}b"), false, "a zero byte"),
            (json!("a\u{200b}b"), false, "an invisible character"),
            (json!(""), false, "empty"),
            (json!(long), false, "too long"),
            (json!(7), false, "a number"),
            (json!(null), false, "null"),
            (json!(["alice"]), false, "a list"),
            (json!("absent"), false, "no such claim"),
        ];
        for (user, good, why) in rows {
            let found = with(&Rules::default(), json!({ "sub": user }));
            assert_eq!(found.is_ok(), good, "{why}");
            assert!(good || found == Err(LoginError::User), "{why}");
        }
        let other = Rules { user_claim: "email".to_owned(), ..Rules::default() };
        let found = with(&other, json!({"email": "bob@example.com"})).expect("a name");
        assert_eq!(&*found.user, "bob@example.com");
        assert_eq!(with(&other, json!({})), Err(LoginError::User), "sub does not stand in");
    }

    #[test]
    fn the_scope_of_the_backend_counts_only_where_relays_are_told_so() {
        let rules = Rules { backend_scope: true, ..Rules::default() };
        let scopes = |rules: &Rules, scope: &str| {
            let identity = with(rules, json!({ "scope": scope })).expect("good");
            [Scope::Backend, Scope::Read, Scope::Send].map(|scope| identity.scopes.has(scope))
        };
        assert_eq!(scopes(&rules, "chat:backend"), [true, false, false]);
        assert_eq!(scopes(&rules, "chat:backend chat:read"), [true, true, false]);
        assert_eq!(scopes(&rules, "openid"), [false, true, true], "never by default");
        assert_eq!(scopes(&Rules::default(), "chat:backend"), [false; 3], "nor everything else");
        let watches = |rules: &Rules| {
            with(rules, json!({"scope": "chat:backend"})).expect("good").may_watch("*")
        };
        assert!(watches(&rules) && !watches(&Rules::default()), "it may watch every pattern");
        assert_eq!(scopes(&Rules::default(), "chat:backend chat:read"), [false, true, false]);
    }

    #[test]
    fn what_is_about_chat_is_one_claim() {
        let rules = Rules { chat_claim: "https://app.example/chat".to_owned(), ..Rules::default() };
        let chat = json!({
            "rooms": ["a*"], "dm": false, "watch": ["b*"], "meta": {"team": [1, null]}
        });
        let claims = json!({
            "https://app.example/chat": chat, "chat": 7, "iat": NOW, "scope": "chat:read",
            "name": "Alice", "picture": 7
        });
        let identity = with(&rules, claims).expect("good");
        assert!(identity.rooms.admits("alice", "a1") && !identity.rooms.admits("alice", "b1"));
        assert!(identity.may_watch("b1") && !identity.may_watch("a1"));
        assert_eq!(identity.meta.as_deref(), Some(r#"{"team":[1,null]}"#));
        assert_eq!((identity.name.as_deref(), identity.picture), (Some("Alice"), None));
        assert_eq!((identity.issued_at, identity.expires_at), (Some(NOW), Some(NOW + 60)));
        assert!(identity.scopes.has(Scope::Read) && !identity.scopes.has(Scope::Send));

        let plain = with(&Rules::default(), json!({})).expect("good");
        assert!(plain.rooms.is_everything() && !plain.may_watch("a"));
        assert_eq!((plain.meta, plain.issued_at), (None, None));

        let wrong = |chat: Value| with(&Rules::default(), json!({ "chat": chat }));
        assert_eq!(wrong(json!(null)), Err(LoginError::Claim("chat")));
        assert_eq!(wrong(json!([])), Err(LoginError::Claim("chat")));
        assert_eq!(wrong(json!({"watch": "*"})), Err(LoginError::Claim("watch")));
        assert_eq!(wrong(json!({"rooms": "*"})), Err(LoginError::Claim("rooms")));
        assert!(wrong(json!({"other": 1})).is_ok(), "unknown members are for later versions");
    }
}
