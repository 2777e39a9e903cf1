//! The fixtures of stored forms (`tests/fixtures/stored/README.md`): every form is read, and what
//! this version writes is byte for byte the newest fixture, so that no change of the form slips in
//! under an old number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::bytes::varint::Reader;
use crate::codec::record::Record;
use crate::{Downtime, Loader, Now, Part, Room, VERSION};

const HOW: &str = "what is written has changed: see tests/fixtures/stored/README.md";

/// A room of an append-only file: the stored form that it began with, and the room with all records.
#[derive(Default)]
struct Stored {
    pieces: Vec<u8>,
    room: Room,
}

fn commands(form: u8) -> Vec<Vec<Vec<u8>>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/stored");
    let file = PathBuf::from(folder).join(form.to_string()).join("appendonly.aof");
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut rest = bytes.as_slice();
    let number = |rest: &mut &[u8], kind: u8| -> usize {
        let end = rest.iter().position(|byte| *byte == b'\r').expect("a line");
        let line = std::str::from_utf8(&rest[1..end]).expect("digits");
        assert_eq!(rest[0], kind);
        *rest = &rest[end + 2..];
        line.parse().expect("a number")
    };
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let words = number(&mut rest, b'*');
        let word = |_| {
            let length = number(&mut rest, b'$');
            let word = rest[..length].to_vec();
            rest = &rest[length + 2..];
            word
        };
        commands.push((0..words).map(word).collect());
    }
    commands
}

/// Loads an append-only file as the server does. `each` is called with the records of each command.
fn load(form: u8, each: &mut dyn FnMut(&[u8])) -> BTreeMap<Vec<u8>, Stored> {
    let mut rooms: BTreeMap<Vec<u8>, Stored> = BTreeMap::new();
    let mut loader = Loader::default();
    for command in commands(form) {
        let [name, room, bytes] = command.as_slice() else { continue };
        assert_eq!(name, b"CHAT.APPLY");
        let stored = rooms.entry(room.clone()).or_default();
        let records = Record::read_all(bytes).expect("readable");
        if !matches!(records[..], [Record::SnapshotPiece { .. }]) {
            each(bytes);
        }
        for record in records {
            if let Record::SnapshotPiece { stored: piece, .. } = &record {
                loader.read(piece).expect("a form that is read");
                stored.pieces.extend_from_slice(piece);
                if loader.is_complete() {
                    stored.room = std::mem::take(&mut loader).finish().expect("a whole room");
                }
                continue;
            }
            assert!(stored.room.accepts(&record), "{record:?}");
            stored.room.apply(&record, 0);
        }
    }
    rooms
}

#[test]
fn every_form_is_read_and_its_rooms_are_written_in_the_newest() {
    for form in 1..=VERSION {
        let rooms = load(form, &mut |_| {});
        assert!(rooms.len() > 10, "{} rooms of form {form}", rooms.len());
        for (name, stored) in rooms {
            let name = String::from_utf8_lossy(&name).into_owned();
            let written = stored.room.encode(Part::Durable);
            assert_eq!(written.first(), Some(&VERSION), "{name} of form {form}");
            let read = Room::decode(&written).expect("readable");
            assert_eq!(read.encode(Part::Durable), written, "{name} of form {form}");
        }
    }
}

#[test]
fn the_newest_form_is_written_as_its_fixture_holds_it() {
    let mut snapshots = 0;
    for (name, stored) in load(VERSION, &mut |_| {}) {
        if stored.pieces.is_empty() {
            continue;
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let mut room = Room::decode(&stored.pieces).expect("readable");
        // Behind what is durable are a 1 and the time of the snapshot, from which deadlines count.
        let durable = room.encode(Part::Durable);
        let (end, before) = durable.split_last().expect("a form");
        assert_eq!(*end, 0, "{name}");
        assert!(stored.pieces.starts_with(before), "{name}: {HOW}");
        let mut reader = Reader::new(&stored.pieces[before.len() + 1..]);
        let ms = reader.number().expect("a time");
        let now = Now { ms, id_ms: ms, unused_ms: ms, monotonic_ms: 0 };
        room.restore_deadlines(now, Downtime::NotCounted);
        assert_eq!(room.encode(Part::Everything(now)), stored.pieces, "{name}: {HOW}");
        snapshots += 1;
    }
    assert!(snapshots >= 10, "{snapshots} snapshots");
}

/// Records that are not in a fixture: a whole room, which older forms have instead of pieces; what
/// follows when a personal room is renamed; presence, which no append-only file holds.
const NOT_THERE: [u8; 6] = [10, 21, 24, 32, 33, 34];

#[test]
fn records_are_written_as_the_newest_fixture_holds_them() {
    let mut seen = BTreeSet::new();
    load(VERSION, &mut |bytes| {
        let mut written = Vec::new();
        for record in Record::read_all(bytes).expect("readable") {
            seen.insert(bytes[written.len()]);
            record.write(&mut written);
        }
        assert_eq!(written, bytes, "{HOW}");
    });
    let all: BTreeSet<u8> = super::record_bytes::tags().into_iter().collect();
    let missing: Vec<&u8> = all.difference(&seen).filter(|tag| !NOT_THERE.contains(tag)).collect();
    assert!(missing.is_empty(), "no such record in the fixture: {missing:?}");
}
