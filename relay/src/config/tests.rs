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
fn filters_of_log_lines_are_checked() {
    let rows = [
        ("warn", true),
        ("INFO", true),
        ("chat_relay=debug,info", true),
        ("chat_relay::upstream=trace, warn", true),
        ("off", true),
        ("inof", false),
        ("chat_relay", false),
        ("chat_relay=", false),
        ("chat_relay=loud,info", false),
        ("info,", false),
    ];
    for (text, is_good) in rows {
        assert_eq!(check(&["--log", text]).is_ok(), is_good, "{text}");
    }
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
fn settings_of_tokens_are_checked_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, contents: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, contents).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = format!("--jwt-secret-file={}", file("good", &[b'x'; 32]));
    let short = format!("--jwt-secret-file={}", file("short", b"too short a secret"));
    let missing = format!("--jwt-key-file={}", dir.path().join("missing").display());
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let set = file("set", format!(r#"{{"keys":[{key}]}}"#).as_bytes());
    let set = format!("--jwt-jwks={set}");
    let huge = format!("--jwt-jwks={}", file("huge", &vec![b' '; (1 << 20) + 1]));
    let rows: &[(&[&str], &[&str], &str)] = &[
        (&["--auth=jwt", &good], &[], "a secret"),
        (&["--auth=jwt", &good, "--listen=0.0.0.0:1"], &[], "tokens are for the internet"),
        (&["--auth=jwt"], &["--auth"], "no keys"),
        (&["--auth=jwt", "--jwt-secret-file="], &["--auth"], "an empty variable is as if absent"),
        (&["--auth=jwt", &short], &["--jwt-secret-file"], "a short secret"),
        (&["--auth=jwt", &missing], &["--jwt-key-file"], "no such file"),
        (&["--auth=jwt", &huge], &["--jwt-jwks", "--jwt-issuer", "--jwt-audience"], "too large"),
        (&["--auth=jwt", &set], &["--jwt-issuer", "--jwt-audience"], "a set alone"),
        (&["--auth=jwt", &set, "--jwt-issuer=i"], &["--jwt-audience"], "a set with one of them"),
        (&["--auth=jwt", &set, "--jwt-issuer=i", "--jwt-audience=a"], &[], "a set with both"),
        (&["--auth=jwt", &good, "--jwt-cookie=c"], &["--jwt-cookie"], "a cookie for any page"),
        (
            &["--auth=jwt", &good, "--jwt-cookie=c", "--allowed-origin=*"],
            &["--jwt-cookie"],
            "a cookie for any page, said so",
        ),
        (
            &["--auth=jwt", &good, "--jwt-cookie=c", "--allowed-origin=https://a.example"],
            &[],
            "a cookie for one page",
        ),
        (
            &["--auth=jwt", &good, "--jwt-cookie=a b", "--allowed-origin=https://a.example"],
            &["--jwt-cookie"],
            "no name of a cookie",
        ),
        (
            &["--auth=jwt", &good, "--page-token-url=https://a.example/t"],
            &[],
            "an address for tokens of the page",
        ),
        (
            &["--auth=jwt", &good, "--page-token-url=http://a.example/t"],
            &["--page-token-url"],
            "an address where others read tokens",
        ),
        (
            &["--auth=jwt", "--jwt-jwks=https://a.example/k", "--jwt-issuer=i", "--jwt-audience=a"],
            &[],
            "an address",
        ),
        (
            &["--auth=jwt", "--jwt-jwks=http://a.example/k", "--jwt-issuer=i", "--jwt-audience=a"],
            &["--jwt-jwks"],
            "an address that anybody could answer for",
        ),
        (
            &[
                "--auth=jwt",
                "--jwt-jwks=https://a.example/k,https://b.example/k",
                "--jwt-issuer=i",
                "--jwt-audience=a",
            ],
            &["--jwt-jwks"],
            "two addresses",
        ),
        (&["--auth=none", &good], &["--jwt-secret-file"], "keys without tokens"),
        (
            &["--jwt-issuer=i", "--jwt-query", "--jwt-claim=c", "--page-token-url=/t"],
            &["--jwt-issuer", "--jwt-query", "--jwt-claim", "--page-token-url"],
            "rules without tokens",
        ),
        (
            &["--auth=jwt", &short, &missing, "--ping=5", "--jwt-query=perhaps"],
            &["--jwt-secret-file", "--jwt-key-file", "--ping", "--jwt-query"],
            "all at once",
        ),
    ];
    for (flags, expected, why) in rows {
        let said = check(flags).err().unwrap_or_default();
        let mut found: Vec<&str> =
            said.iter().filter_map(|line| line.split_once(':').map(|(flag, _)| flag)).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{why}: {said:?}");
        assert!(!said.concat().contains("too short a secret"), "{said:?}");
    }
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
fn headers_of_proxies_need_proxies_and_replace_forwarded_addresses() {
    let named = |config: &Config| {
        let edge = &config.edge;
        let ten = std::net::IpAddr::from([10, 0, 0, 1]);
        let by_header = edge.proxy_protocol.as_ref().map(|proxies| proxies.contain(ten));
        (edge.trusted_proxies.contain(ten), by_header)
    };
    let config = check(&["--trusted-proxies=10.0.0.0/8"]).expect("good");
    assert_eq!(named(&config), (true, None));
    let config = check(&["--trusted-proxies=10.0.0.0/8", "--proxy-protocol"]).expect("good");
    assert_eq!(named(&config), (false, Some(true)));
    for proxies in [&[][..], &["--trusted-proxies="]] {
        let mistakes = check(&[&["--proxy-protocol"], proxies].concat()).expect_err("mistakes");
        assert!(mistakes[0].starts_with("--proxy-protocol: needs"), "{mistakes:?}");
    }
    let mistakes = check(&["--proxy-protocol", "--trusted-proxies=x"]).expect_err("mistakes");
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
}

#[test]
fn sessions_need_an_application_and_what_it_is_shown() {
    let url = "--auth-url=http://app.example/who";
    let origin = "--allowed-origin=https://app.example";
    let rows: &[(&[&str], &[&str], &str)] = &[
        (&["--auth=http", url, "--auth-forward=authorization"], &[], "all there is"),
        (&["--auth=http", url, "--auth-forward=cookie", origin], &[], "all cookies"),
        (&["--auth=http", url, "--auth-forward=x-a,cookie:sid", origin], &[], "one cookie"),
        (&["--auth=http"], &["--auth-url", "--auth-forward"], "nothing"),
        (
            &["--auth=http", "--auth-url=", "--auth-forward="],
            &["--auth-url", "--auth-forward"],
            "-",
        ),
        (
            &["--auth=http", "--auth-url=app", "--auth-forward=a b"],
            &["--auth-url", "--auth-forward"],
            "bad",
        ),
        (&["--auth=http", url, "--auth-forward=cookie"], &["--auth-forward"], "any origin"),
        (
            &["--auth=http", url, "--auth-forward=cookie:sid", "--allowed-origin=*"],
            &["--auth-forward"],
            "every origin",
        ),
        (&["--auth=jwt", url], &["--auth-url", "--auth"], "tokens"),
        (&["--auth-forward=cookie"], &["--auth-forward"], "nobody is authenticated"),
        (
            &["--auth=http", url, "--auth-forward=authorization", "--jwt-issuer=x"],
            &["--jwt-issuer"],
            "both",
        ),
        (
            &["--auth=http", url, "--auth-forward=authorization", "--anonymous", "--max-guests=5"],
            &[],
            "guests beside sessions",
        ),
        (&["--anonymous"], &["--anonymous"], "guests where anybody is let in"),
        (&["--max-guests=5"], &["--max-guests"], "a bound of what is not there"),
        (
            &["--auth=http", url, "--auth-forward=x", "--anonymous=perhaps", "--max-guests=0"],
            &["--anonymous", "--max-guests", "--max-guests"],
            "neither",
        ),
    ];
    for (flags, expected, why) in rows {
        let mistakes = check(flags).err().unwrap_or_default();
        let mut found: Vec<&str> =
            mistakes.iter().map(|line| line.split(':').next().unwrap_or_default()).collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{why}: {mistakes:?}");
    }
    let config = check(rows[0].0).expect("good");
    assert!(!config.loopback_hosts_only, "the page is known by its session");
}
