//! Revoking: `tokens_after` and the suspension of a user, at every moment of a socket's life. Once the
//! backend's command is acknowledged and the socket is closed, nothing of its user is stored, delivered
//! or shown as present.

use std::time::{Duration, Instant};

use chat_protocol::close_code;
use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::frames::{Close, Frames};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually, never, until};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A lost socket would count as present for this long, so that a presence which ends at once shows.
const OPTIONS: [&str; 4] = ["--grace", "60s", "--operations-per-second", "10000"];
/// Two relays: one beside Redis, one behind a proxy.
const RELAYS: usize = 2;

/// What the backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Revoke,
    Suspend,
}

const ACTS: [Act; 2] = [Act::Revoke, Act::Suspend];

impl Act {
    /// Does it, and returns when it is acknowledged.
    #[track_caller]
    fn on(self, wire: &mut Wire, user: &str) {
        let room = format!("@{user}");
        match self {
            Act::Revoke => cmd!(wire, "CHAT.ROOM", room, "SET", "tokens_after", "now").ok(),
            Act::Suspend => cmd!(wire, "CHAT.MOD", room, "*", "BAN", user).ok(),
        };
    }

    #[track_caller]
    fn assert_is_told(self, close: &Close, context: &str) {
        let reason: Value = serde_json::from_str(&close.reason).unwrap_or_default();
        match self {
            Act::Revoke => {
                assert_eq!(close.code, close_code::EXPIRED.number, "{context}: {close:?}");
                assert_eq!(reason["what"], "revoked", "{context}: {close:?}");
            }
            Act::Suspend => {
                assert_eq!(close.code, close_code::SUSPENDED.number, "{context}: {close:?}");
                assert_eq!(reason["until_ms"], 0, "{context}: {close:?}");
            }
        }
    }
}

/// Two relays and a user who sees everything.
struct Stage {
    redis: Redis,
    path: Proxy,
    issuer: Issuer,
    relays: [Relay; RELAYS],
    /// On each relay one who stays.
    witnesses: [Client; RELAYS],
}

impl Stage {
    fn new() -> Stage {
        Stage::of(Redis::durable())
    }

    fn of(redis: Redis) -> Stage {
        let path = Proxy::to(redis.address());
        let issuer = Issuer::new();
        let behind = format!("redis://{}", path.address());
        let relays =
            [issuer.relay("r1", &redis, &OPTIONS), issuer.relay_at("r2", &behind, &OPTIONS)];
        let witnesses = [0, 1].map(|relay: usize| {
            let token = issuer.token_of("witness", json!({}));
            let witness = Client::connect_with_token(relays[relay].address(), "witness", &token);
            witness.ok(json!({"op": "join", "room": "lobby"}));
            witness
        });
        Stage { redis, path, issuer, relays, witnesses }
    }

    /// A token that was issued some seconds ago.
    fn old_token(&self, user: &str) -> String {
        self.issuer.token_of(user, json!({"iat": now_s() - 5}))
    }

    /// A token that stays good: clocks may differ by as much.
    fn fresh_token(&self, user: &str) -> String {
        self.issuer.token_of(user, json!({"iat": now_s() + 20}))
    }

    /// A socket that is not waited for, which enters the room and says this.
    fn open(&self, relay: usize, user: &str, says: &str) -> Frames {
        let address = self.relays[relay].address();
        let mut request = format!("ws://{address}/ws").into_client_request().expect("an address");
        let bearer = format!("Bearer {}", self.old_token(user)).parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        let frames = Frames::open(address, request, "ref").expect("an upgrade");
        for op in [
            json!({"ref": 1, "op": "join", "room": "lobby"}),
            json!({"ref": 2, "op": "send", "room": "lobby", "text": says}),
        ] {
            frames.send(Message::text(op.to_string()));
        }
        frames
    }

    /// A client that is in the room, by an old token.
    #[track_caller]
    fn enter(&self, relay: usize, user: &str) -> Client {
        let address = self.relays[relay].address();
        let client = Client::connect_with_token(address, user, &self.old_token(user));
        client.ok(json!({"op": "join", "room": "lobby"}));
        client
    }

    /// What is stored of this user, once Redis has had all that the relays have sent before.
    #[track_caller]
    fn texts_of(&self, user: &str) -> usize {
        for witness in &self.witnesses {
            witness.ok(json!({"op": "room", "room": "lobby"}));
        }
        let page = history(&mut self.redis.wire(), "lobby", &["COUNT", "1000"]);
        page.events.iter().filter(|event| event.json["user"] == user).count()
    }

