//! Parsing clients' requests.
//!
//! A request is read member by member, with the values unparsed: so `ref`, `meta` and `data` keep
//! their bytes, and a value of a wrong type is answered by the name of its field. Unknown members
//! are ignored. Nothing here knows what an operation does.

use std::borrow::Cow;
use std::time::Instant;

use chat_protocol::id::Id;
use chat_protocol::names::{self, RoomKind};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::json;

/// The longest `ref`, in bytes as written.
const REF_MAX: usize = 256;

/// The most entries of a list in a request.
const ENTRIES_MAX: usize = 1000;

/// One parsed request.
#[derive(Debug)]
pub struct Request<'a> {
    /// `ref` as it was written, or `null`.
    pub reference: &'a RawValue,
    /// The operation's name.
    pub op: Cow<'a, str>,
    /// All its members.
    pub fields: Fields<'a>,
    /// When it was parsed.
    pub begun: Instant,
}

impl<'a> Request<'a> {
    /// Parses one text message. An error has the `ref` to answer to.
    pub fn parse(text: &'a str) -> Result<Request<'a>, (&'a RawValue, Error)> {
        Request::arrived(text, Instant::now())
    }

    /// As [`Request::parse`], of a text that arrived then.
    pub(crate) fn arrived(
        text: &'a str,
        begun: Instant,
    ) -> Result<Request<'a>, (&'a RawValue, Error)> {
        let fields: Fields<'a> = serde_json::from_str(text)
            .map_err(|_| (RawValue::NULL, Error::invalid("json", "not a JSON object")))?;
        let reference = match fields.value("ref") {
            None => RawValue::NULL,
            Some(value) if is_reference(value.get()) => value,
            Some(_) => {
                let error = Error::invalid("ref", "a number or a string of up to 256 bytes");
                return Err((RawValue::NULL, error));
            }
        };
        let op = fields.text("op").map_err(|error| (reference, error))?;
        Ok(Request { reference, op, fields, begun })
    }
}

fn is_reference(raw: &str) -> bool {
    let starts_well =
        raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
    // It is returned as it is, so it must be valid for strict readers too: no lone surrogate, no
    // number beyond a double.
    let is_text = raw.starts_with('"') && !raw.contains('\\');
    let is_plain = is_text || raw.bytes().all(|byte| byte.is_ascii_digit());
    let is_strict = || serde_json::from_str::<serde_json::Value>(raw).is_ok();
    starts_well && raw.len() <= REF_MAX && (is_plain || is_strict())
}

/// The members of a request, values unparsed.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The members of an object. Empty if it is no object.
    pub fn of(bytes: &'a [u8]) -> Fields<'a> {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// Whether there is a member of this name, `null` included.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A member as it is written; `null` counts as absent.
    pub fn value(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == name)?;
        Some(*value).filter(|value| value.get() != "null")
    }

    /// The text of [`Fields::value`].
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.value(name).map(RawValue::get)
    }

    /// A required string.
    pub fn text(&self, name: &'static str) -> Result<Cow<'a, str>, Error> {
        self.optional_text(name)?.ok_or_else(|| Error::invalid(name, "this field is needed"))
    }

    /// An optional string.
    pub fn optional_text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Error> {
        let wrong = |_| Error::invalid(name, "not a string");
        self.raw(name).map(|raw| json::text(raw).map_err(wrong)).transpose()
    }

    /// The required name of a room.
    pub fn room(&self) -> Result<Cow<'a, str>, Error> {
        Ok(self.room_and_kind(|_| ())?.0)
    }

    /// As [`Fields::room`], with what `look` says of the room's kind.
    pub(crate) fn room_and_kind<T>(
        &self,
        look: impl FnOnce(RoomKind<'_>) -> T,
    ) -> Result<(Cow<'a, str>, T), Error> {
        let room = self.text("room")?;
        let seen = check_room(&room).map(look)?;
        Ok((room, seen))
    }

    /// A required list of rooms.
    pub fn rooms(&self) -> Result<Vec<String>, Error> {
        let raw =
            self.raw("rooms").ok_or_else(|| Error::invalid("rooms", "this field is needed"))?;
        let rooms: Vec<String> = serde_json::from_str(raw)
            .map_err(|_| Error::invalid("rooms", "not a list of strings"))?;
        check_entries("rooms", &rooms)?;
        rooms.iter().try_for_each(|room| check_room(room).map(drop))?;
        Ok(rooms)
    }

    /// A list of strings; absent means empty.
    pub fn texts(&self, name: &'static str) -> Result<Vec<String>, Error> {
        let wrong = |_| Error::invalid(name, "not a list of strings");
        let texts: Vec<String> = self
            .raw(name)
            .map_or(Ok(Vec::new()), |raw| serde_json::from_str(raw).map_err(wrong))?;
        check_entries(name, &texts)?;
        Ok(texts)
    }

    /// An optional id.
    pub fn id(&self, name: &'static str) -> Result<Option<Id>, Error> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        Id::parse(text.as_bytes()).map(Some).ok_or_else(|| Error::invalid(name, "not an id"))
    }

    /// A required id.
    pub fn needed_id(&self, name: &'static str) -> Result<Id, Error> {
        self.id(name)?.ok_or_else(|| Error::invalid(name, "this field is needed"))
    }

    /// An optional whole number.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, Error> {
        let wrong = |_| Error::invalid(name, "not a whole number");
        self.raw(name).map(|raw| serde_json::from_str(raw).map_err(wrong)).transpose()
    }

    /// `true` or `false`; absent means false.
    pub fn flag(&self, name: &'static str) -> Result<bool, Error> {
        match self.raw(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(name, "not true or false")),
        }
    }

    /// An optional JSON object as it is written. The module checks its contents.
    pub fn object(&self, name: &'static str) -> Result<Option<&'a RawValue>, Error> {
        match self.value(name) {
            Some(value) if !value.get().starts_with('{') => {
                Err(Error::invalid(name, "not an object"))
            }
            other => Ok(other),
        }
    }

    /// The members of an optional object.
    pub fn members(&self, name: &'static str) -> Result<Option<Fields<'a>>, Error> {
        let wrong = |_| Error::invalid(name, "not an object");
        self.object(name)?.map(|raw| serde_json::from_str(raw.get()).map_err(wrong)).transpose()
    }

    /// The number of entries of a list or object, or more: cheap, and good enough for a limit.
    pub fn entries(&self, name: &str) -> usize {
        self.raw(name).map_or(0, |raw| 1 + raw.bytes().filter(|&byte| byte == b',').count())
    }

    /// All members in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.get()))
    }
}

