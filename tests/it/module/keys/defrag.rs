//! Active defragmentation moves rooms while they are used, and changes nothing.

use chat_tests::clients::reply::Reply;
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// A number of `INFO`.
fn number(redis: &Redis, section: &str, field: &str) -> u64 {
    redis.info(section, field).parse().expect("a number")
}

#[test]
fn rooms_are_moved_while_they_are_used_and_nothing_is_lost() {
    let redis = Redis::with(&["chat.history-max 1000000", "active-defrag-ignore-bytes 1"]);
    let mut wire = redis.wire();
    // A server without defragmentation reports it; docs/servers.md lists them.
    if let Reply::Error(_) = cmd!(wire, "CONFIG", "SET", "activedefrag", "yes") {
        return;
    }
    cmd!(wire, "CONFIG", "SET", "activedefrag", "no").ok();
    // Two rooms grow side by side; then one is deleted and leaves holes everywhere.
    let mut traffic = Traffic::new(seeded("defrag"));
    for batch in 0..40 {
        for room in ["stays", "goes"] {
            let (text, nonce) = ("x".repeat(200), format!("{batch}"));
            let sends = (0..500).flat_map(|n| {
                let user = format!("a-user-of-a-long-name-{batch}-{n}");
                let nonce = format!("{nonce}:{n}");
                [
                    args!["CHAT.SEND", room, &user, &text, "NONCE", nonce],
                    args!["CHAT.PRESENCE", room, &user, format!("c-{user}")],
                    args!["CHAT.MOD", room, "*", "MUTE", &user, "REASON", &text],
                ]
            });
            wire.pipeline(&sends.collect::<Vec<_>>());
        }
        traffic.run(&mut wire, 30);
    }
    cmd!(wire, "DEL", "goes").ok();
    let before = redis.digest();
    let fragmentation = number(&redis, "memory", "allocator_frag_bytes");
    for (setting, value) in [
        ("active-defrag-threshold-lower", 1),
        ("active-defrag-cycle-min", 30),
        ("active-defrag-cycle-max", 75),
    ] {
        cmd!(wire, "CONFIG", "SET", setting, value).ok();
    }
    cmd!(wire, "CONFIG", "SET", "activedefrag", "yes").ok();
    let hits = || number(&redis, "stats", "active_defrag_hits");
    eventually("allocations that are moved", LATER, || match hits() {
        hits if hits > 5_000 => Ok(()),
        hits => Err(format!("{hits} moved, {fragmentation} bytes of holes")),
    });
    assert_eq!(redis.digest(), before);
    for n in 0..3000 {
        cmd!(wire, "CHAT.SEND", "stays", format!("u{}", n % 50), "meanwhile").ok();
    }
    traffic.run(&mut wire, 300);
    cmd!(wire, "CONFIG", "SET", "activedefrag", "no").ok();
    assert_eq!(cmd!(wire, "CHAT.WHO", "stays").list()[1].int(), 20_000);
    let digest = redis.digest();
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(redis.digest(), digest);
}
