//! The samples of `sdk/README.md`, as they stand there: they run in Node, or their types fit.

use std::process::Command;

use chat_tests::cmd;
use chat_tests::documents::{blocks, read};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::package::{application, types};
use super::program::{self, Program};

const DOCUMENT: &str = "sdk/README.md";

/// The relay of the samples.
const URL: &str = "wss://chat.example.com/ws";

/// What surrounds a sample: a socket in Node 20, and the endpoint of the application.
const SURROUNDINGS: &str = "
    import { WebSocket } from 'ws';
    globalThis.WebSocket ??= WebSocket;
    const { fetch } = globalThis;
    const answer = () => Response.json({ token: process.env.TOKEN });
    globalThis.fetch = (to, ...rest) => (to === '/chat-token' ? answer() : fetch(to, ...rest));
";

/// The blocks of a language, of which there are so many.
#[track_caller]
fn samples<const N: usize>(language: &str) -> [String; N] {
    let samples = blocks(&read(DOCUMENT), language);
    samples.try_into().unwrap_or_else(|all: Vec<_>| panic!("{} samples in {language}", all.len()))
}

fn run(sample: &str, relay: &Relay, token: &str) -> Program {
    assert!(sample.contains(URL), "{sample}");
    let dir = application(&["ws"]);
    let text = sample.replace(URL, &format!("ws://{}/ws", relay.address()));
    std::fs::write(dir.path().join("sample.mjs"), text).expect("a file");
    std::fs::write(dir.path().join("surroundings.mjs"), SURROUNDINGS).expect("a file");
    let mut node = Command::new(program::node());
    node.args(["--import", "./surroundings.mjs", "sample.mjs"]).env("TOKEN", token);
    Program::start(node, dir)
}

#[test]
fn the_first_samples_print_what_happens_in_a_room() {
    let (redis, issuer) = (Redis::start(), Issuer::new());
    let relay = issuer.relay("r1", &redis, &[]);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "before").ok();
    let [first, store, _] = samples("js");
    let draw = "function draw({ items }) { console.log(`drawn: ${items.at(-1)?.text}`); }";
    let sample = format!("{first}\n{store}\n{draw}");
    let mut program = run(&sample, &relay, &issuer.token_of("alice", json!({})));
    program.prints("connected undefined");
    program.prints("bob: before");
    program.prints("alice: hello");
    let reaction = || {
        let text = format!("{:?}", cmd!(redis, "CHAT.HISTORY", "lobby"));
        if text.contains("👍") { Ok(()) } else { Err(text) }
    };
    eventually("a reaction", LATER, reaction);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "after").ok();
    program.prints("bob: after");
    program.prints("drawn: after");
    cmd!(redis, "CHAT.MOD", "lobby", "*", "BAN", "alice").ok();
    program.prints("no longer in the room: BANNED");
    assert_eq!(program.read("err"), "");
}

#[test]
fn the_bot_answers() {
    let (redis, issuer) = (Redis::start(), Issuer::new());
    let relay = issuer.relay("r1", &redis, &[]);
    let [_, _, bot] = samples("js");
    // The bot is online before it listens: what is sent in between is in `room.messages` only.
    let sample = format!("{bot}\nconsole.log('listens');");
    let mut program = run(&sample, &relay, &issuer.token_of("bot", json!({})));
    program.prints("listens");
    let asked = cmd!(redis, "CHAT.SEND", "lobby", "alice", "!ping").text().to_owned();
    eventually("its answer", LATER, || {
        let history = cmd!(redis, "CHAT.HISTORY", "lobby");
        let last = format!("{:?}", history.list()[1].list().last());
        if last.contains("pong") && last.contains(&asked) { Ok(()) } else { Err(last) }
    });
    assert!(program.ended().is_none(), "{}", program.read("err"));
    assert_eq!(program.read("err"), "");
}

#[test]
fn the_types_of_the_component_fit() {
    let application = application(&["react", "@types/react", "csstype"]);
    let [sample] = samples("jsx");
    let body = "return <p>{[items, older, moreBefore, people, online, typing, error].length}</p>;";
    assert_eq!(sample.matches('…').count(), 1, "{sample}");
    let text = format!(
        "import {{ createClient }} from 'redis-chat';
        import {{ ChatProvider, useMessages, usePeople, useRoom, useTyping }} from 'redis-chat/react';
        const chat = createClient({{ url: '{URL}' }});
        {}",
        sample.replace('…', body)
    );
    let output = types(&application, "app.tsx", &text);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
