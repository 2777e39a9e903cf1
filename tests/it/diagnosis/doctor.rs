//! `chat-relay doctor`: a page that has no secret, no names and no texts, whatever is the matter.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::port;
use chat_tests::servers::artefacts;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::http_server::{HttpServer, Response};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::sentinel::{Sentinels, replicated};
use chat_tests::servers::server::Server;
use serde_json::json;

/// In everything that may not be shown.
const CANARY: &str = "canary";
/// Lines of a page with one server and one relay.
const PAGE_MAX: usize = 120;

/// Runs the program with these flags and variables. Returns the page.
#[track_caller]
fn doctor_as(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(artefacts::relay());
    let command = command.arg("doctor").args(flags).envs(variables.iter().copied());
    let output = command.output().expect("the program runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{page}");
    let acts =
        |one: char| one != '\n' && one.is_control() || ('\u{202a}'..='\u{202e}').contains(&one);
    assert!(!page.contains(acts), "{page:?}");
    page
}

#[track_caller]
fn doctor(url: &str, flags: &[&str]) -> String {
    doctor_as(&[&["--redis", url], flags].concat(), &[])
}

/// Fails unless the page has all these.
#[track_caller]
fn assert_has(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "no {word:?}:\n{page}");
    }
}

/// A file with these contents.
fn file(dir: &Path, name: &str, contents: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, contents).expect("writable");
    path.display().to_string()
}

#[test]
fn a_page_has_versions_settings_limits_state_and_counters() {
    let redis = Redis::start();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "hello").ok();
    let relay = Relay::with("r1", &redis.url(), &["--listen-ops", "127.0.0.1:0"]);
    relay.wait_ready();
    let ops = format!("http://{}", relay.ops_address());
    let digest = redis.digest();
    let page = doctor(&redis.url(), &["--ping", "7s", "--ops", &ops]);
    assert_eq!(redis.digest(), digest, "nothing is changed");
    let field = format!("{}_version", Server::of(&redis).product());
    let version = format!("version={} ", redis.info("server", &field));
    assert_has(
        &page,
        &[
            "\n  relay 0.",
            "needs module version 1\n",
            "kernel ",
            " open_files=",
            "\n  --ping=7s (option)\n",
            "\n  ok      rights: ",
            &version,
            " chat_module=1",
            " maxmemory_policy=noeviction",
            " role=master",
            " aof_enabled=0",
            " messages=1 ",
            "chat.nonce-window=300000",
            "\n  readyz: 200 ready\n",
            " chat_relay_upstream_up=1",
            " process_open_fds=",
        ],
    );
    for name in ["lobby", "alice", "hello"] {
        assert!(!page.contains(name), "{page}");
    }
    let lines = page.lines().count();
    assert!(lines <= PAGE_MAX, "{lines} lines:\n{page}");
}

/// Settings of which every value that may not be shown has the canary in it.
struct Secrets {
    dir: tempfile::TempDir,
    url: String,
}

impl Secrets {
    fn of(redis: &Redis) -> Secrets {
        let set = ["ACL", "SETUSER", "canaryuser", "on", ">canarypw", "~*", "&*", "+@all"];
        redis.call(&set).ok();
        let url = redis.url().replace("redis://", "redis://canaryuser:canarypw@");
        let dir = tempfile::Builder::new().prefix(CANARY).tempdir().expect("a directory");
        Secrets { dir, url }
    }

