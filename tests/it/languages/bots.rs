//! Each bot on a server and in a cluster: it greets, answers, misses nothing while its connection is
//! lost, says that it is refused, and ends.

use std::net::SocketAddr;

use chat_tests::at_once::at_once;
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{Event, history};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::store::Store;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::example::{Bot, Example};

/// One bot in one room.
struct Scene<'a> {
    wire: Wire,
    room: &'a str,
    bot: Bot,
}

impl Scene<'_> {
    #[track_caller]
    fn await_said(&mut self, expected: &Value) {
        await_said(&mut self.wire, self.room, expected);
    }

    /// Sends a message of alice. Returns its id.
    #[track_caller]
    fn say(&mut self, text: &str) -> String {
        cmd!(self.wire, "CHAT.SEND", self.room, "alice", text).ok().text().to_owned()
    }

    #[track_caller]
    fn greets_and_answers(&mut self) {
        cmd!(self.wire, "CHAT.JOIN", self.room, "bob").ok();
        self.await_said(&json!({"text": "hello bob", "mentions": ["bob"]}));
        let id = self.say("!ping");
        let nonce = format!("pong-{id}");
        self.await_said(&json!({"text": "pong", "reply": id, "nonce": nonce}));
    }

    /// The answer is made of the replies of CHAT.ROOM_RO, CHAT.MEMBERS and CHAT.HISTORY.
    #[track_caller]
    fn reads_documents(&mut self, store: &impl Store) {
        let subscriber = Subscriber::on(store.wire_to(self.room), &[self.room]);
        let id = self.say("!about");
        let text = "3 members, owner alice, newest 4";
        await_published(&subscriber, &json!({"text": text, "reply": id}));
    }

    /// What was sent while it did not listen is answered too.
    #[track_caller]
    fn misses_nothing(&mut self) {
        cmd!(self.wire, "MULTI").ok();
        cmd!(self.wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        cmd!(self.wire, "CHAT.SEND", self.room, "alice", "!ping").ok();
        let done = cmd!(self.wire, "EXEC").ok();
        assert!(done.list()[0].int() > 0, "it did not listen: {done:?}");
        let id = done.list()[1].text().to_owned();
        eventually("a subscription", LATER, || {
            let count = cmd!(self.wire, "PUBSUB", "SHARDNUMSUB", self.room).list()[1].int();
            if count == 1 { Ok(()) } else { Err(format!("{count}")) }
        });
        self.say("who missed something learns it now");
        self.await_said(&json!({"text": "pong", "reply": id}));
    }

    #[track_caller]
    fn says_why_it_is_refused(&mut self) {
        cmd!(self.wire, "CHAT.MOD", self.room, "*", "BAN", "bot").ok();
        self.say("!ping");
        eventually("a refusal", LATER, || match self.bot.process.output() {
            output if output == "ready\nrefused: BANNED 0\n" => Ok(()),
            output => Err(output),
        });
    }
}

/// Waits until a message of the bot in the history has these members.
#[track_caller]
fn await_said(wire: &mut Wire, room: &str, expected: &Value) {
    eventually("what the bot says", LATER, || {
        let page = history(wire, room, &["COUNT", "1000"]);
        let said = page.events.iter().filter(|event| event.json["user"] == "bot");
        let is_it = |event: &&Event| has(&event.json, expected);
        match said.filter(is_it).count() {
            1 => Ok(()),
            found => Err(format!("{found} times {expected} in {:?}", page.texts())),
        }
    });
}

/// Waits until a message that is not stored has these members.
#[track_caller]
fn await_published(subscriber: &Subscriber, expected: &Value) {
    eventually("a message that is not stored", LATER, || {
        let texts = subscriber.all().into_iter().map(|(_, text)| text);
        let events: Vec<Value> =
            texts.map(|text| serde_json::from_str(&text).expect("JSON")).collect();
        let is_it = |event: &Value| event.get("id").is_none() && has(event, expected);
        if events.iter().any(is_it) { Ok(()) } else { Err(format!("{events:?}")) }
    });
}

/// Whether an event has these members.
fn has(event: &Value, expected: &Value) -> bool {
    let mut members = expected.as_object().expect("an object").iter();
    members.all(|(name, value)| event[name] == *value)
}

#[track_caller]
fn play(example: Example, store: &impl Store, at: SocketAddr, room: &str, mode: &[&str]) {
    let mut wire = store.wire_to(room);
    cmd!(wire, "CHAT.JOIN", room, "alice").ok();
    let address = at.to_string();
    let words = [&[address.as_str(), room], mode].concat();
    let mut scene = Scene { wire, room, bot: example.start(&words) };
    scene.greets_and_answers();
    scene.reads_documents(store);
    scene.misses_nothing();
    scene.says_why_it_is_refused();
    scene.bot.ends();
}

#[track_caller]
fn on_a_server(example: Example) {
    if example.is_there() {
        let redis = Redis::start();
        play(example, &redis, redis.address(), "lobby", &[]);
    }
}

/// One bot for a room of each primary, all of which are given the same node.
#[track_caller]
fn in_a_cluster(example: Example) {
    if example.is_there() {
        let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
        let rooms = cluster.rooms("room", 1);
        assert_eq!(rooms.len(), 3);
        let seed = cluster.address(0);
        at_once(&rooms, |room| play(example, &cluster, seed, room, &["cluster"]));
    }
}

