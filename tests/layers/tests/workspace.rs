//! The layers of every crate, the lowest first, and the check that they hold. The heads of the
//! `lib.rs` of core, shell and relay describe their layers; a test compares.
//!
//! A new file belongs in the lowest layer above everything that it imports. `mod x;` declarations
//! and `cfg(test)` code do not count. An entry is a file or a module with all of its files; where
//! several entries match a file, the longest decides.

#![forbid(unsafe_code)]

use std::path::Path;

use chat_layers::{Crate, Sources, check_crate, check_javascript};

/// `protocol/`: definitions that the other crates share.
const PROTOCOL: Crate<'_> = Crate {
    roots: &["protocol/src/lib.rs"],
    layers: &[
        &["limits", "every_byte", "visibility", "id", "close_code", "error_code", "slot"],
        &["names", "glob"],
        &["event_header"],
        &["lib"],
    ],
};

/// `module/room/`: the pure core.
const CORE: Crate<'_> = Crate {
    roots: &["module/room/src/lib.rs"],
    layers: &[
        &["command_error"],
        &["bytes"],
        &["collections"],
        &["arguments"],
        &["state"],
        &["codec"],
        &["decide", "apply"],
        &["execute"],
        &["lib"],
    ],
};

/// `module/`: the shell around the core, inside Redis.
const SHELL: Crate<'_> = Crate {
    roots: &["module/src/lib.rs"],
    layers: &[
        &["redis"],
        &["clock", "args", "error_reply", "loading", "index", "slot_imports", "config"],
        &["info", "presence_grace"],
        &["outgoing", "stored_room"],
        &["dropped"],
        &["indexing", "changes"],
        &["room_type", "serving"],
        &["commands"],
        &["server_events", "timers"],
        &["lib"],
    ],
};

/// `relay/`.
const RELAY: Crate<'_> = Crate {
    roots: &["relay/src/lib.rs", "relay/src/main.rs"],
    layers: &[
        &[
            "clock",
            "contact",
            "event",
            "metrics",
            "panics",
            "trace",
            "auth",
            "config",
            "http_client",
        ],
        &["rate_limit", "logging", "verification", "send_hook"],
        &["client"],
        &["upstream"],
        &["room", "watch"],
        &["hub"],
        &["operations", "forward", "webhook"],
        &["server"],
        &["cli"],
        &["lib", "main"],
    ],
};

/// `tests/src/`: the harness.
const HARNESS: Crate<'_> = Crate {
    roots: &["tests/src/lib.rs"],
    layers: &[
        &["wait", "at_once", "seed", "port", "documents", "yaml"],
        &["process", "tools", "asyncapi"],
        &["clients"],
        &["servers"],
        &["traffic"],
        &["checking"],
        &["lib"],
    ],
};

/// `tests/it/`: the scenarios. Areas do not know each other.
const SCENARIOS: Crate<'_> = Crate {
    roots: &["tests/it/main.rs"],
    layers: &[
        &[
            "authentication",
            "browser",
            "changes",
            "client",
            "cluster",
            "cost",
            "diagnosis",
            "edge",
            "faults",
            "forward",
            "http",
            "images",
            "languages",
            "moderation",
            "module",
            "operators",
            "packages",
            "presence",
            "relay",
            "streams",
            "transfer",
            "upgrades",
            "upstream",
            "watch",
            "webhook",
        ],
        &["documents", "nothing_is_missing"],
        &["main"],
    ],
};

/// `tests/benches/`.
const BENCHES: Crate<'_> = Crate {
    roots: &["tests/benches/bench/main.rs"],
    layers: &[&["load/frame", "load/pipe"], &["measuring"], &["load"], &["groups"], &["main"]],
};

/// `tests/layers/`: the checker itself.
const CHECKER: Crate<'_> = Crate {
    roots: &["tests/layers/src/lib.rs"],
    layers: &[
        &["sources", "graph", "names", "tokens"],
        &["modules"],
        &["resolve"],
        &["methods"],
        &["arrows", "javascript"],
        &["layers"],
        &["lib"],
    ],
};

/// `tests/layers/tests/planted/`: the cases of the checker.
const PLANTED: Crate<'_> = Crate {
    roots: &["tests/layers/tests/planted/main.rs"],
    layers: &[&["planting"], &["circles", "forms", "javascript", "resolution"], &["main"]],
};

/// `fuzz/targets/`.
const FUZZ: Crate<'_> = Crate {
    roots: &["fuzz/targets/src/lib.rs"],
    layers: &[&["arguments", "relay", "requests", "rooms", "tokens"], &["lib"]],
};

/// The folders of JavaScript, the lowest first: the page is built on the bundle of the client, which
/// is made of `sdk/src`.
const JAVASCRIPT: &[&str] = &[
    "sdk/src/words",
    "sdk/src/link",
    "sdk/src/room",
    "sdk/src/client",
    "sdk/src/shared",
    "sdk/src",
    "sdk/dist",
    "relay/web/page",
    "relay/web/ops",
];

fn sources() -> Sources {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["protocol", "module", "relay", "tests", "fuzz", "sdk"];
    Sources::read(&top, &folders, &["rs", "js", "mjs"]).unwrap()
}

#[track_caller]
fn assert_layered(one: &Crate<'_>) {
    if let Err(report) = check_crate(&sources(), one) {
        panic!("\n{report}");
    }
}