    /// With tokens, or with sessions of an application.
    fn flags(&self, auth: &str) -> Vec<(String, String)> {
        let dir = self.dir.path();
        let long = CANARY.repeat(8);
        let mut flags = vec![
            ("redis", self.url.clone()),
            ("operator-redis", self.url.clone()),
            ("auth", auth.to_owned()),
            ("name", "canary".to_owned()),
            ("allowed-origin", "https://canary.example".to_owned()),
            ("auto-join", "canary-room,canary-lounge".to_owned()),
            ("api-key-file", file(dir, "api", &format!("backend:{long}\n"))),
            ("send-hook", "http://127.0.0.1:1/canary?canary".to_owned()),
            ("send-hook-rooms", "canary*".to_owned()),
            ("trusted-proxies", "10.0.0.0/8".to_owned()),
        ];
        flags.extend(match auth {
            "jwt" => vec![
                ("jwt-secret-file", file(dir, "secret", &long)),
                ("jwt-issuer", "https://canary.example".to_owned()),
                ("jwt-audience", CANARY.to_owned()),
                ("jwt-claim", CANARY.to_owned()),
                ("jwt-user-claim", CANARY.to_owned()),
                ("jwt-cookie", CANARY.to_owned()),
                ("page-token-url", "https://app.example/canary?canary".to_owned()),
            ],
            _ => vec![
                ("auth-url", "http://127.0.0.1:1/canary?canary".to_owned()),
                ("auth-forward", "cookie:canary".to_owned()),
            ],
        });
        flags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[test]
fn no_secret_no_name_and_no_text_is_shown() {
    let redis = Redis::start();
    let secrets = Secrets::of(&redis);
    cmd!(redis, "CHAT.SEND", "canary-room", "canary-user", "canary text").ok();
    let relay = Relay::with("canary", &secrets.url, &["--auto-join", "canary-room"]);
    relay.wait_ready();
    let client = relay.connect("canary-user");
    client.ok(json!({"op": "join", "room": "canary-room"}));
    let ops = format!("http://{}/", relay.address());
    for auth in ["jwt", "http"] {
        let flags = secrets.flags(auth);
        // By options, by variables, and by a file.
        let words: Vec<String> =
            flags.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.extend(["--ops", &ops]);
        let variables: Vec<(String, String)> = flags
            .iter()
            .map(|(name, value)| {
                let name = name.replace('-', "_").to_uppercase();
                (format!("CHAT_RELAY_{name}"), value.clone())
            })
            .collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        let pages = [(doctor_as(&words, &[]), "option"), (doctor_as(&[], &variables), "variable")];
        for (page, by) in pages {
            assert!(!page.contains(CANARY), "{page}");
            let count = page.lines().filter(|line| line.ends_with(&format!("({by})"))).count();
            // --operator-redis is no setting of a relay.
            assert!(count >= flags.len() - 1, "{count} of {}:\n{page}", flags.len());
            assert_has(&page, &["\n  --redis=*** (", "\n  ok      rights: ", " messages=1 "]);
        }
    }
    // A file, with the password in one of its own.
    let dir = secrets.dir.path();
    let password = file(dir, "password", "canarypw");
    let contents = format!(
        "redis = '{}'\nredis-user = 'canaryuser'\nredis-password-file = '{password}'\nping = '9s'\n\
         auto-join = ['canary-room']\n",
        redis.url()
    );
    let config = file(dir, "relay.toml", &contents);
    let page = doctor_as(&["--config", &config], &[]);
    assert!(!page.contains(CANARY), "{page}");
    let expected = ["--redis-user=*** (file)", "--ping=9s (file)", "--config=*** (option)"];
    assert_has(&page, &expected);
    assert_has(&page, &["\n  ok      rights: "]);
    // What is wrong repeats no value.
    let wrong =
        ["--redis", "redis://u:canary@@@:x", "--operator-redis", "canary:canary", "--outbox", "1"];
    let page = doctor_as(&wrong, &[]);
    assert!(!page.contains(CANARY), "{page}");
    assert_has(&page, &["error   settings: --redis: ", "error   settings: --operator-redis: "]);
    let page = doctor("redis://canary", &["--ops", "http://canary:canary@127.0.0.1:1/canary"]);
    assert_has(&page, &["--ops: the address has no user and password"]);
}

#[test]
fn what_a_user_may_not_read_is_told_and_an_operator_may() {
    let redis = Redis::start();
    let url = redis.relay_user();
    let page = doctor(&url, &[]);
    let parts = ["server", "memory", "persistence", "replication", "chat", "settings"];
    for part in parts {
        let line =
            format!("\n  {part}: not readable as this user; --operator-redis names one who may\n");
        assert_has(&page, &[&line]);
    }
    assert_has(&page, &["ok      rights: ", " chat_module=1"]);
    let page = doctor(&url, &["--operator-redis", &redis.url()]);
    assert_has(&page, &[" role=master", " rooms=0 ", "chat.nonce-window=300000"]);
    assert!(!page.contains("not readable"), "{page}");
    cmd!(redis, "ACL", "SETUSER", "relay", "-chat.beat").ok();
    assert_has(&doctor(&url, &[]), &["error   rights: no permission to run chat.beat\n"]);
}

#[test]
fn the_rest_is_told_while_redis_is_away() {
    let redis = Redis::start();
    let nobody = format!("redis://127.0.0.1:{}", port::free());
    let ops = [&*nobody.replace("redis", "http"); 5].join(",");
    let page = doctor(&nobody, &["--ping", "7s", "--ops", &ops]);
    assert_has(
        &page,
        &[
            "\n  relay 0.",
            "--ping=7s (option)",
            "error   redis: Redis cannot be reached: ",
            "\nRedis\n  cannot be read: Redis cannot be reached: ",
            "\n  readyz: ",
            "\n  metrics: ",
            "\n--ops: only 4 of 5 are asked\n",
        ],
    );
    let wrong = redis.url().replace("redis://", "redis://relay:hunter2@");
    let page = doctor(&wrong, &[]);
    assert_has(&page, &["error   redis: Redis refuses the password"]);
    assert!(!page.contains("hunter2"), "{page}");
    redis.process().freeze();
    let begun = Instant::now();
    let page = doctor(&redis.url(), &[]);
    redis.process().thaw();
    assert!(begun.elapsed() < Duration::from_secs(75), "{:?}", begun.elapsed());
    assert_has(&page, &["error   redis: Redis cannot be reached"]);
    let plain = Redis::without_module();
    let page = doctor(&plain.url(), &[]);
    assert_has(
        &page,
        &["error   module: Redis has no chat module", " chat_module=none", " role=master"],
    );
}

#[test]
fn every_primary_of_a_cluster_is_described_and_that_of_sentinels() {
    let cluster = Cluster::with(&Shape { primaries: 3, replicas: 0, ..Shape::default() });
    let page = doctor(&cluster.url(), &[]);
    // Valkey calls it server_mode.
    assert_has(&page, &["ok      cluster: all 16384 slots have an owner", "_mode=cluster"]);
    for node in cluster.primaries() {
        assert_has(&page, &[&format!("\nRedis at {}\n", cluster.address(node))]);
    }
    assert_eq!(page.matches(" role=master").count(), 3, "{page}");
    let (primary, _replicas) = replicated(2, &[]);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let page = doctor(&sentinels.url(), &[]);
    let expected = format!("\nRedis at {}\n", primary.address());
    assert_has(&page, &[&expected, " role=master connected_slaves=2 "]);
}

/// A server that answers whatever it is asked with words that nobody should print.
fn hostile_server() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An error: the program has gone.
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    url
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let evil = "e\u{1b}[2J\u{9b}31m\u{202e}vil".repeat(2_000);
    let info = format!(
        "# X\r\nrole:{evil}\r\nchat_{evil}:1\r\nchat_rooms:7\r\nredis_mode:standalone\r\n{}",
        "chat_x:1\r\n".repeat(10_000)
    );
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let hello = format!(
        "%6\r\n{}{}{}{}{}:3\r\n{}{}{}{}{}*1\r\n%2\r\n{}{}{}:1\r\n",
        bulk("server"),
        bulk("redis"),
        bulk("version"),
        bulk(&evil),
        bulk("proto"),
        bulk("mode"),
        bulk("standalone"),
        bulk("role"),
        bulk("master"),
        bulk("modules"),
        bulk("name"),
        bulk("chat"),
        bulk("ver"),
    );
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let words = Reply::read(&mut reader)?.texts();
        match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            Some("HELLO") => stream.write_all(hello.as_bytes())?,
            Some("INFO") => stream.write_all(bulk(&info).as_bytes())?,
            Some("CONFIG") => {
                let pairs = format!("%2\r\n{0}{0}{1}{0}", bulk(&evil), bulk("chat.max-text"));
                stream.write_all(pairs.as_bytes())?;
            }
            Some("SSUBSCRIBE" | "SUNSUBSCRIBE") => stream.write_all(b"-ERR no\r\n")?,
            _ => write!(stream, "-ERR {}\r\n", evil.get(..2_900).unwrap_or("x"))?,
        }
    }
}

