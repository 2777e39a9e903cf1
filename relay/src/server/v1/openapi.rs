//! `/v1/openapi.json`: the description of the API (OpenAPI 3.1), made of the table of routes and of
//! the types of the bodies.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::server::v1::problem::PROBLEM_JSON;
use crate::server::v1::routes::{Body, Parameter, ROUTES, Route};
use crate::server::v1::schemas::Schemas;

/// The document.
pub(super) fn document() -> Bytes {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| build().to_string().into());
    DOCUMENT.clone()
}

/// The statuses of problems, and when they come.
const PROBLEMS: &[(u16, &str)] = &[
    (400, "INVALID: a part of the request is wrong"),
    (401, "UNAUTHORISED: no credential, or a wrong one"),
    (403, "DENIED, BANNED, MUTED, NOTMEMBER"),
    (404, "NOROOM, NOMSG, or no such path"),
    (409, "The nonce stands for another message"),
    (413, "TOOBIG"),
    (415, "The body is no JSON"),
    (423, "FROZEN"),
    (429, "RATELIMIT: wait for Retry-After"),
    (503, "UNAVAILABLE: Redis or the keys cannot be asked now; wait for Retry-After"),
];

/// The schemas of an operation's request and of its reply.
fn schemas(op: &str) -> (&'static str, &'static str) {
    match op {
        "rooms" => ("", "Rooms"),
        "room" => ("Set", "Room"),
        "history" => ("", "History"),
        "send" => ("Send", "Stored"),
        "edit" => ("Edit", "Stored"),
        "delete" => ("", "Stored"),
        "react" => ("", "Changed"),
        "members" => ("", "Members"),
        "join" => ("Role", "Done"),
        "leave" => ("", "Done"),
        "mod" => ("Moderation", "Changed"),
        "who" => ("", "Who"),
        "sanctions" => ("", "Sanctions"),
        "signal" => ("Signal", "Done"),
        "read" => ("ReadUpTo", "Read"),
        "inbox" => ("", "Inbox"),
        "unread" => ("RoomNames", "Unread"),
        "online" => ("RoomNames", "Online"),
        "profiles" => ("", "Profiles"),
        _ => ("", ""),
    }
}

fn build() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("/v1/{}", route.path)).or_insert_with(|| json!({}));
        let method = &mut path[route.method.to_ascii_lowercase()];
        match method.is_null() {
            true => *method = operation(route),
            // Another row of the same method and path: another reply is possible too.
            false => {
                let schema =
                    &mut method["responses"]["200"]["content"]["application/json"]["schema"];
                *schema = json!({"anyOf": [schema.clone(), reference(schemas(route.op).1)]});
                add_parameters(&mut method["parameters"], route);
            }
        }
    }
    paths.insert("/v1".to_owned(), json!({"post": frames()}));
    paths.insert("/v1/events".to_owned(), events());
    let components = serde_json::to_value(Schemas::openapi().components).unwrap_or_default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "redis-chat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The operations of a chat relay over HTTP. docs/http.md explains it.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": components,
    });
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of a user, or an API key of an application's server",
        },
    });
    document
}

fn operation(route: &Route) -> Value {
    let (request, reply) = schemas(route.op);
    // The role is in the path's own body.
    let request = if route.path.ends_with("members/{user}") { "Role" } else { request };
    let mut parameters: Vec<Value> = route
        .names()
        .map(|name| {
            let schema = json!({"type": "string"});
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    parameters.push(json!({
        "name": "as", "in": "query", "schema": {"type": "string"},
        "description": "From the backend: the user as whom to act",
    }));
    let mut parameters = Value::Array(parameters);
    add_parameters(&mut parameters, route);
    if route.op == "send" {
        push(
            &mut parameters,
            json!({
                "name": "Idempotency-Key", "in": "header", "schema": {"type": "string"},
                "description": "The nonce: a message sent again with it is stored once",
            }),
        );
    }
    let mut operation = json!({
        "summary": format!("The operation `{}` of the socket", route.op),
        "operationId": format!("{}:{}", route.method.to_ascii_lowercase(), route.path),
        "parameters": parameters,
        "responses": responses(reference(reply)),
    });
    if route.body != Body::None {
        let required = request != "Role";
        operation["requestBody"] = json!({
            "required": required,
            "content": {"application/json": {"schema": reference(request)}},
        });
    }
    operation
}

/// Adds the parameters of the query that are not there yet.
fn add_parameters(parameters: &mut Value, route: &Route) {
    for part in route.query {
        let kind = match part {
            Parameter::Text(_) => json!({"type": "string"}),
            Parameter::Number(_) => json!({"type": "integer", "minimum": 0}),
        };
        push(parameters, json!({"name": part.name(), "in": "query", "schema": kind}));
    }
}

fn push(list: &mut Value, entry: Value) {
    if let Value::Array(list) = list {
        list.push(entry);
    }
}

fn frames() -> Value {
    json!({
        "summary": "Request frames of the socket, answered by reply frames",
        "operationId": "post:frames",
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": reference("Frames")}},
        },
        "responses": responses(reference("Replies")),
    })
}

fn events() -> Value {
    let stream = json!({"text/event-stream": {"schema": {"type": "string"}}});
    let responses = responses_with("Blocks as they happen: docs/protocol.md", stream);
    let position = json!({
        "name": "Last-Event-ID", "in": "header", "schema": {"type": "string"},
        "description": "The id of the last block with one: the stream goes on from there",
    });
    let mut list = vec![position];
    let post = json!({
        "summary": "A stream of rooms from their cursors on",
        "operationId": "post:events",
        "parameters": list,
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {
                "type": "object",
                "properties": {"rooms": {
                    "type": "object",
                    "description": "Each with its cursor; null: begin with the newest page",
                    "additionalProperties": {"type": ["string", "null"]},
                }},
            }}},
        },
        "responses": responses,
    });
    list.push(json!({
        "name": "rooms", "in": "query", "schema": {"type": "string"},
        "description": "Names with commas between them; one's own room is always in",
    }));
    let get = json!({
        "summary": "A stream of rooms, for EventSource",
        "operationId": "get:events",
        "parameters": list,
        "responses": responses,
    });
    json!({"get": get, "post": post})
}

fn responses(ok: Value) -> Value {
    responses_with("Done", json!({"application/json": {"schema": ok}}))
}

fn responses_with(description: &str, content: Value) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({"description": description, "content": content}));
    for (status, description) in PROBLEMS {
        let mut content = Map::new();
        content.insert(PROBLEM_JSON.to_owned(), json!({"schema": reference("Problem")}));
        let response = json!({"description": description, "content": content});
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_has_a_schema_and_every_operation_one() {
        let document: Value = serde_json::from_slice(&document()).expect("JSON");
        let text = document.to_string();
        let known = document["components"]["schemas"].as_object().expect("schemas");
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(known.contains_key(name), "{name} is not there");
        }
        for name in known.keys() {
            let used = format!("\"#/components/schemas/{name}\"");
            assert!(text.contains(&used), "{name} is not used");
        }
        for route in ROUTES {
            assert_ne!(schemas(route.op).1, "", "{}", route.op);
        }
    }
}
