//! A room's messages as a client derives them: from a page of history and the events that follow,
//! by the rules of `docs/commands.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Ids as pairs of integers.
type Place = (u64, u64);

/// Messages by their ids.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    messages: BTreeMap<Place, Value>,
    /// The newest id of the page: the page covers everything up to it.
    page: Place,
}

impl Folded {
    /// From a page of history whose newest id is `last`.
    #[track_caller]
    pub fn page(last: &str, events: &[Value]) -> Folded {
        let messages = events.iter().map(|event| (place(&event["id"]), event.clone())).collect();
        Folded { messages, page: place(&last.into()) }
    }

    /// Applies an event; ephemeral events and other types change nothing.
    #[track_caller]
    pub fn apply(&mut self, event: &Value) {
        if event["id"].is_null() {
            return;
        }
        let id = place(&event["id"]);
        if event["type"] == "message" {
            self.messages.entry(id).or_insert_with(|| event.clone());
            return;
        }
        if id <= self.page || event["ref"].is_null() {
            return;
        }
        if event["type"] == "erase" {
            let up_to = place(&event["ref"]);
            self.messages.range_mut(..=up_to).for_each(|(_, message)| erase(message, event));
            return;
        }
        let Some(message) = self.messages.get_mut(&place(&event["ref"])) else { return };
        if !message["deleted"].is_null() {
            return;
        }
        match event["type"].as_str() {
            // Without a text: the text was deleted since.
            Some("edit") if event["text"].is_string() => {
                message["text"] = event["text"].clone();
                message["edited"] = event["ts"].clone();
                if let Some(meta) = event.get("meta") {
                    message["meta"] = meta.clone();
                }
            }
            Some("delete") => *message = tombstone(message, event),
            Some("react") if event["emoji"].is_string() => react(message, event),
            _ => {}
        }
    }

    /// The messages in order, in the form of a page of history.
    pub fn messages(&self) -> Vec<Value> {
        self.messages.values().cloned().collect()
    }

    /// The messages in order, in a comparable form: reactions are sorted.
    pub fn shown(&self) -> Vec<Value> {
        self.messages.values().map(comparable).collect()
    }
}

/// A message in the form of [`Folded::shown`].
pub fn comparable(message: &Value) -> Value {
    let mut message = message.clone();
    let sorted =
        reactions(&message).into_iter().map(|(emoji, users)| (emoji, users.into_iter().collect()));
    let reactions: BTreeMap<String, BTreeSet<String>> = sorted.collect();
    let Some(fields) = message.as_object_mut() else { return message };
    fields.remove("reactions");
    if !reactions.is_empty() {
        fields.insert("reactions".into(), json!(reactions));
    }
    message
}

/// The emoji of a message with their users, in the order of reacting.
fn reactions(message: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = message["reactions"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|one| {
            let users = one["users"].as_array().cloned().unwrap_or_default();
            (text(&one["emoji"]), users.iter().map(text).collect())
        })
        .collect()
}

fn react(message: &mut Value, event: &Value) {
    let mut all = reactions(message);
    let emoji = event["emoji"].as_str().unwrap_or_default();
    let user = event["user"].as_str().unwrap_or_default();
    if all.iter().all(|(known, _)| known != emoji) {
        all.push((emoji.to_owned(), Vec::new()));
    }
    for (_, users) in all.iter_mut().filter(|(known, _)| known == emoji) {
        if event["removed"] == true {
            users.retain(|other| other != user);
        } else if users.iter().all(|other| other != user) {
            users.push(user.to_owned());
        }
    }
    all.retain(|(_, users)| !users.is_empty());
    let all: Vec<Value> = all
        .into_iter()
        .map(|(emoji, users)| json!({"emoji": emoji, "count": users.len(), "users": users}))
        .collect();
    match message.as_object_mut() {
        Some(fields) if all.is_empty() => drop(fields.remove("reactions")),
        _ => message["reactions"] = all.into(),
    }
}

fn tombstone(message: &Value, event: &Value) -> Value {
    let kept = ["id", "prev", "room", "type", "ts", "user", "imported", "m"];
    let kept = kept.iter().filter_map(|field| Some(((*field).into(), message.get(field)?.clone())));
    let mut left: serde_json::Map<String, Value> = kept.collect();
    left.insert("deleted".into(), event["ts"].clone());
    if event["user"] != message["user"] {
        left.insert("by".into(), event["user"].clone());
    }
    if let Some(reason) = event.get("reason") {
        left.insert("reason".into(), reason.clone());
    }
    Value::Object(left)
}

/// Removes what the user of an `erase` event left in a message.
fn erase(message: &mut Value, event: &Value) {
    let (user, alias) = (&event["user"], &event["as"]);
    let is_deleted = !message["deleted"].is_null();
    if message["user"] == *user {
        if !is_deleted {
            *message = tombstone(message, &json!({"ts": event["ts"], "user": user}));
        }
        message["user"] = alias.clone();
        message.as_object_mut().map(|fields| fields.remove("reason"));
    } else if is_deleted && message["by"] == *user {
        message["by"] = alias.clone();
        message.as_object_mut().map(|fields| fields.remove("reason"));
    }
    let mentions = message.get_mut("mentions").and_then(Value::as_array_mut);
    for name in mentions.into_iter().flatten().filter(|name| *name == user) {
        *name = alias.clone();
    }
    for (emoji, _) in reactions(message) {
        react(message, &json!({"emoji": emoji, "user": user, "removed": true}));
    }
}

#[track_caller]
fn place(id: &Value) -> Place {
    let parts = id.as_str().and_then(|id| id.split_once('-'));
    let place = parts.and_then(|(ms, n)| Some((ms.parse().ok()?, n.parse().ok()?)));
    place.unwrap_or_else(|| panic!("no id: {id}"))
}
