//! What one socket sends and receives: each frame against its schema, each reply against that of the
//! operation that it answers.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::asyncapi::contract::{CLOSE_REASON, Channel, Contract};

/// Codes of requests that need not be as described: the error says what is wrong with them, or is
/// found before the relay looks at their members.
const EXEMPT: [&str; 6] = ["INVALID", "TOOBIG", "ERR", "RATELIMIT", "DENIED", "UNAVAILABLE"];

/// The key of requests and replies without a `ref`.
const NO_REF: &str = "null";

/// The frames of one socket that something is still to be known of.
pub(crate) struct Exchange {
    contract: &'static Contract,
    /// Requests without a reply, by `ref`.
    waiting: HashMap<String, Vec<Request>>,
}

struct Request {
    op: String,
    /// In what it is not as described.
    fault: Option<String>,
}

impl Exchange {
    pub(crate) fn new() -> Exchange {
        Exchange { contract: Contract::of(Channel::Socket), waiting: HashMap::new() }
    }

    /// Compares a frame of which it is not known what it answers.
    pub(crate) fn check_unasked(&self, frame: &Value) -> Result<(), String> {
        if frame.get("type").is_some() {
            return self.contract.describe(frame).map(drop);
        }
        if frame.get("ok").is_none() {
            return self.contract.check("ErrorReply", frame).map(drop);
        }
        let mut replies = self.contract.names().filter(|name| name.ends_with("Reply"));
        let is_one = replies.any(|name| self.contract.check(name, frame).is_ok());
        if is_one { Ok(()) } else { Err("no operation has such a reply".into()) }
    }

    /// Notes a frame that is sent. Whether it had to be as described is known from its reply.
    pub(crate) fn sent(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let op = frame["op"].as_str().unwrap_or_default().to_owned();
        let fault = self.contract.check(&message_of(&op, "Request"), &what_counts(&frame)).err();
        let fault = fault.map(|fault| format!("{fault}: {text:.1000}"));
        let key = reference(&frame);
        let is_known = |requests: &[Request]| requests.iter().any(|request| request.op == op);
        let requests = self.waiting.entry(key.clone()).or_default();
        // Those without a `ref` cannot be told apart.
        if key != NO_REF || !is_known(requests) {
            requests.push(Request { op, fault });
        }
    }

    /// Compares a frame that has arrived. Returns the name of its schema, or what is wrong.
    pub(crate) fn received(&mut self, frame: &Value) -> Result<&'static str, String> {
        if frame.get("type").is_some() {
            return self.contract.describe(frame);
        }
        let key = reference(frame);
        let requests = self.waiting.entry(key.clone()).or_default();
        let error = frame["error"]["code"].as_str();
        if error.is_some() || frame.get("ok").is_none() {
            let name = self.contract.check("ErrorReply", frame)?;
            // Without a `ref` it may belong to no request.
            if key != NO_REF && requests.is_empty() {
                return Err("no request has this ref".into());
            }
            let request = (!requests.is_empty() && key != NO_REF).then(|| requests.remove(0));
            let is_exempt = error.is_some_and(|code| EXEMPT.contains(&code));
            return match request.and_then(|request| request.fault) {
                Some(fault) if !is_exempt => {
                    Err(format!("its request is not as described: {fault}"))
                }
                _ => Ok(name),
            };
        }
        let mut faults = String::new();
        for (place, request) in requests.iter().enumerate() {
            match self.contract.check(&message_of(&request.op, "Reply"), frame) {
                Ok(name) => {
                    if key == NO_REF {
                        return Ok(name);
                    }
                    return match requests.remove(place).fault {
                        Some(fault) => Err(format!("accepted, but not as described: {fault}")),
                        None => Ok(name),
                    };
                }
                Err(fault) => faults += &format!("\n  {}: {fault}", request.op),
            }
        }
        Err(format!("no request with this ref has such a reply:{faults}"))
    }

    /// Compares the reason of a close frame of the relay.
    pub(crate) fn closed(&self, code: u16, reason: &str) -> Result<(), String> {
        if !(4000..5000).contains(&code) {
            return Ok(());
        }
        let reason: Value = serde_json::from_str(reason).unwrap_or_default();
        self.contract.check(CLOSE_REASON, &reason).map(drop)
    }
}

/// The `ref` of a frame as text; [`NO_REF`] if it has none that is allowed.
fn reference(frame: &Value) -> String {
    match &frame["ref"] {
        reference @ (Value::String(_) | Value::Number(_)) => reference.to_string(),
        _ => NO_REF.to_owned(),
    }
}

/// A request without what counts as absent: `null`, and `as`, which is of frames over HTTP.
fn what_counts(frame: &Value) -> Value {
    let members = frame.as_object().into_iter().flatten();
    let given = members.filter(|(name, value)| !value.is_null() && *name != "as");
    given.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

/// `SendRequest` of `send`.
fn message_of(op: &str, kind: &str) -> String {
    let mut letters = op.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect::<String>() + kind
}
