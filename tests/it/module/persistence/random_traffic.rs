//! After thousands of random commands, every copy of the data is equal.

use chat_tests::checking::view::{all_rooms, assert_alike};
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;

/// Small bounds, so that everything is trimmed all the time.
const SETTINGS: &[&str] = &[
    "chat.history-max 100",
    "chat.journal-max 150",
    "chat.nonce-window 1000",
    "chat.nonce-max 200",
];

#[test]
fn primary_replica_reloads_and_copies_are_equal_after_random_traffic() {
    let with = |more: &[&'static str]| [SETTINGS, more].concat();
    let mut primary = Redis::with(&with(&["appendonly yes"]));
    let replica = Redis::replica(&primary, &with(&["appendonly yes"]));
    let mut traffic = Traffic::new(seeded("random traffic"));
    for round in 0..rounds(3) {
        let mut wire = primary.wire();
        traffic.run(&mut wire, 3000);
        replica.catch_up(&primary);
        let (digest, rooms) = (primary.digest(), all_rooms(&mut wire));

        let mut copy = replica.wire();
        assert_alike(&format!("replica, round {round}"), &all_rooms(&mut copy), &rooms);
        assert_eq!(replica.digest(), digest, "replica, round {round}");

        let restored = Redis::with(SETTINGS);
        let mut target = restored.wire();
        for (room, _) in &rooms {
            let payload = cmd!(wire, "DUMP", room);
            cmd!(target, "RESTORE", room, 0, payload.bytes()).ok();
        }
        assert_alike(&format!("DUMP and RESTORE, round {round}"), &all_rooms(&mut target), &rooms);
        assert_eq!(restored.digest(), digest, "DUMP and RESTORE, round {round}");

        cmd!(wire, "DEBUG", "RELOAD").ok();
        assert_eq!(primary.digest(), digest, "RDB, round {round}");
        cmd!(wire, "DEBUG", "LOADAOF").ok();
        assert_eq!(primary.digest(), digest, "AOF of commands, round {round}");

        let preamble = if round % 2 == 0 { "yes" } else { "no" };
        cmd!(wire, "CONFIG", "SET", "aof-use-rdb-preamble", preamble).ok();
        cmd!(wire, "BGREWRITEAOF").ok();
        primary.wait_rewritten();
        primary.kill();
        primary.restart();
        let mut wire = primary.wire();
        assert_alike(
            &format!("AOF, preamble {preamble}, round {round}"),
            &all_rooms(&mut wire),
            &rooms,
        );
        assert_eq!(primary.digest(), digest, "AOF, preamble {preamble}, round {round}");
        // The replica reconnects to the restarted primary by itself.
        replica.catch_up(&primary);
    }
    traffic.assert_complete();
    println!("done {:?}, refused {:?}", traffic.done, traffic.refused);
}
