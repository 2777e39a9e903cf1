//! A real server that ends subscriptions on its own while hundreds of commands are in flight.
//!
//! A node of a cluster pushes `sunsubscribe` for the channels of a slot that it loses. A client that
//! takes such a push for a reply gives each following command the reply of another one.

use std::collections::BTreeSet;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::upstream::commands::Command;
use crate::upstream::connection::closing::Closing;
use crate::upstream::connection::connection::Connection;
use crate::upstream::connection::in_flight::Purpose;
use crate::upstream::connection::reply_reader::Push;

const CHANNELS: usize = 300;
const ROUNDS: usize = 30;
const IN_FLIGHT: usize = 400;

/// A cluster of one node. Stopped on drop.
struct Node {
    process: Child,
    dir: tempfile::TempDir,
}

impl Node {
    async fn start() -> Node {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        // The port of the bus is larger by 10,000 unless it is set.
        let bus = if port > 55_000 { port - 10_000 } else { port + 10_000 };
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let socket = dir.path().join("socket");
        let process = Process::new(program)
            .current_dir(dir.path())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()])
            .args(["--cluster-require-full-coverage", "no", "--save", ""])
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("a server");
        let node = Node { process, dir };
        let (closing, mut tries) = (Closing::new(), 0);
        while UnixStream::connect(&socket).await.is_err() {
            tries += 1;
            assert!(tries < 500, "the server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let own = node.connect(Purpose::Commands, &closing, |_| {}).await;
        let all = Command::of(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        assert_eq!(own.call(&[all]).await, Some(vec![Value::Okay]));
        node
    }

    async fn connect(
        &self,
        purpose: Purpose,
        closing: &Arc<Closing>,
        pushes: impl FnMut(Push<'_>) + Send + 'static,
    ) -> Connection {
        let stream = UnixStream::connect(self.dir.path().join("socket")).await.expect("a socket");
        let connection = Connection::start(stream, purpose, closing, pushes);
        let hello = connection.subscription_call(&[Command::of(&["HELLO", "3"])]).await;
        assert!(matches!(hello.as_deref(), Some([Value::Map(_)])), "{hello:?}");
        connection
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Default)]
struct Heard {
    subscribed: BTreeSet<String>,
    unasked: usize,
}

#[tokio::test]
async fn a_subscription_that_the_server_ends_is_no_reply() {
    let node = Node::start().await;
    let closing = Closing::new();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let noted = heard.clone();
    let connection = node
        .connect(Purpose::Subscriptions, &closing, move |push| match push {
            Push::Subscribed(channel) => {
                noted.lock().subscribed.insert(channel.to_owned());
            }
            Push::Unsubscribed(channel) => {
                noted.lock().subscribed.remove(channel);
                noted.lock().unasked += 1;
            }
            _ => {}
        })
        .await;
    let connection = Arc::new(connection);
    let other = node.connect(Purpose::Commands, &closing, |_| {}).await;
    let subscribe = |n: usize| Command::of(&["SSUBSCRIBE", &format!("channel-{n}")]);
    let all: Vec<Command> = (0..CHANNELS).map(subscribe).collect();
    let mut slots = Vec::new();
    for n in 0..CHANNELS {
        let question = Command::of(&["CLUSTER", "KEYSLOT", &format!("channel-{n}")]);
        match other.call(&[question]).await.as_deref() {
            Some([Value::Int(slot)]) => slots.push(slot.to_string()),
            other => panic!("{other:?}"),
        }
    }
    slots.sort();
    slots.dedup();
    let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
    let lose = Command::of(&[&["CLUSTER", "DELSLOTS"], &slots[..]].concat());
    let gain = Command::of(&[&["CLUSTER", "ADDSLOTS"], &slots[..]].concat());
    for round in 0..ROUNDS {
        let replies = connection.subscription_call(&all).await.expect("an answer");
        assert!(replies.iter().all(|reply| *reply == Value::Okay), "{replies:?}");
        assert_eq!(heard.lock().subscribed.len(), CHANNELS);
        // Echoes of many tasks are in flight while every channel is lost.
        let echoes = (0..IN_FLIGHT).map(|n| {
            let (connection, text) = (connection.clone(), format!("{round}-{n}"));
            tokio::spawn(async move {
                let echo = Command::of(&["ECHO", &text]);
                let found = connection.subscription_call(&[echo.clone(), echo]).await;
                let own = Value::BulkString(text.into_bytes());
                assert_eq!(found, Some(vec![own.clone(), own]));
            })
        });
        let echoes: Vec<_> = echoes.collect();
        let moved = other.call(&[lose.clone(), gain.clone()]).await;
        assert_eq!(moved, Some(vec![Value::Okay, Value::Okay]), "round {round}");
        for echo in echoes {
            timeout(Duration::from_secs(10), echo).await.expect("an answer").expect("its own");
        }
        // What was pushed before this answer has been heard.
        connection.subscription_call(&[Command::of(&["ECHO", ""])]).await.expect("an answer");
        assert_eq!(heard.lock().subscribed.len(), 0, "round {round}");
    }
    assert_eq!(heard.lock().unasked, ROUNDS * CHANNELS);
    assert!(!closing.is_closed());
}
