//! Every operation gives the same bytes on a socket, in a frame of `POST /v1` and by its route.

use std::collections::BTreeSet;

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// An operation as a frame, and the request that does the same. `ROOM`, `ID` and `USER` are names of
/// the run.
struct Step {
    frame: Value,
    method: &'static str,
    target: &'static str,
    body: Option<Value>,
}

fn step(frame: Value, method: &'static str, target: &'static str, body: Option<Value>) -> Step {
    Step { frame, method, target, body }
}

fn steps() -> Vec<Step> {
    let get = |frame, target| step(frame, "GET", target, None);
    vec![
        step(
            json!({"op": "send", "room": "ROOM", "text": "hi\n\u{1f44d}", "nonce": "n1", "meta": {"a": [1, 2.50]}}),
            "POST",
            "/v1/rooms/ROOM/messages",
            Some(json!({"text": "hi\n\u{1f44d}", "nonce": "n1", "meta": {"a": [1, 2.50]}})),
        ),
        step(
            json!({"op": "send", "room": "ROOM", "text": "only now", "ephemeral": true}),
            "POST",
            "/v1/rooms/ROOM/messages",
            Some(json!({"text": "only now", "ephemeral": true})),
        ),
        step(
            json!({"op": "send", "room": "ROOM", "text": "other", "nonce": "n1"}),
            "POST",
            "/v1/rooms/ROOM/messages",
            Some(json!({"text": "other", "nonce": "n1"})),
        ),
        step(
            json!({"op": "send", "room": "ROOM", "text": "@bob", "nonce": "n2", "mentions": ["bob"], "reply": "ID"}),
            "POST",
            "/v1/rooms/ROOM/messages",
            Some(json!({"text": "@bob", "nonce": "n2", "mentions": ["bob"], "reply": "ID"})),
        ),
        step(
            json!({"op": "edit", "room": "ROOM", "id": "ID", "text": "ho"}),
            "PATCH",
            "/v1/rooms/ROOM/messages/ID",
            Some(json!({"text": "ho"})),
        ),
        step(
            json!({"op": "react", "room": "ROOM", "id": "ID", "emoji": "\u{1f44d}"}),
            "PUT",
            "/v1/rooms/ROOM/messages/ID/reactions/%F0%9F%91%8D",
            None,
        ),
        get(json!({"op": "history", "room": "ROOM"}), "/v1/rooms/ROOM/messages"),
        get(
            json!({"op": "history", "room": "ROOM", "after": "ID", "count": 1}),
            "/v1/rooms/ROOM/messages?after=ID&count=1",
        ),
        get(
            json!({"op": "history", "room": "ROOM", "before": "x"}),
            "/v1/rooms/ROOM/messages?before=x",
        ),
        get(
            json!({"op": "history", "room": "ROOM", "count": 1001}),
            "/v1/rooms/ROOM/messages?count=1001",
        ),
        step(
            json!({"op": "react", "room": "ROOM", "id": "ID", "emoji": "\u{1f44d}", "remove": true}),
            "DELETE",
            "/v1/rooms/ROOM/messages/ID/reactions/%F0%9F%91%8D",
            None,
        ),
        step(
            json!({"op": "delete", "room": "ROOM", "id": "ID", "reason": "a mistake"}),
            "DELETE",
            "/v1/rooms/ROOM/messages/ID?reason=a%20mistake",
            None,
        ),
        get(json!({"op": "history", "room": "ROOM"}), "/v1/rooms/ROOM/messages"),
        step(
            json!({"op": "edit", "room": "ROOM", "id": "ID", "text": "x"}),
            "PATCH",
            "/v1/rooms/ROOM/messages/ID",
            Some(json!({"text": "x"})),
        ),
        step(
            json!({"op": "room", "room": "ROOM", "set": {"topic": "te\"a", "slow": 5, "log_joins": true}}),
            "PATCH",
            "/v1/rooms/ROOM",
            Some(json!({"topic": "te\"a", "slow": 5, "log_joins": true})),
        ),
        step(
            json!({"op": "room", "room": "ROOM", "set": {}}),
            "PATCH",
            "/v1/rooms/ROOM",
            Some(json!({})),
        ),
        get(json!({"op": "room", "room": "ROOM"}), "/v1/rooms/ROOM"),
        step(
            json!({"op": "mod", "room": "ROOM", "action": "role", "user": "bob", "role": "moderator"}),
            "PUT",
            "/v1/rooms/ROOM/members/bob",
            Some(json!({"role": "moderator"})),
        ),
        get(json!({"op": "members", "room": "ROOM"}), "/v1/rooms/ROOM/members"),
        get(json!({"op": "members", "room": "ROOM", "count": 1}), "/v1/rooms/ROOM/members?count=1"),
        step(
            json!({"op": "mod", "room": "ROOM", "action": "mute", "user": "bob", "for_ms": 60000}),
            "POST",
            "/v1/rooms/ROOM/mod",
            Some(json!({"action": "mute", "user": "bob", "for_ms": 60000})),
        ),
        step(
            json!({"op": "mod", "room": "ROOM", "action": "ban", "user": "mallory"}),
            "POST",
            "/v1/rooms/ROOM/mod",
            Some(json!({"action": "ban", "user": "mallory"})),
        ),
        get(json!({"op": "sanctions", "room": "ROOM"}), "/v1/rooms/ROOM/sanctions"),
        get(
            json!({"op": "sanctions", "room": "ROOM", "count": 1}),
            "/v1/rooms/ROOM/sanctions?count=1",
        ),
        step(
            json!({"op": "mod", "room": "ROOM", "action": "kick", "user": "bob", "reason": "rude"}),
            "DELETE",
            "/v1/rooms/ROOM/members/bob?reason=rude",
            None,
        ),
        get(json!({"op": "who", "room": "ROOM", "count": 5}), "/v1/rooms/ROOM/who?count=5"),
        get(json!({"op": "who", "room": "@USER"}), "/v1/rooms/@USER/who"),
        step(
            json!({"op": "signal", "room": "ROOM", "name": "typing", "data": {}}),
            "POST",
            "/v1/rooms/ROOM/signal",
            Some(json!({"name": "typing", "data": {}})),
        ),
        step(
            json!({"op": "read", "room": "ROOM", "id": "ID"}),
            "PUT",
            "/v1/rooms/ROOM/read",
            Some(json!({"id": "ID"})),
        ),
        step(
            json!({"op": "unread", "rooms": ["ROOM", "nowhere"]}),
            "POST",
            "/v1/unread",
            Some(json!({"rooms": ["ROOM", "nowhere"]})),
        ),
        step(
            json!({"op": "online", "rooms": ["ROOM", "@USER"]}),
            "POST",
            "/v1/online",
            Some(json!({"rooms": ["ROOM", "@USER"]})),
        ),
        step(
            json!({"op": "room", "room": "@USER", "set": {"name": "A. B.", "avatar": "x"}}),
            "PATCH",
            "/v1/users/USER",
            Some(json!({"name": "A. B.", "avatar": "x"})),
        ),
        get(json!({"op": "profiles", "users": ["USER"]}), "/v1/users/USER"),
        get(json!({"op": "profiles", "users": ["nobody"]}), "/v1/users/nobody"),
        get(json!({"op": "room", "room": "@USER"}), "/v1/rooms/@USER"),
        get(json!({"op": "inbox"}), "/v1/inbox"),
        get(json!({"op": "rooms", "match": "ROOM", "count": 10}), "/v1/rooms?match=ROOM&count=10"),
        get(json!({"op": "room", "room": "nowhere"}), "/v1/rooms/nowhere"),
        step(json!({"op": "leave", "room": "ROOM"}), "DELETE", "/v1/rooms/ROOM/members/USER", None),
        step(
            json!({"op": "delete", "room": "ROOM", "id": "ID"}),
            "DELETE",
            "/v1/rooms/ROOM/messages/ID",
            None,
        ),
    ]
}

