//! The slot of a key: which of the 16,384 parts of a cluster it belongs to.
//!
//! It is the CRC16 of the key's name, or of its hash tag, modulo 16,384 (the cluster specification
//! of Redis). A room's channel is in the slot of its key.

/// Number of slots of every cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of this key, or of this channel of sharded publications.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hashed_part(key)) % SLOTS
}

/// What stands between the first `{` and the first `}` after it; all of the key if that is nothing.
fn hashed_part(key: &[u8]) -> &[u8] {
    let mut halves = key.splitn(2, |byte| *byte == b'{');
    let (Some(_), Some(rest)) = (halves.next(), halves.next()) else { return key };
    match rest.iter().position(|byte| *byte == b'}') {
        None | Some(0) => key,
        Some(end) => rest.get(..end).unwrap_or(key),
    }
}

/// CRC16 XMODEM: polynomial 0x1021, most significant bit first, from zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let place = usize::from((crc >> 8) ^ u16::from(*byte));
        (crc << 8) ^ REMAINDERS.get(place).copied().unwrap_or_default()
    })
}

/// The remainder of each byte.
const REMAINDERS: [u16; 256] = remainders();

#[allow(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const fn remainders() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As CLUSTER KEYSLOT of Redis 7.0.15 answers.
        for (key, slot) in [
            ("", 0),
            ("123456789", 12_739),
            ("foo", 12_182),
            ("lobby", 10_294),
            ("@alice", 10_493),
            ("dm:alice,bob", 9_322),
            ("a{b}c", 3_300),
            ("b", 3_300),
            ("x{y", 2_740),
            ("x}y{", 8_402),
            ("a{}b", 13_694),
            ("a{{b}}c", 6_215),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }
}
