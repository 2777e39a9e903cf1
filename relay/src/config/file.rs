//! `--config`: flags that are written in a TOML file.
//!
//! A key is a flag without its dashes, `max-rooms = 500`. What the command line or the environment
//! gives counts before the file, so the file only says what these two do not. Values become the
//! texts of flags, and are then checked like those. No message repeats a value: it could be a
//! password.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::values::Mistakes;

/// Bytes of the file.
const FILE_MAX: u64 = 1 << 20;
/// Mistakes that are told of one file.
const MISTAKES_MAX: usize = 50;

/// The type that a flag has in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    YesOrNo,
    Number,
    Size,
    Text,
}

impl Kind {
    /// By how `--help` shows the flag's value.
    fn of(flag: &Arg) -> Kind {
        let names = flag.get_value_names().unwrap_or_default();
        match names.first().map(|name| name.as_str()) {
            _ if matches!(flag.get_action(), ArgAction::Append) => Kind::List,
            Some("yes|no") => Kind::YesOrNo,
            Some("N") => Kind::Number,
            Some("SIZE") => Kind::Size,
            _ => Kind::Text,
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Kind::List => "not an array of strings, as in [\"a\", \"b\"]",
            Kind::YesOrNo => "not true or false",
            Kind::Number => "not a whole number",
            Kind::Size => "not a whole number of bytes, or a string like \"64kb\"",
            Kind::Text => "not a string",
        }
    }

    /// The texts that the flag would have. `None`: the value is of another type.
    fn texts(self, value: &DeValue<'_>) -> Option<Vec<String>> {
        let text = match (self, value) {
            (Kind::List, DeValue::Array(entries)) => {
                let texts = entries.iter().map(|entry| entry.get_ref().as_str());
                return texts.map(|text| text.map(str::to_owned)).collect();
            }
            (Kind::YesOrNo, DeValue::Boolean(value)) => yes_or_no(*value).to_owned(),
            (Kind::Number | Kind::Size, DeValue::Integer(value)) => {
                i64::from_str_radix(value.as_str(), value.radix()).ok()?.to_string()
            }
            (Kind::Size | Kind::Text, DeValue::String(text)) => text.as_ref().to_owned(),
            _ => return None,
        };
        Some(vec![text])
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The arguments that give what the command line, the environment and, for all else, the file say.
/// The second value: the mistakes in the file.
pub(super) fn merge(
    command: &Command,
    matches: &ArgMatches,
    path: &str,
) -> (Vec<OsString>, Vec<String>) {
    let mut arguments = vec![OsString::from("chat-relay")];
    for flag in settings(command) {
        if is_given(matches, flag) {
            let values = matches.get_raw(flag.get_id().as_str()).into_iter().flatten();
            arguments.extend(values.map(|value| argument(flag, value)));
        }
    }
    let (found, mistakes) = given(command, path);
    let of_file = found.iter().filter(|(flag, _)| !is_given(matches, flag));
    arguments.extend(of_file.map(|(flag, value)| argument(flag, value.as_ref())));
    (arguments, mistakes)
}

/// What the file gives to flags, by their names, and the mistakes in it.
pub(super) fn texts(command: &Command, path: &str) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let (found, mistakes) = given(command, path);
    let mut texts = BTreeMap::<String, Vec<String>>::new();
    for (flag, text) in found {
        texts.entry(flag.get_long().unwrap_or_default().to_owned()).or_default().push(text);
    }
    (texts, mistakes)
}

fn given<'c>(command: &'c Command, path: &str) -> (Vec<(&'c Arg, String)>, Vec<String>) {
    let mut mistakes = Mistakes(Vec::new());
    let found = match read(path) {
        Ok(text) => values(command, &text, &mut mistakes),
        Err(why) => {
            mistakes.0.push(why);
            Vec::new()
        }
    };
    let more = mistakes.0.len().saturating_sub(MISTAKES_MAX);
    let told = mistakes.0.iter().take(MISTAKES_MAX);
    let mut all: Vec<String> = told.map(|why| format!("--config: {path}: {why}")).collect();
    if more > 0 {
        all.push(format!("--config: {path}: and {more} more"));
    }
    (found, all)
}

/// The flags that a file can have.
fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    let others = ["config", "help", "version"];
    command
        .get_arguments()
        .filter(move |flag| flag.get_long().is_some_and(|long| !others.contains(&long)))
}

