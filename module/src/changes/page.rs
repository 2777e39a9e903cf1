//! A page of changed rooms, for a reader.

use chat_protocol::id::Id;
use chat_room::IdText;

use super::filter::Filter;
use crate::index::{self, ChangePage, Changed, Since};
use crate::redis::Call;
use crate::stored_room::{RoomKey, StoredRoom};

/// What a reader asks for.
pub(crate) struct Request {
    pub(crate) database: i32,
    /// The most rooms examined.
    pub(crate) count: usize,
    pub(crate) filter: Filter,
}

impl Request {
    /// The rooms that changed after `since`, without those that the reader does not want.
    pub(crate) fn page(&self, since: Since) -> ChangePage {
        let mut page = index::with(|index| index.changes(self.database, since, self.count));
        page.rooms.retain(|room| self.filter.takes(&room.name));
        page
    }
}

/// Replies with a page.
pub(crate) fn reply(call: &Call<'_>, page: &ChangePage) {
    call.reply_array(4);
    call.reply_text(&page.next.to_string());
    call.reply_number(u64::from(page.anew));
    call.reply_array(page.rooms.len());
    for room in &page.rooms {
        call.reply_array(2);
        call.reply_bytes(&room.name);
        match newest(call, room) {
            Some(id) => call.reply_bytes(IdText::of(id).as_bytes()),
            None => call.reply_nil(),
        }
    }
    call.reply_number(u64::from(page.more));
}

/// The newest id of a room; `None`: it is gone.
fn newest(call: &Call<'_>, room: &Changed) -> Option<Id> {
    let number = room.number?;
    let key = RoomKey::open_named(call, &room.name).ok();
    let same = |stored: &&StoredRoom| stored.has_number(number);
    key.as_ref().and_then(RoomKey::value).filter(same).map(|stored| stored.room.last())
}
