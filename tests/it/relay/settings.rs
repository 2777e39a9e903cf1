//! The relay's settings as its process reads them: flags, environment variables, and the messages
//! about mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use chat_tests::documents::read;
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::wait::{LATER, eventually};

/// Runs the relay with settings that keep it from starting.
fn refused(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(artefacts::relay());
    let command = command.args(flags).envs(variables.iter().copied());
    let Output { status, stderr, .. } = command.output().expect("the relay runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn all_mistakes_are_reported_at_once_with_exit_status_2() {
    let flags = [
        "--listen=nowhere",
        "--outbox=2",
        "--insecure=perhaps",
        "--allowed-origin=a",
        "--listen-ops=b",
        "--page=c",
        "--drain-delay=d",
        "--max-connections-per-user=-1",
        "--trusted-proxies=0.0.0.0/0",
    ];
    let variables =
        [("CHAT_RELAY_AUTH", "jwt"), ("CHAT_RELAY_PING", "5"), ("CHAT_RELAY_THREADS", "-1")];
    let (code, said) = refused(&flags, &variables);
    assert_eq!(code, Some(2), "{said}");
    let wrong = [
        "--listen",
        "--outbox",
        "--insecure",
        "--auth",
        "--ping",
        "--threads",
        "--allowed-origin",
        "--listen-ops",
        "--page",
        "--drain-delay",
        "--max-connections-per-user",
        "--trusted-proxies",
    ];
    for flag in wrong {
        assert_eq!(said.matches(&format!("{flag}: ")).count(), 1, "{flag} in {said}");
    }
    assert!(said.contains("jwt needs --jwt-secret-file"), "{said}");
    let (code, said) = refused(&["--listen", "0.0.0.0:0"], &[("CHAT_RELAY_INSECURE", "no")]);
    assert!(code == Some(2) && said.contains("--insecure"), "{said}");
    assert_eq!(refused(&["--no-such-flag"], &[]).0, Some(2));
}

#[test]
fn the_relay_starts_with_host_names_switches_and_empty_variables() {
    let dir = tempfile::tempdir().expect("a directory");
    let rows: &[(&str, &[&str], &[(&str, &str)], &str)] = &[
        ("name", &["--listen", "localhost:0"], &[], "listening on 127.0.0.1:"),
        ("switch", &["--listen", "0.0.0.0:0"], &[("CHAT_RELAY_INSECURE", "1")], "on 0.0.0.0:"),
        (
            "empty",
            &["--listen", "127.0.0.1:0", "--insecure"],
            &[
                ("CHAT_RELAY_NAME", ""),
                ("CHAT_RELAY_REDIS", ""),
                ("CHAT_RELAY_INSECURE", ""),
                ("CHAT_RELAY_ALLOWED_ORIGIN", ""),
                ("CHAT_RELAY_LISTEN_OPS", ""),
                ("CHAT_RELAY_DRAIN_DELAY", ""),
                ("CHAT_RELAY_AUTO_JOIN", ""),
                ("CHAT_RELAY_PING", ""),
                ("CHAT_RELAY_LOG", ""),
            ],
            "listening on 127.0.0.1:",
        ),
    ];
    for (name, flags, variables, expected) in rows {
        let flags: Vec<_> = flags.iter().map(Into::into).collect();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut relay = Process::spawn_in(name, artefacts::relay(), &flags, dir.path(), &variables);
        eventually("a relay that listens", LATER, || {
            assert!(relay.ended().is_none(), "{name}: {}", relay.errors());
            let said = relay.output();
            if said.contains(expected) { Ok(()) } else { Err(said) }
        });
    }
}

#[test]
fn a_flag_counts_before_a_variable_and_that_before_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("relay.toml");
    let file = "listen = \"127.0.0.1:0\"\nname = \"file\"\nping = \"never\"\ngrace = \"never\"\n";
    std::fs::write(&path, file).expect("written");
    let path = path.to_str().expect("UTF-8");
    // What is wrong in the file is only used where nothing else is given.
    let rows: &[(&[&str], &[(&str, &str)], &[&str])] = &[
        (&["--config", path], &[], &["--ping", "--grace"]),
        (&[], &[("CHAT_RELAY_CONFIG", path)], &["--ping", "--grace"]),
        (&["--config", path, "--ping", "5s"], &[], &["--grace"]),
        (&["--config", path], &[("CHAT_RELAY_GRACE", "5s")], &["--ping"]),
        (&["--config", path], &[("CHAT_RELAY_GRACE", "")], &["--ping", "--grace"]),
        (&["--config", path, "--ping=25s"], &[("CHAT_RELAY_GRACE", "x")], &["--grace"]),
        (&["check", "--config", path, "--ping=25s"], &[], &["--grace"]),
    ];
    for (flags, variables, expected) in rows {
        let mut command = Command::new(artefacts::relay());
        let command = command.args(*flags).envs(variables.iter().copied());
        let said = command.output().expect("the relay runs");
        assert!(matches!(said.status.code(), Some(1 | 2)), "{flags:?} {variables:?}: {said:?}");
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8(said).expect("UTF-8");
        for flag in ["--ping", "--grace"] {
            let count = said.matches(&format!("{flag}: ")).count();
            assert_eq!(
                count,
                usize::from(expected.contains(&flag)),
                "{flags:?} {variables:?}: {said}"
            );
        }
    }
    let started = Process::spawn_in(
        "file",
        artefacts::relay(),
        &["--config", path, "--grace=1s"].map(Into::into),
        dir.path(),
        &[("CHAT_RELAY_PING".into(), "1s".into()), ("CHAT_RELAY_CONFIG".into(), "/no".into())],
    );
    eventually("a relay that listens", LATER, || {
        let said = started.output() + &started.errors();
        if said.contains("listening on") && said.contains("file") { Ok(()) } else { Err(said) }
    });
    let (code, said) = refused(&["--config", "/no/such/file", "--threads=x"], &[]);
    assert!(code == Some(2) && said.contains("--config: /no/such/file: "), "{said}");
    assert!(said.contains("--threads: "), "{said}");
}

