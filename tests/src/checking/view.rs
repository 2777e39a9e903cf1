//! A room's replies: pages as values, and all replies together for comparing two servers.

use serde_json::Value;

use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::cmd;

/// An event of a reply: its bytes and its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The bytes.
    pub text: String,
    /// The bytes parsed as JSON.
    pub json: Value,
}

impl Event {
    /// Parses an event.
    #[track_caller]
    pub fn read(text: &str) -> Event {
        let json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Event { text: text.to_owned(), json }
    }

    /// Its id.
    #[track_caller]
    pub fn id(&self) -> &str {
        self.json["id"].as_str().unwrap_or_else(|| panic!("no id: {}", self.text))
    }
}

/// A reply of CHAT.HISTORY or CHAT.SYNC.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Whether the cursor was known (always true for a page of history).
    pub recovered: bool,
    /// The room's newest id.
    pub newest: String,
    /// The events.
    pub events: Vec<Event>,
    /// Whether there is more.
    pub more: bool,
}

impl Answer {
    #[track_caller]
    fn read(recovered: bool, parts: &[Reply]) -> Answer {
        let [newest, events, more] = parts else { panic!("{parts:?}") };
        Answer {
            recovered,
            newest: newest.text().to_owned(),
            events: events.list().iter().map(|event| Event::read(event.text())).collect(),
            more: flag(more),
        }
    }

    /// The ids of its events.
    #[track_caller]
    pub fn ids(&self) -> Vec<&str> {
        self.events.iter().map(Event::id).collect()
    }

    /// The id of its last event.
    #[track_caller]
    pub fn newest_of_page(&self) -> String {
        self.events.last().expect("a page with events").id().to_owned()
    }

    /// The texts of its messages.
    pub fn texts(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| event.json["text"].as_str()).collect()
    }
}

/// CHAT.HISTORY with further arguments.
#[track_caller]
pub fn history(wire: &mut Wire, room: &str, more: &[&str]) -> Answer {
    let mut args = vec!["CHAT.HISTORY", room];
    args.extend_from_slice(more);
    Answer::read(true, wire.call(&args).ok().list())
}

/// CHAT.SYNC with further arguments.
#[track_caller]
pub fn sync(wire: &mut Wire, room: &str, cursor: &str, more: &[&str]) -> Answer {
    let mut args = vec!["CHAT.SYNC", room, cursor];
    args.extend_from_slice(more);
    let reply = wire.call(&args).ok();
    let (recovered, rest) = reply.list().split_first().expect("four parts");
    Answer::read(flag(recovered), rest)
}

/// All rows of a paged list (`CHAT.MEMBERS lobby`, …), a few at a time.
#[track_caller]
pub fn all_pages(wire: &mut Wire, command: &[&str], page: usize) -> Vec<Reply> {
    let mut rows = Vec::new();
    let mut cursor: Option<Reply> = None;
    loop {
        let mut args: Vec<Vec<u8>> = command.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        if let Some(cursor) = &cursor {
            args.extend([b"CURSOR".to_vec(), cursor.bytes().to_vec()]);
        }
        args.extend([b"COUNT".to_vec(), page.to_string().into_bytes()]);
        let reply = wire.call(&args).ok();
        let [next, .., list] = reply.list() else { panic!("{reply:?}") };
        rows.extend_from_slice(list.list());
        if *next == Reply::Nil {
            return rows;
        }
        assert_ne!(Some(next), cursor.as_ref(), "the cursor of {command:?} does not advance");
        cursor = Some(next.clone());
    }
}

/// All replies of the durable parts of a room, for comparing servers.
#[derive(Debug, PartialEq)]
pub struct RoomView {
    /// `TYPE`.
    pub kind: Reply,
    /// `DEBUG DIGEST-VALUE`.
    pub digest: Reply,
    /// CHAT.HISTORY, page by page.
    pub history: Vec<Reply>,
    /// CHAT.SYNC from the beginning and from the middle.
    pub sync: Vec<Reply>,
    /// CHAT.MEMBERS, page by page.
    pub members: Vec<Reply>,
    /// CHAT.ROOM_RO without the fields that presence changes.
    pub room: Vec<(String, Reply)>,
    /// CHAT.FOLLOWS of a personal room.
    pub follows: Vec<Reply>,
}

