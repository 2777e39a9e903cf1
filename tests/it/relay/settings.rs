//! The relay's settings as its process reads them: flags, environment variables, and the messages
//! about mistakes.

use std::process::{Command, Output};

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
