//! A page of CHAT.CHANGES.

use crate::clients::reply::Reply;

/// A reply of CHAT.CHANGES.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The cursor for the next page.
    pub next: String,
    /// Whether the walk begins again.
    pub anew: bool,
    /// Rooms with their newest ids; `None`: the room is gone.
    pub rooms: Vec<(String, Option<String>)>,
    /// Whether there is more.
    pub more: bool,
}

impl Changes {
    /// Reads a reply.
    #[track_caller]
    pub fn read(reply: &Reply) -> Changes {
        let [next, anew, rooms, more] = reply.list() else { panic!("{reply:?}") };
        let room = |row: &Reply| match row.list() {
            [name, Reply::Nil] => (name.text().to_owned(), None),
            [name, id] => (name.text().to_owned(), Some(id.text().to_owned())),
            row => panic!("{row:?}"),
        };
        Changes {
            next: next.text().to_owned(),
            anew: anew.int() == 1,
            rooms: rooms.list().iter().map(room).collect(),
            more: more.int() == 1,
        }
    }

    /// The names of the rooms.
    pub fn names(&self) -> Vec<&str> {
        self.rooms.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The rooms that are gone.
    pub fn gone(&self) -> Vec<&str> {
        let gone = self.rooms.iter().filter(|(_, newest)| newest.is_none());
        gone.map(|(name, _)| name.as_str()).collect()
    }
}
