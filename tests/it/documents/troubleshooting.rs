//! docs/troubleshooting.md names every error code, close code, log line and alert that there is.

use std::path::{Path, PathBuf};

use chat_protocol::error_code::ErrorCode;
use chat_tests::documents::{read, root, rows, section};

fn document() -> String {
    read("docs/troubleshooting.md")
}

#[test]
fn every_error_code_is_explained() {
    let document = document();
    let codes = rows(section(&document, "## Error codes"));
    for code in ErrorCode::ALL {
        let cell = format!("`{}`", code.word());
        assert!(codes.iter().any(|row| row[0] == cell), "{cell}");
    }
}

#[test]
fn every_close_code_is_explained() {
    let (document, protocol) = (document(), read("docs/protocol.md"));
    let explained = section(&document, "## Close codes");
    let codes = rows(section(&protocol, "## Close codes"));
    assert!(codes.len() > 10, "{codes:?}");
    for row in codes {
        let code = format!("{} {}", row[0], row[1]);
        assert!(explained.contains(&code), "{code}");
    }
}

#[test]
fn every_alert_is_explained() {
    let (document, alerts) = (document(), read("deploy/alerts.yml"));
    let explained = section(&document, "## Alerts");
    let alerts = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = alerts.collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(explained.contains(&format!("| `{alert}` |")), "{alert}");
    }
}

#[test]
fn every_warning_of_the_log_is_explained() {
    let document = document();
    let explained = section(&document, "## Log lines");
    let mut files = Vec::new();
    sources(&root().join("relay/src"), &mut files);
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        let text = text.split("\nmod tests {").next().unwrap_or_default();
        for message in warnings(text) {
            // What a line says of its case follows.
            let fixed = message.split('{').next().unwrap_or_default().trim_end_matches([':', ' ']);
            assert!(explained.contains(fixed), "{}: {message}", file.display());
            found += 1;
        }
    }
    assert!(found > 20, "only {found} log lines were found");
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

/// The messages of all `warn!` and `error!`: the last string of each.
fn warnings(source: &str) -> Vec<String> {
    let calls = ["warn!(", "error!("].iter().flat_map(|name| source.split(name).skip(1));
    calls.filter_map(|call| strings(call).pop()).collect()
}

/// The strings up to the parenthesis that closes the call.
fn strings(call: &str) -> Vec<String> {
    let (mut all, mut depth) = (Vec::new(), 1);
    let mut rest = call.chars();
    while let Some(next) = rest.next() {
        match next {
            '(' => depth += 1,
            ')' if depth == 1 => break,
            ')' => depth -= 1,
            '"' => {
                let mut string = String::new();
                while let Some(next) = rest.next().filter(|next| *next != '"') {
                    match next {
                        '\\' => drop(rest.next()),
                        next => string.push(next),
                    }
                }
                all.push(string);
            }
            _ => {}
        }
    }
    all
}