/// One way to run the steps, with names of its own of equal length.
struct Run<'a> {
    room: &'a str,
    user: &'a str,
    id: String,
}

impl Run<'_> {
    /// The names of this run in a text.
    fn named(&self, text: &str) -> String {
        text.replace("ROOM", self.room).replace("USER", self.user).replace("ID", &self.id)
    }

    /// A reply without what differs from run to run: names, times and ids.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(self.room, "ROOM").replace(self.user, "USER");
        let mut plain = String::new();
        let mut digits = String::new();
        for character in text.chars().chain(['\0']) {
            if character.is_ascii_digit() {
                digits.push(character);
                continue;
            }
            plain.push_str(if digits.len() >= 13 { "TIME" } else { &digits });
            digits.clear();
            plain.push(character);
        }
        plain
    }

    /// Notes the id of the first message.
    fn note_id(&mut self, object: &str) {
        if self.id.is_empty() {
            let reply: Value = serde_json::from_str(object).expect("JSON");
            self.id = reply["id"].as_str().expect("an id").to_owned();
        }
    }
}

fn on_socket(client: &Client, frame: &str, number: usize) -> String {
    let reference = format!("{{\"ref\":\"r{number}\"");
    client.send(Message::text(format!("{reference},{}", &frame[1..])));
    eventually("the reply", SOON, || {
        let frames = client.frames_from(0);
        let reply = frames.iter().find(|reply| reply.text.starts_with(&reference));
        reply.map(|reply| reply.text.clone()).ok_or_else(|| client.arrived())
    })
}