/// What `--help` says of every flag that a file can have: its default, if there is one.
fn flags_of_help() -> BTreeMap<String, Option<String>> {
    let help = Command::new(artefacts::relay()).arg("--help").output().expect("it runs").stdout;
    let help = String::from_utf8(help).expect("UTF-8");
    let mut flags = BTreeMap::new();
    let mut flag = String::new();
    for line in help.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("--") {
            let end = rest.find(['[', ' ', '=']).unwrap_or(rest.len());
            flag = rest[..end].to_owned();
            flags.insert(flag.clone(), None);
        } else if let Some(default) = line.strip_prefix("[default: ") {
            flags.insert(flag.clone(), Some(default.trim_end_matches(']').to_owned()));
        }
    }
    flags.remove("config");
    flags
}

#[test]
fn the_example_of_a_file_has_every_flag_and_starts_a_relay() {
    let text = read("deploy/relay.toml");
    let (mut set, mut shown) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        let (line, into) = match line.strip_prefix("# ") {
            Some(line) => (line, &mut shown),
            None => (line, &mut set),
        };
        if let Some((key, value)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        {
            assert!(into.insert(key.to_owned(), value.to_owned()).is_none(), "{key} twice");
        }
    }
    let flags = flags_of_help();
    let named: BTreeSet<&String> = set.keys().chain(shown.keys()).collect();
    assert_eq!(named, flags.keys().collect(), "deploy/relay.toml and --help");
    assert_eq!(named.len(), set.len() + shown.len(), "each once");
    for (key, default) in &flags {
        let (Some(shown), Some(default)) = (shown.get(key), default) else { continue };
        let shown = match shown.as_str() {
            "true" => "yes",
            "false" => "no",
            other => other.trim_matches('"'),
        };
        assert_eq!(shown, default, "the default of {key}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("chat.secret"), "0123456789abcdef".repeat(4)).expect("written");
    let path = dir.path().join("relay.toml");
    std::fs::write(&path, &text).expect("written");
    let flags = ["--config", "relay.toml", "--listen=127.0.0.1:0", "--listen-ops=127.0.0.1:0"];
    let mut relay =
        Process::spawn_in("example", artefacts::relay(), &flags.map(Into::into), dir.path(), &[]);
    eventually("a relay that listens", LATER, || {
        assert!(relay.ended().is_none(), "{}", relay.errors());
        let said = relay.output();
        if said.contains("listening on 127.0.0.1:") { Ok(()) } else { Err(said) }
    });
    let log = relay.errors();
    assert!(log.starts_with('{') && log.contains("\"relay\":\"r1\""), "{log}");
}
