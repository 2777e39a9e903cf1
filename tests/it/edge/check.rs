//! `chat-relay check`: every mistake has a line, the exit code tells whether a relay would work, and
//! nothing is changed.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use chat_tests::cmd;
use chat_tests::port;
use chat_tests::servers::artefacts;
use chat_tests::servers::clock::Clock;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::session_server::{Session, SessionServer};
use serde_json::json;

/// What the program says, and its exit code.
struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    /// The lines of one level.
    fn lines(&self, level: &str) -> Vec<&str> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix(level));
        lines.map(str::trim).collect()
    }

    /// Fails unless exactly these errors were found, each by the beginning of its line.
    #[track_caller]
    fn assert_errors(&self, expected: &[&str]) {
        let errors = self.lines("error ");
        let fits = errors.len() == expected.len()
            && errors.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(fits, "not {expected:?}:\n{}", self.text);
        let code = i32::from(!expected.is_empty());
        assert_eq!(self.code, Some(code), "{}", self.text);
    }

    /// As [`Said::assert_errors`], of warnings.
    #[track_caller]
    fn assert_warnings(&self, expected: &[&str]) {
        let warnings = self.lines("warning ");
        let fits = warnings.len() == expected.len()
            && warnings.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(fits, "not {expected:?}:\n{}", self.text);
    }
}

/// Runs the program with these flags.
fn check_with(flags: &[&str]) -> Said {
    check_as(flags, &[])
}

/// Runs the program with these flags and variables.
fn check_as(flags: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(artefacts::relay());
    let command = command.arg("check").args(flags).envs(variables.iter().copied());
    let output = command.output();
    let output = output.expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let levels = ["ok ", "warning ", "error "];
    let is_known = |line: &str| levels.iter().any(|level| line.starts_with(level));
    assert!(text.lines().all(is_known), "{text}");
    Said { code: output.status.code(), text }
}

/// Runs it for this server, on free ports.
fn check(url: &str, flags: &[&str]) -> Said {
    check_with(&[&["--redis", url, "--listen", "127.0.0.1:0"], flags].concat())
}

#[test]
fn a_good_configuration_has_no_error_and_changes_nothing() {
    let redis = Redis::start();
    let before = redis.digest();
    let said = check(&redis.url(), &["--listen-ops", "127.0.0.1:0"]);
    said.assert_errors(&[]);
    said.assert_warnings(&[]);
    let about: Vec<&str> =
        said.lines("ok ").iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let expected =
        ["settings", "port", "port", "redis", "module", "rights", "clock", "memory", "nonces"];
    assert_eq!(about, expected);
    assert_eq!((cmd!(redis, "DBSIZE").int(), redis.digest()), (0, before));
}

#[test]
fn all_mistakes_of_settings_are_told_at_once() {
    let flags = ["--ping", "5", "--page", "perhaps", "--auth", "jwt", "--operator-redis", "x"];
    let said = check_with(&flags);
    let flags = ["--auth", "--page", "--ping", "--operator-redis"];
    assert_eq!(said.lines("error ").len(), flags.len(), "{}", said.text);
    for flag in flags {
        assert!(said.text.contains(&format!("error   settings: {flag}: ")), "{}", said.text);
    }
    assert_eq!(said.code, Some(1));
    let missing = ["--auth", "jwt", "--jwt-secret-file", "/nowhere/secret"];
    check_with(&missing).assert_errors(&["settings: --jwt-secret-file: /nowhere/secret"]);
}

#[test]
fn variables_count_and_empty_ones_do_not() {
    let redis = Redis::start();
    let url = redis.url();
    let variables = [
        ("CHAT_RELAY_REDIS", &*url),
        ("CHAT_RELAY_LISTEN", "127.0.0.1:0"),
        ("CHAT_RELAY_ALLOWED_ORIGIN", ""),
        ("CHAT_RELAY_TRUSTED_PROXIES", ""),
        ("CHAT_RELAY_PROXY_PROTOCOL", ""),
        ("CHAT_RELAY_OPERATOR_REDIS", ""),
    ];
    check_as(&[], &variables).assert_errors(&[]);
    let wrong = [variables[0], ("CHAT_RELAY_PROXY_PROTOCOL", "yes"), ("CHAT_RELAY_NAME", "a b")];
    check_as(&[], &wrong).assert_errors(&["settings: --proxy-protocol", "settings: --name"]);
}

