//! Server-sent events through nginx, HAProxy and Caddy: each event is passed on at once, and a
//! stream whose relay dies goes on at the other.

use chat_tests::clients::event_stream::{EventStream, Wanted};
use chat_tests::cmd;
use chat_tests::servers::balancer::{Balancer, Kind};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, SOON, eventually};

use crate::edge::balancers::relays;

/// A stream of a room through the balancer, after the positions of another one.
fn open(balancer: &Balancer, positions: Option<&str>) -> EventStream {
    let stream = eventually("a stream", LATER, || {
        let mut wanted = Wanted::get("/v1/events?user=alice&rooms=lobby");
        if let Some(positions) = positions {
            wanted = wanted.with("last-event-id", positions);
        }
        wanted.open(balancer.address()).map_err(|refused| format!("{refused:?}"))
    });
    stream.wait_named("hello");
    stream
}

fn streams_are_passed_on_at_once_and_go_on(kind: Kind) {
    let redis = Redis::start();
    let mut relays = relays(kind, &redis, &[]);
    let balancer = Balancer::start(kind, &relays);
    let send = |text: &str| {
        let sent = cmd!(redis, "CHAT.SEND", "lobby", "bob", text);
        sent.text().to_owned()
    };
    send("before");
    // One stream at each relay, or both at one.
    let streams = [open(&balancer, None), open(&balancer, None)];
    for stream in &streams {
        stream.wait_named("reload");
    }
    let last = send("one");
    let positions = streams.each_ref().map(|stream| {
        // Small blocks would wait in a buffer for more.
        stream.wait_text("one");
        stream.wait_position(&format!("lobby={last}"))
    });
    relays[0].process().kill();
    send("two");
    for (stream, positions) in streams.iter().zip(&positions) {
        let ended = eventually("the end, or the event", SOON, || {
            let has_ended = stream.inbox().ended.is_some();
            let blocks = stream.blocks_from(0);
            let has_event = blocks.iter().any(|block| block.json["text"] == "two");
            if has_ended || has_event { Ok(has_ended) } else { Err(format!("{blocks:?}")) }
        });
        if ended {
            open(&balancer, Some(positions)).wait_text("two");
        }
    }
}

#[test]
fn streams_pass_nginx() {
    streams_are_passed_on_at_once_and_go_on(Kind::Nginx);
}

#[test]
fn streams_pass_haproxy() {
    streams_are_passed_on_at_once_and_go_on(Kind::Haproxy);
}

#[test]
fn streams_pass_caddy() {
    streams_are_passed_on_at_once_and_go_on(Kind::Caddy);
}
