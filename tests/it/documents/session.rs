//! Runs the `redis-cli` sessions of documents and compares the replies that they show.
//!
//! A session is a block of lines: a prompt (`> ` or `127.0.0.1:6379> `) with a command, then the
//! reply as `redis-cli` prints it. Times differ from run to run: numbers of 13 digits (milliseconds
//! since the epoch) compare equal, and an id in a later command stands for the id that the server
//! gave at the place where the document shows it. `…` stands for anything, also for further lines.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use chat_tests::servers::redis::Redis;

const PROMPTS: [&str; 2] = ["> ", "127.0.0.1:6379> "];
/// Digits of a time in milliseconds, from 2001 to 2286.
const TIME_DIGITS: usize = 13;

/// The sessions of one document on one server.
pub(crate) struct Session<'r> {
    redis: &'r Redis,
    /// Ids of the document, and those of this run.
    ids: HashMap<String, String>,
}

impl<'r> Session<'r> {
    /// A session that has not begun.
    pub(crate) fn on(redis: &'r Redis) -> Session<'r> {
        Session { redis, ids: HashMap::new() }
    }

    /// Runs one block.
    ///
    /// # Panics
    /// If a reply is not the one that the block shows.
    pub(crate) fn run(&mut self, block: &str) {
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let prompt = PROMPTS.iter().find_map(|prompt| line.strip_prefix(prompt));
            let command = prompt.unwrap_or_else(|| panic!("a prompt, not {line:?}"));
            let is_prompt = |line: &&str| PROMPTS.iter().any(|prompt| line.starts_with(prompt));
            let mut shown = Vec::new();
            while let Some(line) = lines.next_if(|line| !is_prompt(line)) {
                shown.push(line);
            }
            let reply = self.call(command);
            let fits = fits(&masked(&shown.join("\n")), &masked(&reply));
            assert!(fits, "{command}\nthe document:\n{}\nthe server:\n{reply}", shown.join("\n"));
            let shown = shown.iter().flat_map(|line| ids(line));
            self.ids.extend(shown.zip(ids(&reply)).map(|(a, b)| (a.to_owned(), b.to_owned())));
        }
    }

    /// What `redis-cli` prints for a command with the ids of this run.
    fn call(&self, command: &str) -> String {
        let with_ids = |text: String, (shown, real): (&String, &String)| text.replace(shown, real);
        redis_cli(self.redis, &self.ids.iter().fold(command.to_owned(), with_ids))
    }
}

/// What `redis-cli` prints for a command.
pub(crate) fn redis_cli(redis: &Redis, command: &str) -> String {
    let port = redis.address().port().to_string();
    let mut cli = Command::new("redis-cli")
        .args(["-p", &port, "--no-raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli, on Debian in the package redis-tools");
    cli.stdin.take().expect("piped").write_all(command.as_bytes()).expect("it reads");
    let out = cli.wait_with_output().expect("it ends").stdout;
    let text = String::from_utf8(out).expect("redis-cli escapes");
    // After a reply that took long it prints the time.
    let is_time = |line: &&str| line.starts_with('(') && line.ends_with("s)");
    let lines = text.lines().map(str::trim_end).filter(|line| !is_time(line));
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").trim_end().to_owned()
}

/// The ids `<time>-<n>` in a text.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_digit() || c == '-';
    text.split(move |c| !is_part(c)).filter(|word| {
        word.split_once('-').is_some_and(|(ms, n)| ms.len() == TIME_DIGITS && !n.is_empty())
    })
}

/// A text with every time replaced by the same word, and the random digits of an alias removed.
pub(crate) fn masked(text: &str) -> String {
    const ALIAS: &str = "erased-";
    if let Some((before, after)) = text.split_once(ALIAS) {
        let rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        return format!("{}{ALIAS}{}", masked(before), masked(rest));
    }
    let mut masked = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        masked.push_str(if digits.len() == TIME_DIGITS { "TIME" } else { &digits });
        digits.clear();
        masked.push(c);
    }
    masked.pop();
    masked
}

/// Whether a text is what the document shows, where `…` is anything.
pub(crate) fn fits(shown: &str, text: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    is_open || rest.is_empty()
}

#[test]
fn replies_are_compared_but_for_times_and_what_is_left_out() {
    let rows = [
        ("\"1795225205879-58\"", "\"1795225205880-58\"", true),
        ("\"1795225205879-58\"", "\"1795225205880-59\"", false),
        ("1) 7\n2) …", "1) 7\n2) x\n3) y", true),
        ("1) …\n3) y", "1) 7\n2) x\n3) y", true),
        ("1) …\n3) y", "1) 7\n2) x\n3) z", false),
        ("(integer) 1", "(integer) 10", false),
    ];
    for (shown, text, expected) in rows {
        assert_eq!(fits(&masked(shown), &masked(text)), expected, "{shown:?} {text:?}");
    }
    assert_eq!(ids("x 1795225205879-58, 12-3").collect::<Vec<_>>(), ["1795225205879-58"]);
}
