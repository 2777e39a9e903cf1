//! A user's profile, read from the personal room.
//!
//! It is read as the backend, because personal rooms are closed to other users. The caller decides
//! which details each user receives. A user without a personal room has no profile.

use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use redis::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::client::error::Error;
use crate::upstream::commands::{self, Reader, Rows};
use crate::upstream::replies::{Elements, field, integer, text};
use crate::upstream::{Command, CommandError, Reply};

/// The profile of one user.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// The newest id of the personal room.
    pub last: Id,
    /// 1 while the user is online.
    pub online: i64,
    /// Milliseconds since the epoch: when the user came online, or, while offline, when the user
    /// last went offline. 0: never online.
    pub last_seen: i64,
    /// The status shown to others. None: offline.
    pub shown: Option<String>,
    /// Those of `name`, `avatar` and `status` that are set.
    texts: Vec<(&'static str, String)>,
}

/// Which details of a profile are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All details.
    Full,
    /// The texts that the user has set, without presence.
    Texts,
}

impl Profile {
    /// The commands whose replies [`Profile::read`] takes.
    pub(crate) fn commands(user: &str) -> [Command; 2] {
        let room = format!("@{user}");
        let one = Rows { cursor: None, count: Some(1) };
        [commands::room(&room, Reader::Backend), commands::who(&room, one, Reader::Backend)]
    }

    /// Reads the replies. None: the user has no personal room.
    pub(crate) fn read(what: Reply, who: Reply) -> Result<Option<Profile>, Error> {
        let what = match what {
            Ok(what) => what,
            Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let number = |name| field(&what, name).and_then(|n| integer(n).ok()).unwrap_or(0);
        let word = |name: &&'static str| {
            let value = text(field(&what, name)?.clone()).ok()?;
            (!value.is_empty()).then_some((*name, value))
        };
        let last =
            field(&what, "last").and_then(|last| crate::upstream::replies::id(last.clone()).ok());
        Ok(Some(Profile {
            last: last.unwrap_or(Id::ZERO),
            online: number("online"),
            last_seen: number("last_seen"),
            shown: who.ok().and_then(shown),
            texts: ["name", "avatar", "status"].iter().filter_map(word).collect(),
        }))
    }

    /// What of the profile others are shown.
    pub(crate) fn view(&self, detail: Detail) -> ProfileView<'_> {
        ProfileView { profile: self, detail }
    }
}

/// A profile as JSON.
pub(crate) struct ProfileView<'a> {
    profile: &'a Profile,
    detail: Detail,
}

impl Serialize for ProfileView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in &self.profile.texts {
            members.serialize_entry(name, value)?;
        }
        if self.detail == Detail::Full {
            members.serialize_entry("online", &self.profile.online)?;
            members.serialize_entry("last_seen", &self.profile.last_seen)?;
            members.serialize_entry("shown", &self.profile.shown)?;
        }
        members.end()
    }
}

/// The status of the first row of `CHAT.WHO`.
fn shown(who: Value) -> Option<String> {
    let mut who = Elements::of(who).ok()?;
    let (_cursor, _users, _connections) = (who.any().ok()?, who.any().ok()?, who.any().ok()?);
    let mut row = Elements::of(who.list().ok()?.next()?).ok()?;
    let _user = row.any().ok()?;
    Some(row.text().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::json;
    use crate::upstream::Unavailable;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_profile_leaves_out_what_is_not_set() {
        let what = Value::Map(vec![
            (bulk("last"), bulk("5-1")),
            (bulk("online"), Value::Int(1)),
            (bulk("name"), bulk("Bob \"B\"")),
            (bulk("avatar"), bulk("")),
        ]);
        let row = Value::Array(vec![bulk("bob"), bulk("away"), Value::Int(2), Value::Int(9)]);
        let who =
            Value::Array(vec![Value::Nil, Value::Int(1), Value::Int(2), Value::Array(vec![row])]);
        let profile = Profile::read(Ok(what), Ok(who)).expect("a reply").expect("a room");
        assert_eq!(profile.last, Id { ms: 5, n: 1 });
        let texts = r#""name":"Bob \"B\"""#;
        assert_eq!(json::write(&profile.view(Detail::Texts)), format!("{{{texts}}}"));
        let all = r#""name":"Bob \"B\"","online":1,"last_seen":0,"shown":"away""#;
        assert_eq!(json::write(&profile.view(Detail::Full)), format!("{{{all}}}"));
    }

    #[test]
    fn a_user_without_a_personal_room_has_no_profile() {
        let refused = || Err(CommandError::Refused(Error::new(ErrorCode::NoRoom, "")));
        assert!(Profile::read(refused(), refused()).expect("an answer").is_none());
        assert!(Profile::read(Err(Unavailable::NotServing.into()), refused()).is_err());
    }
}