fn check_entries(name: &'static str, entries: &[String]) -> Result<(), Error> {
    match entries.len() {
        0..=ENTRIES_MAX => Ok(()),
        _ => Err(Error::invalid(name, "more than 1000 entries")),
    }
}

fn check_room(room: &str) -> Result<RoomKind<'_>, Error> {
    names::room_kind(room).ok_or_else(|| Error::invalid("room", "no room can have this name"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // As many as most requests have.
                let mut members = Vec::with_capacity(8);
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    members.push((name.0, map.next_value::<&'de RawValue>()?));
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member's name, borrowed if it has no escapes (serde's `Cow` always owns here).
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_comes_back_as_written() {
        for reference in ["1", "-2.50e+3", "\"a\\u0062\"", "123456789012345678901234567890"] {
            let text = format!(r#"{{"ref": {reference} , "op":"ping"}}"#);
            let request = Request::parse(&text).expect("a request");
            assert_eq!(request.reference.get(), reference);
        }
        assert_eq!(Request::parse(r#"{"op":"ping"}"#).expect("a request").reference.get(), "null");
    }

    #[test]
    fn wrong_requests_are_answered_by_the_name_of_the_field() {
        let rows: &[(&str, &str, &str)] = &[
            ("hello", "null", "json"),
            ("[1]", "null", "json"),
            (r#"{"ref":1,"op":"ping""#, "null", "json"),
            (r#"{"ref":[1],"op":"ping"}"#, "null", "ref"),
            (r#"{"ref":true,"op":"ping"}"#, "null", "ref"),
            (r#"{"ref":"\ud800","op":"ping"}"#, "null", "ref"),
            (r#"{"ref":1e999,"op":"ping"}"#, "null", "ref"),
            (r#"{"ref":7}"#, "7", "op"),
            (r#"{"ref":7,"op":3}"#, "7", "op"),
            (r#"{"ref":7,"op":"\ud800"}"#, "7", "op"),
        ];
        for (text, reference, what) in rows {
            let (got, error) = Request::parse(text).expect_err(text);
            assert_eq!(got.get(), *reference, "{text}");
            assert_eq!(error, Error::invalid(*what, "").with(error.message.clone()), "{text}");
        }
    }

    impl Error {
        fn with(mut self, message: Cow<'static, str>) -> Error {
            self.message = message;
            self
        }
    }

    #[test]
    fn fields_are_typed_strictly() {
        let text = r#"{"op":"x","room":"a\u0062","n":5,"neg":-1,"f":1.5,"yes":true,"o":{"a": [1, 2]},"l":["x"],"none":null,"rooms":["@"]}"#;
        let fields = Request::parse(text).expect("a request").fields;
        assert_eq!(fields.room().expect("a room"), "ab");
        assert_eq!(fields.number("n"), Ok(Some(5)));
        assert!(fields.number("neg").is_err() && fields.number("f").is_err());
        assert_eq!(fields.flag("yes"), Ok(true));
        assert!(fields.flag("n").is_err());
        let object = fields.object("o").expect("an object").map(RawValue::get);
        assert_eq!(object, Some(r#"{"a": [1, 2]}"#), "bytes unchanged");
        assert!(fields.object("l").is_err());
        assert_eq!(fields.texts("l"), Ok(vec!["x".to_owned()]));
        assert!(fields.texts("o").is_err());
        assert_eq!(fields.optional_text("none"), Ok(None));
        assert!(fields.text("none").is_err() && fields.text("n").is_err());
        assert!(fields.rooms().is_err(), "a name that no room can have");
        for (count, is_fine) in [(1000, true), (1001, false)] {
            let list = serde_json::to_string(&vec!["x"; count]).expect("JSON");
            let text = format!(r#"{{"op":"x","rooms":{list},"users":{list}}}"#);
            let fields = Request::parse(&text).expect("a request").fields;
            assert_eq!((fields.rooms().is_ok(), fields.texts("users").is_ok()), (is_fine, is_fine));
        }
    }
}
