//! The payload of DUMP: the value, two bytes of RDB version, eight of CRC.
//!
//! A damaged payload needs a correct checksum: otherwise RESTORE refuses it before the module
//! reads a byte.

use crc::{CRC_64_REDIS, Crc};

const FOOTER: usize = 10;

static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_REDIS);

/// The value's bytes in a payload of DUMP.
pub fn body(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - FOOTER]
}

/// The version of the RDB format in a payload of DUMP: that of the server that wrote it.
pub fn rdb_version(payload: &[u8]) -> u16 {
    let footer = payload.len() - FOOTER;
    u16::from_le_bytes([payload[footer], payload[footer + 1]])
}

/// A payload of `body` that RESTORE accepts: version and checksum as in `original`.
pub fn seal(mut body: Vec<u8>, original: &[u8]) -> Vec<u8> {
    let footer = original.len() - FOOTER;
    body.extend_from_slice(&original[footer..footer + 2]);
    body.extend_from_slice(&CRC.checksum(&body).to_le_bytes());
    body
}

/// What RDB files and payloads of DUMP write before a room: the name of its type and, in the last
/// byte, the version of its encoding.
const TYPE: [u8; 8] = [0x81, 0x72, 0x16, 0xad, 0xfa, 0xba, 0x28, 0x98];

/// Where a later version of the module says that it is later.
#[derive(Clone, Copy, Debug)]
pub enum Later {
    /// In the version of the encoding, which Redis stores.
    Encoding,
    /// In the number of the stored form.
    Form,
}

/// Makes the one room in an RDB file or in the body of a DUMP one of a later version. The file must
/// not be compressed; it has no checksum then.
///
/// # Panics
/// If there is no room.
pub fn make_later(bytes: &mut [u8], what: Later) {
    let start = bytes.windows(TYPE.len()).position(|window| window == TYPE).expect("a room");
    let encoding = start + TYPE.len();
    match what {
        Later::Encoding => bytes[encoding] += 1,
        Later::Form => {
            // The kind of the value, a string, and its length, in one byte or in two.
            let length = encoding + 2;
            let form = length + if bytes[length] >> 6 == 0 { 1 } else { 2 };
            bytes[form] += 1;
        }
    }
    if bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY") {
        let checksum = bytes.len() - 8;
        bytes[checksum..].fill(0);
    }
}
