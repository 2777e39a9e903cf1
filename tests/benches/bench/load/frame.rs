//! The bytes of WebSocket frames, and of an event that holds the time of its sending.

use std::time::{SystemTime, UNIX_EPOCH};

/// The bytes before the time in an event.
pub(crate) const MARK: &[u8] = b"\"text\":\"";
/// Digits of a time.
const DIGITS: usize = 20;

/// A server's text frame.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x81);
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65_536 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Appends the frame of an event sent now, as long as one of the relay's.
pub(crate) fn event(out: &mut Vec<u8>) {
    let event = format!(
        "{{\"id\":\"1795225205879-58\",\"prev\":\"1795225201112-57\",\"room\":\"room-1\",\
         \"type\":\"message\",\"ts\":1795225205879,\"user\":\"sender\",\"kind\":\"text\",\
         \"text\":\"{}\",\"m\":57}}",
        timed_text()
    );
    out.extend_from_slice(&text(event.as_bytes()));
}

/// A text of 64 bytes that begins with the time.
pub(crate) fn timed_text() -> String {
    format!("{:0DIGITS$} the dog sleeps, and the lazy fox jumps over it", now())
}

/// The times of sending of the complete events in these bytes.
pub(crate) fn times(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let at = rest.windows(MARK.len()).position(|window| window == MARK)?;
        rest = &rest[at + MARK.len()..];
        std::str::from_utf8(rest.get(..DIGITS)?).ok()?.parse().ok()
    })
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    since.as_nanos() as u64
}
