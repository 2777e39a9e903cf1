//! The verdict on a run: what senders and readers have is compared with what the rooms hold.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::checking::effects::{Effects, Loss};
use crate::checking::reader::{Received, place};
use crate::checking::sender::{Acknowledged, Sent};
use crate::checking::view::Event;

/// A reader of either kind.
pub(super) type AnyReader = Box<dyn Received + Send>;

/// All messages of all rooms, as the servers have them.
pub(super) type Truth = BTreeMap<String, Vec<Event>>;

/// Compares; what was refused to others is missing in the result.
///
/// # Panics
/// On the first violation.
#[track_caller]
pub(super) fn judge(loss: Loss, sent: &[Sent], readers: &[AnyReader], truth: &Truth) -> Effects {
    let acknowledged: Vec<&Acknowledged> = sent.iter().flat_map(|s| &s.acknowledged).collect();
    for (room, events) in truth {
        let mut seen = HashSet::new();
        for event in events {
            let text = event.json["text"].as_str().unwrap_or_default();
            assert!(seen.insert(text), "{room} holds {text} twice: {}", event.text);
        }
    }
    let mut effects = Effects::default();
    for Acknowledged { room, text, id } in &acknowledged {
        let stored = truth[room].iter().find(|event| event.json["text"] == **text);
        if let Some(event) = stored {
            assert_eq!(event.id(), id, "{text} was acknowledged under another id");
            continue;
        }
        assert_eq!(loss, Loss::Reported, "{text} ({id}) was acknowledged and is lost");
        effects.lost += 1;
        effects.rooms_that_lost.insert(room.clone());
    }
    for reader in readers {
        for (room, events) in truth {
            judge_reader(&**reader, room, events);
        }
    }
    for (room, events) in truth {
        let held: BTreeSet<&str> = events.iter().map(Event::id).collect();
        let forgotten = readers.iter().flat_map(|reader| reader.forgotten(room));
        if forgotten.into_iter().any(|event| !held.contains(event.id())) {
            effects.rooms_that_lost.insert(room.clone());
        }
        if readers.iter().any(|reader| reader.reloads_of(room) > 0) {
            effects.rooms_reloaded.insert(room.clone());
        }
    }
    let stored: usize = truth.values().map(Vec::len).sum();
    let (count, begun) = (acknowledged.len(), sent.iter().map(|sent| sent.begun).sum());
    println!("judged: {stored} stored, {count} acknowledged, {} readers", readers.len());
    assert!(stored <= begun && count * 2 > begun, "{stored} of {begun}");
    effects.reconnects = readers.iter().map(|reader| reader.connects().saturating_sub(1)).sum();
    effects.reloads = readers.iter().map(|reader| reader.reloads()).sum();
    effects.drops = readers.iter().map(|reader| reader.drops()).sum();
    effects.refusals.0.extend(readers.iter().flat_map(|reader| reader.refusals()));
    for sent in sent {
        effects.refusals.0.extend(sent.refusals.0.iter().cloned());
        effects.slowest.add(&sent.slowest);
    }
    effects
}

/// Compares what a reader received of a room since its last reload with the room.
#[track_caller]
fn judge_reader(reader: &dyn Received, room: &str, truth: &[Event]) {
    let given = reader.messages(room);
    let from = reader.from(room).map(place);
    let from = from.unwrap_or_else(|| panic!("{} never got a position in {room}", reader.name()));
    let start = truth.partition_point(|event| place(event.id()) <= from);
    let expected = &truth[start..];
    let same = given.iter().zip(expected).take_while(|(a, b)| a.text == b.text).count();
    assert!(
        same == given.len() && same == expected.len(),
        "{} in {room}: the first {same} of {} are right, then\n{}",
        reader.name(),
        expected.len(),
        story(&given, expected, same, &reader.story(room))
    );
}

/// The events around the position `at` where two lists differ.
fn story(given: &[Event], expected: &[Event], at: usize, log: &str) -> String {
    let mut story = String::new();
    for (title, events) in [("the room has", expected), ("the reader got", given)] {
        story.push_str(title);
        story.push('\n');
        for event in events.iter().skip(at.saturating_sub(2)).take(5) {
            story.push_str(&format!("    {}\n", event.text));
        }
    }
    story + "what happened to the reader:\n" + log
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
