//! Receivers that refuse, are slow or want no more.

use std::time::{Duration, Instant};

use chat_tests::cmd;
use chat_tests::servers::http_server::Response;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::Value;

use super::stage::{
    Forwarder, Receiver, SECRET, has_room, header, id, send, stored, taken, verify, with_header,
};

fn has_text(events: &[Value], text: &str) -> bool {
    events.iter().any(|event| event["text"] == text)
}

#[test]
fn what_is_refused_alone_is_given_up_and_can_be_sent_again() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    receiver.answers(|events| match has_text(events, "poison") {
        true => Response::Whole(500, b"no".to_vec()),
        false => taken(events),
    });
    for room in ["a", "b"] {
        send(&redis, room, "before");
    }
    let poison = send(&redis, "a", "poison");
    for room in ["a", "b"] {
        send(&redis, room, "after");
    }
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let running = forwarder.run(&receiver, &["--give-up", "2s"]);
    receiver.wait_taken("b", &stored(&redis, "b"));
    let mut rest = stored(&redis, "a");
    rest.retain(|id| *id != poison);
    receiver.wait_taken("a", &rest);
    assert_eq!(running.metric("chat_forward_dead_total"), 1.0);
    assert!(running.metric("chat_forward_retries_total") >= 3.0);
    let dead = cmd!(redis, "XRANGE", "dm:forward:{f}:dead", "-", "+").list()[0].list()[1].texts();
    assert_eq!(dead[..4], ["room", "a", "id", &poison]);
    assert!(!dead.iter().any(|value| value == "poison"), "the text stays in the room only");
    // Its requests: with all, with its room, alone. Repeats have the same id, and are signed.
    let alone: Vec<_> = receiver
        .arrived()
        .into_iter()
        .filter(|request| request.events.len() == 1 && id(&request.events[0]) == poison)
        .collect();
    assert!(alone.len() >= 2, "{}", alone.len());
    assert!(alone.iter().all(|r| header(r, "webhook-id") == header(&alone[0], "webhook-id")));
    verify(&alone.into_iter().map(|r| (r, SECRET)).collect::<Vec<_>>()).expect("signed");

    let (code, said) = forwarder.redrive(&receiver);
    assert_eq!((code, said.trim()), (Some(1), "0 taken, 0 not stored any more, 1 refused again"));
    receiver.answers(taken);
    let (code, said) = forwarder.redrive(&receiver);
    assert_eq!((code, said.trim()), (Some(0), "1 taken, 0 not stored any more, 0 refused again"));
    assert_eq!(cmd!(redis, "XLEN", "dm:forward:{f}:dead").int(), 0);
    let found: Vec<String> = receiver.taken()["a"].iter().map(id).collect();
    assert_eq!(found.last(), Some(&poison));
    running.stop();
}

#[test]
fn rooms_whose_events_time_out_or_break_the_connection_do_not_hold_others() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    receiver.answers(|events| match () {
        () if has_room(events, "silent") => Response::Silence,
        () if has_room(events, "drip") => Response::Drip,
        () if has_room(events, "moved") => with_header("302 x", "Location: /other"),
        () => taken(events),
    });
    let forwarder = Forwarder::created(&redis.url(), "now");
    let running = forwarder.run(&receiver, &[]);
    let is_asked = |room: &str| {
        eventually(&format!("a request with {room}"), LATER, || {
            let arrived = receiver.arrived();
            let found = arrived.iter().any(|request| has_room(&request.events, room));
            if found { Ok(()) } else { Err(format!("{} requests", arrived.len())) }
        });
    };
    for room in ["drip", "moved", "silent"] {
        send(&redis, room, "x");
    }
    is_asked("drip");
    is_asked("moved");
    // All of these come while the others wait.
    let begun = Instant::now();
    for n in 0..20 {
        send(&redis, "well", &format!("{n}"));
        receiver.wait_taken("well", &stored(&redis, "well"));
    }
    assert!(begun.elapsed() < LATER);
    receiver.answers(taken);
    for room in ["silent", "drip", "moved"] {
        receiver.wait_taken(room, &stored(&redis, room));
    }
    running.stop();
}

#[test]
fn a_retry_after_is_obeyed_and_410_ends_it_without_a_loss() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let forwarder = Forwarder::created(&redis.url(), "now");
    receiver.answers(|_| with_header("429 x", "Retry-After: 3"));
    let running = forwarder.run(&receiver, &["--concurrency", "1"]);
    let first = send(&redis, "a", "x");
    eventually("the first request", LATER, || match receiver.arrived().len() {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    receiver.answers(taken);
    send(&redis, "b", "x");
    receiver.wait_taken("a", &[first]);
    receiver.wait_taken("b", &stored(&redis, "b"));
    let arrived = receiver.arrived();
    let waited = arrived[1].at - arrived[0].at;
    assert!(waited >= Duration::from_secs(3), "{waited:?}");

    receiver.answers(|_| Response::Whole(410, Vec::new()));
    send(&redis, "a", "y");
    running.wait_says(503, "410");
    let before = receiver.arrived().len();
    send(&redis, "b", "y");
    running.stop();
    assert_eq!(receiver.arrived().len(), before, "it asks no more");
    receiver.answers(taken);
    let running = forwarder.run(&receiver, &[]);
    for room in ["a", "b"] {
        receiver.wait_taken(room, &stored(&redis, room));
    }
    running.stop();
}