#[test]
fn protocol_is_layered() {
    assert_layered(&PROTOCOL);
}

#[test]
fn core_is_layered() {
    assert_layered(&CORE);
}

#[test]
fn shell_is_layered() {
    assert_layered(&SHELL);
}

#[test]
fn relay_is_layered() {
    assert_layered(&RELAY);
}

#[test]
fn harness_is_layered() {
    assert_layered(&HARNESS);
}

#[test]
fn scenarios_are_layered() {
    assert_layered(&SCENARIOS);
}

#[test]
fn benches_are_layered() {
    assert_layered(&BENCHES);
}

#[test]
fn checker_is_layered() {
    assert_layered(&CHECKER);
    assert_layered(&PLANTED);
}

#[test]
fn fuzz_targets_are_layered() {
    assert_layered(&FUZZ);
}

#[test]
fn javascript_is_layered() {
    if let Err(report) = check_javascript(&sources(), JAVASCRIPT, &[".test."]) {
        panic!("\n{report}");
    }
}

#[test]
fn every_crate_of_the_workspace_is_checked() {
    let crates = [&PROTOCOL, &CORE, &SHELL, &RELAY, &HARNESS, &CHECKER, &FUZZ];
    let manifest = include_str!("../../../Cargo.toml");
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']'));
    for member in members.unwrap().0.split(',').map(|member| member.trim().trim_matches('"')) {
        let root = format!("{member}/src/lib.rs");
        let known = crates.iter().any(|one| one.roots.contains(&root.as_str()));
        assert!(member.is_empty() || known, "{root}: no table of layers here");
    }
}

/// The crates of the workspace that each crate may use, besides those that only its tests use.
const USES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("module/room", &["chat-protocol"]),
    ("module", &["chat-protocol", "chat-room"]),
    ("relay", &["chat-protocol"]),
    ("tests", &["chat-protocol"]),
    ("tests/layers", &[]),
    ("fuzz/targets", &["chat-protocol", "chat-relay", "chat-room"]),
];

#[test]
fn crates_use_only_lower_crates() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (folder, allowed) in USES {
        let manifest = std::fs::read_to_string(top.join(folder).join("Cargo.toml")).unwrap();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
            }
            if !section.contains("dependencies") || section.contains("dev-dependencies") {
                continue;
            }
            // As a row, as a table of its own, or as the package of another name.
            let words = line.split(|one: char| !one.is_alphanumeric() && one != '-');
            for name in words.filter(|word| word.starts_with("chat-")) {
                assert!(allowed.contains(&name), "{folder}/Cargo.toml uses {name}: {line}");
            }
        }
    }
}

/// The lists in the head of a `lib.rs`: for each item, the words in backticks that the table has too.
fn described<'a>(head: &'a str, table: &[&[&str]]) -> Vec<Vec<&'a str>> {
    let mut items: Vec<Vec<&str>> = Vec::new();
    let lines = head.lines().take_while(|line| line.starts_with("//!"));
    let list = lines.skip_while(|line| !line.contains("ayers")).skip(1);
    for line in list {
        let line = line.trim_start_matches("//!");
        if line.starts_with(" - ")
            || line.split_once(". ").is_some_and(|(number, _)| number.trim().parse::<u8>().is_ok())
        {
            items.push(Vec::new());
        }
        let code = line.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches('/'));
        let known = code.filter(|word| table.iter().any(|layer| layer.contains(word)));
        if let Some(item) = items.last_mut() {
            item.extend(known);
        }
    }
    items
}

#[test]
fn heads_describe_the_layers_of_the_tables() {
    for one in [&CORE, &SHELL, &RELAY] {
        let sources = sources();
        let mut described = described(sources.text(one.roots[0]).unwrap(), one.layers);
        let mut layers: Vec<Vec<&str>> = one.layers.iter().map(|layer| layer.to_vec()).collect();
        described.iter_mut().chain(&mut layers).for_each(|layer| layer.sort_unstable());
        assert_eq!(described, layers, "the head of {} and the table here differ", one.roots[0]);
    }
}

/// Programs and tests of one file each, which use public items only.
const PROGRAMS: &[&str] = &[
    "fuzz/fuzz_targets",
    "fuzz/targets/tests/corpus.rs",
    "module/room/benches/core.rs",
    "relay/examples/manual.rs",
    // Made of `relay/web/page` by `npm run bundle`.
    "relay/web/dist",
    "sdk/bundle.mjs",
    "sdk/tests",
    "tests/layers/tests/workspace.rs",
];

#[test]
fn every_file_is_in_a_table() {
    let crates = [
        &PROTOCOL, &CORE, &SHELL, &RELAY, &HARNESS, &SCENARIOS, &BENCHES, &CHECKER, &PLANTED, &FUZZ,
    ];
    let roots = crates.iter().map(|one| one.roots[0].rsplit_once('/').unwrap().0);
    let known: Vec<&str> =
        roots.chain(PROGRAMS.iter().copied()).chain(JAVASCRIPT.iter().copied()).collect();
    for path in sources().paths_in("").filter(|path| !path.contains(".test.")) {
        let is_known = known.iter().any(|folder| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        assert!(is_known, "{path} is in no table");
    }
}
