//! A primary and two replicas under three Sentinels: relays follow the switch within a second, and
//! have nothing acknowledged by a primary that was replaced.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat_tests::checking::checker::{Checker, Loss, Progress};
use chat_tests::checking::faults::{addresses, relays};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::documents;
use chat_tests::port;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::authority::{Authority, server_has_tls};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::sentinel::{NAME, Sentinel, Sentinels, replicated};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

/// Every relay subscribes to this channel at the server that it uses.
const CHANNEL_OF_RELAYS: &str = "@*profiles";

/// Longest time from the switch of the first Sentinel until relays use the new primary.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(1);

/// With these settings a planned failover loses nothing but what is written in the moment of the
/// promotion, and nothing at all if writes are paused meanwhile, for this time.
const PAUSE_MS: &str = "5000";
const ALL_REPLICAS: &[&str] = &["min-replicas-to-write 2"];

fn relays_at(redis: &Redis) -> i64 {
    cmd!(redis, "PUBSUB", "SHARDNUMSUB", CHANNEL_OF_RELAYS).list()[1].int()
}

/// Messages that this server has been asked to store. A Sentinel that demotes a server closes its
/// connections, this one too.
fn sends(redis: &Redis) -> u64 {
    let stats = eventually("the statistics of commands", SOON, || {
        let reply = redis.wire().try_call(&["INFO", "commandstats"]);
        reply.map(|reply| reply.text().to_owned()).map_err(|error| error.to_string())
    });
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_chat.send:calls="));
    let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

/// Waits until the Sentinels name another primary than `redis`, which then is `redis`; the old one
/// takes its place among `others`. Returns its place. All of `count` relays must use the new one
/// within a second.
#[track_caller]
fn follow(sentinels: &Sentinels, redis: &mut Redis, others: &mut [Redis], count: i64) -> usize {
    let new = sentinels.switched_from(redis.address());
    let switched = Instant::now();
    let at = position(others, new);
    std::mem::swap(redis, &mut others[at]);
    eventually("relays at the new primary", SOON, || match relays_at(redis) {
        here if here == count => Ok(()),
        here => Err(format!("{here}")),
    });
    let time = switched.elapsed();
    println!("followed {time:.0?} after the switch");
    assert!(time < FOLLOWS_WITHIN, "{time:?} after the switch");
    at
}

fn position(servers: &[Redis], address: SocketAddr) -> usize {
    let found = servers.iter().position(|server| server.address() == address);
    found.unwrap_or_else(|| panic!("{address} is no replica"))
}

/// Waits until this server is a replica.
#[track_caller]
fn wait_demoted(server: &Redis) {
    eventually("a demoted primary", LATER, || {
        let reply = server.wire().try_call(&["ROLE"]).map_err(|error| error.to_string())?;
        match reply.list()[0].text() {
            "slave" => Ok(()),
            role => Err(role.to_owned()),
        }
    });
}

#[test]
fn relays_follow_when_the_primary_dies() {
    let (mut primary, mut replicas) = replicated(2, &[]);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let relays = relays(&sentinels.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(150), ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.3);
        redis.kill();
        let dead = follow(&sentinels, redis, &mut replicas, 2);
        progress.wait(0.6);
        // It believes that it is the primary, until a Sentinel demotes it.
        replicas[dead].restart();
        progress.wait(0.7);
        assert_eq!(relays_at(&replicas[dead]), 0);
    };
    let effects = checker.run(seeded("sentinel: kill"), &addresses(&relays), &mut primary, fault);
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "{effects:?}");
    assert!(
        relays.iter().all(|relay| relay.metric("chat_relay_sentinel_switches_total") == Some(1.0))
    );
    assert!(relays.iter().all(|relay| relay.metric("chat_relay_sentinels_open") == Some(3.0)));
}

#[test]
fn relays_leave_a_frozen_primary_for_good() {
    let (mut primary, mut replicas) = replicated(2, &[]);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let relays = relays(&sentinels.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(300), ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.2);
        redis.process().freeze();
        let frozen = follow(&sentinels, redis, &mut replicas, 2);
        progress.wait(0.3);
        let stale = &replicas[frozen];
        stale.process().thaw();
        // What relays sent while it was frozen has been executed now.
        eventually("the relays' old connections closed", SOON, || match relays_at(stale) {
            0 => Ok(()),
            left => Err(format!("{left} relays")),
        });
        let before = sends(stale);
        progress.wait(0.8);
        assert_eq!(sends(stale), before, "a relay sent to the stale primary");
        wait_demoted(stale);
    };
    let effects = checker.run(seeded("sentinel: freeze"), &addresses(&relays), &mut primary, fault);
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "{effects:?}");
}