#[test]
fn doubtful_settings_are_warnings() {
    let redis = Redis::start();
    let open = ["--insecure", "--redis", &redis.url(), "--listen", "0.0.0.0:0"];
    let said = check_with(&[&open[..], &["--trusted-proxies", "10.0.0.0/8"]].concat());
    said.assert_errors(&[]);
    said.assert_warnings(&["settings: --insecure", "settings: --drain-delay"]);
}

#[test]
fn ports_that_are_taken_are_told() {
    let redis = Redis::start();
    let holder = TcpListener::bind(("127.0.0.1", port::free())).expect("a port");
    let taken = holder.local_addr().expect("an address").to_string();
    let said = check_with(&["--redis", &redis.url(), "--listen", &taken]);
    said.assert_errors(&[&format!("port: --listen: {taken}: ")]);
    drop(holder);
    let both = ["--redis", &redis.url(), "--listen", &taken, "--listen-ops", &taken];
    check_with(&both).assert_errors(&[&format!("port: --listen-ops: {taken}: ")]);
    let elsewhere = ["--redis", &redis.url(), "--insecure", "--listen", "192.0.2.1:80"];
    check_with(&elsewhere).assert_errors(&["port: --listen: 192.0.2.1:80: "]);
}

#[test]
fn a_server_that_is_no_good_for_relays_is_told() {
    let nobody = format!("redis://127.0.0.1:{}", port::free());
    let said = check(&nobody, &[]);
    said.assert_errors(&["redis: Redis cannot be reached"]);
    let named = nobody.replace("redis://", "; --redis names ");
    assert!(said.text.contains(&named), "{}", said.text);
    let redis = Redis::start();
    let wrong = redis.url().replace("redis://", "redis://relay:hunter2@");
    let said = check(&wrong, &[]);
    said.assert_errors(&["redis: Redis refuses the password"]);
    assert!(!said.text.contains("hunter2"), "{}", said.text);
    let said = check(&redis.url(), &["--operator-redis", &wrong]);
    said.assert_errors(&["--operator-redis: Redis refuses the password"]);
    assert!(!said.text.contains("hunter2"), "{}", said.text);
    let plain = Redis::without_module();
    let said = check(&plain.url(), &[]);
    said.assert_errors(&["module: Redis has no chat module"]);
    said.assert_warnings(&["nonces: "]);
    let replica = Redis::replica(&redis, &[]);
    check(&replica.url(), &[]).assert_errors(&["redis: Redis is a replica"]);
}

