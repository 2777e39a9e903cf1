//! The document alone, and beside the tables of the code: operations, codes, events.

use std::collections::BTreeSet;

use chat_protocol::close_code;
use chat_protocol::error_code::ErrorCode;
use chat_protocol::event_header::{MEMBERS, MOVED, TYPES};
use chat_tests::asyncapi::{Channel, Contract, document};
use chat_tests::clients::http::Http;
use chat_tests::documents::{code_words, read, root, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::Value;

fn schemas() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let schemas = document()["components"]["schemas"].as_object().expect("schemas");
    schemas.iter().map(|(name, schema)| (name.as_str(), schema))
}

/// Calls `look` with each object in the document, and with its place.
fn walk(value: &'static Value, place: &str, look: &mut impl FnMut(&str, &'static Value)) {
    look(place, value);
    for (name, member) in value.as_object().into_iter().flatten() {
        walk(member, &format!("{place}/{name}"), look);
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        walk(element, &format!("{place}/{index}"), look);
    }
}

/// The words of a schema's `const` or `enum`.
fn words(schema: &'static Value) -> BTreeSet<&'static str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    listed.chain([&schema["const"]]).filter_map(Value::as_str).collect()
}

#[test]
fn it_is_a_document_of_asyncapi() {
    let path = root().join("node_modules/@asyncapi/specs/schemas/3.0.0.json");
    let schema = std::fs::read_to_string(&path);
    let schema = schema.expect("what `npm ci` fetches, as `.ci/setup test` does");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(document())
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(document()["info"]["version"], version, "the version of the workspace");
}

#[test]
fn each_reference_leads_somewhere_and_each_part_is_used() {
    let (mut used, mut broken) = (BTreeSet::new(), Vec::new());
    walk(document(), "#", &mut |place, value| {
        let Some(target) = value["$ref"].as_str() else { return };
        used.insert(target);
        // Members beside a reference do not count in this version of JSON Schema.
        let is_alone = value.as_object().is_some_and(|members| members.len() == 1);
        let pointer = target.strip_prefix('#').unwrap_or_default();
        if !is_alone || document().pointer(pointer).is_none_or(|_| pointer.is_empty()) {
            broken.push(format!("{place}: {target}"));
        }
    });
    assert!(broken.is_empty(), "{broken:?}");
    let mut unused = Vec::new();
    for (kind, parts) in document()["components"].as_object().expect("components") {
        for name in parts.as_object().expect("parts").keys() {
            let target = format!("#/components/{kind}/{name}");
            if !used.contains(&*target) {
                unused.push(target);
            }
        }
    }
    for channel in ["socket", "stream"] {
        for name in
            document()["channels"][channel]["messages"].as_object().expect("messages").keys()
        {
            let target = format!("#/channels/{channel}/messages/{name}");
            if !used.contains(&*target) {
                unused.push(target);
            }
        }
    }
    assert!(unused.is_empty(), "no part names these: {unused:?}");
}

#[test]
fn no_object_may_have_other_members() {
    let mut open = Vec::new();
    for (name, schema) in schemas() {
        walk(schema, name, &mut |place, part| {
            let is_object = part["type"] == "object" || part["properties"].is_object();
            // `if` and `then` look at members, and add none.
            let is_condition = place.ends_with("/if") || place.ends_with("/then");
            let bound = &part["additionalProperties"];
            if is_object && !is_condition && *bound != false && !bound.is_object() {
                open.push(place.to_owned());
            }
        });
        assert!(schema["description"].is_string(), "{name} has no description");
    }
    assert_eq!(open, ["Object"], "only what clients make up may have any members");
}

#[test]
fn every_operation_of_a_relay_has_a_request_and_a_reply() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (_, metrics) = relay.get_ops("/metrics");
    let mark = "chat_relay_operations_total{op=\"";
    let counted = metrics.lines().filter_map(|line| line.strip_prefix(mark));
    let counted = counted.filter_map(|line| Some(line.split_once('"')?.0));
    let real: BTreeSet<&str> = counted.filter(|op| *op != "unknown").collect();
    let of = |kind: &str| -> BTreeSet<String> {
        let names = Contract::of(Channel::Socket).names();
        let of_kind = names.filter_map(|name| name.strip_suffix(kind).map(str::to_lowercase));
        of_kind.filter(|op| *op != "error").collect()
    };
    let described: BTreeSet<String> = real.iter().map(|op| (*op).to_owned()).collect();
    assert!(real.len() > 20, "{real:?}");
    assert_eq!(of("Request"), described);
    assert_eq!(of("Reply"), described);
    let operations = document()["operations"].as_object().expect("operations");
    for op in real {
        let capital = format!("{}{}", op[..1].to_uppercase(), &op[1..]);
        let target = |kind: &str| format!("#/channels/socket/messages/{capital}{kind}");
        let operation = &operations[op];
        assert_eq!(operation["messages"][0]["$ref"], target("Request"));
        assert_eq!(operation["reply"]["messages"][0]["$ref"], target("Reply"));
        let request = &document()["components"]["schemas"][format!("{capital}Request")];
        assert_eq!(request["properties"]["op"]["const"], op);
    }
}