    /// Checks that none of them is present in the room or in a personal room, and that nothing more
    /// of theirs is stored than there was.
    #[track_caller]
    fn assert_over(&self, users: &[(String, usize)]) {
        let mut wire = self.redis.wire();
        eventually("nobody of them to be present", SOON, || {
            let mut rooms: Vec<String> = users.iter().map(|(user, _)| format!("@{user}")).collect();
            rooms.push("lobby".to_owned());
            for room in rooms {
                let present = format!("{:?}", cmd!(wire, "CHAT.WHO", &room, "COUNT", "1000"));
                let is_there =
                    |(user, _): &&(String, usize)| present.contains(&format!("\"{user}\""));
                if let Some((user, _)) = users.iter().find(is_there) {
                    return Err(format!("{user} is present in {room}"));
                }
            }
            Ok(())
        });
        for (user, texts) in users {
            assert_eq!(self.texts_of(user), *texts, "of {user}");
        }
    }
}

#[track_caller]
fn wait_closed(frames: &Frames) -> Close {
    eventually("the end", LATER, || {
        let inbox = frames.inbox();
        inbox.closed.clone().ok_or_else(|| format!("{:?}", inbox.frames.last()))
    })
}

#[test]
fn open_sockets_end_at_once_on_every_relay_and_logins_are_refused() {
    let stage = Stage::new();
    for act in ACTS {
        let user = format!("bob-{act:?}");
        let sockets = [0, 1, 1].map(|relay| stage.enter(relay, &user));
        let fresh =
            Client::connect_with_token(stage.relays[0].address(), &user, &stage.fresh_token(&user));
        act.on(&mut stage.redis.wire(), &user);
        for socket in &sockets {
            act.assert_is_told(&socket.wait_closed(SOON), "an open socket");
        }
        let texts = stage.texts_of(&user);
        if act == Act::Revoke {
            // A token that was issued later is not concerned, in a new socket either.
            fresh.ok(json!({"op": "join", "room": "lobby"}));
            fresh.ok(json!({"op": "auth", "token": stage.fresh_token(&user)}));
            drop(fresh);
        } else {
            act.assert_is_told(&fresh.wait_closed(SOON), "whatever the token");
        }
        for relay in 0..RELAYS {
            let frames = stage.open(relay, &user, "too late");
            act.assert_is_told(&wait_closed(&frames), "a login");
            assert!(frames.inbox().frames.is_empty(), "not even hello");
        }
        assert_eq!(stage.texts_of(&user), texts);
        let outcome = if act == Act::Revoke { "revoked" } else { "suspended" };
        for relay in &stage.relays {
            let (_, metrics) = relay.get_ops("/metrics");
            let line = format!("chat_relay_logins_total{{way=\"header\",outcome=\"{outcome}\"}} 1");
            assert!(metrics.contains(&line), "{metrics}");
        }
    }
    assert!(stage.witnesses.iter().all(|witness| witness.closed().is_none()));
    // Taken back, both let the user in again.
    let mut wire = stage.redis.wire();
    cmd!(wire, "CHAT.ROOM", "@bob-Revoke", "SET", "tokens_after", "0").ok();
    cmd!(wire, "CHAT.MOD", "@bob-Suspend", "*", "UNBAN", "bob-Suspend").ok();
    for act in ACTS {
        stage.enter(1, &format!("bob-{act:?}")).ok(json!({"op": "ping"}));
    }
}

#[test]
fn a_token_without_its_time_is_older_than_any() {
    let stage = Stage::new();
    let token = stage.issuer.token(json!({"sub": "bob", "exp": now_s() + 600}));
    let connect = || Client::connect_with_token(stage.relays[0].address(), "bob", &token);
    let bob = connect();
    cmd!(stage.redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "1000000000000").ok();
    Act::Revoke.assert_is_told(&bob.wait_closed(SOON), "the smallest time there is");
    cmd!(stage.redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "0").ok();
    connect().ok(json!({"op": "ping"}));
}

