//! `docs/forward.md`: its users may do what they need, and its tables are complete.

use std::collections::BTreeSet;

use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::documents::{read, section};
use chat_tests::servers::forwarder::Forwarder;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

const DOCUMENT: &str = "docs/forward.md";

#[test]
fn the_user_of_the_stream_may_do_what_a_forwarder_needs() {
    let (redis, sink) = (Redis::start(), Redis::without_module());
    let text = read(DOCUMENT);
    let line = text.lines().find_map(|line| line.strip_prefix("    user forward "));
    let mut call = vec!["ACL", "SETUSER", "forward"];
    call.extend(line.expect("a line of an ACL").split(' '));
    sink.call(&call).ok();
    let to = format!("redis://forward:secret@{}/dm:events", sink.address());
    let (code, said) = Forwarder::create(&redis.url(), &to, &[]);
    assert_eq!((code, said.as_str()), (Some(0), "created: 0 rooms are taken as read\n"));
    cmd!(sink, "XGROUP", "CREATE", "dm:events", "g", "$", "MKSTREAM").ok();
    let mut forwarder = Forwarder::run(&redis.url(), &to, &["--stream-max", "3"]);
    let mut wire = sink.wire();
    for text in ["one", "two", "three", "four", "five"] {
        cmd!(redis, "CHAT.SEND", "lobby", "alice", text).ok();
        let read = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "20000", "STREAMS", "dm:events", ">"];
        let row = wire.call(&read).ok().list()[0].list()[1].list()[0].list()[0].text().to_owned();
        cmd!(wire, "XACK", "dm:events", "g", row).ok();
    }
    cmd!(redis, "DEL", "lobby").ok();
    eventually("the end of the room", LATER, || match cmd!(sink, "XLEN", "dm:events").int() {
        1..=3 => Ok(()),
        other => Err(other.to_string()),
    });
    forwarder.process().terminate();
    assert!(forwarder.process().wait(LATER).success());
    let denied = cmd!(sink, "ACL", "LOG");
    // It names itself where it may.
    let is_other = |row: &&Reply| row.get("object").map(Reply::text) != Some("client|setinfo");
    let denied: Vec<&Reply> = denied.list().iter().filter(is_other).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[test]
fn every_metric_and_option_is_listed() {
    let (redis, text) = (Redis::start(), read(DOCUMENT));
    let to = format!("{}/dm:events", redis.url());
    let (code, said) = Forwarder::create(&redis.url(), &to, &[]);
    assert_eq!(code, Some(0), "{said}");
    let forwarder = Forwarder::run(&redis.url(), &to, &[]);
    forwarder.await_active();
    let metrics = forwarder.metrics();
    let names: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(names.len() > 5, "{metrics}");
    for name in names {
        assert!(section(&text, "## State").contains(&format!("`{name}`")), "{name}");
    }
    let options = section(&text, "## Options");
    for option in ["to", "from", "match", "kinds", "types", "bare", "imported", "stream-max"] {
        assert!(options.contains(&format!("`--{option}`")), "{option}");
    }
}
