//! The payload of DUMP: the value, two bytes of RDB version, eight of CRC.
//!
//! A mutation is worth something only if its checksum is right again: else RESTORE refuses it
//! before the module has seen a byte.

const FOOTER: usize = 10;

/// The reflected polynomial of CRC-64 (Jones), as Redis computes it.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

const TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// The value's own bytes in a payload of DUMP.
pub fn body(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - FOOTER]
}

/// The version of the format of RDB files that a payload of DUMP tells: that of the server it is from.
pub fn rdb_version(payload: &[u8]) -> u16 {
    let footer = payload.len() - FOOTER;
    u16::from_le_bytes([payload[footer], payload[footer + 1]])
}

/// A payload of `body` that RESTORE accepts: version and checksum as in `original`.
pub fn seal(mut body: Vec<u8>, original: &[u8]) -> Vec<u8> {
    let footer = original.len() - FOOTER;
    body.extend_from_slice(&original[footer..footer + 2]);
    let crc = crc64(&body);
    body.extend_from_slice(&crc.to_le_bytes());
    body
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_one_of_redis() {
        // The check value in redis/src/crc64.c.
        assert_eq!(super::crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