/// Reads a room.
#[track_caller]
pub fn room_view(wire: &mut Wire, room: &str) -> RoomView {
    let mut pages = Vec::new();
    let mut page = cmd!(wire, "CHAT.HISTORY", room, "COUNT", 100).ok();
    loop {
        let oldest = page.list()[1].list().first().map(|event| Event::read(event.text()));
        let more = flag(&page.list()[2]);
        pages.push(page);
        let Some(oldest) = oldest.filter(|_| more) else { break };
        page = cmd!(wire, "CHAT.HISTORY", room, "BEFORE", oldest.id(), "COUNT", 100).ok();
    }
    let mut cursors = vec!["0-0".to_owned()];
    cursors.extend(pages.iter().filter_map(|page| {
        page.list()[1].list().last().map(|event| Event::read(event.text()).id().to_owned())
    }));
    let sync = cursors.iter().map(|cursor| cmd!(wire, "CHAT.SYNC", room, cursor)).collect();
    let volatile = ["online", "connections"];
    let fields = cmd!(wire, "CHAT.ROOM_RO", room).ok();
    let fields =
        fields.list().chunks_exact(2).map(|pair| (pair[0].text().to_owned(), pair[1].clone()));
    RoomView {
        kind: cmd!(wire, "TYPE", room),
        digest: cmd!(wire, "DEBUG", "DIGEST-VALUE", room),
        history: pages,
        sync,
        members: all_pages(wire, &["CHAT.MEMBERS", room], 100),
        room: fields.filter(|(name, _)| !volatile.contains(&name.as_str())).collect(),
        follows: match room.starts_with('@') {
            true => all_pages(wire, &["CHAT.FOLLOWS", room], 100),
            false => Vec::new(),
        },
    }
}

/// Reads every key, ordered by name.
#[track_caller]
pub fn all_rooms(wire: &mut Wire) -> Vec<(String, RoomView)> {
    let mut keys = cmd!(wire, "KEYS", "*").texts();
    keys.sort_unstable();
    keys.into_iter().map(|key| (key.clone(), room_view(wire, &key))).collect()
}

/// Checks that two servers replied alike.
///
/// # Panics
/// With the first room and its first part that differ.
#[track_caller]
pub fn assert_alike(what: &str, left: &[(String, RoomView)], right: &[(String, RoomView)]) {
    let names = |rooms: &[(String, RoomView)]| rooms.iter().map(|room| room.0.clone()).collect();
    let (left_names, right_names): (Vec<String>, Vec<String>) = (names(left), names(right));
    assert_eq!(left_names, right_names, "{what}: the rooms");
    for ((room, left), (_, right)) in left.iter().zip(right) {
        let what = format!("{what}: {room}");
        assert_eq!(left.kind, right.kind, "{what}");
        assert_eq!(left.room, right.room, "{what}: CHAT.ROOM_RO");
        assert_eq!(left.members, right.members, "{what}: CHAT.MEMBERS");
        assert_eq!(left.follows, right.follows, "{what}: CHAT.FOLLOWS");
        for (left, right) in left.history.iter().zip(&right.history) {
            assert_eq!(left, right, "{what}: CHAT.HISTORY");
        }
        for (left, right) in left.sync.iter().zip(&right.sync) {
            assert_eq!(left, right, "{what}: CHAT.SYNC");
        }
        assert_eq!(left.history.len(), right.history.len(), "{what}: pages of CHAT.HISTORY");
        assert_eq!(left.digest, right.digest, "{what}: DEBUG DIGEST-VALUE");
    }
}

#[track_caller]
fn flag(reply: &Reply) -> bool {
    match reply.int() {
        0 => false,
        1 => true,
        other => panic!("neither 0 nor 1: {other}"),
    }
}
