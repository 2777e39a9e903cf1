//! The connection's task, over a stream in memory with the server's side in the test's hands.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use crate::upstream::commands::Command;
use crate::upstream::connection::asked::Limits;
use crate::upstream::connection::closing::Closing;
use crate::upstream::connection::connection::Connection;
use crate::upstream::connection::in_flight::Purpose;
use crate::upstream::connection::receiver::Nothing;
use crate::upstream::connection::reply_reader::Push;

const SOON: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { call_timeout: SOON, calls: 1000, unwritten: 1 << 20 };

fn echo(number: usize) -> Command {
    Command::of(&["ECHO", &number.to_string()])
}

fn packed(commands: &[Command]) -> Vec<u8> {
    let mut bytes = Vec::new();
    commands.iter().for_each(|command| command.write_packed(&mut bytes));
    bytes
}

fn numbers(range: std::ops::Range<usize>) -> Option<Vec<Value>> {
    Some(range.map(|number| Value::Int(number as i64)).collect())
}

struct Line {
    connection: Arc<Connection>,
    closing: Arc<Closing>,
    server: DuplexStream,
    pushes: Arc<Mutex<Vec<String>>>,
}

fn line(limits: Limits, purpose: Purpose, socket: usize) -> Line {
    let (ours, server) = duplex(socket);
    let (closing, pushes) = (Closing::new(), Arc::new(Mutex::new(Vec::new())));
    let noted = pushes.clone();
    let note = move |push: Push<'_>| noted.lock().push(format!("{push:?}"));
    let connection = Connection::limited(ours, purpose, &closing, note, limits);
    Line { connection: Arc::new(connection), closing, server, pushes }
}

impl Line {
    async fn expect(&mut self, commands: &[Command]) {
        let expected = packed(commands);
        let mut found = vec![0; expected.len()];
        let reading = self.server.read_exact(&mut found);
        timeout(SOON, reading).await.expect("in time").expect("an open stream");
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&found));
    }

    async fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        self.server.write_all(bytes.as_ref()).await.expect("an open stream");
    }

    /// The outcome of this call, asked in a task of its own.
    fn ask(&self, commands: Vec<Command>) -> tokio::task::JoinHandle<Option<Vec<Value>>> {
        let connection = self.connection.clone();
        tokio::spawn(async move { connection.call(&commands).await })
    }

    async fn wait_closed(&self) {
        let forever = self.closing.unless_closed(std::future::pending::<()>());
        assert_eq!(timeout(SOON, forever).await, Ok(None));
    }
}

#[tokio::test]
async fn what_tasks_ask_in_one_turn_leaves_in_one_write() {
    // The test runs on one thread: all three tasks run before the connection's.
    let mut line = line(LIMITS, Purpose::Commands, 1 << 16);
    let asked = [line.ask(vec![echo(0), echo(1)]), line.ask(vec![echo(2)]), line.ask(vec![])];
    let all = packed(&[echo(0), echo(1), echo(2)]);
    let mut found = vec![0; 1 << 16];
    let count = line.server.read(&mut found).await.expect("an open stream");
    assert_eq!(found[..count], all);
    line.answer(":0\r\n>3\r\n+sunsubscribe\r\n+x\r\n:0\r\n:1\r\n:2\r\n").await;
    let [first, second, nothing] = asked;
    assert_eq!(first.await.expect("no panic"), numbers(0..2));
    assert_eq!(second.await.expect("no panic"), numbers(2..3));
    assert_eq!(nothing.await.expect("no panic"), Some(vec![]));
    assert_eq!(*line.pushes.lock(), ["Unsubscribed(\"x\")"]);
}

#[tokio::test]
async fn answers_cut_at_every_byte_reach_those_who_asked() {
    let answers = ":0\r\n>3\r\n+smessage\r\n+x\r\n+hi\r\n:1\r\n";
    for cut in 0..=answers.len() {
        let mut line = line(LIMITS, Purpose::Commands, 64);
        let (first, second) = (line.ask(vec![echo(0)]), line.ask(vec![echo(1)]));
        line.expect(&[echo(0), echo(1)]).await;
        line.answer(&answers[..cut]).await;
        tokio::task::yield_now().await;
        line.answer(&answers[cut..]).await;
        assert_eq!(first.await.expect("no panic"), numbers(0..1), "cut at {cut}");
        assert_eq!(second.await.expect("no panic"), numbers(1..2), "cut at {cut}");
    }
}

