//! `docs/security.md`: the table of credentials, row by row, on real relays.

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::documents::{code_words, read, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Who asks, by a credential of the table.
enum Caller {
    /// Nobody is let in.
    Nobody,
    /// A user on a socket.
    Socket(Client),
    /// A program on `/v1`.
    Http(Http),
}

impl Caller {
    /// Whether this is done.
    fn may(&self, request: Value) -> bool {
        match self {
            Caller::Nobody => false,
            Caller::Socket(client) => client.call(request).is_ok(),
            Caller::Http(http) => {
                let reply = http.call("POST", "/v1", Some(&request));
                reply.status == 200 && reply.json().get("ok").is_some()
            }
        }
    }
}

/// Relays that know users in different ways.
struct Site {
    issuer: Issuer,
    names: Relay,
    tokens: Relay,
    sessions: Relay,
    /// A relay that lets the backend and guests in.
    backend: Relay,
    _keys: TempDir,
}

impl Site {
    fn start(redis: &Redis) -> Site {
        let issuer = Issuer::new();
        let keys = tempfile::tempdir().expect("a directory");
        let file = keys.path().join("keys");
        std::fs::write(&file, format!("web:{KEY}\n")).expect("a file");
        let backend =
            ["--anonymous", "--jwt-backend", "--api-key-file", file.to_str().expect("UTF-8")];
        // A socket without a token has so long for its first frame.
        let tokens = issuer.relay("r2", redis, &["--handshake-timeout", "1s"]);
        let flags = ["--auth", "http", "--auth-url", "http://127.0.0.1:1/", "--auth-forward"];
        let flags = [&flags[..], &["x-session", "--listen-ops", "127.0.0.1:0"]].concat();
        let sessions = Relay::with("r3", &redis.url(), &flags);
        sessions.wait_ready();
        let names = Relay::start("r1", redis);
        let backend = issuer.relay("r4", redis, &backend);
        Site { issuer, names, tokens, sessions, backend, _keys: keys }
    }

    /// Who comes with this credential.
    fn caller(&self, credential: &str) -> Caller {
        let unknown = |relay: &Relay| match Client::try_connect(relay.address(), "alice") {
            Ok(client) => Caller::Socket(client),
            Err(_) => Caller::Nobody,
        };
        let scoped = |scopes: &str| self.issuer.token_of("alice", json!({ "scope": scopes }));
        let with = |token: &str| {
            let relay = self.tokens.address();
            Caller::Socket(Client::connect_with_token(relay, "alice", token))
        };
        let backend = Http::new(self.backend.address());
        match code_words(credential).as_slice() {
            ["--auth jwt"] => unknown(&self.tokens),
            ["--auth http"] => unknown(&self.sessions),
            ["--anonymous"] => Caller::Socket(Client::connect_as_guest(self.backend.address())),
            ["?user=", "--auth none"] => Caller::Socket(self.names.connect("alice")),
            ["chat:backend", "/v1", "--jwt-backend"] => {
                Caller::Http(backend.bearer(&scoped("chat:backend")))
            }
            ["/v1"] => Caller::Http(backend.bearer(KEY)),
            [] => with(&scoped("openid")),
            [scopes] => with(&scoped(scopes)),
            _ => panic!("what is {credential}?"),
        }
    }
}

#[test]
fn every_credential_allows_what_its_row_says() {
    let redis = Redis::start();
    let site = Site::start(&redis);
    let text = read("docs/security.md");
    let rows = rows(section(&text, "## Who may do what with which credential"));
    assert!(rows.len() >= 14, "{rows:?}");
    for (number, row) in rows.iter().enumerate() {
        // Rooms of this row alone: the first to join owns the second one.
        let [open, own, new] = ["open", "own", "new"].map(|name| format!("{name}-{number}"));
        cmd!(redis, "CHAT.SEND", &open, "bob", "hi");
        cmd!(redis, "CHAT.JOIN", &own, "alice");
        cmd!(redis, "CHAT.JOIN", &own, "bob");
        let caller = site.caller(&row[0]);
        let may = [
            json!({"op": "history", "room": open}),
            json!({"op": "send", "room": open, "text": "hello"}),
            json!({"op": "send", "room": new, "text": "hello"}),
            json!({"op": "mod", "room": own, "action": "mute", "user": "bob"}),
        ]
        .map(|request| caller.may(request));
        let send = json!({"op": "send", "room": open, "text": "as another user", "as": "carol"});
        let named = match &caller {
            // Whoever is believed by name comes as somebody else.
            Caller::Socket(_) if row[0].contains("?user=") => {
                Caller::Socket(site.names.connect("carol")).may(send)
            }
            _ => caller.may(send),
        };
        let events = history(&mut redis.wire(), &open, &[]).events;
        let acts = named && events.iter().any(|event| event.json["user"] == "carol");
        let found: Vec<&str> =
            may.iter().chain([&acts]).map(|may| if *may { "yes" } else { "no" }).collect();
        assert_eq!(row[1..], found, "{}", row[0]);
    }
}
