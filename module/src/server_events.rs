//! What the module does on events of Redis: a key is renamed, copied or gone; the server loads,
//! empties a database, becomes a primary, imports slots of a cluster.
//!
//! Nothing here writes to Redis: only commands and the timer may.

use chat_room::Replication;

use crate::index::Index;
use crate::redis::{Call, ServerEvent, SlotImport};
use crate::{clock, dropped, index, indexing, loading, outgoing, presence_grace, slot_imports};

/// Handles an event of the server.
pub(crate) fn on_server(event: ServerEvent) {
    match event {
        ServerEvent::Copied => outgoing::set_replication(Replication::On),
        ServerEvent::Promoted => {
            let now = clock::now();
            outgoing::set_replication(Replication::On);
            clock::restart_ids_after_promotion(now);
            // This server must now remove what the old primary has not removed in time.
            index::with(|index| {
                index.start_rescan();
                index.renew_epochs();
            });
            presence_grace::start(now);
        }
        ServerEvent::AofLoadStarted => loading::aof_load_started(),
        ServerEvent::Loaded => {
            let now = clock::now();
            loading::ended();
            outgoing::set_replication(Replication::On);
            clock::restart_ids_after_load(now);
            index::with(Index::renew_epochs);
            presence_grace::start(now);
        }
        ServerEvent::AsyncLoadStarted => {
            dropped::discard_databases(index::with(|index| index.begin_async_load()));
        }
        ServerEvent::AsyncLoadCompleted => {
            dropped::discard_databases(index::with(|index| index.complete_async_load()));
        }
        ServerEvent::AsyncLoadAborted => {
            dropped::discard_databases(index::with(|index| index.abort_async_load()));
        }
        ServerEvent::Flushed { database } => {
            dropped::add_databases(index::with(|index| index.clear(database)));
        }
        ServerEvent::Swapped { first, second } => {
            index::with(|index| index.swap(first, second));
            dropped::swap(first, second);
        }
        ServerEvent::SlotImport(import) => match import {
            SlotImport::Started(slots) => slot_imports::start(slots),
            SlotImport::Completed(slots) => slot_imports::complete(&slots),
            SlotImport::Aborted(slots) => slot_imports::abort(&slots),
        },
    }
}

/// Handles an event of a key: adds a room under its new name to the index, or publishes the `drop`
/// of a room that is gone.
pub(crate) fn on_key(call: &Call<'_>, event: &[u8], key: &[u8]) {
    match event {
        // Connections are online under the old name, not under the new one.
        b"rename_to" | b"move_to" => {
            indexing::add_renamed(call, key, |stored| stored.room.detach_presence());
        }
        b"copy_to" | b"restore" => indexing::add_renamed(call, key, |_| ()),
        // Redis 8.4 removes it after its slot has moved away.
        b"key_trimmed" => dropped::forget(call.database(), key),
        b"del" => dropped::publish_of(call, key, Some("deleted")),
        b"expired" => dropped::publish_of(call, key, Some("expired")),
        b"evicted" => dropped::publish_of(call, key, Some("evicted")),
        b"rename_from" | b"move_from" => dropped::publish_of(call, key, Some("renamed")),
        _ => {}
    }
}
