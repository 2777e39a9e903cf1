//! The settings that are given, as anybody may see them.
//!
//! Only what is listed here is shown as it is: an option that comes later is not, until it is listed too.

use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use url::Url;

use crate::cli::doctor::page::pair;
use crate::config::Args;

/// Options whose values are numbers, times, addresses of this machine and words to choose from.
const PLAIN: &[&str] = &[
    "anonymous",
    "api-ops",
    "auth",
    "bytes-per-second",
    "contacts",
    "drain-delay",
    "drain-time",
    "frames-per-second",
    "grace",
    "handshake-timeout",
    "insecure",
    "jwt-allow-no-exp",
    "jwt-backend",
    "jwt-profile",
    "jwt-query",
    "linger",
    "listen",
    "listen-ops",
    "log",
    "log-format",
    "max-connections",
    "max-connections-per-address",
    "max-connections-per-user",
    "max-frame",
    "max-guests",
    "max-http-connections",
    "max-refusals",
    "max-rooms",
    "message-time",
    "nonce-window",
    "offline",
    "operations-per-second",
    "outbox",
    "page",
    "ping",
    "presence-ttl",
    "probe",
    "proxy-protocol",
    "send-hook-failure",
    "send-hook-timeout",
    "threads",
];
/// Addresses: only how, where and at which port is shown.
const ADDRESSES: &[&str] = &["auth-url", "jwt-jwks", "page-token-url", "relay-url", "send-hook"];
/// Everything else may be a secret, the place of one, or a name: of these only that they are given.
#[cfg(test)]
const HIDDEN: &[&str] = &[
    "allowed-origin",
    "api-key-file",
    "auth-forward",
    "auto-join",
    "config",
    "jwt-audience",
    "jwt-claim",
    "jwt-cookie",
    "jwt-issuer",
    "jwt-key-file",
    "jwt-secret-file",
    "jwt-user-claim",
    "name",
    // Its servers are shown by the findings.
    "redis",
    "redis-ca",
    "redis-cert",
    "redis-key",
    "redis-password-file",
    "redis-server-name",
    "redis-user",
    "send-hook-rooms",
    "sentinel-password-file",
    "sentinel-user",
    "trusted-proxies",
];

/// A line for each setting that is given, and by what.
pub(super) fn given(flags: &ArgMatches) -> Vec<String> {
    let command = Args::for_process();
    let file = flags.get_one::<String>("config").map(|path| Args::of_file(path).0);
    let lines = command.get_arguments().filter_map(|flag| {
        let (id, long) = (flag.get_id().as_str(), flag.get_long()?);
        let source = flags.try_contains_id(id).ok().and_then(|_| flags.value_source(id));
        let by = match source {
            Some(ValueSource::CommandLine) => "option",
            Some(ValueSource::EnvVariable) => "variable",
            _ => {
                let values = file.as_ref()?.get(long)?;
                return Some(line(flag, values, "file"));
            }
        };
        let values = flags.get_raw(id)?.map(OsStr::to_string_lossy);
        Some(line(flag, &values.map(|value| value.into_owned()).collect::<Vec<_>>(), by))
    });
    lines.collect()
}

/// `--ping=5s (file)`
fn line(flag: &Arg, values: &[String], by: &str) -> String {
    let long = flag.get_long().unwrap_or_default();
    let values = match (PLAIN.contains(&long), ADDRESSES.contains(&long), values.len()) {
        (true, _, _) => values.join(","),
        (_, true, _) => values.iter().map(|text| address(text)).collect::<Vec<_>>().join(","),
        (_, _, 0 | 1) => "***".to_owned(),
        (_, _, count) => format!("***_({count}_values)"),
    };
    format!("--{} ({by})", pair(long, &values))
}

/// `https://app.example:8443/***`: without user, password, path and query.
fn address(text: &str) -> String {
    let shown = Url::parse(text).ok().and_then(|url| {
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        Some(format!("{}://{}{port}/***", url.scheme(), url.host_str()?))
    });
    shown.unwrap_or_else(|| "***".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Vec<String> {
        let words = std::iter::once("chat-relay").chain(words.iter().copied());
        given(&Args::for_process().try_get_matches_from(words).expect("known flags"))
    }

    #[test]
    fn every_option_is_shown_in_one_way() {
        let command = Args::for_process();
        let all = command.get_arguments().filter_map(Arg::get_long);
        for long in all.filter(|long| !["help", "version"].contains(long)) {
            let lists = [PLAIN, ADDRESSES, HIDDEN].map(|list| list.contains(&long));
            assert_eq!(lists.iter().filter(|is_in| **is_in).count(), 1, "--{long}: {lists:?}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let rows = [
            ("--ping=7s", "--ping=7s (option)"),
            ("--redis=redis://canary:canary@canary", "--redis=*** (option)"),
            ("--jwt-secret-file=/canary", "--jwt-secret-file=*** (option)"),
            ("--auto-join=canary,canary", "--auto-join=***_(2_values) (option)"),
            (
                "--auth-url=https://canary:canary@app.example:8443/canary?canary#canary",
                "--auth-url=https://app.example:8443/*** (option)",
            ),
            (
                "--jwt-jwks=/canary.json,https://a.example/canary",
                "--jwt-jwks=***,https://a.example/*** (option)",
            ),
            ("--page-token-url=/canary", "--page-token-url=*** (option)"),
            ("--log=a\u{1b}[2J", "--log=(unreadable) (option)"),
        ];
        for (word, expected) in rows {
            assert_eq!(shown(&[word]), [expected]);
        }
        assert_eq!(shown(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_file_gives_what_nothing_else_gives() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, "ping = '9s'\nname = 'canary'\nmax-rooms = 7\n").expect("written");
        let config = format!("--config={}", path.display());
        let expected = [
            "--config=*** (option)",
            "--name=*** (file)",
            "--max-rooms=7 (file)",
            "--ping=5s (option)",
        ];
        assert_eq!(shown(&[&config, "--ping=5s"]), expected);
    }
}
