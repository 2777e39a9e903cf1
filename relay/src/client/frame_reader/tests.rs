//! What the reader makes of clients' bytes, in pieces of any size.

use proptest::prelude::*;

use super::*;

/// A client's frame with its mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [7, 70, 17, 170];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Reads these bytes, which arrive in pieces of at most `piece`. Returns the results, and the
/// close code that they lead to, if any.
fn read(most: usize, mut bytes: &[u8], piece: usize) -> (Vec<Found>, Option<u16>) {
    let mut incoming = FrameReader::new(most, &[]);
    let mut all = Vec::new();
    loop {
        let step = incoming.step(|space| {
            let length = bytes.len().min(piece).min(space.len());
            if length == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            space[..length].copy_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
            Ok(length)
        });
        match step {
            Ok(Step { found: Found::Nothing, .. }) => return (all, None),
            Ok(Step { found: Found::Bytes, .. }) => {}
            Ok(Step { found, .. }) => all.push(found),
            Err(ReadError::Close(close)) => return (all, Some(close.number)),
            Err(ReadError::Socket(error)) => panic!("{error}"),
        }
    }
}

fn text(text: &str) -> Found {
    Found::Text(text.into())
}

#[test]
fn frames_come_one_by_one_however_the_bytes_do() {
    let bytes = [
        frame(0x81, b"{}"),
        frame(0x01, b"a"),
        frame(0x89, b"there?"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x00, "\u{e4}".as_bytes().split_at(1).0),
        frame(0x80, "\u{e4}".as_bytes().split_at(1).1),
        frame(0x81, "x".repeat(70_000).as_bytes()),
        frame(0x81, &[]),
        frame(0x88, &[0x0f, 0xa0, b'b']),
    ]
    .concat();
    let expected = [
        text("{}"),
        Found::Part,
        Found::Ping(Bytes::from_static(b"there?")),
        Found::Part,
        Found::Pong,
        Found::Part,
        text("a\u{e4}"),
        text(&"x".repeat(70_000)),
        text(""),
        Found::Close(Bytes::from_static(&[0x0f, 0xa0])),
    ];
    for piece in [1, 2, 3, 5, 100, 5000, 1 << 20] {
        assert_eq!(read(70_000, &bytes, piece), (expected.to_vec(), None), "by {piece}");
    }
}

impl Clone for Found {
    fn clone(&self) -> Found {
        match self {
            Found::Text(text) => Found::Text(text.clone()),
            Found::Ping(bytes) => Found::Ping(bytes.clone()),
            Found::Close(bytes) => Found::Close(bytes.clone()),
            Found::Part => Found::Part,
            Found::Pong => Found::Pong,
            Found::Bytes => Found::Bytes,
            Found::Nothing => Found::Nothing,
            Found::End => Found::End,
        }
    }
}

#[test]
fn each_breach_of_the_protocol_has_its_close_code() {
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    let rows: Vec<(&str, Vec<u8>, u16)> = vec![
        ("a binary message", frame(0x82, b"x"), 4501),
        ("the first part of a binary message", frame(0x02, b""), 4501),
        ("a continuation of nothing", frame(0x80, b""), 4500),
        ("a message within a message", [frame(1, b""), frame(0x81, b"")].concat(), 4500),
        ("a binary within a message", [frame(1, b""), frame(0x82, b"")].concat(), 4500),
        ("a reserved bit", frame(0xc1, b""), 4500),
        ("an unknown opcode", frame(0x83, b""), 4500),
        ("an unknown control frame", frame(0x8b, b""), 4500),
        ("an unmasked frame", b"\x81\x00".to_vec(), 4500),
        ("a ping in parts", frame(0x09, b""), 4500),
        ("a long ping", frame(0x89, &[b'x'; 126]), 4500),
        ("only the header of a long ping", frame(0x89, &[b'x'; 126])[..8].to_vec(), 4500),
        ("a long close", frame(0x88, &[3; 126]), 4500),
        ("half a code", frame(0x88, b"\x03"), 4500),
        ("a code below all", close(999), 4500),
        ("no status", close(1005), 4500),
        ("abnormal", close(1006), 4500),
        ("TLS", close(1015), 4500),
        ("an unknown code", close(2999), 4500),
        ("a code above all", close(5000), 4500),
        ("a reason that is no UTF-8", frame(0x88, b"\x03\xe8\xff"), 4503),
        ("no UTF-8", frame(0x81, b"\xff"), 4503),
        ("half a character", [frame(1, b"\xc3"), frame(0x80, b"")].concat(), 4503),
        ("too long", frame(0x81, &[b'x'; 101]), 4502),
        ("only the header of it", frame(0x81, &[b'x'; 101])[..6].to_vec(), 4502),
        ("parts too long", [frame(1, &[b'x'; 60]), frame(0, &[b'x'; 41])].concat(), 4502),
        ("longer than memory", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff....".to_vec(), 4502),
    ];
    for (what, bytes, code) in rows {
        for piece in [1, 1000] {
            assert_eq!(read(100, &bytes, piece).1, Some(code), "{what}, by {piece}");
        }
    }
    for code in [1000, 1001, 1011, 1014, 3000, 4000, 4999] {
        let found = vec![Found::Close(Bytes::copy_from_slice(&u16::to_be_bytes(code)))];
        assert_eq!(read(100, &close(code), 1000), (found, None), "{code}");
    }
}

#[test]
fn memory_is_taken_as_bytes_come_and_given_back() {
    let mut incoming = FrameReader::new(1 << 30, &[]);
    let mut header = vec![0x81, 0xff];
    header.extend((1_u64 << 30).to_be_bytes());
    header.extend([0; 4]);
    let once = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |space: &mut [u8]| {
            space[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    };
    let nothing = |_: &mut [u8]| Err(ErrorKind::WouldBlock.into());
    let step = incoming.step(once(&header)).expect("a header");
    assert_eq!(step, Step { bytes: 14, found: Found::Bytes });
    assert!(incoming.step(nothing).is_ok_and(|step| step.found == Found::Nothing));
    assert!(
        incoming.is_incomplete() && incoming.buffer.capacity() <= 2 * LARGE_READ,
        "a promise only"
    );

    let mut incoming = FrameReader::new(1000, &frame(0x81, b"early"));
    let mut step = || incoming.step(nothing).expect("no close").found;
    assert_eq!((step(), step()), (text("early"), Found::Nothing));
    assert!(!incoming.is_incomplete() && incoming.buffer.capacity() == 0, "nothing is kept");
}

proptest! {
    #[test]
    fn whatever_comes_a_step_ends_and_takes_no_more_than_it_may(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        piece in 1_usize..50,
    ) {
        let (found, _) = read(200, &bytes, piece);
        // Each frame has at least six bytes.
        prop_assert!(found.len() <= bytes.len() / 6 + 1);
    }
}
