//! The layers of every crate, the lowest first, and the check that they hold. The head of each
//! `lib.rs` describes the layers of its crate.
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
        &["limits", "every_byte", "visibility", "id", "close_code", "error_code"],
        &["names"],
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
        &["clock", "args", "error_reply", "loading", "index", "config"],
        &["info", "presence_grace"],
        &["outgoing", "stored_room"],
        &["dropped"],
        &["indexing"],
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
        &["contact", "event", "metrics", "panics", "config"],
        &["rate_limit"],
        &["client"],
        &["upstream"],
        &["room"],
        &["hub"],
        &["operations"],
        &["server"],
        &["lib", "main"],
    ],
};

/// `tests/src/`: the harness.
const HARNESS: Crate<'_> = Crate {
    roots: &["tests/src/lib.rs"],
    layers: &[
        &["wait", "at_once", "seed", "port", "documents"],
        &["process"],
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
        &["browser", "faults", "moderation", "module", "presence", "relay"],
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
        &["arrows", "javascript"],
        &["layers"],
        &["lib"],
    ],
};

/// `fuzz/targets/`.
const FUZZ: Crate<'_> = Crate {
    roots: &["fuzz/targets/src/lib.rs"],
    layers: &[&["arguments", "relay", "rooms"], &["lib"]],
};

/// The folders of JavaScript, the lowest first: the page is built on the client library.
const JAVASCRIPT: &[&str] = &["sdk/src", "relay/web/page"];

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
