//! `docs/transfer.md`: its file is one that import reads and export writes, and its program makes one.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use chat_tests::cmd;
use chat_tests::documents::{blocks, code_words, read, rows, section};
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;

const DOCUMENT: &str = "docs/transfer.md";

/// What the program prints.
#[track_caller]
fn transfer(what: &str, redis: &Redis, file: &Path) -> String {
    let mut command = Command::new(artefacts::relay());
    let output = command.args([what, "--redis", &redis.url()]).arg(file).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_file_is_read_and_written_as_shown() {
    let text = read(DOCUMENT);
    let shown = blocks(section(&text, "## The file"), "json").remove(0);
    let dir = tempfile::tempdir().expect("a directory");
    let [there, back] = ["there", "back"].map(|name| dir.path().join(name));
    std::fs::write(&there, &shown).expect("writable");
    let redis = Redis::start();
    let printed = transfer("import", &redis, &there);
    assert!(printed.starts_with("2 rooms, 2 messages, 2 members, 1 sanctions\n"), "{printed}");
    let told = text.contains("not carried: reactions, read cursors, the journal, mentions, …");
    assert!(
        told && printed.contains("\nnot carried: reactions, read cursors, the journal, mentions, ")
    );
    transfer("export", &redis, &back);
    let written = std::fs::read_to_string(&back).expect("readable");
    let kinds = |text: &str| -> Vec<String> {
        let mut kinds: Vec<_> = text
            .lines()
            .map(|line| line.split('"').nth(1).unwrap_or_default().to_owned())
            .collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&written), kinds(&shown));
    // Every kind of line has a row, and every field of the file is in it.
    let rows = rows(section(&text, "## The file"));
    for line in shown.lines().chain(written.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let (kind, fields) = line.as_object().expect("an object").iter().next().expect("a kind");
        let row = rows.iter().find(|row| code_words(&row[0]) == [kind.as_str()]);
        let row = row.unwrap_or_else(|| panic!("{kind} has no row"));
        let words: Vec<&str> =
            code_words(&row[1]).into_iter().map(|word| word.trim_end_matches('?')).collect();
        for field in fields.as_object().expect("an object").keys() {
            assert!(words.contains(&field.as_str()), "{kind} {field}: {words:?}");
        }
    }
}

#[test]
fn the_program_makes_a_file_of_a_table() {
    let text = read(DOCUMENT);
    let program = blocks(section(&text, "## A file from another product"), "python").remove(0);
    let table =
        "lobby,alice,1500000000.5,\"hello, all\"\nlobby,bob,1500000001,\"☕\n2\"\nold,bob,7,x\n";
    let dir = tempfile::tempdir().expect("a directory");
    let [script, file] = ["rooms.py", "rooms.ndjson"].map(|name| dir.path().join(name));
    std::fs::write(&script, program).expect("writable");
    let out = std::fs::File::create(&file).expect("writable");
    let mut python = Command::new("python3");
    let python = python.arg(&script).stdin(Stdio::piped()).stdout(out);
    let mut python = python.spawn().expect("python3");
    python.stdin.take().expect("a pipe").write_all(table.as_bytes()).expect("it reads");
    assert!(python.wait().expect("it ends").success());
    let redis = Redis::start();
    assert!(transfer("import", &redis, &file).starts_with("2 rooms, 3 messages, "));
    let page = cmd!(redis, "CHAT.HISTORY", "lobby").list()[1].texts();
    assert!(page[0].contains("\"ts\":1500000000500,\"user\":\"alice\""), "{page:?}");
    assert!(page[1].contains("\"text\":\"☕\\n2\""), "{page:?}");
}
