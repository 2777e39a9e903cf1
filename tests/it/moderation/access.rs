//! An access question without an answer is a no: a user who may have lost access receives nothing
//! until the answer comes, and a user with access misses nothing.

use std::time::Duration;

use chat_tests::clients::client::Client;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually, never};
use serde_json::json;

/// A relay with two members and a stranger in an open room.
struct Scene {
    relay: Relay,
    members: [Client; 2],
    stranger: Client,
}

impl Scene {
    fn new(redis: &Redis, url: &str, options: &[&str]) -> Scene {
        let relay = Relay::with("r1", url, options);
        relay.wait_ready();
        cmd!(redis, "CHAT.SEND", "lobby", "mia", "first").ok();
        let [mia, max, sam] = ["mia", "max", "sam"].map(|user| relay.connect(user));
        mia.ok(json!({"op": "join", "room": "lobby"}));
        max.ok(json!({"op": "join", "room": "lobby"}));
        sam.ok(json!({"op": "subscribe", "room": "lobby"}));
        Scene { relay, members: [mia, max], stranger: sam }
    }

    /// Sends and waits until the members have received everything, each message once and in order,
    /// and the stranger has got `gone` and nothing else.
    fn check(&self, wire: &mut Wire, already: &[String]) {
        let mut ids = already.to_vec();
        for n in 0..5 {
            ids.push(secret(wire, n));
        }
        for member in &self.members {
            let what = format!("everything for {}", member.user);
            eventually(&what, LATER, || {
                let seen = secrets(member);
                if seen == ids { Ok(()) } else { Err(format!("{seen:?}\n{}", member.arrived())) }
            });
        }
        let gone = self.stranger.next_of("lobby", "gone");
        assert_eq!(gone.json["code"], "NOTMEMBER", "{}", self.stranger.arrived());
        secret(wire, 9);
        // Replies arrive in order: everything queued before this one has arrived.
        self.stranger.ok(json!({"op": "ping"}));
        assert!(secrets(&self.stranger).is_empty(), "{}", self.stranger.arrived());
    }
}

fn secret(wire: &mut Wire, n: u64) -> String {
    cmd!(wire, "CHAT.SEND", "lobby", "mia", format!("secret {n}")).text().to_owned()
}

/// The ids of messages for members only.
fn secrets(client: &Client) -> Vec<String> {
    let events = client.events("lobby").into_iter();
    let secrets = events.filter(|event| event.text.contains("secret"));
    secrets.map(|event| event.json["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_room_made_private_while_redis_is_busy_is_closed_to_strangers() {
    let redis = Redis::with(&["busy-reply-threshold 50"]);
    let scene = Scene::new(&redis, &redis.url(), &["--probe", "60s"]);
    let (mut wire, mut other) = (redis.wire(), redis.wire());
    let asked = || scene.relay.metric("chat_relay_command_seconds_count").unwrap_or_default();
    let before = asked();
    for command in [
        &["MULTI"][..],
        &["CHAT.ROOM", "lobby", "SET", "access", "members"],
        &["EVAL", "while true do end", "0"],
        &["EXEC"],
    ] {
        wire.send(command).expect("sent");
    }
    // Redis answers the one question with `BUSY`.
    scene.stranger.next_of("lobby", "room");
    eventually("a question", SOON, || if asked() > before { Ok(()) } else { Err("none".into()) });
    assert!(cmd!(other, "PING").error().starts_with("BUSY"));
    cmd!(other, "SCRIPT", "KILL").ok();
    eventually("an end of the script", SOON, || match cmd!(other, "PING") {
        reply if reply.is_error() => Err(format!("{reply:?}")),
        _ => Ok(()),
    });
    scene.check(&mut other, &[]);
}

#[test]
fn a_room_made_private_while_answers_are_late_is_closed_to_strangers() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let url = format!("redis://{}", proxy.address());
    let scene = Scene::new(&redis, &url, &["--probe", "60s"]);
    let mut wire = redis.wire();
    proxy.set_subscriptions(Some(Network::Open));
    // Longer than the relay waits for a reply.
    proxy.set(Network::Delay(Duration::from_secs(6)));
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "access", "members").ok();
    let ids = [0, 1].map(|n| secret(&mut wire, n));
    scene.members[0].next_of("lobby", "room");
    never("nothing is received before the answer", Duration::from_secs(2), || {
        let received = [&scene.stranger, &scene.members[0]].map(secrets);
        if received.iter().all(Vec::is_empty) { Ok(()) } else { Err(format!("{received:?}")) }
    });
    proxy.set(Network::Open);
    scene.check(&mut wire, &ids);
}

#[test]
fn a_user_whose_access_is_unknown_receives_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "ACL", "SETUSER", "relay", "on", ">pw", "~*", "&*", "+@all").ok();
    let url = redis.url().replace("redis://", "redis://relay:pw@");
    let scene = Scene::new(&redis, &url, &["--probe", "500ms"]);
    // A member of a private room leaves it at the same moment.
    cmd!(wire, "CHAT.SEND", "club", "mia", "first").ok();
    cmd!(wire, "CHAT.ROOM", "club", "SET", "access", "members").ok();
    cmd!(wire, "CHAT.JOIN", "club", "sam", "BY", "*").ok();
    scene.stranger.ok(json!({"op": "subscribe", "room": "club"}));
    cmd!(wire, "ACL", "SETUSER", "relay", "-chat.room_ro").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "access", "members").ok();
    cmd!(wire, "CHAT.LEAVE", "club", "sam").ok();
    let ids = [0, 1].map(|n| secret(&mut wire, n));
    cmd!(wire, "CHAT.SEND", "club", "mia", "another secret").ok();
    never("nothing is received before the answer", Duration::from_secs(2), || {
        let frames = scene.stranger.frames_from(0);
        match frames.iter().find(|frame| frame.text.contains("secret")) {
            None => Ok(()),
            Some(frame) => Err(frame.text.clone()),
        }
    });
    cmd!(wire, "ACL", "SETUSER", "relay", "+chat.room_ro").ok();
    scene.check(&mut wire, &ids);
    assert_eq!(scene.stranger.next_of("club", "gone").json["code"], "NOTMEMBER");
    let frames = scene.stranger.frames_from(0);
    assert!(frames.iter().all(|frame| !frame.text.contains("another secret")));
}
