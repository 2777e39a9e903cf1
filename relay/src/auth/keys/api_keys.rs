//! API keys: what an application's servers send to act as the backend.
//!
//! Only digests are kept, and a key is compared with all of them, each in constant time: how long it
//! takes says nothing about any key. Names are for logs and metrics; keys are in neither.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use chat_protocol::names;
use std::sync::Arc;

/// The fewest bytes of a key.
const KEY_MIN: usize = 32;
/// The most bytes of a key.
const KEY_MAX: usize = 512;
/// The most keys.
const KEYS_MAX: usize = 100;
/// What stands before a digest in a file.
const DIGEST: &str = "sha256:";

/// The keys of a file. Two of one name may be good at the same time, to replace one by the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiKeys(Vec<ApiKey>);

#[derive(Clone)]
struct ApiKey {
    name: Arc<str>,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.name)
    }
}

impl ApiKeys {
    /// From lines `name:key` or `name:sha256:hex`; empty ones and those that begin with `#` do not
    /// count. The error names the line and holds nothing of it.
    pub(crate) fn parse(file: &[u8]) -> Result<ApiKeys, String> {
        let file = std::str::from_utf8(file).map_err(|_| "not UTF-8".to_owned())?;
        let mut keys = Vec::new();
        for (index, line) in file.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let key = ApiKey::parse(line.trim_end_matches('\r'));
            keys.push(key.map_err(|why| format!("line {}: {why}", index + 1))?);
        }
        match keys.len() {
            0 => Err("no key in it".to_owned()),
            1..=KEYS_MAX => Ok(ApiKeys(keys)),
            _ => Err(format!("more than {KEYS_MAX} keys")),
        }
    }

    /// The name of the key that this is.
    pub(crate) fn name_of(&self, presented: &str) -> Option<Arc<str>> {
        let presented = digest(&SHA256, presented.as_bytes());
        let mut found = None;
        for key in &self.0 {
            let is_same = verify_slices_are_equal(&key.digest, presented.as_ref()).is_ok();
            if is_same {
                found = Some(&key.name);
            }
        }
        found.cloned()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ApiKey {
    fn parse(line: &str) -> Result<ApiKey, &'static str> {
        let (name, key) = line.split_once(':').ok_or("not name:key")?;
        if !names::is_relay(name) {
            return Err("a name is 1 to 32 of a-z A-Z 0-9 _ . -");
        }
        let digest = match key.strip_prefix(DIGEST) {
            Some(hex) => hex_digest(hex).ok_or("after sha256: stand 64 hexadecimal digits")?,
            None if key.len() < KEY_MIN => return Err("a key has at least 32 bytes"),
            None if key.len() > KEY_MAX => return Err("a key has at most 512 bytes"),
            None if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err("a key is visible ASCII without spaces");
            }
            None => digest(&SHA256, key.as_bytes()).as_ref().try_into().map_err(|_| "no digest")?,
        };
        Ok(ApiKey { name: name.into(), digest })
    }
}

fn hex_digest(hex: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digit = |index: usize| char::from(pair[index]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const DIGEST_OF_KEY: &str = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

    #[test]
    fn a_key_is_known_by_its_digest() {
        let keys = format!("# comment\n\nweb:{KEY}\r\njobs:sha256:{DIGEST_OF_KEY}x\n");
        assert_eq!(
            ApiKeys::parse(keys.as_bytes()).expect_err("65 digits"),
            "line 4: after sha256: stand 64 hexadecimal digits"
        );
        let plain = ApiKeys::parse(format!("web:{KEY}").as_bytes()).expect("a key");
        let hashed = format!("web:sha256:{DIGEST_OF_KEY}");
        let hashed = ApiKeys::parse(hashed.as_bytes()).expect("a digest");
        for keys in [plain, hashed] {
            assert_eq!(keys.name_of(KEY).as_deref(), Some("web"));
            for wrong in
                ["", "web", DIGEST_OF_KEY, &KEY[1..], &format!("{KEY} "), &KEY.to_uppercase()]
            {
                assert_eq!(keys.name_of(wrong), None, "{wrong}");
            }
        }
    }

    #[test]
    fn mistakes_are_named_and_not_shown() {
        let long = format!("web:{}", "x".repeat(513));
        let many = format!("web:{KEY}\n").repeat(101);
        let spaced = format!("web:{KEY} {KEY}");
        let nameless = format!(":{KEY}");
        let rows: &[(&[u8], &str)] = &[
            (b"", "no key in it"),
            (b"# web:key", "no key in it"),
            (b"\xff", "not UTF-8"),
            (b"\nsecret", "line 2: not name:key"),
            (nameless.as_bytes(), "line 1: a name is 1 to 32 of a-z A-Z 0-9 _ . -"),
            (b"web:short", "line 1: a key has at least 32 bytes"),
            (long.as_bytes(), "line 1: a key has at most 512 bytes"),
            (spaced.as_bytes(), "line 1: a key is visible ASCII without spaces"),
            (b"web:sha256:00", "line 1: after sha256: stand 64 hexadecimal digits"),
            (many.as_bytes(), "more than 100 keys"),
        ];
        for (file, why) in rows {
            assert_eq!(ApiKeys::parse(file).expect_err(why), *why);
        }
    }
}
