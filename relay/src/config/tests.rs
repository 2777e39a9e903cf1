//! Which settings are accepted, and what the mistakes say.

use super::*;

fn check(flags: &[&str]) -> Result<Config, Vec<String>> {
    let flags = std::iter::once(&"chat-relay").chain(flags);
    Args::try_parse_from(flags).expect("known flags").check()
}

#[test]
fn addresses_of_relays_are_checked() {
    let rows = [
        ("wss://Chat2.example.com", Some("wss://chat2.example.com/ws")),
        ("https://a.example:8443/chat/ws", Some("wss://a.example:8443/chat/ws")),
        ("http://127.0.0.1:8081", Some("ws://127.0.0.1:8081/ws")),
        ("ws://[::1]:8081/", Some("ws://[::1]:8081/ws")),
        ("chat2.example.com", None),
        ("ftp://a.example", None),
        ("ws://user:secret@a.example", None),
        ("ws://a.example/ws?x=1", None),
        ("ws://a.example;script-src *", None),
        ("ws://a;b", None),
        ("ws://", None),
    ];
    for (text, expected) in rows {
        let flags = [format!("--relay-url={text}")];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let read = check(&flags).map(|config| config.relay_urls[0].text());
        assert_eq!(read.ok().as_deref(), expected, "{text}");
    }
    assert!(check(&["--relay-url="]).expect("absent").relay_urls.is_empty());
}

#[test]
fn defaults_are_sound() {
    let config = check(&[]).expect("defaults");
    assert_eq!(config.max_frame, 64 << 10);
    assert_eq!(config.outbox, 1 << 20);
    assert_eq!(config.ping, Duration::from_secs(25));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = check(&[
        "--listen=nowhere",
        "--redis=http://x",
        "--auth=trust",
        "--ping=5",
        "--outbox=2",
        "--contacts=some",
        "--name=a b",
        "--log=a=b=c",
        "--threads=2000",
        "--insecure=maybe",
        "--frames-per-second=-1",
        "--bytes-per-second=lots",
        "--max-http-connections=0",
        "--message-time=never",
    ]);
    let mistakes = mistakes.expect_err("mistakes");
    let flags = [
        "--listen",
        "--redis",
        "--auth",
        "--ping",
        "--outbox",
        "--contacts",
        "--name",
        "--log",
        "--threads",
        "--insecure",
        "--frames-per-second",
        "--bytes-per-second",
        "--max-http-connections",
        "--message-time",
    ];
    for flag in flags {
        let found = mistakes.iter().filter(|line| line.starts_with(&format!("{flag}:"))).count();
        assert_eq!(found, 1, "{flag} in {mistakes:?}");
    }
}

#[test]
fn other_machines_are_not_trusted_by_accident() {
    assert!(check(&["--listen=0.0.0.0:1"]).is_err());
    assert!(check(&["--listen=0.0.0.0:1", "--insecure"]).is_ok());
    assert!(check(&["--listen=[::1]:1"]).is_ok());
}

#[test]
fn names_are_listened_on_and_switches_understood() {
    let listens = |text: &str| check(&[&format!("--listen={text}")]).map(|config| config.listen);
    assert_eq!(listens("localhost:8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
    for address in ["localhost", "localhost:", ":8080", "localhost:70000", "nobody.invalid:1"] {
        let mistakes = listens(address).expect_err(address);
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("--listen: "), "{mistakes:?}");
    }
    let afar = |insecure: &str| check(&["--listen=0.0.0.0:1", insecure]).is_ok();
    for yes in ["--insecure", "--insecure=1", "--insecure=true", "--insecure=YES"] {
        assert!(afar(yes), "{yes}");
    }
    for no in ["--insecure=0", "--insecure=false", "--insecure=no", "--insecure=off"] {
        assert!(!afar(no), "{no}");
    }
}

#[test]
fn a_mode_that_does_not_exist_yet_is_refused_as_such() {
    let mistakes = check(&["--auth=jwt"]).expect_err("a mistake");
    assert_eq!(mistakes, [r#"--auth: "jwt" is not there yet; for now there is only none"#]);
}

#[test]
fn every_setting_has_a_flag_and_a_variable_of_the_same_name() {
    for flag in Args::command().get_arguments() {
        let Some(long) = flag.get_long().filter(|long| !["help", "version"].contains(long)) else {
            continue;
        };
        let variable = format!("CHAT_RELAY_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(&*variable));
    }
}

#[test]
fn only_database_zero_is_served() {
    assert!(check(&["--redis=redis://h/1"]).is_err());
    assert!(check(&["--redis=redis://u:p@h:1/0"]).is_ok());
}
