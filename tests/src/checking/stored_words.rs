//! Which words a server still stores: in bytes, and in its files.

use std::path::Path;

use crate::cmd;
use crate::servers::redis::Redis;

/// The words that are in these bytes.
pub fn found<'w>(bytes: &[u8], words: &[&'w str]) -> Vec<&'w str> {
    let there = |word: &&&str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    words.iter().filter(there).copied().collect()
}

/// The words that are in the RDB and append-only files below a folder.
pub fn found_in_files<'w>(dir: &Path, words: &[&'w str]) -> Vec<&'w str> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(found_in_files(&path, words));
        } else if path.extension().is_some_and(|kind| kind == "rdb" || kind == "aof") {
            all.extend(found(&std::fs::read(path).expect("readable"), words));
        }
    }
    all
}

/// Writes the append-only file of a server anew.
pub fn rewrite(redis: &Redis) {
    // A replica rewrites its file by itself after a full synchronisation.
    redis.wait_rewritten();
    cmd!(redis, "BGREWRITEAOF").ok();
    redis.wait_rewritten();
}
