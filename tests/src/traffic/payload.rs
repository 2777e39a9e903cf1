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