#[tokio::test]
async fn the_reply_to_a_dropped_call_is_consumed() {
    let mut line = line(LIMITS, Purpose::Commands, 1 << 16);
    let dropped = line.ask(vec![echo(0), echo(1)]);
    line.expect(&[echo(0), echo(1)]).await;
    dropped.abort();
    assert!(dropped.await.is_err());
    let next = line.ask(vec![echo(2)]);
    line.expect(&[echo(2)]).await;
    line.answer(":0\r\n:1\r\n:2\r\n").await;
    assert_eq!(next.await.expect("no panic"), numbers(2..3));
}

#[tokio::test]
async fn a_call_ends_when_its_time_is_over_and_the_connection_goes_on() {
    let limits = Limits { call_timeout: Duration::from_millis(60), ..LIMITS };
    let mut line = line(limits, Purpose::Commands, 1 << 16);
    let late = line.ask(vec![echo(0)]);
    line.expect(&[echo(0)]).await;
    assert_eq!(late.await.expect("no panic"), None);
    line.answer(":0\r\n").await;
    for number in 1..4 {
        let next = line.ask(vec![echo(number)]);
        line.expect(&[echo(number)]).await;
        line.answer(format!(":{number}\r\n")).await;
        assert_eq!(next.await.expect("no panic"), numbers(number..number + 1));
    }
    let late = line.ask(vec![echo(4)]);
    assert_eq!(late.await.expect("no panic"), None, "the timer is set again");
    assert!(!line.closing.is_closed());
}

#[tokio::test]
async fn further_calls_wait_while_too_many_are_in_flight_and_none_is_forgotten() {
    let limits = Limits { calls: 2, ..LIMITS };
    let mut line = line(limits, Purpose::Commands, 1 << 16);
    let asked: Vec<_> = (0..50).map(|number| line.ask(vec![echo(number)])).collect();
    line.expect(&[echo(0), echo(1)]).await;
    let mut nothing = [0];
    let more = timeout(Duration::from_millis(20), line.server.read(&mut nothing));
    assert!(more.await.is_err(), "two are in flight");
    // One that waits gives up.
    asked[30].abort();
    let connection = line.connection.clone();
    let server = tokio::spawn(async move {
        line.answer(":0\r\n:1\r\n").await;
        // Echoes what is asked, in whatever order the others come.
        let mut bytes = Vec::new();
        loop {
            let mut some = [0; 4096];
            let count = line.server.read(&mut some).await.expect("an open stream");
            bytes.extend_from_slice(&some[..count]);
            while let Some(end) = find_command(&bytes) {
                let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let number = text.trim_end().rsplit("\r\n").next().expect("a number").to_owned();
                bytes.drain(..end);
                line.answer(format!(":{number}\r\n")).await;
            }
        }
    });
    for (number, asked) in asked.into_iter().enumerate() {
        match timeout(SOON, asked).await.expect("in time") {
            Ok(found) => assert_eq!(found, numbers(number..number + 1)),
            Err(_) => assert_eq!(number, 30),
        }
    }
    server.abort();
    drop(connection);
}

/// The end of the first complete `ECHO n`: five lines.
fn find_command(bytes: &[u8]) -> Option<usize> {
    let ends = bytes.windows(2).enumerate().filter(|(_, two)| two == b"\r\n");
    ends.map(|(at, _)| at + 2).nth(4)
}

#[tokio::test]
async fn a_server_that_reads_nothing_fills_a_bounded_buffer() {
    let limits = Limits { unwritten: 1000, call_timeout: Duration::from_millis(80), ..LIMITS };
    let line = line(limits, Purpose::Commands, 64);
    let text = "x".repeat(400);
    let asked: Vec<_> = (0..20).map(|_| line.ask(vec![Command::of(&["ECHO", &text])])).collect();
    for asked in asked {
        assert_eq!(timeout(SOON, asked).await.expect("in time").expect("no panic"), None);
    }
    let mut server = line.server;
    drop(line.connection);
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.expect("a closed stream");
    assert!(bytes.len() <= 4 * 450, "{} bytes were taken", bytes.len());
}

