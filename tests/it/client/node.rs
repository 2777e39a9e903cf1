//! The client in each version of Node, over sockets and over streams, on relays that come and go.

use std::path::{Path, PathBuf};
use std::process::Command;

use chat_tests::cmd;
use chat_tests::documents::root;
use chat_tests::port;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};

use super::package::application;
use super::program::{self, Program};

/// `sdk/tests/programs/talk.mjs`, which does what it is told.
fn talker(node: &Path, urls: &[String], how: &str) -> Program {
    let dir = application(&["ws"]);
    let program = root().join("sdk/tests/programs/talk.mjs");
    std::fs::copy(program, dir.path().join("talk.mjs")).expect("a copy");
    let mut command = Command::new(node);
    command.arg("talk.mjs").env("URLS", urls.join(" ")).env("HOW", how);
    Program::start(command, dir)
}

/// Every version of Node that the client supports. Packages have them for Linux on x86-64 only;
/// elsewhere it is the one that the other tests use.
fn versions() -> Vec<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return vec![program::node()];
    }
    let kept = ["node-20", "node-22", "node-24"].map(|name| root().join("node_modules").join(name));
    let programs = kept.map(|folder| folder.join("bin/node"));
    for program in &programs {
        assert!(program.is_file(), "{} is missing: run .ci/setup test", program.display());
    }
    programs.into()
}

fn url(relay: &Relay) -> String {
    format!("ws://{}/ws", relay.address())
}

/// Talks over one relay, loses it, and goes on over the next one.
fn talks(node: &Path, how: &str, transport: &str) {
    let redis = Redis::start();
    let mut first = Relay::start("r1", &redis);
    let second = Relay::start("r2", &redis);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "before").ok();
    // Nobody is there: the next one is tried at once, and the program goes on.
    let nobody = format!("ws://127.0.0.1:{}/ws", port::free());
    let mut program = talker(node, &[nobody, url(&first), url(&second)], how);
    program.prints(&format!("connected to r1 by {transport}"));
    program.tell("join lobby");
    program.prints("joined lobby as member: before");
    program.tell("send lobby hello there");
    program.prints("stored");
    program.prints("lobby message carol hello there");
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi").ok();
    program.prints("lobby message bob hi");
    program.tell("people lobby");
    program.prints("people carol");
    program.tell("join tea");
    program.prints("joined tea as owner: ");
    cmd!(redis, "CHAT.SEND", "tea", "bob", "for two").ok();
    program.prints("tea message bob for two");

    first.process().kill();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "meanwhile").ok();
    program.prints(&format!("connected to r2 by {transport}"));
    program.prints("lobby message bob meanwhile");
    program.tell("send lobby again");
    program.prints("lobby message carol again");
    program.tell("unsubscribe tea");
    program.prints("no longer in tea");
    cmd!(redis, "CHAT.SEND", "tea", "bob", "alone").ok();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "last").ok();
    program.prints("lobby message bob last");
    let once = ["lobby message bob hi", "lobby message bob meanwhile", "lobby message carol again"];
    for line in once {
        assert_eq!(program.count(line), 1, "{line}: {}", program.read("out"));
    }
    assert_eq!(program.count("tea message bob alone"), 0);
    program.tell("settle");
    eventually("the end of the program", LATER, || {
        let status = program.ended().ok_or("it goes on")?;
        assert!(status.success(), "{status}: {}", program.read("err"));
        Ok(())
    });
    assert_eq!(program.count("settled CLOSED"), 1, "{}", program.read("out"));
    assert_eq!(program.read("err"), "");
}

#[test]
fn it_talks_over_sockets_in_every_version_of_node() {
    for node in versions() {
        talks(&node, "socket", "socket");
    }
}

#[test]
fn where_no_socket_gets_through_it_talks_over_a_stream() {
    for node in versions() {
        talks(&node, "stream", "stream");
    }
}

#[test]
fn relays_that_are_all_away_end_no_program() {
    for node in versions() {
        let redis = Redis::start();
        let port = port::free();
        let address = format!("127.0.0.1:{port}");
        let mut program = talker(&node, &[format!("ws://{address}/ws")], "socket");
        program.tell("join lobby");
        program.tell("join tea");
        // After a while in which it was refused.
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| {
                let listener = std::net::TcpListener::bind(&*address).expect("the port");
                for socket in listener.incoming().take(2) {
                    drop(socket);
                }
            });
            refused.join().expect("two attempts");
        });
        let relay = Relay::at("late", &address, &redis.url(), &[]);
        relay.wait_ready();
        program.prints("connected to late by socket");
        program.prints("joined lobby as owner: ");
        program.prints("joined tea as owner: ");
    }
}
