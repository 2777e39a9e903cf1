//! The commands that a server receives, and when: MONITOR, parsed.

use crate::clients::listener::Listener;
use crate::servers::redis::Redis;

/// One command as the server received it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The server's time in milliseconds.
    pub at_ms: u64,
    /// Its words. Bytes outside of ASCII stay escaped.
    pub words: Vec<String>,
}

/// Collects all commands of a server from now on.
pub struct Monitor(Listener<Seen>);

impl Monitor {
    /// Starts; returns when the server has confirmed it.
    #[track_caller]
    pub fn of(redis: &Redis) -> Monitor {
        let mut wire = redis.wire();
        assert_eq!(wire.call(&["MONITOR"]).text(), "OK");
        Monitor(Listener::on(wire, |reply| parse(reply.text())))
    }

    /// All commands so far.
    pub fn all(&self) -> Vec<Seen> {
        self.0.all()
    }
}

/// `1795261541.320123 [0 127.0.0.1:4711] "CHAT.BEAT" "lobby" …`
fn parse(line: &str) -> Option<Seen> {
    let (time, rest) = line.split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    let at_ms = seconds.parse::<u64>().ok()? * 1000 + micros.parse::<u64>().ok()? / 1000;
    let (_, words) = rest.split_once("] \"")?;
    let words = words.trim_end_matches('"').split("\" \"").map(str::to_owned).collect();
    Some(Seen { at_ms, words })
}

/// The deadline that the last of `commands` gave a connection of `room`, by the room and the name
/// of the connection; `None`: that command ended the connection.
pub fn deadlines(commands: &[Seen]) -> std::collections::BTreeMap<(String, String), Option<u64>> {
    let mut deadlines = std::collections::BTreeMap::new();
    for Seen { at_ms, words } in commands {
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        match word(0).to_ascii_uppercase().as_str() {
            "CHAT.PRESENCE" => {
                let ttl = words.iter().position(|word| word == "TTL");
                let ttl = ttl.and_then(|at| word(at + 1).parse::<u64>().ok());
                deadlines.insert((word(1), word(3)), ttl.map(|ttl| at_ms + ttl));
            }
            "CHAT.BEAT" => {
                let ttl: u64 = word(2).parse().unwrap_or_default();
                for connection in words.iter().skip(3) {
                    deadlines.insert((word(1), connection.clone()), Some(at_ms + ttl));
                }
            }
            _ => {}
        }
    }
    deadlines
}
