//! A replica that starts from a file of its primary, saved without followers after a client had
//! asked for the data: the primary continues as if the replica had been connected all the time.

use std::fs;
use std::time::Instant;

use chat_tests::cmd;
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;
use chat_tests::wait::{LATER, SOON, eventually, until};

use crate::module::replication::constant_traffic::ALONE;

/// How the file is made, in the words of the table below.
fn make_file(primary: &mut Redis, how: &str) {
    match how {
        "SAVE" => drop(cmd!(primary, "SAVE").ok()),
        "BGSAVE" => {
            cmd!(primary, "BGSAVE").ok();
            eventually("the end of the child", LATER, || {
                match primary.info("persistence", "rdb_bgsave_in_progress").as_str() {
                    "0" => Ok(()),
                    other => Err(other.to_owned()),
                }
            });
        }
        "DEBUG RELOAD" => drop(cmd!(primary, "DEBUG", "RELOAD").ok()),
        _ => {
            cmd!(primary, "CONFIG", "SET", "save", "3600 1").ok();
            primary.stop();
            primary.restart();
        }
    }
}

/// How the file is made, whether the replica that waits for its data is still there then, and
/// whether the copy must be able to continue from the file.
const WAYS: &[(&str, bool, bool)] = &[
    ("SAVE", true, true),
    ("SAVE", false, true),
    ("BGSAVE", true, true),
    ("BGSAVE", false, true),
    ("DEBUG RELOAD", true, true),
    ("DEBUG RELOAD", false, true),
    ("SHUTDOWN", true, false),
];

#[test]
fn a_replica_seeded_by_a_file_saved_while_another_waits_is_equal() {
    for (how, waits, goes_on) in WAYS {
        println!("{how}, a replica waits: {waits}");
        // The client that asks for the data waits for an hour.
        let mut primary = Redis::with(&["repl-diskless-sync-delay 3600"]);
        let mut traffic = Traffic::new(seeded(how));
        traffic.run(&mut primary.wire(), 300);
        until(Instant::now() + ALONE);
        traffic.run(&mut primary.wire(), 300);
        let mut waiting = Some(Redis::start());
        if let Some(waiting) = &waiting {
            let address = primary.address();
            cmd!(waiting, "REPLICAOF", address.ip().to_string(), address.port()).ok();
        }
        let slaves = |primary: &Redis| primary.info("replication", "connected_slaves");
        eventually("a replica that waits", SOON, || match slaves(&primary).as_str() {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        });
        if !waits {
            waiting = None;
            eventually("no waiting replica", SOON, || match slaves(&primary).as_str() {
                "0" => Ok(()),
                other => Err(other.to_owned()),
            });
        }
        assert_eq!(primary.info("replication", "repl_backlog_active"), "1");
        // Before anything but the save itself can show the primary that it has followers.
        traffic.run(&mut primary.wire(), 100);
        make_file(&mut primary, how);
        traffic.run(&mut primary.wire(), 300);

        let mut copy = Redis::start();
        copy.kill();
        fs::copy(primary.dir().join("dump.rdb"), copy.dir().join("dump.rdb")).expect("the file");
        copy.set(&format!("replicaof {} {}", primary.address().ip(), primary.address().port()));
        // The waiting client would make the copy wait too, if the copy needs all the data.
        cmd!(primary, "CONFIG", "SET", "repl-diskless-sync-delay", 0).ok();
        drop(waiting);
        copy.restart();
        copy.catch_up(&primary);
        if *goes_on {
            let partial = primary.info("stats", "sync_partial_ok");
            assert_eq!(partial, "1", "{how}: the copy goes on from the file");
        }
        eventually(&format!("equal copies after {how}"), SOON, || {
            copy.catch_up(&primary);
            match (primary.digest(), copy.digest()) {
                (here, there) if here == there => Ok(()),
                digests => Err(format!("{digests:?}")),
            }
        });
    }
}