#[test]
fn a_planned_failover_loses_nothing_if_writes_are_paused() {
    let (mut primary, mut replicas) = replicated(2, ALL_REPLICAS);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let relays = relays(&sentinels.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(300), ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.3);
        cmd!(redis, "CLIENT", "PAUSE", PAUSE_MS, "WRITE").ok();
        cmd!(sentinels.0[0], "SENTINEL", "FAILOVER", NAME).ok();
        let old = follow(&sentinels, redis, &mut replicas, 2);
        let stale = &replicas[old];
        let before = sends(stale);
        wait_demoted(stale);
        assert_eq!(sends(stale), before, "a relay sent to the stale primary");
    };
    let effects =
        checker.run(seeded("sentinel: planned"), &addresses(&relays), &mut primary, fault);
    assert_eq!((effects.reconnects, effects.reloads), (0, 0), "{effects:?}");
}

#[test]
fn one_sentinel_that_is_wrong_and_one_that_is_down_change_nothing() {
    let (mut primary, mut replicas) = replicated(2, &[]);
    let mut sentinels = Sentinels::three(&primary, 2, &[]);
    // Somebody else's primary under the same name; these Sentinels never hear of each other.
    let other = Redis::start();
    sentinels.0.insert(0, Sentinel::watching(other.address(), 1, &[]));
    let relays = relays(&sentinels.url(), &["r1", "r2"]);
    assert_eq!((relays_at(&primary), relays_at(&other)), (2, 0), "the majority counts");
    sentinels.0[3].kill();
    let checker = Checker { messages: rounds(100), ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.3);
        let wrong = sentinels.0.remove(0);
        redis.kill();
        follow(&sentinels, redis, &mut replicas, 2);
        assert_eq!(relays_at(&other), 0);
        drop(wrong);
    };
    let effects = checker.run(seeded("sentinel: wrong"), &addresses(&relays), &mut primary, fault);
    assert_eq!(effects.reconnects, 0, "{effects:?}");
}

