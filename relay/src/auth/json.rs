//! JSON of which every reader understands the same.
//!
//! A member that is named twice means one thing to one reader and another to the next one, so it is
//! refused at every level. Nesting is bounded.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Objects and lists inside each other.
const DEPTH_MAX: usize = 16;

/// Reads an object. `None`: no JSON, no object, nested too deeply, or a member is named twice.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: DEPTH_MAX }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Reads one value that has at most `depth` levels.
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: Error>(&self) -> Result<Strict, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Strict { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        self.inside::<A::Error>()?;
        while let Some(value) = list.next_element_seed(self.inside::<A::Error>()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        self.inside::<A::Error>()?;
        while let Some(name) = object.next_key::<String>()? {
            let value = object.next_value_seed(self.inside::<A::Error>()?)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_objects_that_every_reader_understands_alike_are_read() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let rows: &[(&str, bool, &str)] = &[
            ("{}", true, "empty"),
            (r#" {"a":1,"b":[1,2.5,-1,true,null,"x"]} "#, true, "every kind of value"),
            (r#"{"a":1,"a":1}"#, false, "a member twice"),
            (r#"{"a":1,"\u0061":2}"#, false, "twice, once escaped"),
            (r#"{"b":[{"a":1,"a":1}]}"#, false, "twice further inside"),
            (&nested(DEPTH_MAX - 1), true, "as deep as may be"),
            (&nested(DEPTH_MAX), false, "too deep"),
            (&nested(5000), false, "much too deep"),
            ("[]", false, "a list"),
            ("\"x\"", false, "a string"),
            ("{} {}", false, "two objects"),
            ("{", false, "half"),
            ("{\"a\":\"\\ud800\"}", false, "half a character"),
            ("{\"a\":01}", false, "a number with a zero in front"),
            ("{\"a\":1e999}", false, "a number beyond all"),
            ("", false, "nothing"),
        ];
        for (text, good, why) in rows {
            assert_eq!(object(text.as_bytes()).is_some(), *good, "{why}: {text:.60}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none(), "not UTF-8");
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_reads(text in "[\\[\\]{}:,\"ab1 .-]{0,24}") {
            if let Some(members) = object(text.as_bytes()) {
                let plain: Value = serde_json::from_str(&text).expect("JSON");
                prop_assert_eq!(Value::Object(members), plain);
            }
        }
    }
}
