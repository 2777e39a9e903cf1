//! The rights of a relay's user: those of the documents are enough, each of them is needed, and the
//! relay comes back when one that was missing is there again.

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::documents;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

#[test]
fn a_relay_works_with_the_documented_acl_line_and_needs_each_of_its_commands() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let url = redis.relay_user();
    let relay = Relay::with("r1", &url, &["--probe", "200ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
    alice.next_of("lobby", "message");
    let check = |name: &str, wire: &mut Wire, is_needed: bool| {
        cmd!(wire, "ACL", "SETUSER", "relay", format!("-{name}")).ok();
        // As a relay that starts.
        cmd!(wire, "CLIENT", "KILL", "USER", "relay").ok();
        if is_needed {
            relay.wait_for_answer(503, &format!("no permission to run {name}"));
        }
        cmd!(wire, "ACL", "SETUSER", "relay", format!("+{name}")).ok();
        relay.wait_ready();
    };
    documents::commands_of_relays().iter().for_each(|name| check(name, &mut wire, true));
    documents::commands_in_clusters().iter().for_each(|name| check(name, &mut wire, false));
    // And while it runs.
    cmd!(wire, "ACL", "SETUSER", "relay", "-chat.beat", "-chat.send").ok();
    let waiting = alice.ask(json!({"op": "send", "room": "lobby", "text": "y"}));
    relay.wait_for_answer(503, "no permission to run chat.");
    cmd!(wire, "ACL", "SETUSER", "relay", "+chat.beat", "+chat.send").ok();
    let stored = eventually("the waiting send", LATER, || {
        alice.reply(waiting).ok_or_else(|| alice.arrived())
    });
    stored.expect("accepted");
}

#[test]
fn a_relay_comes_back_when_its_deleted_user_does() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let url = redis.relay_user();
    let mut relay = Relay::with("r1", &url, &["--probe", "200ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    // The server closes the connections of a user that it deletes.
    assert_eq!(cmd!(wire, "ACL", "DELUSER", "relay").int(), 1);
    relay.wait_for_answer(503, "refuses the password");
    assert_eq!(alice.refused(json!({"op": "who", "room": "lobby"})), "UNAVAILABLE");
    let waiting = alice.ask(json!({"op": "send", "room": "lobby", "text": "later"}));
    redis.relay_user();
    relay.wait_ready();
    let stored = eventually("the waiting send", LATER, || {
        alice.reply(waiting).ok_or_else(|| alice.arrived())
    });
    stored.expect("accepted");
    assert!(!relay.process().errors().contains("secret"), "{}", relay.process().errors());
    let troubles = "chat_relay_upstream_troubles_total{reason=\"password\"}";
    assert_eq!(relay.metric(troubles), Some(1.0));
}