fn url_of(server: &HttpServer) -> String {
    format!("http://127.0.0.1:{}", server.port())
}

#[test]
fn hostile_answers_are_short_and_printable() {
    let page = doctor(&hostile_server(), &[]);
    assert!(page.len() < 40_000, "{} bytes", page.len());
    assert_has(&page, &[" version=(unreadable)", " role=(unreadable)", " rooms=7 "]);
    assert_has(&page, &["chat.max-text=(unreadable)"]);
    let evil = "chat_relay_a 1\nchat_relay_\u{1b}[2J 5\nother_\u{202e} 1\n".repeat(10_000);
    let server = HttpServer::start(move |request| match request.head.starts_with("GET /readyz") {
        true => Response::Whole(503, "\u{1b}[2J".repeat(1_000).into_bytes()),
        false => Response::Whole(200, evil.clone().into_bytes()),
    });
    let redis = Redis::start();
    let page = doctor(&redis.url(), &["--ops", &url_of(&server)]);
    assert!(page.len() < 40_000, "{} bytes", page.len());
    assert_has(&page, &["\n  readyz: 503 \\u001b[2J", " chat_relay_a=1"]);
    for (response, why) in [(0, "cannot be read"), (1, "no answer within 5 seconds")] {
        let server = HttpServer::start(move |_| match response {
            0 => Response::Whole(200, vec![b'x'; 2 << 20]),
            _ => Response::Drip,
        });
        let page = doctor(&redis.url(), &["--ops", &url_of(&server)]);
        assert!(page.matches(why).count() == 2, "{page}");
    }
}
