//! Texts in events. The header of an event is read by `chat_protocol::event_header`; this file adds the
//! only thing that takes a JSON parser: a text with escapes.

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
    use super::*;

    #[test]
    fn texts_are_read_with_and_without_escapes() {
        let event = br#"{"last":"20-2","room":"a","type":"signal","ts":21,"user":"al\"ice","name":"t","n":1}"#;
        let header = EventHeader::parse(event).expect("an event");
        assert_eq!(text(&header, "user").as_deref(), Some("al\"ice"));
        assert_eq!(text(&header, "name").as_deref(), Some("t"));
        assert_eq!(text(&header, "n"), None);
        assert_eq!(text(&header, "none"), None);
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