#[test]
fn sends_wait_and_reading_goes_on_while_no_replica_follows() {
    let (primary, mut replicas) = replicated(1, &[]);
    let sentinels = Sentinels::three(&primary, 1, &[]);
    let relay = Relay::with("r1", &sentinels.url(), &["--probe", "200ms"]);
    relay.wait_ready();
    let [alice, bob] = ["alice", "bob"].map(|user| relay.connect(user));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    alice.ok(json!({"op": "send", "room": "lobby", "text": "before"}));
    replicas[0].kill();
    eventually("a primary that refuses writes", LATER, || {
        let reply = cmd!(primary, "CHAT.JOIN", "other", "x");
        if reply.is_error() { Ok(()) } else { Err(format!("{reply:?}")) }
    });
    let waiting = alice.ask(json!({"op": "send", "room": "lobby", "text": "waits"}));
    eventually("the words", LATER, || match relay.get("/readyz") {
        (200, body) if body.contains("too few good replicas") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    for op in ["history", "who", "room"] {
        bob.ok(json!({"op": op, "room": "lobby"}));
    }
    let event = json!({
        "last": "0-0", "room": "lobby", "type": "signal", "ts": 1, "user": "*", "name": "x",
    });
    cmd!(primary, "SPUBLISH", "lobby", event.to_string()).ok();
    bob.next_of("lobby", "signal");
    assert!(alice.reply(waiting).is_none(), "{}", alice.arrived());
    assert_eq!(relay.metric("chat_relay_upstream_up"), Some(1.0));
    replicas[0].restart();
    let stored = eventually("the waiting send", LATER, || {
        alice.reply(waiting).ok_or_else(|| alice.arrived())
    });
    stored.expect("accepted");
    bob.next_where("lobby", "the waiting message", |event| event["text"] == "waits");
    assert_eq!(relay.metric("chat_relay_upstream_connects_total"), Some(1.0), "it stayed");
}

#[test]
fn relays_find_the_other_sentinels_by_one_and_bear_the_loss_of_all() {
    let (primary, _replicas) = replicated(1, &[]);
    let mut sentinels = Sentinels::three(&primary, 1, &[]);
    let one = format!("redis+sentinel://{}/{NAME}", sentinels.0[0].address());
    let relay = Relay::with("r1", &one, &["--probe", "1s"]);
    relay.wait_ready();
    let open = |expected: f64| {
        eventually("Sentinels that answer", LATER, || {
            match relay.metric("chat_relay_sentinels_open") {
                Some(open) if open == expected => Ok(()),
                open => Err(format!("{open:?}")),
            }
        });
    };
    open(3.0);
    sentinels.0.iter_mut().for_each(Sentinel::kill);
    open(0.0);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
    assert!(relay.metric("chat_relay_sentinel_failures_total") >= Some(3.0));
    sentinels.0[2].start();
    open(1.0);
    assert_eq!(relay.get("/readyz").0, 200);
    // Without any Sentinel a new relay says what it misses.
    sentinels.0[2].kill();
    let late = Relay::with("r2", &sentinels.url(), &[]);
    eventually("the words", LATER, || match late.get("/readyz") {
        (503, body) if body.contains("no primary: Sentinel 127.0.0.1:") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    sentinels.0[1].start();
    late.wait_ready();
    let wrong = sentinels.url().replace("/chat", "/chess");
    let lost = Relay::with("r3", &wrong, &[]);
    eventually("the words", LATER, || match lost.get("/readyz") {
        (503, body) if body.contains("no Sentinel knows one named chess") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn the_documented_rights_at_sentinels_suffice_and_each_is_needed() {
    let (primary, _replicas) = replicated(1, &[]);
    let line = documents::acl_line_of("docs/cluster.md");
    let user = format!("user {}", line.join(" "));
    let sentinel = Sentinel::watching(primary.address(), 1, &[&user]);
    let url = format!("redis+sentinel://relay:secret@{}/{NAME}", sentinel.address());
    let relay = Relay::with("r1", &url, &[]);
    relay.wait_ready();
    for word in line.iter().filter(|word| word.starts_with(['+', '&'])) {
        if ["+hello", "+client|setname", "+client|setinfo"].contains(&word.as_str()) {
            continue;
        }
        let (without, named) = match word.strip_prefix('+') {
            Some(name) => (format!("-{name}"), name),
            None => ("resetchannels".to_owned(), "+switch-master"),
        };
        cmd!(sentinel, "ACL", "SETUSER", "relay", without).ok();
        let late = Relay::with("r2", &url, &[]);
        let words = format!("no permission for {named}");
        eventually(&words, LATER, || match late.get("/readyz") {
            (503, body) if body.contains(&words) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        cmd!(sentinel, "ACL", "SETUSER", "relay", word).ok();
        late.wait_ready();
    }
    // It may ask, and change nothing.
    let mut wire = Wire::connect(sentinel.address()).expect("a connection");
    cmd!(wire, "AUTH", "relay", "secret").ok();
    assert!(!cmd!(wire, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME).is_error());
    for order in ["FAILOVER", "RESET", "REMOVE"] {
        let denied = cmd!(wire, "SENTINEL", order, NAME);
        assert!(denied.is_error(), "{order}: {denied:?}");
    }
    let wrong = url.replace("secret", "guess");
    let refused = Relay::with("r3", &wrong, &[]);
    eventually("the words", LATER, || match refused.get("/readyz") {
        (503, body) if body.contains("it refuses the password of Sentinels") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn sentinels_and_the_primary_are_reached_over_tls() {
    if !server_has_tls() {
        println!("skipped: the server under test was built without TLS");
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let [of_primary, of_sentinel] = [port::free(), port::free()];
    let lines = |port| authority.lines(port, &issued);
    let primary = Redis::with(&lines(of_primary).iter().map(String::as_str).collect::<Vec<_>>());
    let mut settings = lines(of_sentinel);
    // Sentinels too reach the primary over TLS, at the port that they name to relays.
    settings.push("tls-replication yes".to_owned());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let address = SocketAddr::from(([127, 0, 0, 1], of_primary));
    let sentinel = Sentinel::watching(address, 1, &settings);
    let url = format!("rediss+sentinel://127.0.0.1:{of_sentinel}/{NAME}");
    let relay = Relay::with("r1", &url, &["--redis-ca", &authority.path()]);
    relay.wait_ready();
    assert_eq!((relays_at(&primary), sentinel.primary()), (1, Ok(address)));
    let (alice, other) = (relay.connect("alice"), Authority::new());
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let late = Relay::with("r2", &url, &["--redis-ca", &other.path()]);
    eventually("the words", LATER, || match late.get("/readyz") {
        (503, body) if body.contains("no primary: Sentinel 127.0.0.1:") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let failures = r#"chat_relay_sentinel_failures_total{reason="certificate_issuer"}"#;
    eventually(failures, LATER, || match late.get("/metrics").1 {
        text if text.contains(failures) => Ok(()),
        text => Err(text),
    });
}

/// With fewer required replicas than there are, what the promoted one had not received is lost, and
/// readers of these rooms reload. Nothing is acknowledged by the old primary after the switch.
#[test]
fn what_a_planned_failover_loses_is_reported() {
    let (mut primary, mut replicas) = replicated(2, &[]);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let relays = relays(&sentinels.url(), &["r1", "r2"]);
    let checker = Checker { messages: rounds(600), loss: Loss::Reported, ..Checker::default() };
    let fault = |progress: &Progress, redis: &mut Redis| {
        progress.wait(0.1);
        cmd!(sentinels.0[0], "SENTINEL", "FAILOVER", NAME).ok();
        let old = follow(&sentinels, redis, &mut replicas, 2);
        let before = sends(&replicas[old]);
        wait_demoted(&replicas[old]);
        let after = sends(&replicas[old]);
        assert_eq!(after, before, "a relay sent to the stale primary");
    };
    let effects = checker.run(seeded("sentinel: loss"), &addresses(&relays), &mut primary, fault);
    assert_eq!(effects.reconnects, 0, "{effects:?}");
}
