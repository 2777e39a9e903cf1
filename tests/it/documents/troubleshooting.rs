//! docs/troubleshooting.md names every error code, close code, log line and alert that there is.

use std::path::{Path, PathBuf};
use std::process::Command;

use chat_protocol::error_code::ErrorCode;
use chat_tests::cmd;
use chat_tests::documents::{code_words, read, root, rows, section};
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::server::Server;
use chat_tests::wait::{LATER, eventually};

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

/// The lines of the block that begins with this command: what it prints.
fn sample<'t>(text: &'t str, command: &str) -> Vec<&'t str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("    $ {command}")));
    let shown = lines.map_while(|line| line.strip_prefix("    "));
    shown.collect()
}

/// The text with each digit as 0.
fn without_numbers(text: &str) -> String {
    text.replace(|one: char| one.is_ascii_digit(), "0")
}

#[test]
fn a_room_is_followed_as_shown() {
    let document = document();
    let shown = sample(section(&document, "## Following a room"), "chat-relay tail ");
    let redis = Redis::start();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "hello").ok();
    let dir = tempfile::tempdir().expect("a directory");
    let command = shown[0].replace("redis://127.0.0.1:6379", &redis.url());
    let mut args: Vec<_> = command.split(' ').skip(2).map(Into::into).collect();
    args.extend(["--format", "text", "--count", "2"].map(Into::into));
    let mut tail = Process::spawn("tail", artefacts::relay(), &args, dir.path());
    eventually("a tail that follows", LATER, || match tail.errors() {
        said if said.contains("following lobby") => Ok(()),
        said => Err(said),
    });
    cmd!(redis, "CHAT.SIGNAL", "lobby", "bob", "typing").ok();
    assert!(tail.wait(LATER).success());
    let printed = without_numbers(&tail.output());
    assert_eq!(printed, without_numbers(&(shown[1..].join("\n") + "\n")));
}

/// The options of a subcommand that the relay itself does not have, without their dashes.
fn own_options(subcommand: &str) -> Vec<String> {
    let help = |words: &[&str]| {
        let output = Command::new(artefacts::relay()).args(words).arg("--help").output();
        String::from_utf8(output.expect("it runs").stdout).expect("UTF-8")
    };
    let options = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("--"));
        lines.map(|line| line.split([' ', '[', '=']).next().unwrap_or("").to_owned()).collect()
    };
    let of_relay = options(&help(&[]));
    let mut own = options(&help(&[subcommand]));
    own.retain(|option| !of_relay.contains(option));
    own
}

#[test]
fn a_page_for_a_bug_report_is_as_shown() {
    let document = document();
    let section = section(&document, "## A page for a bug report");
    let lines = section.lines().skip_while(|line| !line.starts_with("    $ chat-relay doctor "));
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let shown: Vec<&str> = lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--listen-ops", "127.0.0.1:0"]);
    relay.wait_ready();
    let ops = relay.ops_address().to_string();
    let product = Server::of(&redis).product();
    let here = |text: &str| {
        text.replace("127.0.0.1:6379", &redis.address().to_string())
            .replace("10.0.0.5:9100", &ops)
            .replace("redis: redis", &format!("redis: {product}"))
            .replace("server=redis", &format!("server={product}"))
    };
    let command = here(shown[0]);
    let output = Command::new(artefacts::relay()).args(command.split(' ').skip(2)).output();
    let page = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let headings = |text: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        let lines = text.filter(|line| !line.is_empty() && !line.starts_with(' '));
        lines.map(str::to_owned).collect()
    };
    let shown = here(&shown[1..].join("\n"));
    assert_eq!(headings(&mut shown.lines()), headings(&mut page.lines()));
    // Of other machines and versions: the words before the first number.
    let (page, is_of_machine) = (without_numbers(&page), |line: &str| line.contains(", kernel "));
    for line in shown.lines().filter(|line| line.starts_with("  ") && !is_of_machine(line)) {
        let fixed = line.trim_end().trim_end_matches('…');
        let fixed = fixed.split(|one: char| one.is_ascii_digit()).next().unwrap_or_default();
        assert!(page.contains(fixed), "{line}:\n{page}");
    }
    assert_eq!(own_options("doctor"), ["operator-redis", "ops"]);
    assert!(section.contains("`--ops URL`") && section.contains("`--operator-redis`"));
}

#[test]
fn every_option_of_tail_is_explained() {
    let document = document();
    let rows = rows(section(&document, "## Following a room"));
    let words: Vec<&str> = rows.iter().flat_map(|row| code_words(&row[0])).collect();
    let options = own_options("tail");
    assert_eq!(options.len(), 4, "{options:?}");
    for option in options {
        assert!(
            words.iter().any(|word| word.split(' ').next() == Some(&format!("--{option}"))),
            "{option}"
        );
    }
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
