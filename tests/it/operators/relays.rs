//! Relays announce themselves in one room: who is in it, what that costs, and that no user sees it.

use std::collections::{BTreeMap, BTreeSet};

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::store::Store;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use crate::operators::stage::{RELAYS, await_relays, keys, operator, relay};

/// A short time between beats.
const TTL: [&str; 4] = ["--presence-ttl", "3s", "--grace", "1s"];

#[test]
fn the_list_has_the_relays_that_run() {
    let redis = Redis::start();
    let keys = keys();
    let mut first = relay("eu-r1", &redis.url(), &keys, &TTL);
    let mut second = relay("eu-r2", &redis.url(), &keys, &TTL);
    let silent = Relay::start("r3", &redis);
    let users = await_relays(&redis, &["eu-r1", "eu-r2"]);
    let _alice = second.connect("alice");
    eventually("the connection of alice", SOON, || {
        let who = operator(&first).get("/v1/rooms/*relays/who?count=100").ok();
        let list = who["list"].as_array().expect("a list").clone();
        let row =
            list.iter().find(|row| row["user"] == *users[1]).ok_or_else(|| who.to_string())?;
        let status = format!("{} 1 {}", env!("CARGO_PKG_VERSION"), second.ops_address());
        if row["status"] == status { Ok(()) } else { Err(row.to_string()) }
    });
    // Redis loses everything: the room is made again.
    cmd!(redis, "FLUSHALL").ok();
    await_relays(&redis, &["eu-r1", "eu-r2"]);
    first.process().kill();
    await_relays(&redis, &["eu-r2"]);
    second.process().terminate();
    second.process().wait(LATER);
    // At once, and not only when its time has passed.
    assert!(cmd!(redis, "CHAT.WHO", RELAYS).list()[3].list().is_empty());
    silent.wait_ready();
}

#[test]
fn no_user_comes_near_the_list() {
    let redis = Redis::start();
    let keys = keys();
    let issuer = Issuer::new();
    let trusting = relay("r1", &redis.url(), &keys, &TTL);
    let with_tokens = issuer.relay("r2", &redis, &["--anonymous", "--api-key-file", keys.path()]);
    // That one has --listen-ops too.
    await_relays(&redis, &["r1", "r2"]);
    let token = issuer.token_of("alice", json!({}));
    let clients = [
        trusting.connect("alice"),
        Client::connect_with_token(with_tokens.address(), "alice", &token),
        Client::connect_as_guest(with_tokens.address()),
    ];
    let frames = [
        json!({"op": "join", "room": RELAYS}),
        json!({"op": "subscribe", "room": RELAYS}),
        json!({"op": "leave", "room": RELAYS}),
        json!({"op": "send", "room": RELAYS, "text": "x", "nonce": "n"}),
        json!({"op": "history", "room": RELAYS}),
        json!({"op": "members", "room": RELAYS}),
        json!({"op": "who", "room": RELAYS}),
        json!({"op": "online", "rooms": [RELAYS]}),
        json!({"op": "room", "room": RELAYS}),
        json!({"op": "room", "room": RELAYS, "set": {"topic": "x"}}),
        json!({"op": "sanctions", "room": RELAYS}),
        json!({"op": "mod", "room": RELAYS, "action": "ban", "user": "eve"}),
        json!({"op": "signal", "room": RELAYS, "name": "x"}),
        json!({"op": "read", "room": RELAYS, "id": "1-1"}),
    ];
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "x").ok();
    for alice in &clients {
        for frame in &frames {
            // What this client may not do at all is refused before.
            let refused = alice.refused(frame.clone());
            assert!(["DENIED", "INVALID"].contains(&&*refused), "{frame}: {refused}");
        }
        let listed = alice.ok(json!({"op": "rooms"}));
        let names: Vec<_> = listed["rooms"].as_array().expect("rooms").iter().collect();
        assert!(names.iter().any(|row| row["room"] == "lobby"), "{listed}");
        assert!(names.iter().all(|row| row["room"] != RELAYS), "{listed}");
    }
    let resumed = clients[0].ok(json!({"op": "resume", "rooms": {RELAYS: null}}));
    assert_eq!(resumed["rooms"][RELAYS]["error"]["code"], "DENIED", "{resumed}");
    let unread = clients[0].ok(json!({"op": "unread", "rooms": [RELAYS]}));
    assert!(unread["rooms"][RELAYS].is_null(), "{unread}");
    // However the name is written.
    let escaped = r#"{"op":"history","room":"\u002arelays"}"#;
    let http = Http::new(trusting.address()).query("user=alice");
    let refused = http.request("POST", "/v1", Some(escaped)).ok();
    assert_eq!(refused["error"]["code"], "DENIED", "{refused}");
    // The backend sees it, but not as a user.
    let backend = operator(&trusting);
    assert_eq!(backend.get("/v1/rooms/*relays/who").ok()["users"], 2);
    let as_alice = backend.get("/v1/rooms/*relays/who?as=alice").problem();
    assert_eq!(as_alice, (403, "DENIED".into(), "scope".into()));
}