/// The object of a reply frame.
fn object(reply: &str, number: usize) -> Result<String, Value> {
    let ok = format!("{{\"ref\":\"r{number}\",\"ok\":");
    match reply.strip_prefix(&ok).and_then(|rest| rest.strip_suffix('}')) {
        Some(object) => Ok(object.to_owned()),
        None => {
            let reply: Value = serde_json::from_str(reply).expect("JSON");
            Err(reply["error"].clone())
        }
    }
}

#[test]
fn an_operation_has_the_same_bytes_by_all_three_ways() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    // In these rooms the same happens, and at the end nothing else has happened to these users.
    let ways = [("rooma", "usera"), ("roomb", "userb"), ("roomc", "userc")];
    let [mut socket, mut frames, mut routes] =
        ways.map(|(room, user)| Run { room, user, id: String::new() });
    // All three are online, so that profiles say the same.
    let clients = ways.map(|(_, user)| relay.connect(user));
    clients.iter().for_each(|client| drop(client.ok(json!({"op": "ping"}))));
    let api = Http::new(relay.address());
    let described = api.description();
    let (by_frames, by_routes) = (api.clone().query("user=userb"), api.query("user=userc"));
    let mut used = BTreeSet::new();
    for (number, step) in steps().iter().enumerate() {
        let frame = step.frame.to_string();
        let first = on_socket(&clients[0], &socket.named(&frame), number);
        let second = format!("{{\"ref\":\"r{number}\",{}", &frames.named(&frame)[1..]);
        let second = by_frames.request("POST", "/v1", Some(&second));
        assert_eq!((second.status, second.header("content-type")), (200, Some("application/json")));
        assert_eq!(frames.plain(&second.body), socket.plain(&first), "{frame}");

        let body = step.body.as_ref().map(|body| routes.named(&body.to_string()));
        let body = body.map(|body| serde_json::from_str(&body).expect("JSON"));
        let target = routes.named(step.target);
        let third = by_routes.call(step.method, &target, body.as_ref());
        let path = target.split('?').next().unwrap_or_default();
        let template = described.template(path).expect("a path");
        used.insert((step.method.to_owned(), template.to_owned()));
        match object(&first, number) {
            Ok(expected) => {
                assert_eq!(third.status, 200, "{frame}: {third:?}");
                assert_eq!(routes.plain(&third.body), socket.plain(&expected), "{frame}");
                if number == 0 {
                    socket.note_id(&expected);
                    frames.note_id(&object(&second.body, number).expect("it is sent"));
                    routes.note_id(&third.body);
                }
            }
            Err(error) => {
                let problem = third.json();
                assert!(third.status >= 400, "{frame}: {third:?}");
                for name in ["code", "what", "retry_ms", "until_ms", "max_bytes"] {
                    assert_eq!(problem[name], error[name], "{frame}: {third:?}");
                }
                assert_eq!(problem["detail"], error["message"], "{frame}");
            }
        }
    }
    // Joining over HTTP makes a member who receives nothing.
    for (api, run) in [(&by_frames, &frames), (&by_routes, &routes)] {
        let own = format!("/v1/rooms/{}/members/{}", run.room, run.user);
        assert_eq!(api.call("PUT", &own, None).body, "{}");
        assert_eq!(api.call("PUT", &own, Some(&json!({}))).body, "{}");
        let join = json!({"op": "join", "room": run.room});
        let reply = api.call("POST", "/v1", Some(&join));
        assert_eq!(reply.body, r#"{"ref":null,"ok":{}}"#);
        let members = cmd!(redis.wire(), "CHAT.MEMBERS", run.room);
        assert_eq!(members.list()[1].list().len(), 1, "{members:?}");
        let online = cmd!(redis.wire(), "CHAT.ONLINE", run.room);
        assert_eq!(online.list()[0].int(), 0);
    }
    used.insert(("PUT".into(), "/v1/rooms/{room}/members/{user}".into()));
    used.insert(("POST".into(), "/v1".into()));
    // Streams have scenarios of their own.
    used.extend(["GET", "POST"].map(|method| (method.into(), "/v1/events".into())));
    let unused: Vec<_> =
        described.operations().into_iter().filter(|one| !used.contains(one)).collect();
    assert!(unused.is_empty(), "in no step: {unused:?}");

    // What the steps do not meet: several frames, an outage.
    let several = json!([{"op": "ping", "ts": 5}, {"op": "nothing", "ref": 1}]);
    let reply = by_routes.call("POST", "/v1", Some(&several));
    assert_eq!(
        reply.body,
        r#"[{"ref":null,"ok":{"ts":5}},{"ref":1,"error":{"code":"INVALID","message":"no such operation","what":"op"}}]"#
    );
    described.check_frames(&several);
    described.check_frames(&several[0]);
    some_rooms_are_not_known_now();
    assert_eq!(described.missed(), [""; 0], "no response or request has these parts");
}