#[test]
fn a_suspension_holds_without_tokens_and_ends_by_itself() {
    let redis = Redis::start();
    let relays = Relay::pair(&redis);
    let sockets = [relays[0].connect("bob"), relays[1].connect("bob")];
    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    sockets[0].ok(json!({"op": "ping"}));
    let before = redis.clock_ms();
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "bob", "FOR", "1500").ok();
    for socket in &sockets {
        let close = socket.wait_closed(SOON);
        let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
        let until_ms = reason["until_ms"].as_u64().expect("a time");
        assert!((before + 1500..before + 1500 + 60_000).contains(&until_ms), "{close:?}");
    }
    eventually("the end of the suspension", LATER, || {
        Client::try_connect(relays[0].address(), "bob").map(drop).map_err(|code| format!("{code}"))
    });
}

/// 200 logins that race with each act. Every socket ends, whatever came first.
#[test]
fn a_login_that_races_with_it_is_refused_or_ends() {
    const ROUNDS: usize = 200;
    for act in ACTS {
        let stage = Stage::new();
        let mut wire = stage.redis.wire();
        let mut users = Vec::new();
        for round in 0..ROUNDS {
            let user = format!("bob{round}");
            let frames = stage.open(round % RELAYS, &user, "hi");
            until(Instant::now() + Duration::from_micros(rand::random_range(0..1000)));
            act.on(&mut wire, &user);
            act.assert_is_told(&wait_closed(&frames), &format!("round {round}"));
            let texts = stage.texts_of(&user);
            users.push((user, texts));
        }
        stage.assert_over(&users);
        let let_in = users.iter().filter(|(_, texts)| *texts > 0).count();
        println!("{act:?}: {let_in} of {ROUNDS} had said something before");
    }
}

/// The steps of a login, one after the other, while a proxy holds the next one back.
#[test]
fn at_every_step_of_a_login_it_is_refused() {
    let stage = Stage::new();
    let (path, mut wire) = (&stage.path, stage.redis.wire());
    let release = || {
        path.set_subscriptions(None);
        path.set(Network::Open);
    };
    let mut users = Vec::new();
    for round in 0..8 {
        for act in ACTS {
            for step in 0..5 {
                let user = format!("bob-{act:?}-{step}-{round}");
                let room = format!("@{user}");
                let subscribers =
                    |wire: &mut Wire| cmd!(wire, "PUBSUB", "SHARDNUMSUB", &room).list()[1].int();
                let is_present = |wire: &mut Wire| {
                    format!("{:?}", cmd!(wire, "CHAT.WHO", &room)).contains(&user)
                };
                // What is held, and how far the login has come when it is revoked.
                match step {
                    0 => path.set_subscriptions(Some(Network::Hold)),
                    1 => path.set_subscriptions(Some(Network::HoldReplies)),
                    2 | 3 => {
                        path.set_subscriptions(Some(Network::Open));
                        path.set(if step == 2 { Network::Hold } else { Network::HoldReplies });
                    }
                    _ => path.set(Network::HoldReplies),
                }
                let frames = stage.open(1, &user, "hi");
                match step {
                    0 => never("a subscription that is held", Duration::from_millis(20), || {
                        match subscribers(&mut wire) {
                            0 => Ok(()),
                            n => Err(format!("{n}")),
                        }
                    }),
                    1 | 2 | 4 => {
                        eventually("a subscription", SOON, || match subscribers(&mut wire) {
                            1 => Ok(()),
                            n => Err(format!("{n}")),
                        })
                    }
                    _ => eventually("the pipeline to have run", SOON, || {
                        match is_present(&mut wire) {
                            true => Ok(()),
                            false => Err("not present".to_owned()),
                        }
                    }),
                }
                act.on(&mut wire, &user);
                if step != 3 {
                    release();
                }
                let close = wait_closed(&frames);
                act.assert_is_told(&close, &format!("step {step}"));
                release();
                // At the last step the reply and the event are on their way together.
                let is_silent = frames.inbox().frames.is_empty();
                assert!(is_silent || step == 4, "step {step}: not even hello");
                let texts = stage.texts_of(&user);
                users.push((user, texts));
            }
        }
    }
    stage.assert_over(&users);
}

/// A socket with a good token gets an older one while the older one becomes void.
#[test]
fn a_refresh_that_races_with_it_never_leaves_a_void_token() {
    const ROUNDS: usize = 200;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let mut users = Vec::new();
    for round in 0..ROUNDS {
        let user = format!("bob{round}");
        let address = stage.relays[round % RELAYS].address();
        let client = Client::connect_with_token(address, &user, &stage.fresh_token(&user));
        client.ok(json!({"op": "join", "room": "lobby"}));
        let act = ACTS[round / RELAYS % 2];
        client.ask(json!({"op": "auth", "token": stage.old_token(&user)}));
        until(Instant::now() + Duration::from_micros(rand::random_range(0..1500)));
        act.on(&mut wire, &user);
        act.assert_is_told(&client.wait_closed(SOON), &format!("round {round}"));
        users.push((user, 0));
    }
    stage.assert_over(&users);
}

