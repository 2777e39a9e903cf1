//! What is being loaded: whether it comes from an append-only file, and the rooms whose pieces are
//! arriving: one from a file, or from primaries one in each stream of an atomic slot migration.

use std::collections::BTreeMap;

use chat_room::{Loader, Malformed, Room};

use crate::redis::MainThread;

/// A piece that is not the next one of its room.
pub(crate) const OUT_OF_ORDER: Malformed = Malformed("out of order");

static LOADING: MainThread<Loading> = MainThread::new(Loading::NOTHING);

/// The most rooms of which only some pieces have arrived from primaries. A primary sends the pieces
/// of a room one after the other, so there are more only if streams have ended in the middle.
const ARRIVING_MAX: usize = 256;

struct Loading {
    from_aof: bool,
    /// Rooms of which some pieces have arrived, by database and name.
    arriving: BTreeMap<(i32, Box<[u8]>), ArrivingRoom>,
}

impl Loading {
    const NOTHING: Loading = Loading { from_aof: false, arriving: BTreeMap::new() };
}

/// A room of which some pieces have arrived.
struct ArrivingRoom {
    /// Pieces that have arrived.
    pieces: u64,
    loader: Loader,
}

/// Where pieces of rooms come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceSource {
    File,
    Primary,
}

/// The server begins to load an append-only file, whose base may be an RDB file.
pub(crate) fn aof_load_started() {
    LOADING.with(|loading| loading.from_aof = true);
}

/// The server has finished loading. A room of which a piece is missing is discarded.
pub(crate) fn ended() {
    LOADING.replace(Loading::NOTHING);
}

/// Whether an append-only file is being loaded.
pub(crate) fn is_from_aof() -> bool {
    LOADING.with(|loading| loading.from_aof)
}

/// Reads piece number `place` of a room. Returns the room with its last piece. A first piece
/// discards what has arrived of the same room; from a file, any piece discards what has arrived of
/// other rooms, because the file was cut off there.
/// Errors: the piece is not the next one of this room, or is malformed; the room is discarded then.
pub(crate) fn take_piece(
    source: PieceSource,
    database: i32,
    name: &[u8],
    place: u64,
    piece: &[u8],
) -> Result<Option<Room>, Malformed> {
    LOADING.with(|loading| {
        let key = (database, name.into());
        let known = loading.arriving.remove(&key);
        if source == PieceSource::File {
            loading.arriving.clear();
        }
        let mut room = match known {
            _ if place == 0 => ArrivingRoom { pieces: 0, loader: Loader::default() },
            Some(room) if room.pieces == place => room,
            _ => return Err(OUT_OF_ORDER),
        };
        room.loader.read(piece)?;
        if room.loader.is_complete() {
            return room.loader.finish().map(Some);
        }
        room.pieces += 1;
        if loading.arriving.len() >= ARRIVING_MAX {
            loading.arriving.clear();
        }
        loading.arriving.insert(key, room);
        Ok(None)
    })
}
