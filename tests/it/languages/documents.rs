//! `docs/languages.md` names each example, with the versions that are locked, and helpers stay short.

use std::collections::BTreeSet;
use std::path::Path;

use chat_tests::documents::{read, root};

use super::example::Example::{self, GoRedis, GoRueidis, Java, NodeIoredis, NodeRedis, Python};
use super::example::FOLDER;

const LINES_MAX: usize = 100;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_example_is_run_and_in_the_document() {
    let document = read("docs/languages.md");
    let folders = std::fs::read_dir(root().join(FOLDER)).expect("a folder").flatten();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.file_name().into_string().expect("ASCII")).collect();
    let run: BTreeSet<String> = Example::ALL.map(|example| example.name().to_owned()).into();
    assert_eq!(folders, run);
    for name in run {
        assert!(document.contains(&format!("(../{FOLDER}/{name})")), "{name} is not linked");
    }
}

#[test]
fn no_helper_is_long() {
    for example in Example::ALL {
        let lines = text(&example.folder().join(example.helper())).lines().count();
        assert!(lines <= LINES_MAX, "{example:?}: {lines} lines");
    }
}

/// The first version of this package in a file.
#[track_caller]
fn locked(example: Example, file: &str, before: &str) -> String {
    let text = text(&example.folder().join(file));
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{file}: no {before}"));
    rest.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect()
}

/// The document names the versions that are locked: of clients, and of what runs them.
#[test]
fn the_document_names_the_locked_versions() {
    let document = read("docs/languages.md");
    let clients = [
        (Python, "redis-py", "requirements.txt", "redis=="),
        (
            NodeIoredis,
            "ioredis",
            "package-lock.json",
            "\"node_modules/ioredis\": {\n      \"version\": \"",
        ),
        (
            NodeRedis,
            "node-redis",
            "package-lock.json",
            "\"node_modules/redis\": {\n      \"version\": \"",
        ),
        (GoRueidis, "rueidis", "go.mod", "github.com/redis/rueidis v"),
        (GoRedis, "go-redis", "go.mod", "github.com/redis/go-redis/v9 v"),
        (Java, "Jedis", "pom.xml", "<artifactId>jedis</artifactId>\n      <version>"),
    ];
    for (example, client, file, before) in clients {
        let version = locked(example, file, before);
        let mut parts = version.split('.');
        let named = [parts.next(), parts.next()].map(|part| part.expect("two numbers"));
        let link = format!("(../{FOLDER}/{})", example.name());
        let row = document.lines().find(|line| line.contains(&link)).expect("a row");
        let cell = row.split('|').nth(1).unwrap_or_default();
        let words: Vec<&str> = cell.split([' ', ',']).collect();
        let expected = [client, &named.join(".")];
        assert!(words.windows(2).any(|pair| pair == expected), "{cell}, not {expected:?}");
    }
    let short = |version: String| version.trim_end_matches(".0").to_owned();
    let needed = format!(
        "Node {}, Go {} (rueidis) or {} (go-redis), Java {} and",
        locked(NodeIoredis, "package.json", "\"node\": \">="),
        short(locked(GoRueidis, "go.mod", "\ngo ")),
        short(locked(GoRedis, "go.mod", "\ngo ")),
        locked(Java, "pom.xml", "<maven.compiler.release>"),
    );
    assert!(document.contains(&needed), "{needed}");
}

/// Whoever installs the packages says where they come from.
#[test]
fn no_file_names_a_server_of_packages() {
    for example in Example::ALL {
        for entry in std::fs::read_dir(example.folder()).expect("a folder").flatten() {
            if entry.path().is_file() {
                let text = text(&entry.path());
                for word in ["registry.", "\"resolved\"", "pypi.", "proxy.", "repo1", "repo."] {
                    assert!(!text.contains(word), "{}: {word}", entry.path().display());
                }
            }
        }
    }
}
