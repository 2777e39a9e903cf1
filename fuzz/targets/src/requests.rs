//! What a relay reads over HTTP: the method, path, query and body of a request, which become a frame.

use chat_relay::fuzzing::{Request, frame_of};

/// A line with a method and a target, then the body.
pub fn requests(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let (method, target) = line.split_once(' ').unwrap_or((line, ""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(frame) = frame_of(method, path, query, body) else { return };
    assert!(frame.len() <= 6 * text.len() + 200, "{text} became {frame}");
    let Ok(request) = Request::parse(&frame) else { panic!("{text} became no request: {frame}") };
    assert_eq!(request.reference.get(), "null", "{frame}");
    // What the path says cannot be said again by the query or the body.
    let count = |name: &str| request.fields.iter().filter(|(own, _)| *own == name).count();
    assert_eq!(count("op"), 1, "{frame}");
    if request.op == "room" {
        assert!(count("set") <= 1, "{frame}");
    }
    let room = path.split('/').nth(3).filter(|_| path.starts_with("/v1/rooms/"));
    if let Some(room) = room.filter(|room| !room.contains('%')) {
        assert_eq!(request.fields.text("room").as_deref(), Ok(room), "{frame}");
        assert_eq!(count("room"), 1, "{frame}");
    }
}
