//! SIGHUP: files of keys are read again, all or none, while sockets stay open.

use std::path::{Path, PathBuf};

use chat_tests::clients::client::Client;
use chat_tests::servers::key_server::KeyPair;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{now_s, signed_with};
use chat_tests::wait::{LATER, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::tokens::{first, open};

const OLD: &str = "the old secret of an application here";
const NEW: &str = "the new secret of an application here";

/// A relay with a secret and a key set in files.
struct Rotated {
    relay: Relay,
    dir: TempDir,
    reads: f64,
}

impl Rotated {
    fn start(redis: &Redis, set: &KeyPair) -> Rotated {
        let dir = tempfile::Builder::new().prefix("chat-rotated-").tempdir().expect("a directory");
        write(&dir.path().join("secret"), OLD.as_bytes());
        write(&dir.path().join("set"), set_of(&[set]).as_bytes());
        let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
        let (secret, set) = (path("secret"), path("set"));
        let options = [
            "--auth",
            "jwt",
            "--jwt-secret-file",
            &secret,
            "--jwt-jwks",
            &set,
            "--jwt-issuer",
            "https://id.example",
            "--jwt-audience",
            "chat",
            "--listen-ops",
            "127.0.0.1:0",
            "--max-refusals",
            "0",
        ];
        let relay = Relay::with("r1", &redis.url(), &options);
        relay.wait_ready();
        Rotated { relay, dir, reads: 0.0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sends SIGHUP and waits until the files were read.
    #[track_caller]
    fn reload(&mut self) {
        self.reads += 1.0;
        self.relay.process().hang_up();
        eventually("the files to be read", LATER, || {
            match self.relay.metric("chat_relay_key_reloads_total") {
                Some(reads) if reads >= self.reads => Ok(()),
                reads => Err(format!("{reads:?}")),
            }
        });
    }

    /// Whether a token is let in; else the code that closes its socket.
    fn login(&self, token: &str) -> Result<(), u16> {
        let bearer = format!("Bearer {token}");
        let frames = open(self.relay.address(), "", &[("authorization", &bearer)]);
        first(&frames).map(|_| ()).map_err(|close| close.code)
    }
}

fn write(path: &Path, contents: &[u8]) {
    // As an operator should: the file is never there in part.
    let part = path.with_extension("part");
    std::fs::write(&part, contents).expect("a file");
    std::fs::rename(&part, path).expect("a file");
}

fn set_of(pairs: &[&KeyPair]) -> String {
    let keys: Vec<_> = pairs.iter().map(|pair| pair.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn hmac(secret: &str) -> String {
    let claims = json!({
        "sub": "alice", "iss": "https://id.example", "aud": "chat", "exp": now_s() + 600
    });
    signed_with(secret, &claims)
}

#[test]
fn keys_of_files_are_replaced_at_sighup_and_sockets_stay() {
    let redis = Redis::start();
    let (one, two) = (KeyPair::new("one"), KeyPair::new("two"));
    let mut rotated = Rotated::start(&redis, &one);
    let alice = Client::connect_with_token(rotated.relay.address(), "alice", &hmac(OLD));
    let bob = Client::connect_with_token(rotated.relay.address(), "bob", &one.token_of("bob"));
    assert_eq!(rotated.login(&hmac(NEW)), Err(4504));
    assert_eq!(rotated.login(&two.token_of("bob")), Err(4504), "a file has no keys to fetch");
    write(&rotated.file("secret"), NEW.as_bytes());
    write(&rotated.file("set"), set_of(&[&one, &two]).as_bytes());
    assert_eq!(rotated.login(&hmac(NEW)), Err(4504), "not before the signal");
    rotated.reload();
    assert_eq!(rotated.login(&hmac(NEW)), Ok(()));
    assert_eq!(rotated.login(&hmac(OLD)), Err(4504));
    assert_eq!(rotated.login(&one.token_of("bob")), Ok(()));
    assert_eq!(rotated.login(&two.token_of("bob")), Ok(()));
    write(&rotated.file("set"), set_of(&[&two]).as_bytes());
    rotated.reload();
    assert_eq!(rotated.login(&one.token_of("bob")), Err(4504));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "ping"}));
    }
    alice.ok(json!({"op": "auth", "token": hmac(NEW)}));
    assert_eq!(rotated.relay.get("/readyz").0, 200);
}

#[test]
fn a_bad_file_changes_no_key_at_all() {
    let redis = Redis::start();
    let (one, two) = (KeyPair::new("one"), KeyPair::new("two"));
    let mut rotated = Rotated::start(&redis, &one);
    let bad: [(&str, Option<&[u8]>); 4] = [
        ("secret", Some(b"too short a secret")),
        ("secret", Some(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}"#)),
        ("set", Some(b"{\"keys\":[")),
        ("set", None),
    ];
    for (name, contents) in bad {
        // The other file is good and has changed.
        write(&rotated.file("secret"), NEW.as_bytes());
        write(&rotated.file("set"), set_of(&[&two]).as_bytes());
        match contents {
            Some(contents) => write(&rotated.file(name), contents),
            None => std::fs::remove_file(rotated.file(name)).expect("a file"),
        }
        rotated.reload();
        let why = format!("{name}: {contents:?}");
        assert_eq!(rotated.login(&hmac(OLD)), Ok(()), "{why}");
        assert_eq!(rotated.login(&one.token_of("bob")), Ok(()), "{why}");
        assert_eq!(rotated.login(&hmac(NEW)), Err(4504), "{why}");
        assert_eq!(rotated.login(&two.token_of("bob")), Err(4504), "{why}");
    }
    let log = rotated.relay.process().errors();
    assert_eq!(log.matches("the keys before stay in use").count(), 4, "{log}");
    assert!(!log.contains("too short a secret") && !log.contains(NEW), "{log}");
    write(&rotated.file("set"), set_of(&[&two]).as_bytes());
    rotated.reload();
    assert_eq!(rotated.login(&hmac(NEW)), Ok(()), "and later it is mended");
}

#[test]
fn without_files_of_keys_the_signal_does_nothing() {
    let redis = Redis::start();
    let mut relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    relay.process().hang_up();
    alice.ok(json!({"op": "ping"}));
    assert!(relay.process().ended().is_none());
}
