//! A relay at a module that is older than it needs. The module is played by a path to this one that
//! changes the name of a command on its way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;

/// The command that is not there, as relays send it, and what arrives in its place.
const LACKING: [&[u8]; 2] = [b"CHAT.SENT", b"CHAT.NOPE"];

/// The address of a path to `redis` on which one command has another name.
fn without_a_command(redis: &Redis) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (address, to) = (listener.local_addr().expect("an address"), redis.address());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(to) else { return };
            for (from, to, rename) in [(&client, &server, true), (&server, &client, false)] {
                let from = from.try_clone().expect("a socket");
                let to = to.try_clone().expect("a socket");
                std::thread::spawn(move || forward(from, to, rename));
            }
        }
    });
    address
}

/// Forwards until one side closes.
fn forward(mut from: TcpStream, mut to: TcpStream, rename: bool) {
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..length];
        let [name, other] = LACKING;
        let places = (0..length).filter(|at| bytes[*at..].starts_with(name) && rename);
        for place in places.collect::<Vec<_>>() {
            bytes[place..place + other.len()].copy_from_slice(other);
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // Errors mean that the other side was first.
    let _ = to.shutdown(Shutdown::Both);
}

// upgrades.md: **A relay that needs a newer module**
#[test]
fn a_relay_that_needs_a_newer_module_is_not_ready_and_says_what_is_missing() {
    let redis = Redis::start();
    let url = format!("redis://{}", without_a_command(&redis));
    let mut relay = Relay::with("r1", &url, &[]);
    relay.wait_for_answer(503, "the chat module of Redis is too old: it has no chat.sent");
    assert!(relay.process().errors().contains("the chat module of Redis is too old"));
    // The same relay at the module that has it.
    Relay::start("r2", &redis);
}
