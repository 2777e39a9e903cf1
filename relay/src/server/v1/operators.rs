//! What only operators ask: of this relay, and of a user.

use std::sync::Arc;

use axum::http::request::Parts;
use serde::Serialize;

use crate::client::json;
use crate::hub::Hub;
use crate::hub::relays::RELAYS;
use crate::operations;
use crate::server::v1::problem::Problem;
use crate::server::v1::target::parameter;
use crate::server::v1::who::Who;
use crate::upstream::commands::Rows;
use crate::upstream::{NodeReport, State};

/// What an operator asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// `/ops/relay`: what this relay is, and its nodes of Redis.
    Relay,
    /// `/ops/user ?user, cursor, count`: whether a user is suspended, and the user's list of rooms.
    User,
}

/// The answer, as an object.
pub(super) async fn answer(
    hub: &Arc<Hub>,
    who: &Who,
    question: Question,
    parts: &Parts,
) -> Result<String, Problem> {
    let query = parts.uri.query().unwrap_or("");
    who.count(hub, parts.uri.path().len() + query.len())?;
    match question {
        Question::Relay => Ok(relay(hub)),
        Question::User => user(hub, query).await,
    }
}

#[derive(Serialize)]
struct Relay<'a> {
    name: &'a str,
    version: &'a str,
    /// The room in which relays are present.
    room: &'a str,
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    id: String,
    address: String,
    slots: u16,
    /// `open`, `writes_refused` or `away`.
    state: &'static str,
    /// Why it is not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// How long the last probe took that returned, in milliseconds.
    probe_ms: Option<f64>,
}

impl Node {
    fn of(NodeReport { node, address, probe }: NodeReport) -> Node {
        let (state, problem) = match &node.state {
            State::Open => ("open", None),
            State::WritesRefused(problem) => ("writes_refused", Some(problem.to_string())),
            State::Unavailable(problem) => ("away", Some(problem.to_string())),
        };
        let probe_ms = probe.map(|took| took.as_micros() as f64 / 1000.0);
        Node {
            id: node.id.as_str().to_owned(),
            address,
            slots: node.slots,
            state,
            problem,
            probe_ms,
        }
    }
}

fn relay(hub: &Hub) -> String {
    let nodes = hub.upstream.node_reports().into_iter().map(Node::of).collect();
    let (name, version) = (&*hub.config.name, env!("CARGO_PKG_VERSION"));
    json::write(&Relay { name, version, room: RELAYS, nodes })
}

async fn user(hub: &Hub, query: &str) -> Result<String, Problem> {
    let needed = || Problem::invalid("user", "this parameter is needed");
    let name = parameter(query, "user")?.ok_or_else(needed)?;
    let cursor = parameter(query, "cursor")?;
    let count = parameter(query, "count")?.map(|count| count.parse()).transpose();
    let count = count.map_err(|_| Problem::invalid("count", "not a whole number"))?;
    let page = Rows { cursor: cursor.as_deref(), count };
    Ok(operations::user(hub, &name, page).await?)
}
