//! The first frame of a connection: who the client is, and the limits that hold for it.

use crate::client::connection::Connection;
use crate::client::json;
use crate::config::Config;
use crate::room::fetch;
use crate::upstream::replies::PAGE_BYTES;

/// The frame `hello`, which a client receives before any other.
pub(super) fn hello(config: &Config, connection: &Connection) -> String {
    let mut out = String::from(r#"{"type":"hello","v":1,"relay":"#);
    json::string(&mut out, &config.name);
    out.push_str(",\"connection\":");
    json::string(&mut out, &connection.name);
    out.push_str(",\"user\":");
    json::string(&mut out, &connection.user);
    let (ping_ms, grace_ms) = (config.ping.as_millis(), config.grace.as_millis());
    out.push_str(&format!(
        r#","ping_ms":{ping_ms},"grace_ms":{grace_ms},"limits":{{"frame":{},"rooms":{},"operations_per_second":{},"frames_per_second":{},"bytes_per_second":{},"page_events":{},"page_bytes":{PAGE_BYTES},"nonce_window_ms":{}}}"#,
        config.max_frame,
        config.max_rooms,
        config.operations_per_second,
        config.frames_per_second,
        config.bytes_per_second,
        fetch::PAGE_EVENTS,
        config.nonce_window.as_millis(),
    ));
    if !config.auto_join.is_empty() {
        out.push_str(",\"joined\":[");
        for (index, room) in config.auto_join.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::string(&mut out, room);
        }
        out.push(']');
    }
    out.push('}');
    out
}
