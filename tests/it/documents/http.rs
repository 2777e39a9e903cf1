//! `docs/http.md` against a relay: its lines of `curl`, its routes, its statuses.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

use chat_tests::clients::http::Http;
use chat_tests::documents::{blocks, code_words, read, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;

use super::session::{fits, ids, masked};

const DOCUMENT: &str = "docs/http.md";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a shell prints for a line.
fn shell(line: &str) -> String {
    let out = Command::new("sh").args(["-c", line]).env("KEY", KEY).output().expect("a shell");
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8").trim_end().to_owned()
}

#[test]
fn the_lines_of_curl_are_answered_as_shown() {
    let redis = Redis::start();
    let dir = tempfile::tempdir().expect("a directory");
    let keys = dir.path().join("api-keys");
    std::fs::write(&keys, format!("web:{KEY}\n")).expect("a file");
    let keys = keys.to_str().expect("UTF-8");
    let relay = Relay::with("r1", &redis.url(), &["--api-key-file", keys]);
    relay.wait_ready();
    let mut real: HashMap<String, String> = HashMap::new();
    let text = blocks(&read(DOCUMENT), "console").concat();
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("a prompt, not {line}"));
        let mut shown = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            shown.push(line);
        }
        let shown = shown.join("\n");
        let command = real.iter().fold(command.to_owned(), |text, (a, b)| text.replace(a, b));
        let command = command.replace("127.0.0.1:8080", &relay.address().to_string());
        let answer = shell(&command);
        let is_same = fits(&masked(&shown), &masked(&answer));
        assert!(is_same, "{command}\nthe document:\n{shown}\nthe relay:\n{answer}");
        for (shown, found) in ids(&shown).zip(ids(&answer)) {
            real.entry(shown.to_owned()).or_insert_with(|| found.to_owned());
        }
        count += 1;
    }
    assert!(count > 10, "{count} lines");
}

#[test]
fn the_routes_are_those_of_the_description() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let description = Http::new(relay.address()).get("/v1/openapi.json").ok();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    described.remove("POST /v1");
    let text = read(DOCUMENT);
    let listed: BTreeSet<String> = rows(section(&text, "## Routes"))
        .iter()
        .flat_map(|row| {
            let path = code_words(&row[0])[0].to_owned();
            let methods = row[0].split('`').next().unwrap_or_default();
            let methods: Vec<String> = methods
                .split([',', ' '])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            methods.into_iter().map(move |method| format!("{method} {path}"))
        })
        .collect();
    assert_eq!(listed, described);
}
