//! What is being loaded: whether it comes from an append-only file, and the room whose pieces are
//! arriving from one.

use chat_room::{Loader, Malformed, Room};

use crate::redis::MainThread;

static LOADING: MainThread<Loading> = MainThread::new(Loading { from_aof: false, arriving: None });

struct Loading {
    from_aof: bool,
    arriving: Option<ArrivingRoom>,
}

/// A room of which some pieces have arrived.
struct ArrivingRoom {
    database: i32,
    name: Box<[u8]>,
    /// Pieces that have arrived.
    pieces: u64,
    loader: Loader,
}

/// The server begins to load an append-only file, whose base may be an RDB file.
pub(crate) fn aof_load_started() {
    LOADING.with(|loading| loading.from_aof = true);
}

/// The server has finished loading. A room of which a piece is missing is discarded.
pub(crate) fn ended() {
    LOADING.replace(Loading { from_aof: false, arriving: None });
}

/// Whether an append-only file is being loaded.
pub(crate) fn is_from_aof() -> bool {
    LOADING.with(|loading| loading.from_aof)
}

/// Reads piece number `place` of a room. Returns the room with its last piece. A first piece
/// discards any unfinished room: its file was cut off. Errors: the piece is not the next one of
/// this room, or is malformed; the room is discarded then.
pub(crate) fn take_piece(
    database: i32,
    name: &[u8],
    place: u64,
    piece: &[u8],
) -> Result<Option<Room>, Malformed> {
    LOADING.with(|loading| {
        let mut room = match loading.arriving.take() {
            _ if place == 0 => {
                ArrivingRoom { database, name: name.into(), pieces: 0, loader: Loader::default() }
            }
            Some(room) if room.expects(database, name, place) => room,
            _ => return Err(Malformed("out of order")),
        };
        room.loader.read(piece)?;
        if room.loader.is_complete() {
            return room.loader.finish().map(Some);
        }
        room.pieces += 1;
        loading.arriving = Some(room);
        Ok(None)
    })
}

impl ArrivingRoom {
    /// Whether piece number `place` of this room is the next one.
    fn expects(&self, database: i32, name: &[u8], place: u64) -> bool {
        (self.database, &*self.name, self.pieces) == (database, name, place)
    }
}
