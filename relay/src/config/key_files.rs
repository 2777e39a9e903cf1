//! The files of keys that verify tokens: read at start, and again at SIGHUP.
//!
//! All of them are read or none counts, so a relay never has half of its keys. No message holds any
//! part of a key.

use std::fs::File;
use std::io::Read;

use crate::auth::{self, Key};

/// Bytes of a file.
const FILE_MAX: u64 = 1 << 20;
/// Keys of all files.
const KEYS_MAX: usize = 100;

/// The files of one relay.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFiles {
    /// `--jwt-secret-file`.
    pub(super) secrets: Vec<String>,
    /// `--jwt-key-file`.
    pub(super) pems: Vec<String>,
    /// The files of `--jwt-jwks`.
    pub(super) sets: Vec<String>,
}

/// A flag, and what is wrong with the file that it names.
pub(crate) type Mistake = (&'static str, String);

impl KeyFiles {
    /// The keys of all files, or everything that is wrong with them.
    pub(crate) fn read(&self) -> Result<Vec<Key>, Vec<Mistake>> {
        let (mut keys, mut mistakes) = (Vec::new(), Vec::new());
        let mut all = |flag, paths: &[String], parse: fn(&[u8]) -> _| {
            for path in paths {
                match one(path, parse) {
                    Ok(found) => keys.extend(found),
                    Err(why) => mistakes.push((flag, format!("{path}: {why}"))),
                }
            }
        };
        all("--jwt-secret-file", &self.secrets, |file| Ok(vec![auth::secret_key(file)?]));
        all("--jwt-key-file", &self.pems, auth::pem_keys);
        all("--jwt-jwks", &self.sets, auth::jwks_keys);
        if keys.len() > KEYS_MAX {
            mistakes.push(("--auth", "at most 100 keys in all".to_owned()));
        }
        if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
    }
}

fn one(path: &str, parse: fn(&[u8]) -> Result<Vec<Key>, &'static str>) -> Result<Vec<Key>, String> {
    let contents = contents(path).map_err(|error| error.to_string())?;
    parse(&contents).map_err(str::to_owned)
}

/// The contents of a file of keys.
pub(crate) fn contents(path: &str) -> std::io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > FILE_MAX {
        return Err(std::io::Error::other("more than 1 MiB"));
    }
    Ok(contents)
}
