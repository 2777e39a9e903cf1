//! A tour through every operation and every frame, after which no schema is left that was not met, and
//! no member of one.
//!
//! Its parts are in the other files of this folder. Each of them runs on servers of its own.

use std::collections::BTreeSet;
use std::sync::Mutex;

use chat_tests::asyncapi::document;
use chat_tests::at_once::at_once;
use serde_json::Value;

use super::tour::Tour;
use super::{events, operations, outages, people};

#[test]
fn each_schema_and_each_of_its_members_is_met() {
    let parts: [fn(&mut Tour); 10] = [
        operations::of_messages,
        operations::of_settings,
        operations::that_do_not_fit,
        people::of_users,
        people::with_tokens,
        events::of_a_backend,
        events::of_rooms_that_change,
        events::of_streams,
        outages::of_redis,
        outages::of_a_part,
    ];
    let met = Mutex::new(BTreeSet::new());
    // Two at a time, as each has servers of its own.
    for parts in parts.chunks(2) {
        at_once(parts, |part| {
            let mut tour = Tour::default();
            part(&mut tour);
            met.lock().expect("no part has panicked here").extend(tour.met);
        });
    }
    let met: BTreeSet<String> = met.into_inner().expect("no part has panicked here");
    let mut all = BTreeSet::new();
    for (name, schema) in document()["components"]["schemas"].as_object().expect("schemas") {
        members(schema, name, &mut all);
    }
    let missed: Vec<_> = all.difference(&met).collect();
    assert!(missed.is_empty(), "nothing that was sent or received has {missed:#?}");
}

/// Adds a schema, by its place, and its members.
fn members(schema: &Value, place: &str, all: &mut BTreeSet<String>) {
    all.insert(place.to_owned());
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        members(member, &format!("{place}.{name}"), all);
    }
}
