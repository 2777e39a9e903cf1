//! Which flags fit together, and what is said of others.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::config::{Args, Config};

fn check(flags: &[&str]) -> Result<Config, Vec<String>> {
    use clap::Parser;
    let flags = std::iter::once(&"chat-relay").chain(flags);
    Args::try_parse_from(flags).expect("known flags").check()
}

fn write(dir: &Path, name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, contents).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// A certificate and its key.
fn certificate() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["redis.example".to_owned()]).expect("parameters");
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

#[test]
fn flags_about_redis_are_checked_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let (certificate, key) = certificate();
    let (_, other_key) = self::certificate();
    let file = |name: &str, contents: &str| write(dir.path(), name, contents);
    let password = format!("--redis-password-file={}", file("password", "hunter2\n"));
    let sentinel = format!("--sentinel-password-file={}", file("sentinel", "hunter2\n"));
    let empty = format!("--redis-password-file={}", file("empty", "\n"));
    let ca = format!("--redis-ca={}", file("ca", &format!("text\n{certificate}{certificate}")));
    let cert = format!("--redis-cert={}", file("cert", &certificate));
    let key_flag = format!("--redis-key={}", file("key", &key));
    let other = format!("--redis-key={}", file("other", &other_key));
    let no_key = format!("--redis-key={}", file("nokey", "hunter2"));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = format!("--redis-key={}", file("locked", locked));
    let bad = "-----BEGIN CERTIFICATE-----\n!hunter2!\n-----END CERTIFICATE-----\n";
    let bad = format!("--redis-ca={}", file("bad", bad));
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_der = format!("--redis-ca={}", file("noder", no_der));
    let huge = format!("--redis-ca={}", write(dir.path(), "huge", vec![b'x'; (1 << 20) + 1]));
    let url = "--redis=redis://h";
    let tls = "--redis=rediss://h";
    let watched = "--redis=redis+sentinel://h/main";
    let rows: &[(&[&str], &[&str], &str)] = &[
        (&[url, "--redis-user=relay", &password], &[], "a user and a file"),
        (&["--redis=redis://relay@h", &password], &[], "a file for the user of the URL"),
        (&["--redis=redis://:hunter2@h", "--redis-user=relay"], &[], "a user for a password"),
        (&[url, "--redis-user=relay"], &[], "a user without a password"),
        (&[url, "--redis-user=a b"], &["--redis-user"], "no such user"),
        (&["--redis=redis://a@h", "--redis-user=b"], &["--redis-user"], "two users"),
        (&["--redis=redis://:hunter2@h", &password], &["--redis-password-file"], "two passwords"),
        (&[url, "--redis-password-file=/nowhere"], &["--redis-password-file"], "no such file"),
        (&[url, &empty], &["--redis-password-file"], "an empty file"),
        (&[url, "--redis-password-file=", "--redis-ca="], &[], "empty is absent"),
        (
            &[url, "--sentinel-user=s", &sentinel],
            &["--sentinel-user", "--sentinel-password-file"],
            "no sentinels",
        ),
        (&[watched, "--sentinel-user=s", &sentinel, "--redis-user=r", &password], &[], "both"),
        (&["--redis=redis://h:x", &ca], &["--redis"], "a wrong URL alone"),
        (
            &["--redis=redis://h:x", "--redis-ca=/nowhere", &key_flag],
            &["--redis", "--redis-cert", "--redis-ca"],
            "a wrong URL hides no other mistake",
        ),
        (
            &["--redis=redis+sentinel://s:hunter2@h/main", "--redis-user=r", &password],
            &[],
            "the URL has the login of the sentinels",
        ),
        (
            &["--redis=redis+sentinel://s:hunter2@h/main", "--sentinel-user=s", &sentinel],
            &["--sentinel-user", "--sentinel-password-file"],
            "two logins of the sentinels",
        ),
        (&[tls, &ca], &[], "an authority"),
        (&[tls, &ca, &cert, &key_flag, "--redis-server-name=redis.example"], &[], "all of TLS"),
        (&["--redis=rediss://[::1]:1,127.0.0.1", &ca], &[], "addresses"),
        (&["--redis=rediss+sentinel://h/main", &ca], &[], "sentinels"),
        (
            &[url, &ca, &cert, &key_flag, "--redis-server-name=h"],
            &["--redis-ca", "--redis-cert", "--redis-key", "--redis-server-name"],
            "no TLS",
        ),
        (&[tls, &ca, &cert], &["--redis-key"], "a certificate without a key"),
        (&[tls, &ca, &key_flag], &["--redis-cert"], "a key without a certificate"),
        (&[tls, &ca, &cert, &other], &["--redis-key"], "the key of another"),
        (&[tls, &ca, &cert, &no_key], &["--redis-key"], "no key"),
        (&[tls, &ca, &cert, &locked], &["--redis-key"], "an encrypted key"),
        (&[tls, &ca, "--redis-server-name=a..b"], &["--redis-server-name"], "no name"),
        (&[tls, "--redis-ca=/nowhere"], &["--redis-ca"], "no such file"),
        (&[tls, &no_key.replace("key", "ca")], &["--redis-ca"], "no such file either"),
        (&[tls, &format!("--redis-ca={}", dir.path().display())], &["--redis-ca"], "a folder"),
        (&[tls, &bad], &["--redis-ca"], "no base64"),
        (&[tls, &no_der], &["--redis-ca"], "no certificate"),
        (&[tls, &huge], &["--redis-ca"], "too large"),
        (&[tls, &key_flag.replace("--redis-key", "--redis-ca")], &["--redis-ca"], "a key"),
        (
            &["--redis=rediss://a:x,b:y/1", "--redis-ca=/nowhere", "--ping=5", &empty],
            &["--redis", "--redis", "--redis", "--redis-password-file", "--redis-ca", "--ping"],
            "all at once",
        ),
        (
            &[tls, "--redis-ca=/nowhere", "--redis-cert=/nowhere", "--redis-key=/nowhere"],
            &["--redis-ca", "--redis-cert", "--redis-key"],
            "all files at once",
        ),
    ];
    for (flags, expected, why) in rows {
        let told = check(flags).err().unwrap_or_default();
        let flags = told.iter().filter_map(|line| line.split_once(':'));
        let mut found: Vec<&str> = flags.map(|(flag, _)| flag).collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{why}: {told:?}");
        assert!(!told.concat().contains("hunter2"), "{why}: {told:?}");
    }
}

#[test]
fn a_login_belongs_to_the_servers_that_the_url_names() {
    let login = |config: &Config| {
        let shown = |login: &Login| {
            let read = login.read().expect("readable");
            read.map(|(user, secret)| format!("{user} {}", String::from_utf8_lossy(secret.bytes())))
        };
        (shown(&config.redis.login), shown(&config.redis.sentinel_login))
    };
    let config = check(&["--redis=redis://r:p@a,b"]).expect("good");
    assert_eq!(login(&config), (Some("r p".into()), None));
    let config = check(&["--redis=redis+sentinel://s:p@a/m", "--redis-user=r"]).expect("good");
    assert_eq!(login(&config), (Some("r ".into()), Some("s p".into())));
}

#[test]
fn no_debug_form_shows_a_password() {
    use clap::Parser;
    let flags = ["chat-relay", "--redis=redis://relay:hunter2@h"];
    let args = Args::try_parse_from(flags).expect("known flags");
    assert!(!format!("{args:?} {args:#?}").contains("hunter2"));
    let config = args.check().expect("good");
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
}
