//! `docs/operations.md` against the programs: settings, options, fields of `INFO`, metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use chat_protocol::limits;
use chat_tests::cmd;
use chat_tests::documents::{code_words, read, rows, section};
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;

const DOCUMENT: &str = "docs/operations.md";

#[test]
fn every_setting_is_listed_with_its_default_and_explained_in_redis_conf() {
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## Settings of the module"));
    let listed: BTreeMap<String, String> =
        rows.into_iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone())).collect();
    let redis = Redis::start();
    // What the harness itself sets is not a default.
    let plain = Redis::without_module();
    let mut wire = plain.wire();
    cmd!(wire, "MODULE", "LOAD", artefacts::module().to_str().expect("UTF-8")).ok();
    let pairs = cmd!(wire, "CONFIG", "GET", "chat.*").texts();
    let defaults: BTreeMap<String, String> =
        pairs.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(listed, defaults);
    drop(redis);
    let conf = read("redis.conf");
    let written = |text: &str| {
        let number = text.trim_end_matches("mb");
        match number.parse::<u64>() {
            Ok(number) if text.ends_with("mb") => (number << 20).to_string(),
            _ => text.to_owned(),
        }
    };
    let lines = conf.lines().filter_map(|line| line.strip_prefix("# chat.")?.split_once(' '));
    let explained: BTreeMap<String, String> =
        lines.map(|(name, value)| (format!("chat.{name}"), written(value))).collect();
    assert_eq!(explained, defaults, "redis.conf");
}

#[test]
fn every_option_of_the_relay_is_listed_with_its_default_and_variable() {
    let help = Command::new(artefacts::relay()).arg("--help").output().expect("it runs").stdout;
    let help = String::from_utf8(help).expect("UTF-8");
    let mut options = BTreeMap::new();
    let (mut option, mut variables) = (String::new(), BTreeSet::new());
    for line in help.lines().map(str::trim) {
        if line.starts_with("--") || line.starts_with("-h, ") || line.starts_with("-V, ") {
            let end = |c: char| c == '[' || c == ' ' || c == '=';
            option = line.split(end).next().unwrap_or_default().to_owned();
            if option.starts_with("--") {
                options.insert(option.clone(), String::new());
            }
        } else if let Some(default) = line.strip_prefix("[default: ") {
            options.insert(option.clone(), default.trim_end_matches(']').to_owned());
        } else if let Some(variable) = line.strip_prefix("[env: ") {
            let name = variable.trim_end_matches(']').trim_end_matches('=');
            variables.insert((option.clone(), name.to_owned()));
        }
    }
    let text = read(DOCUMENT);
    let listed: BTreeMap<String, String> = rows(section(&text, "## Options of the relay"))
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].trim_matches('`').to_owned()))
        .collect();
    assert_eq!(listed, options);
    for option in options.keys() {
        let words = option.trim_start_matches("--").replace('-', "_").to_uppercase();
        let variable = (option.clone(), format!("CHAT_RELAY_{words}"));
        assert!(variables.contains(&variable), "{variable:?}: {variables:?}");
    }
}

#[test]
fn every_field_of_info_and_every_metric_is_listed() {
    let text = read(DOCUMENT);
    let words = |heading: &str| -> BTreeSet<String> {
        let rows = rows(section(&text, heading));
        rows.iter().flat_map(|row| code_words(&row[0])).map(str::to_owned).collect()
    };
    let redis = Redis::start();
    let info = cmd!(redis, "INFO", "chat").text().to_owned();
    let fields: BTreeSet<String> = info
        .lines()
        .filter_map(|line| Some(line.strip_prefix("chat_")?.split_once(':')?.0.to_owned()))
        .collect();
    assert_eq!(words("### Fields of INFO chat"), fields);

    let relay = Relay::start("r1", &redis);
    let listed = words("### Metrics of the relay");
    let (_, metrics) = relay.get("/metrics");
    let described: BTreeSet<String> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next().map(str::to_owned))
        .collect();
    assert!(described.len() > 10, "{metrics}");
    let missing: Vec<&String> = described.difference(&listed).collect();
    assert!(missing.is_empty(), "in no row: {missing:?}");
    // These have labels, and come with their first value.
    let labelled = [
        "chat_relay_operation_errors_total",
        "chat_relay_api_requests_total",
        "chat_relay_logins_total",
        "chat_relay_auth_requests_total",
        "chat_relay_key_fetches_total",
        "chat_relay_key_reloads_total",
        "chat_relay_closes_total",
        "chat_relay_proxy_headers_refused_total",
        "chat_relay_sentinel_failures_total",
        "chat_relay_upstream_troubles_total",
    ];
    let gone: Vec<&String> =
        listed.difference(&described).filter(|name| !labelled.contains(&name.as_str())).collect();
    assert!(gone.is_empty(), "no metrics: {gone:?}");
}

/// The rows of fixed limits, by their first words, and the numbers that each must show.
const FIXED: &[(&str, &[usize])] = &[
    (
        "room, user, connection, nonce",
        &[
            limits::ROOM_NAME_MAX,
            limits::USER_NAME_MAX,
            limits::CONNECTION_NAME_MAX,
            limits::NONCE_MAX,
        ],
    ),
    ("kind, name of a signal, emoji", &[limits::WORD_MAX]),
    ("meta, data", &[limits::OBJECT_MAX / 1024, limits::OBJECT_DEPTH_MAX]),
    (
        "status, reason, topic, description",
        &[limits::STATUS_MAX, limits::REASON_MAX, limits::TOPIC_MAX, limits::DESCRIPTION_MAX],
    ),
    (
        "display name, status and avatar of a profile",
        &[limits::PROFILE_NAME_MAX, limits::PROFILE_STATUS_MAX, limits::AVATAR_MAX],
    ),
    ("pattern of `CHAT.ROOMS MATCH`", &[limits::PATTERN_MAX]),
    ("mentions of a message", &[limits::MENTIONS_MAX]),
    ("names in one call", &[limits::WORDS_MAX]),
    ("`COUNT`", &[limits::COUNT_MAX]),
    ("`BYTES`, events in one reply", &[limits::REPLY_BYTES_MAX >> 20]),
    ("emoji on a message, statuses of a user", &[limits::EMOJIS_MAX, limits::STATUSES_MAX]),
];

#[test]
fn the_fixed_limits_are_those_of_the_code() {
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## Limits"));
    for (name, expected) in FIXED {
        let row = rows.iter().find(|row| row[0].starts_with(name));
        let shown = &row.unwrap_or_else(|| panic!("no row {name}"))[1].replace(',', " ");
        let words = shown.replace("1 000", "1000");
        let numbers: Vec<usize> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
        let numbers = &numbers[..expected.len().min(numbers.len())];
        assert_eq!(numbers, *expected, "{name}: {shown}");
    }
}