/// The commands that this server has run since its counts began, in lower case.
fn commands(redis: &Redis) -> Vec<(String, u64)> {
    let stats = cmd!(redis, "INFO", "commandstats").text().to_owned();
    let of = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(of).collect()
}

#[test]
fn while_nobody_looks_a_relay_costs_one_command_for_each_beat() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[&TTL[..], &["--probe", "60s"]].concat());
    await_relays(&redis, &["r1"]);
    let count = |name: &str| {
        let found = commands(&redis);
        found.iter().find(|(found, _)| found == name).map_or(0, |(_, calls)| *calls)
    };
    cmd!(redis, "CONFIG", "RESETSTAT").ok();
    let beats = |wanted: u64| {
        eventually("beats", SOON, || match count("chat.presence") {
            calls if calls >= wanted => Ok(calls),
            calls => Err(calls.to_string()),
        })
    };
    beats(6);
    let own = ["chat.presence", "info", "config|resetstat"];
    let others: BTreeSet<String> = commands(&redis)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !own.contains(&&**name))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    // Somebody looks, and what is looked at is asked for once.
    let http = operator(&relay);
    http.get("/v1/rooms/*relays/who").ok();
    http.get("/ops/relay").ok();
    assert_eq!((count("chat.who"), count("chat.rooms")), (1, 0));
}

#[test]
fn a_relay_whose_user_may_not_announce_it_serves_all_the_same() {
    let redis = Redis::start();
    let keys = keys();
    let url = redis.relay_user();
    cmd!(redis, "ACL", "SETUSER", "relay", "resetkeys", "~@*", "~lobby").ok();
    let options = ["--listen-ops", "127.0.0.1:0", "--api-key-file", keys.path()];
    let mut relay = Relay::with("r1", &url, &[&options[..], &TTL].concat());
    relay.wait_ready();
    eventually("the refusal in the log", SOON, || match relay.process().errors() {
        log if log.contains("operators do not see this relay") => Ok(()),
        log => Err(log),
    });
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
    assert_eq!(relay.metric("chat_relay_upstream_troubles_total"), None);
    assert_eq!(relay.get_ops("/readyz"), (200, "ready\n".into()));
    // With the line of the documents it may.
    redis.relay_user();
    cmd!(redis, "ACL", "SETUSER", "relay", "~*").ok();
    await_relays(&redis, &["r1"]);
}

#[test]
fn in_a_cluster_all_relays_are_in_one_room_and_all_primaries_are_shown() {
    let mut cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let keys = keys();
    let options = [&TTL[..], &["--probe", "1s"]].concat();
    let [r1, r2] = ["r1", "r2"].map(|name| relay(name, &cluster.url(), &keys, &options));
    let home = cluster.owner_of(RELAYS);
    await_relays(cluster.node(home), &["r1", "r2"]);
    for room in cluster.rooms("room", 2) {
        cmd!(cluster.wire_to(&room), "CHAT.SEND", &room, "bob", "x").ok();
    }
    for relay in [&r1, &r2] {
        let http = operator(relay);
        assert_eq!(http.get("/v1/rooms/*relays/who").ok()["users"], 2);
        let rooms = http.get("/v1/rooms?match=room*&count=100").ok();
        assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(6), "{rooms}");
    }
    let states = || {
        let told = operator(&r1).get("/ops/relay").ok();
        let nodes = told["nodes"].as_array().expect("nodes").clone();
        let slots: u64 = nodes.iter().map(|node| node["slots"].as_u64().expect("a number")).sum();
        assert_eq!((nodes.len(), slots), (3, 16384), "{told}");
        let state = |node: &Value| {
            let word = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            (word("address"), word("state"))
        };
        nodes.iter().map(state).collect::<BTreeMap<_, _>>()
    };
    assert!(states().values().all(|state| state == "open"), "{:?}", states());
    let lost = (home + 1) % 3;
    let address = cluster.address(lost).to_string();
    cluster.kill(lost);
    eventually("the lost primary", LATER, || match states() {
        states if states[&address] == "away" => Ok(()),
        states => Err(format!("{states:?}")),
    });
}
