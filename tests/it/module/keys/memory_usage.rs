//! MEMORY USAGE of rooms equals the growth of Redis's memory, whatever the rooms hold.

use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

/// The accepted difference in percent where memory comes from jemalloc.
const PERCENT: i64 = 15;
/// The same elsewhere: the report is computed with jemalloc's size classes.
const PERCENT_ELSEWHERE: i64 = 30;
/// Commands in one batch.
const PIPELINE: usize = 500;

/// One shape of rooms: its name, the server's settings, and the commands that fill the rooms.
struct Shape {
    name: &'static str,
    settings: &'static [&'static str],
    make: fn(&mut Wire),
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "rooms of one message",
        settings: &[],
        make: |wire| {
            send_all(
                wire,
                (0..4_000).map(|n| args!["CHAT.SEND", format!("room{n}"), "alice", "hello"]),
            );
        },
    },
    Shape {
        name: "rooms of a few people who talk",
        settings: &[],
        make: |wire| {
            for room in 0..300 {
                let room = format!("team:{room}");
                let people = (0..5).map(|at| format!("user-{at}"));
                send_all(wire, people.clone().map(|user| args!["CHAT.JOIN", &room, user]));
                send_all(
                    wire,
                    (0..20).map(|n| {
                        args!["CHAT.SEND", &room, format!("user-{}", n % 5), "x".repeat(n * 5 + 1)]
                    }),
                );
                send_all(
                    wire,
                    people.map(|user| {
                        args!["CHAT.PRESENCE", &room, &user, format!("relay-1-{room}-{user}")]
                    }),
                );
            }
        },
    },
    Shape {
        name: "personal rooms with follows",
        settings: &[],
        make: |wire| {
            for user in 0..200 {
                let (room, user) = (format!("@user{user}"), format!("user{user}"));
                for n in 0..50 {
                    cmd!(
                        wire,
                        "CHAT.FOLLOW",
                        &room,
                        format!("a-room-{}", (n * 7_919 + 13) % 1_000)
                    )
                    .ok();
                }
                cmd!(
                    wire,
                    "CHAT.ROOM",
                    &room,
                    "SET",
                    "name",
                    "Some Name",
                    "avatar",
                    "a".repeat(80),
                    "BY",
                    &user
                )
                .ok();
            }
        },
    },
    Shape {
        name: "many short messages",
        settings: &["chat.history-max 100000"],
        make: |wire| {
            send_all(
                wire,
                (0..30_000).map(|n| args!["CHAT.SEND", "lobby", "alice", format!("{n}")]),
            );
        },
    },
    Shape {
        name: "long messages",
        settings: &[],
        make: |wire| {
            send_all(
                wire,
                (0..3_000).map(|n| args!["CHAT.SEND", "lobby", "alice", "x".repeat(n + 1)]),
            );
        },
    },
    Shape {
        name: "messages with nonces",
        settings: &[],
        make: |wire| {
            send_all(
                wire,
                (0..9_000).map(|n| {
                    args![
                        "CHAT.SEND",
                        "lobby",
                        "alice",
                        "hi",
                        "NONCE",
                        format!("a-nonce-of-some-length-{n}")
                    ]
                }),
            );
        },
    },
    Shape {
        name: "messages that were trimmed",
        settings: &["chat.history-max 1000"],
        make: |wire| {
            send_all(
                wire,
                (0..9_000).map(|n| args!["CHAT.SEND", "lobby", "alice", "x".repeat(n % 2_000 + 1)]),
            );
        },
    },
    Shape {
        name: "messages that were deleted",
        settings: &[],
        make: |wire| {
            let ids: Vec<String> = (0..6_000)
                .map(|_| {
                    cmd!(wire, "CHAT.SEND", "lobby", "alice", "x".repeat(100)).text().to_owned()
                })
                .collect();
            send_all(
                wire,
                ids.iter().map(|id| args!["CHAT.DELETE", "lobby", "alice", id, "REASON", "spam"]),
            );
        },
    },
    Shape {
        name: "members",
        settings: &[],
        make: |wire| {
            send_all(
                wire,
                (0..20_000).map(|n| args!["CHAT.JOIN", "lobby", format!("a-user-of-a-name-{n}")]),
            );
        },
    },
    Shape {
        name: "connections",
        settings: &[],
        make: |wire| {
            cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
            send_all(
                wire,
                (0..20_000).map(|n| {
                    args![
                        "CHAT.PRESENCE",
                        "lobby",
                        format!("user{}", n / 2),
                        format!("relay-0badcafe-{n}")
                    ]
                }),
            );
        },
    },
    Shape {
        name: "connections with long names and statuses",
        settings: &[],
        make: |wire| {
            cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
            send_all(
                wire,
                (0..8_000).map(|n| {
                    let connection = format!("a-connection-with-a-rather-long-name-{n}");
                    args![
                        "CHAT.PRESENCE",
                        "lobby",
                        format!("user{n}"),
                        connection,
                        "STATUS",
                        "on the train to work"
                    ]
                }),
            );
        },
    },
    Shape {
        name: "an edited message",
        settings: &[],
        make: |wire| {
            let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").text().to_owned();
            send_all(
                wire,
                (0..9_000).map(|n| {
                    args![
                        "CHAT.EDIT",
                        "lobby",
                        "alice",
                        &id,
                        "x".repeat(n % 1_000 + 1),
                        "META",
                        "{\"a\":1}"
                    ]
                }),
            );
        },
    },
    Shape {
        name: "messages edited once each",
        settings: &[],
        make: |wire| {
            let ids: Vec<String> = (0..5_000)
                .map(|_| cmd!(wire, "CHAT.SEND", "lobby", "alice", "short").text().to_owned())
                .collect();
            send_all(
                wire,
                ids.iter().map(|id| args!["CHAT.EDIT", "lobby", "alice", id, "longer".repeat(30)]),
            );
        },
    },
    Shape {
        name: "a reaction to each message",
        settings: &[],
        make: |wire| {
            let ids: Vec<String> = (0..3_000)
                .map(|_| cmd!(wire, "CHAT.SEND", "lobby", "alice", "like this").text().to_owned())
                .collect();
            send_all(wire, ids.iter().map(|id| args!["CHAT.REACT", "lobby", "alice", id, "👍"]));
        },
    },
    Shape {
        name: "a message that many have reacted to",
        settings: &[],
        make: |wire| {
            let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "like this").text().to_owned();
            for n in 0..6_000 {
                let user = format!("user{n}");
                send_all(
                    wire,
                    [
                        args!["CHAT.JOIN", "lobby", &user],
                        args!["CHAT.REACT", "lobby", &user, &id, ["👍", "🎉", "👩‍🚀"][n % 3]],
                    ]
                    .into_iter(),
                );
            }
        },
    },
    Shape {
        name: "settings",
        settings: &[],
        make: |wire| {
            send_all(
                wire,
                (0..2_000).map(|n| {
                    args![
                        "CHAT.ROOM",
                        "lobby",
                        "SET",
                        "description",
                        format!("{n}{}", "d".repeat(n % 900))
                    ]
                }),
            );
        },
    },
    Shape {
        name: "sanctions",
        settings: &[],
        make: |wire| {
            cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
            send_all(
                wire,
                (0..9_000).map(|n| {
                    args![
                        "CHAT.MOD",
                        "lobby",
                        "owner",
                        "BAN",
                        format!("a-user-{}", n * 7_919 % 10_007),
                        "REASON",
                        "spam"
                    ]
                }),
            );
        },
    },
    Shape {
        name: "paces",
        settings: &["chat.rate-limit 5/1h", "chat.history-max 1"],
        make: |wire| {
            send_all(
                wire,
                (0..9_000).map(|n| args!["CHAT.SEND", "lobby", format!("some-user-{n}"), "hi"]),
            );
        },
    },
];

