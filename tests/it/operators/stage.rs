//! A relay with `--listen-ops` and an API key, and who is shown there.

use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::key_file::KeyFile;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};

pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The room in which relays are present.
pub(super) const RELAYS: &str = "*relays";
const OPS: [&str; 2] = ["--listen-ops", "127.0.0.1:0"];

/// A relay for the Redis at `url` that serves operators who have [`KEY`], with further options.
#[track_caller]
pub(super) fn relay(name: &str, url: &str, keys: &KeyFile, options: &[&str]) -> Relay {
    let all = [&OPS[..], &["--api-key-file", keys.path()], options].concat();
    let relay = Relay::with(name, url, &all);
    relay.wait_ready();
    relay
}

/// A file with [`KEY`].
pub(super) fn keys() -> KeyFile {
    KeyFile::with(&format!("ops:{KEY}\n"))
}

/// Requests to the operators' address without a key.
pub(super) fn stranger(relay: &Relay) -> Http {
    Http::new(relay.ops_address())
}

/// Requests of an operator.
pub(super) fn operator(relay: &Relay) -> Http {
    stranger(relay).bearer(KEY)
}

/// Waits until these relays are announced, by name, and no others. Returns their users in the room.
#[track_caller]
pub(super) fn await_relays(redis: &Redis, names: &[&str]) -> Vec<String> {
    eventually("the announced relays", SOON, || {
        let who = cmd!(redis, "CHAT.WHO", RELAYS);
        if who.is_error() {
            return Err(format!("{who:?}"));
        }
        let rows = who.list()[3].list();
        let mut users: Vec<_> = rows.iter().map(|row| row.list()[0].text().to_owned()).collect();
        users.sort();
        let found: Vec<_> =
            users.iter().filter_map(|user| Some(user.rsplit_once('-')?.0)).collect();
        if found == names { Ok(users.clone()) } else { Err(format!("{users:?}")) }
    })
}
