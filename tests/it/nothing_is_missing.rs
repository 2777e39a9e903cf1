//! The tables of this package compared with the server: every command, every error code and every
//! close code has a scenario.

use std::collections::BTreeSet;

use chat_protocol::close_code;
use chat_protocol::error_code::ErrorCode;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::{READS, WRITES};

use crate::module::bounds::{calls, wrong_calls};
use crate::relay::{closes, hostile};

/// Internal: the command that carries the changes of the others.
const INTERNAL: &str = "CHAT.APPLY";

#[test]
fn every_command_is_in_the_random_traffic() {
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
        // The random traffic is part of the replication, persistence and RESTORE scenarios, which
        // assert that each of these commands has succeeded.
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
    let codes = ErrorCode::OF_MODULE.map(|code| code.word().to_ascii_lowercase());
    assert!(codes.iter().all(|code| counted.contains(&code.as_str())), "{counted:?}");
    let shown = wrong_calls::codes();
    for code in counted {
        assert!(shown.iter().any(|other| other == code), "{code} is in no table: {shown:?}");
    }
}

#[test]
fn every_close_code_of_the_relay_is_in_a_scenario() {
    let broken_frames = hostile::closing().into_iter().map(|(.., code)| code.name);
    let rest = closes::TABLE.iter().map(|(code, ..)| code.name);
    let mut shown: BTreeSet<&str> = broken_frames.chain(rest).collect();
    // From `drain`. No scenario can cause `internal`: it reports a defect of the relay.
    shown.extend([close_code::DRAIN.name, close_code::INTERNAL.name]);
    let all: BTreeSet<&str> = close_code::ALL.iter().map(|code| code.name).collect();
    assert_eq!(all, shown);
}
