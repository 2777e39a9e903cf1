//! `chat-relay probe`: its exit code follows the relay that runs with the same settings.

use std::net::TcpListener;
use std::process::Command;

use chat_tests::port;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};

/// The exit code, and what the program says.
#[track_caller]
fn probe(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(artefacts::relay());
    let command = command.arg("probe").args(flags).envs(variables.iter().copied());
    let output = command.output().expect("the program runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn it_fails_while_the_relay_is_not_ready_and_live_only_when_it_is_gone() {
    let mut redis = Redis::durable();
    let ops = format!("127.0.0.1:{}", port::free());
    // As a container has it: all addresses, and the PROXY protocol for clients.
    let everywhere = ops.replace("127.0.0.1", "0.0.0.0");
    let options = ["--listen-ops", &everywhere, "--proxy-protocol"];
    let proxies = ["--trusted-proxies", "127.0.0.1", "--probe", "200ms"];
    let mut relay = Relay::with("r1", &redis.url(), &[&options[..], &proxies].concat());
    relay.wait_ready();
    let variables = [("CHAT_RELAY_LISTEN_OPS", everywhere.as_str())];
    assert_eq!(probe(&[], &variables), (Some(0), "ready\n".to_owned()));
    assert_eq!(probe(&options, &[]), (Some(0), "ready\n".to_owned()), "by the relay's own flags");
    assert_eq!(probe(&["--live"], &variables).0, Some(0));
    redis.kill();
    eventually("a relay that is not ready", SOON, || match probe(&[], &variables) {
        (Some(1), text) if text.contains("answers 503") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(probe(&["--live"], &variables).0, Some(0), "it serves");
    relay.process().kill();
    for flags in [&[][..], &["--live"]] {
        let (code, text) = probe(flags, &variables);
        assert!(code == Some(1) && text.contains(&ops), "{code:?} {text}");
    }
}

#[test]
fn it_waits_a_bounded_time_and_names_mistakes() {
    // Takes connections and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let (code, text) = probe(&["--listen-ops", &address], &[]);
    assert!(code == Some(1) && text.contains("no answer within 3 seconds"), "{code:?} {text}");
    for (flags, start) in [
        (&["--listen-ops", "127.0.0.1:0"][..], "--listen-ops: port 0"),
        (&["--proxy-protocol"], "--listen-ops: needed"),
        (&["--config", "/nowhere"], "--config: /nowhere"),
        (&["--listen", "a\r\nb:1"], "--listen: "),
    ] {
        let (code, text) = probe(flags, &[]);
        assert!(code == Some(2) && text.starts_with(start), "{code:?} {text}");
    }
}
