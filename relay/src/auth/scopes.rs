//! What a token lets its bearer do: an upper bound, beneath which each room decides.

use serde_json::{Map, Value};

use crate::auth::login_error::LoginError;

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// `chat:read`: see who is where, and lists of one's own.
    Read = 1,
    /// `chat:send`: take part.
    Send = 2,
    /// `chat:create`: make ordinary rooms.
    Create = 4,
    /// `chat:moderate`: act on others and on rooms.
    Moderate = 8,
    /// `chat:backend`: over HTTP, act as the backend or as any user. On a socket it allows nothing.
    Backend = 16,
    /// `chat:read` too: receive rooms and read them. It is all that guests may do.
    View = 32,
}

/// The bits of `chat:read`.
const READ: u8 = Scope::Read as u8 | Scope::View as u8;

/// A set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

/// Words of scopes begin with this; all others are another service's.
const PREFIX: &str = "chat:";

impl Scopes {
    /// What a token without scopes for chat may do.
    pub const ALL: Scopes =
        Scopes(READ | Scope::Send as u8 | Scope::Create as u8 | Scope::Moderate as u8);

    /// What guests may do.
    pub const GUEST: Scopes = Scopes(Scope::View as u8);

    /// The words that mean something.
    pub(crate) const WORDS: [&str; 5] =
        ["chat:read", "chat:send", "chat:create", "chat:moderate", "chat:backend"];

    /// Whether the set holds this right.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// The same set; without [`Scope::Backend`] if that does not count.
    pub(super) fn without_backend_unless(self, counts: bool) -> Scopes {
        if counts { self } else { Scopes(self.0 & !(Scope::Backend as u8)) }
    }

    /// From the claim `scope`, else `scp`: words in a string or a list. Without any word `chat:…` in
    /// them the set is [`Scopes::ALL`].
    pub(super) fn of_claims(claims: &Map<String, Value>) -> Result<Scopes, LoginError> {
        for name in ["scope", "scp"] {
            let Some(claim) = claims.get(name) else { continue };
            if let Some(scopes) = Scopes::of_claim(claim).ok_or(LoginError::Claim("scope"))? {
                return Ok(scopes);
            }
        }
        Ok(Scopes::ALL)
    }

    /// `None`: a wrong type. `Some(None)`: no word is about chat.
    fn of_claim(claim: &Value) -> Option<Option<Scopes>> {
        let mut scopes = None;
        match claim {
            Value::String(text) => {
                text.split_ascii_whitespace().for_each(|word| add(&mut scopes, word))
            }
            Value::Array(words) => {
                for word in words {
                    add(&mut scopes, word.as_str()?);
                }
            }
            _ => return None,
        }
        Some(scopes)
    }
}

fn add(scopes: &mut Option<Scopes>, word: &str) {
    let name = match word.strip_prefix(PREFIX) {
        Some(name) => name,
        // A list by commas is meant as a bound too.
        None if word.contains(",chat:") => "",
        None => return,
    };
    let bits = match name {
        "read" => READ,
        "send" => Scope::Send as u8,
        "create" => Scope::Create as u8,
        "moderate" => Scope::Moderate as u8,
        "backend" => Scope::Backend as u8,
        _ => 0,
    };
    let Scopes(before) = scopes.unwrap_or(Scopes(0));
    *scopes = Some(Scopes(before | bits));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scopes_are_words_of_a_string_or_a_list() {
        let (read, send) = (READ, Scope::Send as u8);
        let rows: &[(Value, Result<Scopes, LoginError>, &str)] = &[
            (json!({}), Ok(Scopes::ALL), "no claim"),
            (json!({"scope": ""}), Ok(Scopes::ALL), "empty"),
            (json!({"scope": "openid email"}), Ok(Scopes::ALL), "others' words"),
            (json!({"scope": "openid chat:read"}), Ok(Scopes(read)), "one of ours"),
            (json!({"scope": "chat:read chat:send"}), Ok(Scopes(read | send)), "two"),
            (json!({"scope": ["chat:read", "x"]}), Ok(Scopes(read)), "a list"),
            (json!({"scp": ["chat:send"]}), Ok(Scopes(send)), "the other name"),
            (json!({"scope": "chat:read", "scp": "chat:send"}), Ok(Scopes(read)), "the first"),
            (json!({"scope": "openid", "scp": "chat:send"}), Ok(Scopes(send)), "none in the first"),
            (json!({"scope": "chat:"}), Ok(Scopes(0)), "a word of ours that means nothing"),
            (json!({"scope": "chat:backend"}), Ok(Scopes(Scope::Backend as u8)), "the backend"),
            (json!({"scope": "chat:admin"}), Ok(Scopes(0)), "an unknown right is no right"),
            (json!({"scope": "CHAT:READ"}), Ok(Scopes::ALL), "capitals are another word"),
            (json!({"scope": "chat:read,chat:send"}), Ok(Scopes(0)), "a comma does not separate"),
            (json!({"scope": "openid,chat:read"}), Ok(Scopes(0)), "nor is it no bound"),
            (json!({"scope": "openid\tchat:read"}), Ok(Scopes(read)), "a tab separates"),
            (json!({"scope": "groupchat:read"}), Ok(Scopes::ALL), "another service's"),
            (json!({"scope": 7}), Err(LoginError::Claim("scope")), "a number"),
            (json!({"scope": null}), Err(LoginError::Claim("scope")), "null"),
            (
                json!({"scope": ["chat:read", 7]}),
                Err(LoginError::Claim("scope")),
                "a list with one",
            ),
            (json!({"scope": {}}), Err(LoginError::Claim("scope")), "an object"),
        ];
        for (claims, expected, why) in rows {
            let claims = claims.as_object().expect("an object");
            assert_eq!(Scopes::of_claims(claims), *expected, "{why}");
        }
    }
}