#[tokio::test]
async fn what_is_in_flight_ends_at_once_with_the_connection() {
    type End = fn(Line) -> Option<Line>;
    let rows: &[(&str, End)] = &[
        ("closed", |line| {
            assert!(line.closing.close());
            assert!(!line.closing.close(), "it was closed");
            Some(line)
        }),
        ("the server is gone", |mut line| {
            line.server = duplex(1).0;
            Some(line)
        }),
    ];
    for (what, end) in rows {
        let line = line(LIMITS, Purpose::Commands, 64);
        let asked: Vec<_> = (0..100).map(|number| line.ask(vec![echo(number)])).collect();
        tokio::task::yield_now().await;
        let line = end(line).expect("a line");
        for asked in asked {
            let outcome = timeout(SOON / 2, asked).await.expect("at once").expect("no panic");
            assert_eq!(outcome, None, "{what}");
        }
        line.wait_closed().await;
        assert_eq!(line.connection.call(&[echo(0)]).await, None, "{what}");
    }
}

#[tokio::test]
async fn connections_close_together() {
    let (closing, (ours, theirs), (ours_too, theirs_too)) =
        (Closing::new(), duplex(64), duplex(64));
    let first = Connection::limited(ours, Purpose::Commands, &closing, Nothing, LIMITS);
    let second = Connection::limited(ours_too, Purpose::Subscriptions, &closing, Nothing, LIMITS);
    let waiting = tokio::spawn(async move { second.subscription_call(&[echo(1)]).await });
    tokio::task::yield_now().await;
    drop(theirs);
    assert_eq!(timeout(SOON, waiting).await.expect("at once").expect("no panic"), None);
    assert_eq!(first.call(&[echo(1)]).await, None);
    let late = Connection::limited(duplex(64).0, Purpose::Commands, &closing, Nothing, LIMITS);
    assert_eq!(late.call(&[echo(1)]).await, None, "opened too late");
    drop(theirs_too);
}

#[tokio::test]
async fn broken_bytes_close_the_connection() {
    let rows = ["HTTP/1.1 400 Bad Request\r\n", "*9999999999\r\n", ":1\r\n:2\r\n", "$-5\r\n"];
    for bytes in rows {
        let mut line = line(LIMITS, Purpose::Commands, 1 << 16);
        let asked = line.ask(vec![echo(1), echo(2), echo(3)]);
        line.expect(&[echo(1), echo(2), echo(3)]).await;
        if bytes.starts_with(':') {
            line.answer(":1\r\n:2\r\n:3\r\n").await;
            assert_eq!(asked.await.expect("no panic"), numbers(1..4));
            line.answer(bytes).await;
        } else {
            line.answer(bytes).await;
            assert_eq!(asked.await.expect("no panic"), None, "{bytes:?}");
        }
        line.wait_closed().await;
    }
}

#[tokio::test]
async fn a_refused_subscription_is_told_in_its_place() {
    let mut line = line(LIMITS, Purpose::Subscriptions, 1 << 16);
    let commands: Vec<Command> =
        ["a", "b", "c"].map(|channel| Command::of(&["SSUBSCRIBE", channel])).into();
    let connection = line.connection.clone();
    let asked = tokio::spawn({
        let commands = commands.clone();
        async move { connection.subscription_call(&commands).await }
    });
    line.expect(&commands).await;
    let confirm = |channel: &str| format!(">3\r\n+ssubscribe\r\n+{channel}\r\n:1\r\n");
    let answers = [confirm("a"), "-MOVED 7 h:1\r\n".to_owned(), confirm("c")].concat();
    line.answer(answers).await;
    let replies = asked.await.expect("no panic").expect("answers");
    assert_eq!(replies[0], Value::Okay);
    assert!(matches!(&replies[1], Value::ServerError(error) if error.code() == "MOVED"));
    assert_eq!(replies[2], Value::Okay);
    let pushes = line.pushes.lock().clone();
    assert_eq!(pushes, ["Subscribed(\"a\")", "Subscribed(\"c\")"]);
}

#[tokio::test]
async fn a_panic_of_who_receives_pushes_closes_the_connection() {
    let (ours, mut server) = duplex(64);
    let closing = Closing::new();
    let fails = |push: Push<'_>| panic!("{push:?}");
    let connection = Connection::limited(ours, Purpose::Commands, &closing, fails, LIMITS);
    let asked = tokio::spawn(async move { connection.call(&[echo(1)]).await });
    server.write_all(b">1\r\n+x\r\n").await.expect("an open stream");
    assert_eq!(timeout(SOON, asked).await.expect("at once").expect("no panic"), None);
    assert!(closing.is_closed());
}
