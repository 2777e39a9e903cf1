//! Headers as a table, cut and split everywhere, and with random bytes.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

/// A header with these bytes of version and command, of family and transport, and this rest.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const V4: [u8; 12] = [203, 0, 113, 7, 10, 0, 0, 1, 0xC3, 0x50, 0, 80];

fn v6() -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
    [&ip("2001:db8::7")[..], &ip("fd00::1"), &[0xC3, 0x50, 0, 80]].concat()
}

fn extended(addresses: &[u8], extensions: &[u8]) -> Vec<u8> {
    [addresses, extensions].concat()
}

/// What is read, and whether a byte that follows the header is left.
async fn read_all(bytes: &[u8], piece: usize) -> Result<Option<String>, HeaderError> {
    let (mut near, mut far) = tokio::io::duplex(piece);
    let bytes = bytes.to_vec();
    let writer = tokio::spawn(async move {
        // An error: the reader has seen enough.
        let _ = far.write_all(&bytes).await;
    });
    let found = read(&mut near, Duration::from_secs(60)).await;
    drop(near);
    drop(writer.await);
    found.map(|found| found.map(|address| address.to_string()))
}

#[tokio::test]
async fn a_header_names_the_client_or_nobody_or_is_refused() {
    use HeaderError::{Command, Cut, Family, Length, Signature, TooLong, Version, Version1};
    let v4 = || Ok(Some("203.0.113.7:50000".to_owned()));
    let v6_source = || Ok(Some("[2001:db8::7]:50000".to_owned()));
    let mapped = [&[0; 10][..], &[0xFF; 2], &[203, 0, 113, 7], &[0; 16], &[0; 4]].concat();
    let mut long = header(0x21, 0x11, &[]);
    long[14..].copy_from_slice(&[0xFF, 0xFF]);
    let mut beyond = header(0x21, 0x11, &[]);
    beyond[14..].copy_from_slice(&4097_u16.to_be_bytes());
    let fits = extended(&V4, &[&[4, 0x0F, 0xF1][..], &[0; 4081]].concat());
    let rows = [
        (header(0x21, 0x11, &V4), v4(), "TCP over IPv4"),
        (header(0x21, 0x12, &V4), v4(), "UDP over IPv4: a client of HTTP/3"),
        (header(0x21, 0x21, &v6()), v6_source(), "TCP over IPv6"),
        (header(0x21, 0x22, &v6()), v6_source(), "UDP over IPv6"),
        (header(0x21, 0x21, &mapped), Ok(Some("[::ffff:203.0.113.7]:0".into())), "IPv4 in IPv6"),
        (header(0x21, 0x31, &[b'x'; 216]), Ok(None), "a Unix socket"),
        (header(0x21, 0x31, &[0; 215]), Err(Length), "a Unix socket, too short"),
        (header(0x21, 0x00, b"what it wants"), Ok(None), "no family"),
        (header(0x21, 0x00, &[]), Ok(None), "no family, no bytes"),
        (header(0x20, 0x00, &[]), Ok(None), "a health check"),
        (header(0x20, 0x11, &V4), Ok(None), "a health check with addresses"),
        (header(0x20, 0xFF, &[1]), Ok(None), "a health check of an unknown family"),
        (header(0x21, 0x11, &V4[..11]), Err(Length), "addresses too short"),
        (header(0x21, 0x21, &V4), Err(Length), "IPv4 said to be IPv6"),
        (header(0x21, 0x10, &V4), Err(Family), "no transport"),
        (header(0x21, 0x13, &V4), Err(Family), "an unknown transport"),
        (header(0x21, 0x41, &V4), Err(Family), "an unknown family"),
        (header(0x22, 0x11, &V4), Err(Command), "an unknown command"),
        (header(0x11, 0x11, &V4), Err(Version), "version 1 in the clothes of 2"),
        (header(0x31, 0x11, &V4), Err(Version), "version 3"),
        (header(0x21, 0x11, &extended(&V4, &[4, 0, 0])), v4(), "an empty extension"),
        (header(0x21, 0x11, &extended(&V4, &[1, 0, 2, b'h', b'2', 9, 0, 0])), v4(), "two"),
        (header(0x21, 0x11, &extended(&V4, &[1, 0, 3, b'h', b'2'])), Err(Length), "one cut"),
        (header(0x21, 0x11, &extended(&V4, &[1, 0])), Err(Length), "the head of one cut"),
        (header(0x21, 0x11, &extended(&V4, &[1, 0xFF, 0xFF])), Err(Length), "one too long"),
        (header(0x21, 0x11, &fits), v4(), "the longest"),
        (long, Err(TooLong), "65535 bytes"),
        (beyond, Err(TooLong), "one byte too many"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Err(Signature), "a request without a header"),
        (b"G".to_vec(), Err(Signature), "its first byte"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), Err(Version1), "version 1"),
        (b"PROXY\r\n".to_vec(), Err(Signature), "not even that"),
        (b"\r\n\r\n\0\r\nQUIX".to_vec(), Err(Signature), "nearly the signature"),
        (Vec::new(), Err(Cut), "nothing"),
    ];
    for (bytes, expected, why) in &rows {
        for piece in [1, 5, 17, 8192] {
            assert_eq!(&read_all(bytes, piece).await, expected, "{why}, in pieces of {piece}");
        }
    }
    for (bytes, expected, why) in rows.iter().filter(|row| row.1.is_ok()) {
        for length in (0..bytes.len().min(60)).chain([bytes.len() - 1]) {
            let cut = read_all(&bytes[..length], 8192).await;
            assert_eq!(cut, Err(Cut), "{why}, cut after {length}");
        }
        let mut socket = &[bytes, &b"GET"[..]].concat()[..];
        let found = read(&mut socket, Duration::from_secs(60)).await;
        let found = found.map(|found| found.map(|address| address.to_string()));
        assert_eq!((&found, socket), (expected, &b"GET"[..]), "{why}: the rest stays");
    }
}

#[tokio::test]
async fn a_proxy_that_sends_half_a_header_is_not_waited_for() {
    let (mut near, mut far) = tokio::io::duplex(64);
    far.write_all(&header(0x21, 0x11, &V4)[..20]).await.expect("it fits");
    let begun = std::time::Instant::now();
    let within = Duration::from_millis(50);
    assert_eq!(read(&mut near, within).await, Err(HeaderError::Late));
    assert!(begun.elapsed() >= within);
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(
        command in 0x1F_u8..0x24,
        family: u8,
        rest in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..400,
    ) {
        let bytes = header(command, family, &rest);
        let whole = bytes.len();
        let bytes = &bytes[..cut.min(whole)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let found = runtime.expect("a runtime").block_on(async {
            let mut socket = bytes;
            read(&mut socket, Duration::from_secs(60)).await
        });
        prop_assert!(cut >= whole || found.is_err());
        if let Ok(Some(address)) = found {
            prop_assert_eq!(command, 0x21);
            let port = match address {
                SocketAddr::V4(_) => [rest[8], rest[9]],
                SocketAddr::V6(_) => [rest[32], rest[33]],
            };
            prop_assert_eq!(address.port(), u16::from_be_bytes(port));
        }
    }
}
