//! Which URLs are read, and what is said of others.

use super::*;

/// The servers as they are shown, the user and the password.
fn read(text: &str) -> Result<(String, Option<String>, Option<String>), Vec<String>> {
    let address = parse(text)?;
    let password = match address.login.password {
        Password::Text(secret) => Some(String::from_utf8_lossy(secret.bytes()).into_owned()),
        _ => None,
    };
    let tls = if address.has_tls { "tls " } else { "" };
    Ok((format!("{tls}{}", address.servers), address.login.user, password))
}

#[test]
fn hosts_ports_and_logins_are_read() {
    let rows: &[(&str, &str, Option<&str>, Option<&str>)] = &[
        ("redis://h", "h:6379", None, None),
        ("redis://h/", "h:6379", None, None),
        ("REDIS://H:1/0", "h:1", None, None),
        ("redis://u:p@h", "h:6379", Some("u"), Some("p")),
        ("redis://u@h", "h:6379", Some("u"), None),
        ("redis://u:@h", "h:6379", Some("u"), None),
        ("redis://:p@h", "h:6379", None, Some("p")),
        ("redis://@h", "h:6379", None, None),
        ("redis://u:a:b@c@h", "h:6379", Some("u"), Some("a:b@c")),
        ("redis://%75:%40%2f%00%25@h", "h:6379", Some("u"), Some("@/\0%")),
        ("redis://b%c3%bcro:p@h", "h:6379", Some("büro"), Some("p")),
        ("redis://u:p,q@a:1,b", "a:1,b:6379", Some("u"), Some("p,q")),
        ("redis://a,b,a,A", "a:6379,b:6379", None, None),
        ("redis://127.0.0.1:7000,127.0.0.1:7001/0", "127.0.0.1:7000,127.0.0.1:7001", None, None),
        ("redis://[::1]", "[::1]:6379", None, None),
        ("redis://[::1]:1,[FD00::A]:2", "[::1]:1,[fd00::a]:2", None, None),
        ("redis://redis_1.internal.", "redis_1.internal.:6379", None, None),
        ("redis://bücher.example", "xn--bcher-kva.example:6379", None, None),
        ("rediss://h", "tls h:6379", None, None),
        ("redis+sentinel://a,b:1/main", "a:26379,b:1/main", None, None),
        ("rediss+sentinel://u:p@a/my-1.x_y", "tls a:26379/my-1.x_y", Some("u"), Some("p")),
    ];
    for (text, servers, user, password) in rows {
        let expected = (*servers).to_owned();
        let expected = (expected, user.map(str::to_owned), password.map(str::to_owned));
        assert_eq!(read(text), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_are_told_without_the_text() {
    let long = format!("redis://{}.example", "x".repeat(64));
    let many = format!("redis://{}", vec!["h"; 101].join(","));
    let rows: &[(&str, &[&str])] = &[
        ("", &["not an address"]),
        ("h:6379", &["not an address"]),
        ("redis:h", &["not an address"]),
        ("http://hunter2", &["the scheme"]),
        ("valkey://hunter2", &["the scheme"]),
        ("unix:///hunter2", &["the scheme"]),
        ("redis+tls://hunter2", &["the scheme"]),
        ("://hunter2", &["the scheme"]),
        ("redis://", &["a host is missing"]),
        ("redis://:hunter2@", &["a host is missing"]),
        ("redis://:1", &["a host is missing"]),
        ("redis://a,,b", &["host 2: a host is missing"]),
        ("redis://a,", &["host 2: a host is missing"]),
        ("redis://h:", &["the port"]),
        ("redis://h:0", &["the port"]),
        ("redis://h:65536", &["the port"]),
        ("redis://h:+1", &["the port"]),
        ("redis://h:hunter2", &["the port"]),
        ("redis://a,b:x,c d,e", &["host 2: the port", "host 3: not a name"]),
        ("redis://::1", &["an IPv6 address"]),
        ("redis://[::1", &["an IPv6 address", "not a name"]),
        ("redis://[::1]6379", &["not a name"]),
        ("redis://[::1%25eth0]", &["not a name"]),
        ("redis://[h]", &["not a name"]),
        ("redis://a..b", &["not a name"]),
        ("redis://a b", &["not a name"]),
        ("redis://a\0b", &["not a name"]),
        ("redis://a\nb", &["not a name"]),
        ("redis://\u{202e}evil", &["not a name"]),
        ("redis://1.2.3.999", &["not a name"]),
        ("redis://<script>", &["not a name"]),
        (&long, &["not a name"]),
        (&many, &["at most 100"]),
        ("redis://h/1", &["rooms live in database 0"]),
        ("redis://a,b/1", &["rooms live in database 0"]),
        ("redis://h/00", &["rooms live in database 0"]),
        ("redis://h/hunter2", &["after the hosts, only /0"]),
        ("redis://h/0/1", &["after the hosts, only /0"]),
        ("redis://h?protocol=resp3", &["nothing follows"]),
        ("redis://h/0?db=1", &["nothing follows"]),
        ("redis://u:hun/ter2@h", &["nothing follows"]),
        ("redis://u:hun#ter2@h", &["nothing follows"]),
        ("redis://u:hunter2%@h", &["a % in"]),
        ("redis://u:hunter2%4@h", &["a % in"]),
        ("redis://u:%+1hunter2@h", &["a % in"]),
        ("redis://%ff:hunter2@h", &["the user is not UTF-8"]),
        ("redis://a%20b:hunter2@h", &["no user"]),
        ("redis://a,rediss://b", &["one scheme"]),
        ("redis://u:hunter2@a,redis://u:hunter2@b", &["one scheme"]),
        ("redis+sentinel://a,b", &["after the hosts, /name"]),
        ("redis+sentinel://a/", &["after the hosts, /name"]),
        ("redis+sentinel://a/x/0", &["after the hosts, /name"]),
        ("redis+sentinel://a/my master", &["after the hosts, /name"]),
        ("redis+sentinel://%:hunter2@a:x", &["a % in", "the port", "after the hosts, /name"]),
    ];
    for (text, expected) in rows {
        let told = read(text).expect_err(text);
        // Either wording of an IPv6 address without its second bracket will do.
        let is_told = match expected {
            ["an IPv6 address", "not a name"] => told.len() == 1,
            expected => {
                told.len() == expected.len()
                    && told.iter().zip(*expected).all(|(line, start)| line.starts_with(start))
            }
        };
        assert!(is_told, "{text}: {told:?}");
        assert!(!told.concat().contains("hunter2"), "{text}: {told:?}");
    }
}

#[test]
fn no_debug_form_shows_a_password() {
    let address = parse("redis://relay:hunter2@h").expect("good");
    let shown = format!("{address:?} {address:#?} {}", address.servers);
    assert!(shown.contains("relay") && !shown.contains("hunter2"), "{shown}");
}
