//! The messages of one channel: which schema describes a frame, and whether it does.
//!
//! A frame with a `type` is described by one of the schemas whose `type` is that constant. A request
//! and its reply are found by the name of the operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator, draft7};
use serde_json::{Value, json};

use crate::asyncapi::document::document;

/// A channel of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The WebSocket.
    Socket,
    /// The stream of events.
    Stream,
}

/// The schemas of the messages of a channel.
pub struct Contract {
    /// The schema of each message, compiled at its first use.
    schemas: BTreeMap<&'static str, OnceLock<Validator>>,
    /// The names of the schemas for each `type`.
    by_type: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The schema of a close frame's reason, which is no message.
pub(super) const CLOSE_REASON: &str = "CloseReason";

impl Contract {
    /// The contract of a channel, read once.
    pub fn of(channel: Channel) -> &'static Contract {
        static SOCKET: OnceLock<Contract> = OnceLock::new();
        static STREAM: OnceLock<Contract> = OnceLock::new();
        match channel {
            Channel::Socket => SOCKET.get_or_init(|| Contract::read("socket")),
            Channel::Stream => STREAM.get_or_init(|| Contract::read("stream")),
        }
    }

    fn read(channel: &str) -> Contract {
        let messages = document()["channels"][channel]["messages"].as_object().expect("messages");
        let mut names: Vec<&str> = messages.keys().map(|name| schema_of_message(name)).collect();
        names.push(CLOSE_REASON);
        let mut by_type: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for name in &names {
            if let Some(kind) = schema(name)["properties"]["type"]["const"].as_str() {
                by_type.entry(kind).or_default().push(*name);
            }
        }
        Contract {
            schemas: names.into_iter().map(|name| (name, OnceLock::new())).collect(),
            by_type,
        }
    }

    /// Reads all schemas, which takes a while: where a relay must not be kept waiting later.
    pub fn prepare(&self) {
        for (name, validator) in &self.schemas {
            validator.get_or_init(|| compile(&reference(name)));
        }
    }

    /// The names of the schemas of all messages, and that of the reason of a close frame.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.schemas.keys().copied()
    }

    /// The name of the one schema that describes a frame with a `type`, or why there is none.
    pub fn describe(&self, frame: &Value) -> Result<&'static str, String> {
        let kind = frame["type"].as_str().unwrap_or_default();
        let Some(names) = self.by_type.get(kind) else {
            return Err(format!("no frame of the type {kind:?} is described"));
        };
        self.one_of(names.iter().copied(), frame)
    }

    /// The one of these schemas that describes a value.
    pub(super) fn one_of(
        &self,
        names: impl Iterator<Item = &'static str>,
        value: &Value,
    ) -> Result<&'static str, String> {
        let (mut fitting, mut story) = (Vec::new(), String::new());
        for name in names {
            match self.check(name, value) {
                Ok(name) => fitting.push(name),
                Err(error) => story += &format!("\n  {name}: {error}"),
            }
        }
        match fitting[..] {
            [name] => Ok(name),
            [] => Err(format!("no schema describes it:{story}")),
            _ => Err(format!("more than one schema describes it: {fitting:?}")),
        }
    }

    /// Compares a value with the schema of this name, and returns the name.
    pub fn check(&self, name: &str, value: &Value) -> Result<&'static str, String> {
        let found = self.schemas.get_key_value(name);
        let (name, validator) = found.ok_or_else(|| format!("{name} is not described"))?;
        let validator = validator.get_or_init(|| compile(&reference(name)));
        match validator.validate(value) {
            Ok(()) => Ok(name),
            Err(error) => Err(explained(&error)),
        }
    }

    /// The schemas that describe a value and each of its parts, and their members that are there, such
    /// as `HelloFrame` and `HelloFrame.user`.
    pub fn parts(&self, name: &str, value: &Value) -> BTreeSet<String> {
        let mut met = BTreeSet::new();
        if self.check(name, value).is_ok() {
            note(&reference(name), "", value, &mut met);
        }
        met
    }
}

/// The name of the schema of a message: its own.
fn schema_of_message(name: &'static str) -> &'static str {
    let payload = document()["components"]["messages"][name]["payload"]["$ref"].as_str();
    let payload = payload.and_then(|target| target.rsplit('/').next());
    assert_eq!(payload, Some(name), "the schema of a message has its name");
    name
}

/// A schema of the document.
fn schema(name: &str) -> &'static Value {
    &document()["components"]["schemas"][name]
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// AsyncAPI schemas are JSON Schema draft 7.
fn compile(schema: &Value) -> Validator {
    let whole = json!({"allOf": [schema], "components": document()["components"]});
    draft7::new(&whole).expect("a schema")
}

/// An error, with those of the alternatives of which none fits.
fn explained(error: &ValidationError<'_>) -> String {
    let mut text = format!("{}: {}", error.instance_path(), short(&error.to_string()));
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } =
        error.kind()
    {
        for errors in context {
            let errors: Vec<String> = errors.iter().map(explained).collect();
            text += &format!(" [{}]", errors.join("; "));
        }
    }
    text
}

fn short(text: &str) -> String {
    let mut out: String = text.chars().take(300).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// Notes the names of the schemas that a value and its parts were compared with. `place`: the name of
/// the schema that this one is a part of, with the members on the way.
fn note(schema: &Value, place: &str, value: &Value, met: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        met.insert(name.to_owned());
        return note(&document()["components"]["schemas"][name], name, value, met);
    }
    for word in ["oneOf", "anyOf"] {
        for schema in schema[word].as_array().into_iter().flatten() {
            if compile(schema).is_valid(value) {
                note(schema, place, value, met);
            }
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let own = &schema["properties"][name];
        if own.is_null() {
            note(&schema["additionalProperties"], place, value, met);
            continue;
        }
        let place = format!("{place}.{name}");
        note(own, &place, value, met);
        met.insert(place);
    }
    for value in value.as_array().into_iter().flatten() {
        note(&schema["items"], place, value, met);
    }
}