#[test]
fn every_error_code_is_described_with_its_argument() {
    let alternatives = document()["components"]["schemas"]["Error"]["oneOf"].as_array();
    let errors: Vec<&Value> = alternatives
        .expect("alternatives")
        .iter()
        .filter_map(|error| document().pointer(&error["$ref"].as_str()?[1..]))
        .collect();
    let mut described = BTreeSet::new();
    for error in &errors {
        let properties = &error["properties"];
        for word in words(&properties["code"]) {
            let code = ErrorCode::parse(word).expect("a code of the project");
            let argument = code.argument().map(|argument| argument.name());
            let mut members: Vec<&str> =
                properties.as_object().expect("members").keys().map(String::as_str).collect();
            members.retain(|name| !matches!(*name, "code" | "message"));
            assert_eq!(members, Vec::from_iter(argument), "{word}");
            assert!(described.insert(word), "{word} is described twice");
        }
    }
    let all: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(described, all);
    // Codes of Redis itself are all others.
    let of_redis = &document()["components"]["schemas"]["RedisError"]["properties"]["code"]["not"];
    assert_eq!(words(of_redis), all);
}

#[test]
fn every_close_code_is_described_as_in_the_protocol() {
    let text = document()["channels"]["socket"]["description"].as_str().expect("a description");
    let row = |row: Vec<String>| (row[0].clone(), row[1].trim_matches('`').to_owned());
    let listed: Vec<(String, String)> = rows(text).into_iter().map(row).collect();
    let all = close_code::ALL.iter();
    let codes: Vec<_> = all.map(|code| (code.number.to_string(), code.name.to_owned())).collect();
    assert_eq!(listed, codes);
    let names: BTreeSet<&str> = close_code::ALL.iter().map(|code| code.name).collect();
    let numbers: Vec<u64> = close_code::ALL.iter().map(|code| code.number.into()).collect();
    let schemas = &document()["components"]["schemas"];
    for schema in ["CloseReason", "StreamClose"] {
        assert_eq!(words(&schemas[schema]["properties"]["reason"]), names, "{schema}");
    }
    let described = schemas["StreamClose"]["properties"]["code"]["enum"].as_array();
    let described = described.expect("codes").iter().filter_map(Value::as_u64);
    assert_eq!(described.collect::<Vec<_>>(), numbers);
}

#[test]
fn every_type_of_a_frame_is_described_with_every_member() {
    let of_events: BTreeSet<&str> = TYPES.into_iter().filter(|kind| *kind != MOVED).collect();
    let text = read("docs/protocol.md");
    let of_relays: BTreeSet<String> = rows(section(&text, "## Frames made by relays"))
        .iter()
        .filter_map(|row| code_words(&row[0]).first()?.split('"').nth(3).map(str::to_owned))
        .collect();
    assert!(of_relays.contains("hello") && of_relays.len() > 8, "{of_relays:?}");
    let mut described: [BTreeSet<&str>; 2] = [BTreeSet::new(), BTreeSet::new()];
    let mut members = BTreeSet::new();
    for (name, schema) in schemas() {
        let Some(kind) = schema["properties"]["type"]["const"].as_str() else { continue };
        let is_event = name.ends_with("Event");
        described[usize::from(is_event)].insert(kind);
        if is_event {
            members.extend(schema["properties"].as_object().expect("members").keys());
        }
    }
    assert_eq!(described[1], of_events);
    assert_eq!(described[0], of_relays.iter().map(String::as_str).collect());
    let members: BTreeSet<&str> = members.into_iter().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(MEMBERS));
}

/// The files hold the bytes of events in every shape; the module's tests compare them.
#[test]
fn every_shape_of_an_event_is_described_once() {
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("tests/fixtures/events")).expect("a folder") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
        if event["type"] == MOVED {
            continue;
        }
        for channel in [Channel::Socket, Channel::Stream] {
            let described = Contract::of(channel).describe(&event);
            met.insert(described.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
    let is_event = |(name, schema): &(&str, &Value)| {
        name.ends_with("Event") && schema["properties"]["type"].is_object()
    };
    let events: BTreeSet<&str> = schemas().filter(is_event).map(|(name, _)| name).collect();
    assert_eq!(met, events);
}

#[test]
fn a_relay_serves_it() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let answer = Http::new(relay.address()).get("/v1/asyncapi.yaml");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/yaml")));
    assert_eq!(answer.body, read("docs/asyncapi.yaml"));
}
