//! Records in the form that a primary sends with `CHAT.APPLY`, written by hand, also some that no
//! primary sends.

/// A user leaves: the event `<ms>-<n>`.
pub fn leave(ms: u64, n: u64, user: &str) -> Vec<u8> {
    let mut out = vec![5];
    put(&mut out, ms);
    put(&mut out, n);
    put(&mut out, user.len() as u64);
    out.extend_from_slice(user.as_bytes());
    // No other user did it.
    out.push(0);
    out
}

/// Records as only a later version could write them, each with what it is.
pub fn of_later() -> [(&'static str, Vec<u8>); 3] {
    let setting = [3, 1, 9, 1, b'*', 1, 0x7f, 1, b'x'];
    let piece = [24, 0, 1, 0x7f];
    [
        ("an unknown kind", vec![0x7f, 1, 2, 3]),
        ("an unknown setting", setting.to_vec()),
        ("a later stored form", piece.to_vec()),
    ]
}

/// A whole room in its stored form.
pub fn snapshot(stored: &[u8]) -> Vec<u8> {
    let mut out = vec![10];
    put(&mut out, stored.len() as u64);
    out.extend_from_slice(stored);
    out
}

/// A varint: seven bits per byte, the lowest first, the highest bit set while more follow.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
