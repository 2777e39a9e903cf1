//! docs/upgrades.md: each of its lines is held by a scenario, and its table names every stored form.

use std::collections::BTreeSet;
use std::fs;

use chat_tests::documents::{read, root, rows, section};
use chat_tests::servers::redis::Redis;

/// The items of the document by their bold beginnings.
fn items(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()));
    let items = lines.filter_map(|line| {
        let rest = line.strip_prefix("- **").or_else(|| line.strip_prefix(". **"))?;
        let (name, _) = rest.split_once("**")?;
        Some(name.trim_end_matches('.').to_owned())
    });
    items.collect()
}

#[test]
fn every_line_is_quoted_by_a_scenario() {
    let mut quoted = BTreeSet::new();
    for file in fs::read_dir(root().join("tests/it/upgrades")).expect("a folder").flatten() {
        let text = fs::read_to_string(file.path()).expect("a file");
        let quotes = text.lines().filter_map(|line| {
            let name = line.trim_start().strip_prefix("// upgrades.md: **")?;
            Some(name.strip_suffix("**").expect("bold").to_owned())
        });
        quoted.extend(quotes);
    }
    let items = items(&read("docs/upgrades.md"));
    assert!(items.len() > 15, "{items:?}");
    assert_eq!(items, quoted);
}

#[test]
fn every_item_is_bold_at_its_beginning() {
    let text = read("docs/upgrades.md");
    let (_, body) = text.split_once("\n## ").expect("sections");
    for line in body.lines().filter(|line| line.starts_with("- ")) {
        assert!(line.starts_with("- **"), "no scenario can quote this: {line}");
    }
}

#[test]
fn every_stored_form_is_in_the_table() {
    let text = read("docs/upgrades.md");
    let mut forms = BTreeSet::new();
    for row in rows(section(&text, "## Stored forms")) {
        let number = |word: &str| word.parse::<u64>().expect("a number");
        let (first, last) = row[0].split_once(" to ").unwrap_or((&row[0], &row[0]));
        forms.extend(number(first)..=number(last));
    }
    let newest: u64 = Redis::start().info("chat", "chat_stored_form").parse().expect("a number");
    assert_eq!(forms, (1..=newest).collect());
}
