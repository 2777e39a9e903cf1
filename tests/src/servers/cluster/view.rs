//! What one node believes of its cluster (`CLUSTER NODES`).

use std::collections::BTreeSet;

/// One line: a node as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// The port that it announces.
    pub port: u16,
    /// Whether this is the node that was asked.
    pub is_myself: bool,
    /// The id of its primary; `None`: it is a primary itself.
    pub primary: Option<String>,
    /// Whether it is unreachable, perhaps, or not yet known well.
    pub is_doubtful: bool,
    /// The epoch of its claim.
    pub epoch: u64,
    /// The slots that it owns.
    pub slots: BTreeSet<u16>,
}

/// Reads the reply of `CLUSTER NODES`.
///
/// # Panics
/// If it has another form.
pub fn read(reply: &str) -> Vec<Seen> {
    reply.lines().map(line).collect()
}

/// `id ip:port@bus,hostname flags primary ping-sent pong-received epoch link slot…`
#[track_caller]
fn line(line: &str) -> Seen {
    let words: Vec<&str> = line.split(' ').collect();
    let [id, address, flags, primary, _, _, epoch, _, slots @ ..] = &words[..] else {
        panic!("no line of CLUSTER NODES: {line}");
    };
    let port = address.split('@').next().and_then(|address| address.rsplit(':').next());
    let flags: Vec<&str> = flags.split(',').collect();
    let has = |flag: &str| flags.contains(&flag);
    Seen {
        id: (*id).to_owned(),
        port: port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}")),
        is_myself: has("myself"),
        primary: (*primary != "-").then(|| (*primary).to_owned()),
        is_doubtful: ["fail", "fail?", "handshake", "noaddr"].into_iter().any(has),
        epoch: epoch.parse().unwrap_or_else(|_| panic!("{line}")),
        // In brackets: a slot that is moving.
        slots: slots.iter().filter(|range| !range.starts_with('[')).flat_map(range).collect(),
    }
}

fn range(text: &&str) -> std::ops::RangeInclusive<u16> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("no slot: {text}"));
    number(first)..=number(last)
}
