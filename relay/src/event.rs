//! Texts in events. `chat_protocol::event_header` reads the header of an event; this file adds what
//! needs a JSON parser: texts with escapes.

use std::borrow::Cow;

use chat_protocol::event_header::{EventHeader, unescaped};

/// The text of a member; `None`: the event has no such member, or it is no text.
pub fn text<'a>(header: &EventHeader<'a>, name: &str) -> Option<Cow<'a, str>> {
    let value = header.raw(name)?;
    match unescaped(value) {
        Some(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        None => serde_json::from_slice(value).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chat_protocol::event_header::{Place, TYPES};
    use chat_protocol::id::Id;

    use super::*;
    use crate::client::frame;

    #[test]
    fn texts_are_read_with_and_without_escapes() {
        let event = br#"{"last":"20-2","room":"a","type":"signal","ts":21,"user":"al\"ice","name":"t","n":1}"#;
        let header = EventHeader::parse(event).expect("an event");
        assert_eq!(text(&header, "user").as_deref(), Some("al\"ice"));
        assert_eq!(text(&header, "name").as_deref(), Some("t"));
        assert_eq!(text(&header, "n"), None);
        assert_eq!(text(&header, "none"), None);
    }

    /// The files of `tests/fixtures/events/`: what the module publishes, byte for byte.
    #[test]
    fn every_event_of_the_module_is_read_and_framed_unchanged() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/events");
        let mut types = BTreeSet::new();
        for entry in std::fs::read_dir(directory).expect("the folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".json") else { continue };
            let event = std::fs::read(&path).expect("readable");
            let json: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
            let header = EventHeader::parse(&event).expect("a header");
            assert_eq!(Some(header.kind), name.split('.').next(), "{name}");
            let id = |member: &str| json[member].as_str().and_then(|id| Id::parse(id.as_bytes()));
            let place = match (id("id"), id("prev")) {
                (Some(id), Some(prev)) => Place::Durable { id, prev },
                _ => Place::Ephemeral { last: id("last") },
            };
            assert_eq!(header.place, place, "{name}");
            for member in ["user", "kind", "reason", "room"] {
                assert_eq!(text(&header, member).as_deref(), json[member].as_str(), "{name}");
            }
            assert_eq!(frame::payload(&frame::text(header.bytes())), event, "{name}");
            types.insert(header.kind.to_owned());
        }
        assert_eq!(types, BTreeSet::from(TYPES.map(str::to_owned)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_stop_the_reader(bytes in proptest::collection::vec(
            proptest::sample::select(b"{}[]\",:\\id1-typelas".to_vec()), 0..64)) {
            if let Some(header) = EventHeader::parse(&bytes) {
                let _ = text(&header, "user");
            }
        }
    }
}
