//! What Redis tells us: keys come and go under other names, the server loads, flushes, is promoted.

use chat_room::Id;
use chat_room::names::RoomName;

use crate::redis::{Call, Flags, monotonic_ms, now_ms};
use crate::state;
use crate::{commands, config};

/// An event of the server that concerns the index.
pub(crate) enum ServerEvent {
    /// This server is a primary now.
    Promoted,
    /// Loading has ended.
    Loaded,
    /// A database is being emptied; `None`: all of them.
    Flushed { database: Option<i32> },
    /// Two databases change places.
    Swapped { first: i32, second: i32 },
}

/// Handles a server event. Never writes: only the timer does.
pub(crate) fn on_server(event: ServerEvent) {
    let (now, monotonic) = (now_ms(), monotonic_ms());
    state::with(|state| match event {
        ServerEvent::Promoted => {
            state.clock.promote(now);
            state.quiet_until = monotonic + config::presence_grace();
        }
        ServerEvent::Loaded => {
            state.clock.start(now);
            state.quiet_until = monotonic + config::presence_grace();
        }
        ServerEvent::Flushed { database } => {
            let gone = state.index.clear(database).into_iter().map(|(database, name)| {
                state::Gone { database, name, last: Id::ZERO, reason: "deleted" }
            });
            state.gone.extend(gone);
        }
        ServerEvent::Swapped { first, second } => state.index.swap(first, second),
    });
}

/// Handles a key event: a room that came under a new name is filed, one that is gone is told.
pub(crate) fn on_key(call: &Call<'_>, event: &[u8], key: &[u8]) {
    match event {
        b"rename_to" | b"copy_to" | b"move_to" | b"restore" => commands::file_named(call, key),
        b"del" => tell(call, key, "deleted"),
        b"expired" => tell(call, key, "expired"),
        b"evicted" => tell(call, key, "evicted"),
        b"rename_from" | b"move_from" => tell(call, key, "renamed"),
        _ => {}
    }
}

/// Tells of one room that went without an event of its key: it was overwritten, or everything was
/// flushed. False: there is none.
pub(crate) fn tell_one(call: &Call<'_>) -> bool {
    let gone = state::with(|state| state.gone.pop_front());
    if let Some(gone) = &gone {
        publish_drop(call, gone, gone.reason);
    }
    gone.is_some()
}

fn tell(call: &Call<'_>, key: &[u8], reason: &str) {
    let database = call.database();
    let gone = state::with(|state| {
        let this = |gone: &state::Gone| gone.database == database && *gone.name == *key;
        // It was removed just before this event, so it is among the last.
        let at = state.gone.iter().rposition(this)?;
        state.gone.remove(at)
    });
    if let Some(gone) = gone {
        publish_drop(call, &gone, reason);
    }
}

fn publish_drop(call: &Call<'_>, gone: &state::Gone, reason: &str) {
    if !Flags::of(call).is_primary() {
        return;
    }
    if let Ok(name) = RoomName::parse(&gone.name) {
        let event = chat_room::dropped(name.as_str(), gone.last, now_ms(), reason);
        commands::publish(call, &call.make_name(&gone.name), &event);
    }
}