fn send_all(wire: &mut Wire, mut commands: impl Iterator<Item = Command>) {
    loop {
        let batch: Vec<Command> = commands.by_ref().take(PIPELINE).collect();
        if batch.is_empty() {
            return;
        }
        wire.pipeline(&batch).into_iter().for_each(|reply| drop(reply.ok()));
    }
}

fn used(redis: &Redis) -> i64 {
    redis.info("memory", "used_memory").parse().expect("a number")
}

/// MEMORY USAGE of all keys together.
fn reported(redis: &Redis) -> i64 {
    let mut wire = redis.wire();
    let names = cmd!(wire, "KEYS", "*");
    let names: Vec<String> = names.list().iter().map(|name| name.text().to_owned()).collect();
    let usage = names.chunks(PIPELINE).flat_map(|names| {
        let commands: Vec<Command> =
            names.iter().map(|name| args!["MEMORY", "USAGE", name]).collect();
        wire.pipeline(&commands)
    });
    usage.map(|reply| reply.int()).sum()
}

#[test]
fn memory_usage_equals_the_growth_of_used_memory() {
    let mut wrong = Vec::new();
    for Shape { name, settings, make } in SHAPES {
        let redis = Redis::with(settings);
        // What the module stores for all rooms is allocated before.
        cmd!(redis, "CHAT.SEND", "first", "alice", "hello").ok();
        cmd!(redis, "DEL", "first").ok();
        let before = used(&redis);
        make(&mut redis.wire());
        let (grown, reported) = (used(&redis) - before, reported(&redis));
        println!(
            "{name:44} {grown:>10} grown {reported:>10} reported {:>5} %",
            (reported - grown) * 100 / grown
        );
        assert!(grown > 500_000, "{name}: {grown} bytes are too few to compare");
        let is_jemalloc = redis.info("memory", "mem_allocator").starts_with("jemalloc");
        let percent = if is_jemalloc { PERCENT } else { PERCENT_ELSEWHERE };
        if (reported - grown).abs() * 100 > grown * percent {
            wrong.push(format!("{name}: {reported} reported, {grown} grown"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
