//! The tables of this package against the server: no command, no error code and no
//! close code without a scenario.

use std::collections::BTreeSet;

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::{READS, WRITES};

use crate::module::bounds::{calls, wrong_calls};
use crate::relay::{closes, drain, hostile};

/// Internal: the form in which the other commands' changes travel.
const INTERNAL: &str = "CHAT.APPLY";

#[test]
fn every_command_is_in_the_random_traffic_as_what_it_is() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let names = cmd!(wire, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let upper = name.to_ascii_uppercase();
        let info = cmd!(wire, "COMMAND", "INFO", &name);
        let flags = info.list()[0].list()[2].texts();
        if upper == INTERNAL {
            continue;
        }
        // The random traffic runs through replication, persistence and RESTORE, and asserts there
        // that each of these commands has worked.
        let table = if flags.contains(&"write".into()) { WRITES } else { READS };
        assert!(table.contains(&upper.as_str()), "{upper} {flags:?} is in no random traffic");
    }
}

#[test]
fn every_command_has_a_table_of_wrong_calls() {
    let redis = Redis::start();
    let names = cmd!(redis, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    let names: BTreeSet<String> = names.iter().map(|name| name.to_ascii_uppercase()).collect();
    let tables = calls::TABLE.iter().filter(|command| !command.refused.is_empty());
    let tables: BTreeSet<String> = tables.map(|command| command.name.to_owned()).collect();
    assert_eq!(tables, names);
}

#[test]
fn every_error_code_that_the_module_counts_is_in_a_table() {
    let redis = Redis::start();
    let info = cmd!(redis, "INFO", "chat").text().to_owned();
    let counted: Vec<&str> = info
        .lines()
        .filter_map(|line| Some(line.split_once("refused_")?.1.split_once(':')?.0))
        .collect();
    assert!(counted.len() > 5, "{info}");
    let shown = wrong_calls::codes();
    for code in counted {
        assert!(shown.iter().any(|other| other == code), "{code} is in no table: {shown:?}");
    }
}

/// `internal`: the relay's own failure to serve, which nothing from outside should bring about.
const NOT_TO_BE_HAD: u16 = 4000;

#[test]
fn every_close_code_of_the_relay_is_in_a_scenario() {
    let table = include_str!("../../relay/src/client/close.rs");
    let rows = table.lines().filter_map(|line| line.trim().split_once(" = ")?.1.split_once(" \""));
    let codes: BTreeSet<u16> = rows.filter_map(|(code, _)| code.parse().ok()).collect();
    assert!(codes.len() > 10 && codes.contains(&NOT_TO_BE_HAD), "{codes:?}");
    let broken_frames = hostile::closing().into_iter().map(|(.., code)| code);
    let rest = closes::TABLE.iter().map(|(code, ..)| *code);
    let mut shown: BTreeSet<u16> = broken_frames.chain(rest).collect();
    shown.extend([drain::DRAIN, NOT_TO_BE_HAD]);
    assert_eq!(codes, shown);
}