/// Each bot in a room of its own, of one server. It asks for events every second.
#[track_caller]
fn that_ask_soon(redis: &Redis) -> Vec<Scene<'static>> {
    let address = redis.address().to_string();
    let start = |example: Example| {
        let room = example.name();
        let mut wire = redis.wire();
        cmd!(wire, "CHAT.JOIN", room, "alice").ok();
        let bot = example.start_with(&[&address, room], &[("ASK_SECONDS", "1")]);
        Scene { wire, room, bot }
    };
    Example::ALL.into_iter().filter(|example| example.is_there()).map(start).collect()
}

/// A copy takes the place of the room: the message in it was published for the copy.
#[test]
fn bots_ask_for_what_they_did_not_hear() {
    let redis = Redis::start();
    for mut scene in that_ask_soon(&redis) {
        let copy = format!("{}-copy", scene.room);
        cmd!(scene.wire, "MULTI").ok();
        cmd!(scene.wire, "COPY", scene.room, &copy).ok();
        cmd!(scene.wire, "CHAT.SEND", &copy, "alice", "!ping").ok();
        cmd!(scene.wire, "RENAME", &copy, scene.room).ok();
        let id = cmd!(scene.wire, "EXEC").ok().list()[1].text().to_owned();
        scene.await_said(&json!({"text": "pong", "reply": id}));
        scene.bot.ends();
    }
}

#[test]
fn bots_answer_in_a_room_without_members() {
    let redis = Redis::start();
    for mut scene in that_ask_soon(&redis) {
        let subscriber = Subscriber::on(redis.wire(), &[scene.room]);
        for user in ["alice", "bot"] {
            cmd!(scene.wire, "CHAT.LEAVE", scene.room, user).ok();
        }
        // Who writes becomes a member, except the backend.
        let id = cmd!(scene.wire, "CHAT.SEND", scene.room, "*", "!about").ok().text().to_owned();
        await_published(&subscriber, &json!({"text": "0 members, newest 1", "reply": id}));
        scene.bot.ends();
    }
}

/// The error is of Redis, and comes again when the event is taken again.
#[test]
fn bots_go_on_after_an_event_that_fails() {
    let redis = Redis::start();
    let mut scenes = that_ask_soon(&redis);
    let mut wire = redis.wire();
    cmd!(wire, "MULTI").ok();
    for scene in &scenes {
        cmd!(wire, "CHAT.SEND", scene.room, "alice", "!ping").ok();
    }
    cmd!(wire, "ACL", "SETUSER", "default", "-chat.send").ok();
    cmd!(wire, "EXEC").ok();
    for scene in &scenes {
        eventually("an event that is passed over", LATER, || match scene.bot.process.errors() {
            errors if errors.contains("passed over") => Ok(()),
            errors => Err(format!("{}: {errors}", scene.room)),
        });
    }
    cmd!(wire, "ACL", "SETUSER", "default", "+chat.send").ok();
    for scene in &mut scenes {
        let id = scene.say("!ping");
        scene.await_said(&json!({"text": "pong", "reply": id}));
    }
    for scene in scenes {
        scene.bot.ends();
    }
}

/// Some clients are deaf after the move, until the bot asks after ten seconds.
#[test]
fn bots_answer_after_their_slot_has_moved() {
    if !is_long_run() {
        return;
    }
    let are_there = |example: &Example| *example != Example::GoRedis && example.is_there();
    let examples: Vec<Example> = Example::ALL.into_iter().filter(are_there).collect();
    let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let tag = cluster.rooms_of(0, "room", 1).remove(0);
    let rooms: Vec<String> =
        examples.iter().map(|example| format!("{{{tag}}}{}", example.name())).collect();
    let address = cluster.address(0).to_string();
    let start = |(example, room): (&Example, &String)| example.start(&[&address, room, "cluster"]);
    let bots: Vec<Bot> = examples.iter().zip(&rooms).map(start).collect();
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        cluster.move_slots(&[slot(&tag)], from, to);
        cluster.agree();
        for room in &rooms {
            cmd!(cluster.wire_to(room), "CHAT.SEND", room, "alice", format!("from {from}")).ok();
            let id = cmd!(cluster.wire_to(room), "CHAT.SEND", room, "alice", "!ping").ok();
            await_said(&mut cluster.wire_to(room), room, &json!({"reply": id.text()}));
        }
    }
    for bot in bots {
        bot.ends();
    }
}

#[test]
fn redis_py_on_a_server() {
    on_a_server(Example::Python);
}

#[test]
fn redis_py_in_a_cluster() {
    in_a_cluster(Example::Python);
}

#[test]
fn ioredis_on_a_server() {
    on_a_server(Example::NodeIoredis);
}

#[test]
fn ioredis_in_a_cluster() {
    in_a_cluster(Example::NodeIoredis);
}

#[test]
fn node_redis_on_a_server() {
    on_a_server(Example::NodeRedis);
}

#[test]
fn node_redis_in_a_cluster() {
    in_a_cluster(Example::NodeRedis);
}

#[test]
fn rueidis_on_a_server() {
    on_a_server(Example::GoRueidis);
}

#[test]
fn rueidis_in_a_cluster() {
    in_a_cluster(Example::GoRueidis);
}

// Only on a server: see docs/languages.md.
#[test]
fn go_redis_on_a_server() {
    on_a_server(Example::GoRedis);
}

#[test]
fn jedis_on_a_server() {
    on_a_server(Example::Java);
}

#[test]
fn jedis_in_a_cluster() {
    in_a_cluster(Example::Java);
}