#[test]
fn a_server_that_refuses_writes_or_evicts_rooms_is_told() {
    let redis = Redis::start();
    cmd!(redis, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru").ok();
    check(&redis.url(), &[]).assert_errors(&["memory: maxmemory-policy is allkeys-lru"]);
    cmd!(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction").ok();
    cmd!(redis, "CONFIG", "SET", "maxmemory", "1").ok();
    check(&redis.url(), &[]).assert_errors(&["redis: Redis is out of memory"]);
    cmd!(redis, "CONFIG", "SET", "maxmemory", "0").ok();
    cmd!(redis, "CONFIG", "SET", "min-replicas-to-write", "1").ok();
    check(&redis.url(), &[]).assert_errors(&["redis: Redis refuses writes"]);
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let redis = Redis::start();
    redis.process().freeze();
    let begun = Instant::now();
    let said = check(&redis.url(), &[]);
    redis.process().thaw();
    said.assert_errors(&["redis: Redis cannot be reached"]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn every_right_that_is_missing_is_named() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let url = redis.relay_user();
    let said = check(&url, &[]);
    said.assert_errors(&[]);
    said.assert_warnings(&["clock: not readable", "memory: not readable", "nonces: not readable"]);
    let said = check(&url, &["--operator-redis", &redis.url()]);
    said.assert_errors(&[]);
    said.assert_warnings(&[]);
    let mut removed = Vec::new();
    for word in chat_tests::documents::commands_of_relays() {
        cmd!(wire, "ACL", "SETUSER", "relay", format!("-{word}")).ok();
        let said = check(&url, &[]);
        assert_eq!(said.code, Some(1), "without {word}: {}", said.text);
        removed.push(word);
        for word in &removed {
            let line = format!("error   rights: no permission to run {word}\n");
            assert!(said.text.contains(&line), "{line}{}", said.text);
        }
        assert_eq!(said.lines("error ").len(), removed.len(), "{}", said.text);
    }
    redis.relay_user();
    cmd!(wire, "ACL", "SETUSER", "relay", "resetkeys", "~@*", "%R~dm:*", "resetchannels", "&@*")
        .ok();
    let said = check(&url, &[]);
    said.assert_errors(&[
        "rights: no permission for the key check-",
        "rights: no permission for the key dm:check-",
        "rights: no permission for the channel check-",
        "rights: no permission for the channel dm:check-",
    ]);
    assert!(!said.text.contains("secret"), "{}", said.text);
}

#[test]
fn clocks_that_differ_are_told() {
    let clock = Clock::ahead_ms(0);
    let redis = Redis::with_clock(&[], &clock);
    check(&redis.url(), &[]).assert_warnings(&[]);
    clock.set_ahead_ms(5_000);
    let said = check(&redis.url(), &[]);
    said.assert_errors(&[]);
    said.assert_warnings(&["clock: Redis is "]);
    assert!(said.text.contains("ms ahead of this machine"), "{}", said.text);
    clock.set_ahead_ms(-60_000);
    let said = check(&redis.url(), &[]);
    said.assert_errors(&["clock: Redis is "]);
    assert!(said.text.contains("ms behind this machine"), "{}", said.text);
}

#[test]
fn the_window_of_nonces_must_be_that_of_redis() {
    let redis = Redis::start();
    cmd!(redis, "CONFIG", "SET", "chat.nonce-window", "60000").ok();
    check(&redis.url(), &[]).assert_errors(&["nonces: --nonce-window is 300000 ms"]);
    let said = check(&redis.url(), &["--nonce-window", "30s"]);
    said.assert_errors(&[]);
    said.assert_warnings(&["nonces: --nonce-window is 30000 ms"]);
    let said = check(&redis.url(), &["--nonce-window", "1m"]);
    said.assert_errors(&[]);
    said.assert_warnings(&[]);
}

/// `127.0.0.1:3000` of `http://127.0.0.1:3000/who`.
fn host_of(url: &str) -> &str {
    url.split('/').nth(2).expect("an address")
}

#[test]
fn keys_are_fetched_once() {
    let redis = Redis::start();
    let server = KeyServer::start();
    let url = server.url();
    let host = host_of(&url);
    let flags = ["--auth", "jwt", "--jwt-jwks", &url, "--jwt-issuer", "i", "--jwt-audience", "a"];
    server.answer(Answer::Keys(vec![KeyPair::new("one").jwk()]));
    let said = check(&redis.url(), &flags);
    said.assert_errors(&[]);
    assert!(said.text.contains(&format!("keys: the set of {host}: 1 usable")), "{}", said.text);
    assert_eq!(server.requests(), 1);
    let rows = [
        (Answer::Keys(Vec::new()), ": no key in it can verify tokens"),
        (Answer::Status(500), ": status 500"),
        (Answer::Status(302), ": status 302"),
        (Answer::Body(b"<html>".to_vec()), ": "),
        (Answer::Silence, ": "),
    ];
    for (answer, why) in rows {
        server.answer(answer);
        let expected = format!("keys: --jwt-jwks: the set of {host}{why}");
        check(&redis.url(), &flags).assert_errors(&[&expected]);
    }
}

#[test]
fn an_application_must_refuse_who_has_no_session() {
    let redis = Redis::start();
    let server = SessionServer::start();
    let url = server.url();
    let host = host_of(&url);
    let flags = ["--auth", "http", "--auth-url", &url, "--auth-forward", "authorization"];
    let said = check(&redis.url(), &flags);
    said.assert_errors(&[]);
    assert!(said.text.contains(&format!("ok      sessions: {host} refuses")), "{}", said.text);
    let questions = server.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].1["headers"], json!({}));
    let rows = [
        (Session::Of(json!({"user": "alice"})), format!("sessions: {host} lets in")),
        (Session::Status(500, Vec::new()), format!("sessions: --auth-url: {host}: status 500")),
        (Session::Status(302, Vec::new()), format!("sessions: --auth-url: {host}: status 302")),
        (Session::Noise, format!("sessions: --auth-url: {host}: ")),
        (Session::Silence, format!("sessions: --auth-url: {host}: no answer within 2 seconds")),
    ];
    for (session, expected) in rows {
        server.set("", session);
        check(&redis.url(), &flags).assert_errors(&[&expected]);
    }
}
