//! Tests of the verdict: which violations it must find, and the report about them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::checking::reader::Reader;
use crate::checking::relays::Relays;
use crate::clients::frames::Frame;

const ROOM: &str = "room0";

fn event(n: u64) -> Event {
    let prev = if n == 1 { "0-0".into() } else { format!("{}-{}", n + 999, n - 1) };
    let id = format!("{}-{n}", n + 1000);
    Event::read(&format!(
        r#"{{"id":"{id}","prev":"{prev}","room":"{ROOM}","type":"message","text":"sender0:{n}"}}"#
    ))
}

fn events(numbers: &[u64]) -> Vec<Event> {
    numbers.iter().map(|n| event(*n)).collect()
}

/// A reader that started at the room's beginning and then received these events.
fn reader(given: &[Event]) -> Reader {
    let random = SmallRng::seed_from_u64(1);
    let mut reader = Reader::new("reader0", &[ROOM.to_owned()], &Relays::default(), random);
    reader.place(ROOM, r#"{"last":"0-0","events":[],"more":false}"#);
    for Event { text, json } in given.iter().cloned() {
        reader.take(&Frame { text, json, schema: "" });
    }
    reader
}

fn acknowledged(numbers: &[u64]) -> Vec<Acknowledged> {
    let one = |n: &u64| Acknowledged {
        room: ROOM.into(),
        text: format!("sender0:{n}"),
        id: event(*n).id().to_owned(),
    };
    numbers.iter().map(one).collect()
}

/// The verdict: the number of lost messages, or the report.
fn judged(
    loss: Loss,
    given: &[Event],
    stored: &[Event],
    acknowledged: &[Acknowledged],
) -> Result<usize, String> {
    let acknowledged = acknowledged.to_vec();
    let sent = [Sent { acknowledged, begun: 6, ..Sent::default() }];
    let truth = BTreeMap::from([(ROOM.to_owned(), stored.to_vec())]);
    let readers: [AnyReader; 1] = [Box::new(reader(given))];
    let outcome = catch_unwind(AssertUnwindSafe(|| judge(loss, &sent, &readers, &truth).lost));
    outcome.map_err(|story| *story.downcast::<String>().expect("a story in words"))
}

#[test]
fn what_a_reader_got_is_the_room_or_a_story() {
    let truth = events(&[1, 2, 3, 4, 5]);
    let mut invented = event(3);
    invented.text = invented.text.replace("sender0:3", "invented");
    let mut with_invented = events(&[1, 2]);
    with_invented.extend([invented, event(3), event(4), event(5)]);
    let rows: &[(&str, Vec<Event>, Option<usize>)] = &[
        ("all of it", truth.clone(), None),
        ("one dropped", events(&[1, 2, 4, 5]), Some(2)),
        ("the last dropped", events(&[1, 2, 3, 4]), Some(4)),
        ("one doubled", events(&[1, 2, 2, 3, 4, 5]), Some(2)),
        ("two in the wrong order", events(&[1, 3, 2, 4, 5]), Some(1)),
        ("one invented", with_invented, Some(2)),
        ("one more than there is", events(&[1, 2, 3, 4, 5, 6]), Some(5)),
    ];
    for (what, given, right) in rows {
        for loss in [Loss::Nothing, Loss::Reported] {
            let outcome = judged(loss, given, &truth, &acknowledged(&[1, 2, 3, 4, 5]));
            let Some(right) = right else {
                assert_eq!(outcome, Ok(0), "{what}");
                continue;
            };
            let story = outcome.expect_err(what);
            let beginning = format!("reader0 in {ROOM}: the first {right} of 5 are right");
            assert!(story.starts_with(&beginning), "{what}: {story}");
            for part in ["the room has", "the reader got", "placed at"] {
                assert!(story.contains(part), "{what}: {story}");
            }
        }
    }
}

#[test]
fn what_senders_were_told_is_in_the_room_or_a_story() {
    let truth = events(&[1, 2, 3, 4, 5]);
    let all = acknowledged(&[1, 2, 3, 4, 5]);
    let lost = acknowledged(&[1, 2, 3, 4, 5, 6]);
    let story = judged(Loss::Nothing, &truth, &truth, &lost).expect_err("one is lost");
    assert!(story.contains("sender0:6 (1006-6) was acknowledged and is lost"), "{story}");
    assert_eq!(judged(Loss::Reported, &truth, &truth, &lost), Ok(1));

    let mut other = all.clone();
    other[2].id = "1-3".into();
    let story = judged(Loss::Reported, &truth, &truth, &other).expect_err("another id");
    assert!(story.contains("sender0:3 was acknowledged under another id"), "{story}");

    let mut twice = truth.clone();
    twice.push(Event::read(&event(6).text.replace("sender0:6", "sender0:2")));
    let story = judged(Loss::Reported, &twice, &twice, &all).expect_err("stored twice");
    assert!(story.contains("room0 holds sender0:2 twice"), "{story}");
}

#[test]
fn before_a_reload_a_reader_may_have_seen_another_past() {
    let truth = events(&[1, 2, 3, 4, 5]);
    let frame =
        |text: String| Frame { json: serde_json::from_str(&text).expect("JSON"), text, schema: "" };
    let mut reader = reader(&[event(1), Event::read(&event(2).text.replace("1002-2", "7-2"))]);
    let page: Vec<String> = truth[2..4].iter().map(|event| event.text.clone()).collect();
    let reload = format!(
        r#"{{"type":"reload","room":"{ROOM}","last":"1004-4","events":[{}],"more":true}}"#,
        page.join(",")
    );
    reader.take(&frame(reload));
    reader.take(&frame(event(5).text));
    assert_eq!(reader.reloads, 1);
    judge_reader(&reader, ROOM, &truth);
}