/// Many users at once: their relay misses the event, by a hole or by a link that is lost.
#[test]
fn what_a_relay_has_missed_ends_sockets_when_it_asks_again() {
    const USERS: usize = 50;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let mut users = Vec::new();
    for (case, way) in ["hole", "link", "drop", "kill"].into_iter().enumerate() {
        let clients: Vec<(String, Act, Client)> = (0..USERS)
            .map(|n| {
                let user = format!("bob-{way}-{n}");
                let client = stage.enter(1, &user);
                (user, ACTS[n % 2], client)
            })
            .collect();
        stage.path.set_subscriptions(Some(Network::Stall));
        for (user, act, _) in &clients {
            act.on(&mut wire, user);
        }
        for (_, _, client) in &clients {
            assert!(client.closed().is_none(), "{way}: it does not know yet");
        }
        stage.path.set_subscriptions(None);
        match case {
            // The next event of each room does not continue the last one.
            0 => clients.iter().for_each(|(user, ..)| {
                cmd!(wire, "CHAT.SEND", format!("@{user}"), "*", "a notice").ok();
            }),
            1 => stage.path.cut(),
            2 => {
                stage.path.set(Network::Drop);
                stage.relays[1].wait_unready();
                stage.path.set(Network::Open);
            }
            _ => {
                cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
            }
        }
        for (user, act, client) in clients {
            act.assert_is_told(&client.wait_closed(LATER), way);
            let texts = stage.texts_of(&user);
            users.push((user, texts));
        }
    }
    stage.assert_over(&users);
}

/// Many users have a message that waits for Redis; half of them have gone meanwhile.
#[test]
fn what_waits_is_asked_for_before_it_is_submitted() {
    const USERS: usize = 100;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let clients: Vec<(String, Act, Client)> = (0..USERS)
        .map(|n| {
            let user = format!("bob{n}");
            let client = stage.enter(1, &user);
            (user, ACTS[n % 2], client)
        })
        .collect();
    let good = stage.enter(1, "carol");
    stage.path.set(Network::Drop);
    stage.relays[1].wait_unready();
    let asked: Vec<u64> = clients
        .iter()
        .map(|(_, _, client)| {
            client.ask(json!({"op": "send", "room": "lobby", "text": "it waited"}))
        })
        .collect();
    let waits = good.ask(json!({"op": "send", "room": "lobby", "text": "it waited too"}));
    eventually("all to wait", SOON, || match stage.relays[1].metric("chat_relay_sends_waiting") {
        Some(waiting) if waiting as usize == USERS + 1 => Ok(()),
        waiting => Err(format!("{waiting:?}")),
    });
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for (n, (user, act, client)) in clients.into_iter().enumerate() {
        act.on(&mut wire, &user);
        if n % 4 < 2 { here.push((user, act, client, asked[n])) } else { gone.push(user) }
    }
    stage.path.set(Network::Open);
    let mut closed = Vec::new();
    for (user, act, client, asked) in here {
        act.assert_is_told(&client.wait_closed(LATER), &user);
        let error = client.reply(asked).expect("answered before the close").expect_err("refused");
        assert_eq!(error["code"], "UNAVAILABLE");
        closed.push((user, 0));
    }
    eventually("the answer to carol", LATER, || good.reply(waits).ok_or_else(|| good.arrived()))
        .expect("stored");
    eventually("nothing to wait", LATER, || {
        match stage.relays[1].metric("chat_relay_sends_waiting") {
            Some(0.0) => Ok(()),
            waiting => Err(format!("{waiting:?}")),
        }
    });
    stage.assert_over(&closed);
    // Those whose sockets were lost before are present for their time, and have said nothing.
    for user in gone {
        assert_eq!(stage.texts_of(&user), 0, "of {user}");
    }
}