fn is_given(matches: &ArgMatches, flag: &Arg) -> bool {
    let source = matches.value_source(flag.get_id().as_str());
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

fn argument(flag: &Arg, value: &std::ffi::OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{}=", flag.get_long().unwrap_or_default()));
    argument.push(value);
    argument
}

fn read(path: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut contents = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_MAX + 1).read_to_end(&mut contents).map_err(unreadable)?;
    if contents.len() as u64 > FILE_MAX {
        return Err("has more than 1 MiB".to_owned());
    }
    String::from_utf8(contents).map_err(|_| "is not UTF-8".to_owned())
}

/// The texts that the file gives to flags.
fn values<'c>(command: &'c Command, text: &str, mistakes: &mut Mistakes) -> Vec<(&'c Arg, String)> {
    let line = |at: usize| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        format!("line {}", 1 + before.iter().filter(|&&byte| byte == b'\n').count())
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut told = BTreeSet::new();
    for error in &errors {
        // Without the text of the line. Later errors of one line mostly follow from its first.
        let line = line(error.span().unwrap_or_default().start);
        if told.insert(line.clone()) {
            mistakes.add(&line, error.message());
        }
    }
    let mut found = Vec::new();
    for (key, value) in table.get_ref() {
        let at = line(key.span().start);
        if told.contains(&at) {
            continue;
        }
        let name: &str = key.get_ref();
        let Some(flag) = settings(command).find(|flag| flag.get_long() == Some(name)) else {
            let shown: String = name.escape_debug().take(64).collect();
            mistakes.add(&at, format_args!("{shown}: no flag has this name"));
            continue;
        };
        let kind = Kind::of(flag);
        match kind.texts(Spanned::get_ref(value)) {
            None => mistakes.add(&at, format_args!("{name}: {}", kind.wanted())),
            Some(texts) if kind == Kind::List && texts.iter().any(|text| text.contains(',')) => {
                mistakes.add(&at, format_args!("{name}: a comma separates entries"));
            }
            Some(texts) => found.extend(texts.into_iter().map(|text| (flag, text))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::{Args, Config};

    /// What these flags and variables and this file give. A variable is written `NAME=value`, as the
    /// process would have it.
    fn check(flags: &[&str], file: impl AsRef<[u8]>) -> Result<Config, Vec<String>> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, file).expect("written");
        let config = format!("--config={}", path.display());
        let words = ["chat-relay", &config].into_iter().chain(flags.iter().copied());
        let matches = Args::for_process().try_get_matches_from(words).expect("known flags");
        let mistakes = Args::from_matches(&matches).expect("flags").check();
        let path = path.display().to_string();
        mistakes.map_err(|all| all.iter().map(|one| one.replace(&path, "F")).collect())
    }

    #[test]
    fn a_file_says_what_flags_do_not() {
        let file = "ping = '9s'\nmax-rooms = 1_0\nmax-frame = 2048\noutbox = \"64kb\"\n\
                    insecure = true\nauto-join = [\"a\", \"b\"]\npage = \"off\"\n";
        let config = check(&[], file).expect("good");
        assert_eq!((config.ping.as_secs(), config.max_rooms), (9, 10));
        assert_eq!((config.max_frame, config.outbox), (2048, 64 << 10));
        assert_eq!(config.auto_join, ["a", "b"]);
        let flags = ["--ping=7s", "--auto-join=c", "--insecure=no", "--max-rooms=500"];
        let config = check(&flags, file).expect("good");
        assert_eq!((config.ping.as_secs(), config.max_rooms), (7, 500), "a default that is given");
        assert_eq!(config.auto_join, ["c"], "not beside the file's");
        assert!(config.loopback_hosts_only, "insecure is no");
        assert_eq!(check(&[], "").expect("empty").max_rooms, 500);
        assert!(check(&[], "auto-join = []").expect("good").auto_join.is_empty());
    }

    #[test]
    fn all_mistakes_of_the_file_are_told_with_those_of_flags() {
        let file = "\nmax-roms = 5\nping = 5\nmax-rooms = \"5\"\ninsecure = \"yes\"\n\
                    auto-join = \"a\"\nrelay-url = [1]\nallowed-origin = ['https://a,https://b']\n\
                    config = 'other'\noutbox = 1.5\n[listen]\nx = 1\n";
        let told = check(&["--threads=many", "--grace=never"], file).expect_err("mistakes");
        let expected = [
            "--config: F: line 2: max-roms: no flag has this name",
            "--config: F: line 3: ping: not a string",
            "--config: F: line 4: max-rooms: not a whole number",
            "--config: F: line 5: insecure: not true or false",
            "--config: F: line 6: auto-join: not an array of strings",
            "--config: F: line 7: relay-url: not an array of strings",
            "--config: F: line 8: allowed-origin: a comma separates entries",
            "--config: F: line 9: config: no flag has this name",
            "--config: F: line 10: outbox: not a whole number of bytes",
            "--config: F: line 11: listen: not a string",
            "--threads: ",
            "--grace: ",
        ];
        for start in expected {
            assert!(told.iter().any(|line| line.starts_with(start)), "{start}: {told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        // A value of the right type is checked like the flag's.
        let told = check(&[], "ping = '5'\nmax-rooms = -1").expect_err("mistakes");
        let flags = told.iter().map(|line| line.split_once(':').map_or("", |(flag, _)| flag));
        assert_eq!(flags.collect::<Vec<_>>(), ["--max-rooms", "--ping"], "{told:?}");
    }

    #[test]
    fn what_is_no_toml_is_told_by_line_and_without_its_text() {
        let secret = "redis://relay:hunter2@h";
        let rows: &[(Vec<u8>, &[&str], &str)] = &[
            (format!("redis = {secret}").into(), &["line 1"], "no quotes"),
            (format!("redis = ['{secret}']").into(), &["line 1: redis: not a string"], "a list"),
            (b"ping = '5s'\nname = 'a'\nping = '6s'".to_vec(), &["line 3"], "twice"),
            (b"ping = '5s'\nping = '6s'\nx = 1".to_vec(), &["line 2", "line 3: x"], "all of them"),
            (b"name = 'a\nping = '5s'".to_vec(), &["line 1"], "an open quote"),
            (b"name = 'a\x01b'".to_vec(), &["line 1"], "a control character"),
            (b"name = '\xff'".to_vec(), &["is not UTF-8"], "not UTF-8"),
            (b"\0".to_vec(), &["line 1"], "NUL"),
            (b"x = ".iter().chain(&[b'['; 100_000]).copied().collect(), &["line 1"], "deep"),
            (vec![b'#'; (1 << 20) + 1], &["has more than 1 MiB"], "too large"),
        ];
        for (file, expected, why) in rows {
            let told = check(&[], file).expect_err(why);
            for start in *expected {
                let found = |line: &String| {
                    line.trim_start_matches("--config: ")
                        .trim_start_matches("F: ")
                        .starts_with(start)
                };
                assert!(told.iter().any(found), "{why}: {told:?}");
            }
            assert!(told.len() <= expected.len() + 1, "{why}: {told:?}");
            assert!(!told.concat().contains("hunter2"), "{why}: {told:?}");
        }
        let many = (0..5000).map(|n| format!("k{n} = 1\n")).collect::<String>();
        let told = check(&[], many).expect_err("5000 mistakes");
        assert_eq!(
            (told.len(), told.last().map(String::as_str)),
            (51, Some("--config: F: and 4950 more"))
        );
        let matches = Args::for_process().try_get_matches_from(["chat-relay", "--config=/nowhere"]);
        let told = Args::from_matches(&matches.expect("flags")).expect("flags").check();
        assert!(told.expect_err("no file")[0].starts_with("--config: /nowhere: "));
    }
}
