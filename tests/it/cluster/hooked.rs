//! What users write is judged before it is stored, while the room moves to another node between the
//! question and the command.

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::moves::Move;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::hook_server::HookServer;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

/// Asks for a message to be stored, and does `meanwhile` while it is being judged.
fn send(hook: &HookServer, alice: &Client, room: &str, text: &str, meanwhile: impl FnOnce()) {
    hook.hold(text);
    let asked = alice.ask(json!({"op": "send", "room": room, "text": text, "nonce": text}));
    hook.wait_open(1);
    meanwhile();
    hook.release(text);
    eventually("the reply", LATER, || match alice.reply(asked) {
        Some(Ok(_)) => Ok(()),
        reply => Err(format!("{reply:?}")),
    });
}

#[test]
fn a_judged_message_is_stored_once_where_its_room_is_then() {
    if !is_long_run() {
        println!("left out: set LONG=1 to run it");
        return;
    }
    let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let hook = HookServer::start();
    hook.mark("judged ");
    let url = hook.url();
    let options = ["--send-hook", &url, "--send-hook-timeout", "10s"];
    let relay = Relay::with("r1", &cluster.url(), &options);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let room = cluster.rooms_of(0, "hooked", 1).remove(0);
    cmd!(cluster.node(0), "CHAT.ROOM", room, "SET", "hook", "yes").ok();
    let slots = [slot(&room)];
    send(&hook, &alice, &room, "here", || ());
    send(&hook, &alice, &room, "moved", || cluster.move_slots(&slots, 0, 1));
    let mut halfway = Move::begin(&cluster, &slots, 1, 2);
    send(&hook, &alice, &room, "asked", || halfway.migrate());
    halfway.finish();
    send(&hook, &alice, &room, "there", || ());
    let page = history(&mut cluster.node(2).wire(), &room, &[]);
    assert_eq!(page.texts(), ["judged here", "judged moved", "judged asked", "judged there"]);
    assert_eq!(hook.texts(), ["here", "moved", "asked", "there"], "each asked about once");
}
