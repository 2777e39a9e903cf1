//! What the service is asked: one JSON object.

use aws_lc_rs::digest::{SHA256, digest};
use chat_protocol::id::Id;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::auth::{Identity, Scope, Scopes};

/// What a user wants to write. Its form as JSON is the question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Question {
    /// The operation: `send`, `edit`, `signal` or `room`.
    pub(crate) op: &'static str,
    /// The room.
    pub(crate) room: String,
    /// The user.
    pub(crate) user: String,
    /// What the service may replace.
    #[serde(flatten)]
    pub(crate) words: Words,
    /// The kind of the message, or the name of the signal.
    pub(crate) kind: Option<String>,
    /// The message that it replies to.
    #[serde(serialize_with = "written")]
    pub(crate) reply: Option<Id>,
    /// Who is mentioned.
    pub(crate) mentions: Vec<String>,
    /// The nonce. Messages that are stored have one.
    pub(crate) nonce: Option<String>,
    /// What the user's credential says. `None`: there is none, or it is another's.
    pub(crate) claims: Option<Box<RawValue>>,
    /// The message that is edited.
    #[serde(serialize_with = "written", skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Id>,
    /// Whether the client may ask the same again: the nonce is its own.
    #[serde(skip)]
    pub(crate) is_repeatable: bool,
    /// Whether the message is published and not stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ephemeral: bool,
}

/// What the service may replace.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Words {
    /// The text.
    pub(crate) text: Option<String>,
    /// A JSON object: the meta of a message, the data of a signal, the texts of a room's settings.
    pub(crate) meta: Option<Box<RawValue>>,
}

impl Words {
    /// Bytes that they take, about.
    pub(super) fn bytes(&self) -> usize {
        let meta = self.meta.as_ref().map_or(0, |meta| meta.get().len());
        size_of::<Words>() + self.text.as_ref().map_or(0, String::len) + meta
    }
}

fn written<S: Serializer>(id: &Option<Id>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}

impl Question {
    /// The same question has the same digest. A newer token of the user makes no other question.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let question = Question { claims: None, ..self.clone() };
        bytes.copy_from_slice(digest(&SHA256, question.json().as_bytes()).as_ref());
        bytes
    }

    /// The body of the request.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// What a credential says, by the names that claims of tokens have.
pub(crate) fn claims(identity: &Identity) -> Option<Box<RawValue>> {
    let meta = identity.meta.as_deref().and_then(|meta| serde_json::from_str(meta).ok());
    let claims = Claims {
        sub: &identity.user,
        iat: identity.issued_at,
        exp: identity.expires_at,
        scope: scopes(identity.scopes),
        name: identity.name.as_deref(),
        picture: identity.picture.as_deref(),
        meta,
    };
    serde_json::value::to_raw_value(&claims).ok()
}

fn scopes(scopes: Scopes) -> String {
    let all = [Scope::Read, Scope::Send, Scope::Create, Scope::Moderate, Scope::Backend];
    let words = all.into_iter().zip(Scopes::WORDS).filter(|(scope, _)| scopes.has(*scope));
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Proof, RoomFilter, WatchFilter};

    fn identity() -> Identity {
        Identity {
            user: "alice".into(),
            proof: Proof::Token,
            issued_at: Some(5),
            expires_at: Some(9),
            scopes: Scopes::ALL,
            rooms: RoomFilter::EVERYTHING,
            watch: WatchFilter::default(),
            meta: Some(r#"{"plan":"free"}"#.into()),
            name: Some("Alice".into()),
            picture: None,
        }
    }

    #[test]
    fn a_question_is_one_object_and_its_digest_is_without_claims() {
        let mut question = Question {
            op: "send",
            room: "lobby".to_owned(),
            user: "alice".to_owned(),
            words: Words { text: Some("hi \"you\"".to_owned()), meta: None },
            kind: None,
            reply: Some(Id { ms: 7, n: 1 }),
            mentions: vec!["bob".to_owned()],
            nonce: Some("k".to_owned()),
            claims: None,
            id: None,
            is_repeatable: true,
            ephemeral: false,
        };
        let digest = question.digest();
        assert_eq!(
            question.json(),
            concat!(
                r#"{"op":"send","room":"lobby","user":"alice","text":"hi \"you\"","meta":null,"#,
                r#""kind":null,"reply":"7-1","mentions":["bob"],"nonce":"k","claims":null}"#
            )
        );
        question.claims = claims(&identity());
        let said = question.claims.as_ref().expect("claims").get();
        let scope = "chat:read chat:send chat:create chat:moderate";
        let expected = format!(
            r#"{{"sub":"alice","iat":5,"exp":9,"scope":"{scope}","name":"Alice","meta":{{"plan":"free"}}}}"#
        );
        assert_eq!(said, expected);
        assert_eq!(question.digest(), digest);
        question.ephemeral = true;
        assert!(question.json().ends_with(r#","ephemeral":true}"#));
        assert_ne!(question.digest(), digest);
    }
}
