//! Snapshots in pieces: the pieces are small and equal for equal rooms, and wrong sequences of
//! pieces are refused.

use chat_protocol::id::Id;
use chat_protocol::limits::OBJECT_MAX;

use super::{World, damage, digest};
use crate::codec::snapshot_write::{PIECE, REACTION_USERS};
use crate::state::limits::MAX_TEXT;
use crate::{Loader, Part, Record, Room};

fn pieces(room: &Room, part: Part) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    room.save(part, &mut |piece| pieces.push(piece.to_vec()));
    pieces
}

fn load(pieces: &[Vec<u8>]) -> Room {
    let mut loader = Loader::default();
    for (at, piece) in pieces.iter().enumerate() {
        assert!(!loader.is_complete(), "before piece {at} of {}", pieces.len());
        loader.read(piece).expect("a piece as it was written");
    }
    assert!(loader.is_complete());
    loader.finish().expect("all of it")
}

/// A room made directly by records.
struct Made {
    room: Room,
    last: Id,
}

impl Made {
    fn new() -> Made {
        let mut room = Room::default();
        room.apply(&Record::Create { ms: 1_795_225_200_000 }, 0);
        Made { room, last: Id { ms: 1_795_225_200_000, n: 0 } }
    }

    fn next(&mut self) -> Id {
        self.last = Id { ms: self.last.ms + 1, n: self.last.n + 1 };
        self.last
    }

    fn message(&mut self, text: &str) -> Id {
        let (mut world, id) = (World::new("lobby"), self.next());
        world.limits.max_text = MAX_TEXT.max;
        world.room = std::mem::take(&mut self.room);
        world.now = id.ms;
        world.send("*", text).expect("sent");
        self.room = world.room;
        id
    }
}

/// Rooms with many items of one kind each, so that each takes several pieces.
fn large_rooms() -> Vec<(&'static str, Room)> {
    let name = |at: usize| format!("a-user-of-a-long-name-{at:06}");
    let mut rooms = Vec::new();

    let mut made = Made::new();
    for at in 0..4000 {
        made.message(&format!("{at} {}", "x".repeat(200)));
    }
    rooms.push(("messages", made.room));

    let mut made = Made::new();
    for _ in 0..3 {
        made.message(&"x".repeat(MAX_TEXT.max as usize));
    }
    rooms.push(("the longest texts", made.room));

    let mut made = Made::new();
    for at in 0..9000 {
        let (user, role) = (name(at), crate::state::users::members::Role::Member);
        made.room.apply(&Record::Join { user: &user, role, by: None, ms: 7, logged: None }, 0);
    }
    rooms.push(("members", made.room));

    let mut made = Made::new();
    for at in 0..5000 {
        let (id, user) = (made.next(), name(at));
        made.room.apply(&Record::Leave { id, user: &user, by: None }, 0);
    }
    rooms.push(("entries", made.room));

    let mut made = Made::new();
    for kind in ["👍", "🎉"] {
        let message = made.message("react to this");
        for at in 0..20 * REACTION_USERS + 17 {
            let (id, user) = (made.next(), name(at));
            let record = Record::React { id, user: &user, message, emoji: kind, removed: false };
            made.room.apply(&record, 0);
        }
    }
    rooms.push(("reactions", made.room));

    let mut made = Made::new();
    for at in 0..9000 {
        let room = name(at);
        made.room.apply(&Record::Follow { room: &room, since: 7 }, 0);
    }
    rooms.push(("rooms followed", made.room));

    let mut made = Made::new();
    for at in 0..9000 {
        let (connection, user) = (name(at), name(at % 1000));
        let record =
            Record::Present { connection: &connection, user: &user, ttl: 9, now: 1, status: None };
        made.room.apply(&record, 0);
    }
    rooms.push(("connections", made.room));
    rooms
}

#[test]
fn a_piece_exceeds_its_size_by_at_most_one_item() {
    // The largest message: text, meta, fifty mentions, and some numbers.
    let item = MAX_TEXT.max as usize + OBJECT_MAX + 8192;
    let (world, mut most) = (World::new("lobby"), 0);
    for (what, room) in large_rooms() {
        for part in [Part::Everything(world.time()), Part::Durable] {
            let pieces = pieces(&room, part);
            if part != Part::Durable {
                assert!(pieces.len() > 2, "{what}: {} pieces", pieces.len());
            }
            let largest = pieces.iter().map(Vec::len).max().unwrap_or_default();
            let bound = PIECE + if what == "the longest texts" { item } else { PIECE / 2 };
            assert!(largest <= bound, "{what}: a piece of {largest} bytes");
            let (_, all_but_last) = pieces.split_last().expect("one at least");
            assert!(all_but_last.iter().all(|piece| piece.len() >= PIECE) || pieces.len() == 1);
            assert_eq!(pieces.concat(), room.encode(part), "{what}");
            assert_eq!(load(&pieces).encode(Part::Durable), room.encode(Part::Durable), "{what}");
            most = most.max(pieces.len());
        }
        let loaded = load(&pieces(&room, Part::Durable));
        assert_eq!(digest(&loaded), digest(&room), "{what}: fed in the same pieces");
    }
    assert!(most > 10);
}

#[test]
fn rooms_of_different_content_have_different_digests() {
    let world = damage::sample();
    let before = digest(&world.room);
    let mut changed = damage::sample();
    assert_eq!(digest(&changed.room), before);
    changed.send("alice", "one more").expect("sent");
    assert_ne!(digest(&changed.room), before);
    let mut other_author = damage::sample();
    let mut same = damage::sample();
    other_author.send("alice", "hi").expect("sent");
    same.send("bob", "hi").expect("sent");
    assert_ne!(digest(&other_author.room), digest(&same.room));
}

#[test]
fn missing_repeated_or_reordered_pieces_are_refused() {
    for (what, room) in large_rooms() {
        let world = World::new("lobby");
        let whole = pieces(&room, Part::Everything(world.time()));
        let try_load = |pieces: &[&Vec<u8>]| {
            let mut loader = Loader::default();
            pieces.iter().try_for_each(|piece| loader.read(piece))?;
            loader.finish().map(drop)
        };
        let all: Vec<&Vec<u8>> = whole.iter().collect();
        assert_eq!(try_load(&all), Ok(()));
        for at in 0..all.len() {
            let mut missing = all.clone();
            missing.remove(at);
            assert!(try_load(&missing).is_err(), "{what}: without piece {at}");
            let mut doubled = all.clone();
            doubled.insert(at, all[at]);
            assert!(try_load(&doubled).is_err(), "{what}: piece {at} twice");
            assert!(try_load(&all[..at]).is_err(), "{what}: cut at {at}");
        }
    }
}

#[test]
fn a_piece_of_a_snapshot_is_the_only_record_of_its_command() {
    let piece = Record::SnapshotPiece { place: 3, stored: b"some bytes"[..].into() };
    let mut bytes = Vec::new();
    piece.write(&mut bytes);
    assert_eq!(Record::read_all(&bytes).expect("read"), std::slice::from_ref(&piece));
    assert!(!piece.creates_room() && !piece.is_presence());
    Record::Seen { ms: 7 }.write(&mut bytes);
    assert!(Record::read_all(&bytes).is_err());
}
