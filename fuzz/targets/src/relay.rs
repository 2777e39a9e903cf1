//! What a relay reads: frames of clients, requests in them, the replies of Redis, and the events of
//! rooms.

use bytes::BufMut;
use chat_protocol::event_header::EventHeader;
use chat_protocol::names::{is_user, room_kind};
use chat_relay::fuzzing::{
    self, Fields, Found, FrameReader, ReadError, ReplyReader, Request, Step, event_text,
};

/// The longest message of the reader under test.
const MOST: usize = 4096;

/// Bytes of a socket: the first says in how large pieces the others come.
pub fn frames(bytes: &[u8]) {
    let Some((piece, mut rest)) = bytes.split_first() else { return };
    let (piece, all) = (usize::from(*piece).max(1), rest.len());
    let mut reader = FrameReader::new(MOST, &[]);
    let mut steps = 0;
    loop {
        let step = reader.step(|space| {
            let length = rest.len().min(piece).min(space.len());
            let (now, later) = rest.split_at(length);
            space[..length].copy_from_slice(now);
            rest = later;
            Ok(length)
        });
        steps += 1;
        assert!(steps <= 2 * all + 2, "each step takes a frame or reads");
        match step {
            Ok(Step { found: Found::End, .. }) => return,
            Ok(Step { found: Found::Text(text), .. }) => {
                assert!(text.len() <= MOST);
                request(&text);
            }
            Ok(Step { found: Found::Ping(payload) | Found::Close(payload), .. }) => {
                assert!(payload.len() <= 125);
            }
            Ok(_) => {}
            Err(ReadError::Close(close)) => return assert!((4000..5000).contains(&close.number)),
            Err(ReadError::Socket(error)) => panic!("{error}"),
        }
    }
}

/// One text message.
pub fn protocol(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        request(text);
    }
}

fn request(text: &str) {
    let strict = |reply: &str| {
        assert!(serde_json::from_str::<serde_json::Value>(reply).is_ok(), "no JSON: {reply}");
    };
    match Request::parse(text) {
        Ok(request) => {
            strict(&fuzzing::ok(request.reference, "{}"));
            fields(&request.fields);
            strict(&fuzzing::write(&*request.op));
        }
        Err((reference, error)) => strict(&fuzzing::error(reference, &error)),
    }
}

fn fields(fields: &Fields<'_>) {
    for name in ["room", "text", "cursor"] {
        if let Ok(Some(text)) = fields.optional_text(name) {
            let (kind, is_user) = (room_kind(&text), is_user(&text));
            assert!(text.len() <= 200 || kind.is_none() && !is_user);
        }
    }
    if let Ok(room) = fields.room() {
        assert!(room_kind(&room).is_some());
    }
    if let Ok(rooms) = fields.rooms() {
        assert!(rooms.len() <= fields.entries("rooms"), "a limit counts at least what is there");
    }
    let _ = (fields.texts("users"), fields.id("id"), fields.number("count"), fields.flag("remove"));
    if let Ok(Some(inner)) = fields.members("set") {
        inner.iter().for_each(|(_, value)| drop(fuzzing::text(value)));
    }
}

/// The bytes of an event as they come on a channel.
pub fn events(bytes: &[u8]) {
    let Some(head) = EventHeader::parse(bytes) else { return };
    assert_eq!(head.bytes(), bytes);
    for name in ["user", "room", "ref", "reason", "data", "status", "text"] {
        if let Some(raw) = head.raw(name) {
            assert!(raw.len() < bytes.len());
        }
        let _ = event_text(&head, name);
    }
}

/// Bytes of a server: the first says in how large pieces the others come. What is found does not
/// depend on the pieces.
pub fn replies(bytes: &[u8]) {
    let Some((piece, rest)) = bytes.split_first() else { return };
    let whole = items([rest]);
    assert_eq!(items(rest.chunks(usize::from(*piece).max(1))), whole);
    for item in whole {
        assert!(item.len() <= 100 * rest.len() + 100, "what is read is no larger than what came");
    }
}

/// What these pieces hold, and the error that ends them.
fn items<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut reader, mut found) = (ReplyReader::default(), Vec::new());
    for piece in pieces {
        reader.space().put_slice(piece);
        loop {
            match reader.next_item() {
                Ok(None) => break,
                Ok(Some(item)) => found.push(format!("{item:?}")),
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }
    found
}
