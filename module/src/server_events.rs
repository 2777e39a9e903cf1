//! What Redis tells us: keys come and go under other names, the server loads, flushes, is promoted.

use chat_protocol::names::RoomName;
use chat_room::Replication;

use crate::dropped::Gone;
use crate::index::Position;
use crate::redis::{Call, Flags, ServerEvent, now_ms, random_number};
use crate::room_type::StoredRoom;
use crate::{commands, config, state};

/// Handles a server event. Never writes: only the timer does.
pub(crate) fn on_server(event: ServerEvent) {
    let (now, random) = (state::now(), random_number());
    state::with(|state| match event {
        ServerEvent::Copied => state.copies = Replication::On,
        ServerEvent::Promoted => {
            state.copies = Replication::On;
            state.clock.promote(now.ms, random);
            // What the primary had still to remove is ours to remove now.
            state.look_anew = Some(Position::START);
            state.quiet_until = now.monotonic_ms + config::presence_grace();
        }
        ServerEvent::AofLoadStarted => state.loading_file = true,
        ServerEvent::Loaded => {
            state.loading_file = false;
            state.snapshot = None;
            state.copies = Replication::On;
            state.clock.start(now.ms, random);
            state.quiet_until = now.monotonic_ms + config::presence_grace();
        }
        ServerEvent::AsyncLoadStarted => state.index.begin_copy(&mut state.gone),
        ServerEvent::AsyncLoadCompleted => state.index.take_copy(&mut state.gone),
        ServerEvent::AsyncLoadAborted => state.index.discard_copy(&mut state.gone),
        ServerEvent::Flushed { database } => {
            state.index.clear(database, &mut state.gone);
        }
        ServerEvent::Swapped { first, second } => {
            state.index.swap(first, second);
            state.look_anew = state.look_anew.map(|_| Position::START);
            state.gone.swap(first, second);
        }
    });
}

/// Handles a key event: a room that came under a new name is filed, one that is gone is told.
pub(crate) fn on_key(call: &Call<'_>, event: &[u8], key: &[u8]) {
    match event {
        b"rename_to" | b"move_to" => commands::file_named(call, key, StoredRoom::moved),
        b"copy_to" | b"restore" => commands::file_named(call, key, |_| ()),
        b"del" => tell(call, key, Some("deleted")),
        b"expired" => tell(call, key, Some("expired")),
        b"evicted" => tell(call, key, Some("evicted")),
        b"rename_from" | b"move_from" => tell(call, key, Some("renamed")),
        _ => {}
    }
}

/// Goes a step on in telling of rooms that went without an event of their keys: they were overwritten,
/// or everything was flushed. False: there are none.
pub(crate) fn tell_one(call: &Call<'_>) -> bool {
    match state::with(|state| state.gone.pop()) {
        Some(Some((name, gone))) => publish_drop(call, &name, &gone, gone.reason),
        Some(None) => {}
        None => return false,
    }
    true
}

/// Tells of the room that bore this name before, if that is still to be told. To be called before
/// anything of a new one is. `reason`: what an event of the key says better.
pub(crate) fn tell(call: &Call<'_>, name: &[u8], reason: Option<&str>) {
    let next = || {
        state::with(|state| match state.gone.is_empty() {
            true => None,
            false => state.gone.take(name),
        })
    };
    while let Some(gone) = next() {
        publish_drop(call, name, &gone, reason.unwrap_or(gone.reason));
    }
}

fn publish_drop(call: &Call<'_>, name: &[u8], gone: &Gone, reason: &str) {
    if !Flags::of(call).is_primary() {
        return;
    }
    if let Ok(room) = RoomName::stored(name) {
        let event = chat_room::dropped(room.as_str(), gone.last, now_ms(), reason);
        commands::publish(call, &call.make_name(name), &event);
    }
}