/// Redis answers for some rooms of a request and not for the others.
fn some_rooms_are_not_known_now() {
    let settings = ["cluster-enabled yes", "cluster-require-full-coverage no"];
    let redis = Redis::with(&settings);
    let mut wire = redis.wire();
    let slot = cmd!(wire, "CLUSTER", "KEYSLOT", "lost").int();
    for (first, last) in [(0, slot - 1), (slot + 1, 16_383)] {
        cmd!(wire, "CLUSTER", "ADDSLOTSRANGE", first.to_string(), last.to_string()).ok();
    }
    let relay = Relay::with("r2", &redis.url(), &["--operations-per-second", "10000"]);
    let api = Http::new(relay.address()).query("user=dora");
    let rooms = json!({"rooms": ["kept", "lost"]});
    eventually("the server", LATER, || {
        let joined = cmd!(wire, "CHAT.JOIN", "kept", "dora");
        if joined.is_error() { Err(format!("{joined:?}")) } else { Ok(()) }
    });
    cmd!(wire, "CHAT.FOLLOW", "@dora", "kept", "lost").ok();
    eventually("an answer with a part only", LATER, || {
        let answer = api.call("POST", "/v1/unread", Some(&rooms));
        match answer.status == 200 && answer.body.contains("\"error\"") {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        }
    });
    let inbox = api.get("/v1/inbox").ok();
    assert_eq!(inbox["rooms"][0]["room"], "kept", "{inbox}");
    assert_eq!(inbox["rooms"][1]["error"]["code"], "UNAVAILABLE", "{inbox}");
    assert_eq!(api.get("/v1/rooms").ok()["incomplete"], true);
}

#[test]
fn operations_that_need_a_socket_say_so() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let api = Http::new(relay.address()).query("user=alice");
    let frames = [
        json!({"op": "subscribe", "room": "lobby"}),
        json!({"op": "unsubscribe", "room": "lobby"}),
        json!({"op": "resume", "rooms": {}}),
        json!({"op": "status", "status": "away"}),
        json!({"op": "auth", "token": "x"}),
    ];
    for frame in frames {
        let reply = api.call("POST", "/v1", Some(&frame)).ok();
        assert_eq!(reply["error"]["code"], "INVALID", "{frame}");
        assert_eq!(reply["error"]["what"], "op", "{frame}");
    }
    assert_eq!(cmd!(redis.wire(), "EXISTS", "lobby").int(), 0);
}