/// Logins and refreshes while Redis is away: the sockets are open, and what was done meanwhile counts
/// as soon as it can be asked.
#[test]
fn a_login_that_waits_is_decided_before_anything_is_done() {
    const USERS: usize = 40;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let good = |user: &str| {
        let address = stage.relays[1].address();
        Client::connect_with_token(address, user, &stage.fresh_token(user))
    };
    let refreshed: Vec<(String, Client)> = (0..USERS)
        .map(|n| format!("refreshed{n}"))
        .map(|user| (user.clone(), good(&user)))
        .collect();
    stage.path.set(Network::Drop);
    stage.relays[1].wait_unready();
    for (user, client) in &refreshed {
        client.ok(json!({"op": "auth", "token": stage.old_token(user)}));
        client.ask(json!({"op": "send", "room": "lobby", "text": "it waited"}));
    }
    let waiting: Vec<(String, Act, Frames)> = (0..USERS)
        .map(|n| (format!("waiting{n}"), ACTS[n % 2]))
        .map(|(user, act)| (user.clone(), act, stage.open(1, &user, "it waited")))
        .collect();
    for (user, _, frames) in &waiting {
        let what = format!("hello, {user}, and the refusal of what needs Redis");
        eventually(&what, SOON, || {
            let inbox = frames.inbox();
            let is_refused = |frame: &chat_tests::clients::frames::Frame| {
                frame.json["ref"] == 1 && frame.json["error"]["code"] == "UNAVAILABLE"
            };
            let has_hello = inbox.frames.first().is_some_and(|frame| frame.json["type"] == "hello");
            let told = has_hello && inbox.frames.iter().any(is_refused);
            if told { Ok(()) } else { Err(format!("{} frames", inbox.frames.len())) }
        });
    }
    for (user, _) in &refreshed {
        Act::Revoke.on(&mut wire, user);
    }
    for (user, act, _) in &waiting {
        act.on(&mut wire, user);
    }
    stage.path.set(Network::Open);
    let mut users = Vec::new();
    for (user, client) in refreshed {
        Act::Revoke.assert_is_told(&client.wait_closed(LATER), &user);
        users.push((user, 0));
    }
    for (user, act, frames) in waiting {
        act.assert_is_told(&wait_closed(&frames), &user);
        users.push((user, 0));
    }
    stage.witnesses[1].ok(json!({"op": "ping"}));
    stage.relays[1].wait_ready();
    stage.assert_over(&users);
}

/// The primary fails after the act was acknowledged and has reached the replica, but no relay.
#[test]
fn it_holds_after_a_failover_and_after_a_restart() {
    const USERS: usize = 40;
    let primary = Redis::durable();
    let mut replica = Redis::replica(&primary, &["appendonly yes", "appendfsync always"]);
    let mut stage = Stage::of(primary);
    let mut wire = stage.redis.wire();
    let clients: Vec<(String, Act, Client)> = (0..USERS)
        .map(|n| {
            let user = format!("bob{n}");
            let client = stage.enter(1, &user);
            (user, ACTS[n % 2], client)
        })
        .collect();
    stage.path.set_subscriptions(Some(Network::Stall));
    for (user, act, _) in &clients {
        act.on(&mut wire, user);
    }
    assert_eq!(cmd!(wire, "WAIT", "1", "10000").int(), 1);
    stage.redis.kill();
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    stage.path.set_subscriptions(None);
    stage.path.lead_to(replica.address());
    let mut users = Vec::new();
    for (user, act, client) in clients {
        act.assert_is_told(&client.wait_closed(LATER), &user);
        users.push((user, act));
    }
    // From the append-only file.
    replica.wait_rewritten();
    replica.kill();
    replica.restart();
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    stage.relays[1].wait_ready();
    for (user, act) in users {
        let frames = stage.open(1, &user, "too late");
        act.assert_is_told(&wait_closed(&frames), &user);
    }
}

/// While writes are refused nothing can be published, yet logins are decided.
#[test]
fn a_login_needs_no_write() {
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    for act in ACTS {
        act.on(&mut wire, &format!("bob-{act:?}"));
    }
    cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", "1").ok();
    for relay in 0..RELAYS {
        for act in ACTS {
            let frames = stage.open(relay, &format!("bob-{act:?}"), "hi");
            act.assert_is_told(&wait_closed(&frames), "while writes are refused");
        }
        let address = stage.relays[relay].address();
        let carol = Client::connect_with_token(address, "carol", &stage.old_token("carol"));
        carol.ok(json!({"op": "room", "room": "lobby"}));
        let waits = carol.ask(json!({"op": "send", "room": "lobby", "text": "later"}));
        assert!(carol.reply(waits).is_none());
    }
}
