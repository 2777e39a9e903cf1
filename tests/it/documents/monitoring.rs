//! `/metrics` by Prometheus' conventions, and `deploy/grafana-dashboard.json` and `deploy/alerts.yml`
//! against what a relay really gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use chat_tests::clients::frames::{Frames, Peer};
use chat_tests::cmd;
use chat_tests::documents::{code_words, read, rows, section};
use chat_tests::port;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use yaml_rust2::{Yaml, YamlLoader};

/// Labels that Prometheus adds to each target.
const OF_TARGETS: [&str; 2] = ["instance", "job"];

/// The series of a relay: the values of the labels of each.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Relays that have seen a bit of everything, and the text of their metrics.
fn texts() -> [String; 2] {
    let mut redis = Redis::durable();
    let plain = Relay::start("r1", &redis);
    let alice = plain.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
    alice.next_of("lobby", "message");
    alice.refused(json!({"op": "dance"}));
    plain.get("/no/such/page");
    plain.get("/v1/rooms/lobby?user=alice");
    plain.get("/v1/rooms/other/no/such/path?user=alice");
    redis.kill();
    plain.wait_unready();
    alice.refused(json!({"op": "history", "room": "lobby"}));
    redis.restart();
    plain.wait_ready();
    // Keys come from an address where nothing listens.
    let keys = format!("http://127.0.0.1:{}/keys", port::free());
    let options =
        ["--auth", "jwt", "--jwt-jwks", &keys, "--jwt-issuer", "i", "--jwt-audience", "a"];
    let ops = ["--listen-ops", "127.0.0.1:0"];
    let tokens = Relay::with("r2", &redis.url(), &[&options[..], &ops].concat());
    let address = tokens.address();
    let mut request = format!("ws://{address}/ws").into_client_request().expect("an address");
    request.headers_mut().insert("authorization", "Bearer x".parse().expect("a header"));
    let _refused = Frames::open(address, request, Peer::Relay).expect("upgraded");
    eventually("a refused login", LATER, || {
        let logins = tokens.metric("chat_relay_logins_total");
        if logins >= Some(1.0) { Ok(()) } else { Err(format!("{logins:?}")) }
    });
    eventually("a fetch that failed", LATER, || {
        let failed = tokens.metric("chat_relay_key_fetches_total");
        if failed >= Some(1.0) { Ok(()) } else { Err(format!("{failed:?}")) }
    });
    [plain, tokens].map(|relay| relay.get_ops("/metrics").1)
}

/// The series in a text, by the format of text that Prometheus reads.
fn series(texts: &[String]) -> Series {
    let mut found = Series::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect(line));
        let labels = found.entry(name.to_owned()).or_default();
        let Some(rest) = rest.strip_prefix('{') else { continue };
        for pair in rest.rsplit_once('}').expect(line).0.split("\",") {
            let (label, value) = pair.split_once("=\"").expect(line);
            let value = value.trim_end_matches('"').to_owned();
            labels.entry(label.to_owned()).or_default().insert(value);
        }
    }
    found
}

/// A series in an expression, with the matchers of its labels.
#[derive(Debug, Default)]
struct Selector {
    name: String,
    /// Label, operator, value.
    matchers: Vec<(String, String, String)>,
}

/// The series and the grouping labels of a PromQL expression.
fn selectors(expression: &str) -> (Vec<Selector>, BTreeSet<String>) {
    let (mut found, mut groupings): (Vec<Selector>, _) = (Vec::new(), BTreeSet::new());
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if first.is_ascii_alphabetic() {
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            rest = after;
            let next = after.trim_start();
            match word {
                "by" | "without" | "on" | "ignoring" => {
                    let (list, after) = next[1..].split_once(')').expect(expression);
                    groupings.extend(list.split(',').map(|label| label.trim().to_owned()));
                    rest = after;
                }
                "and" | "or" | "unless" => {}
                _ if next.starts_with('(') => {}
                // `sum by (…)` has its bracket later.
                _ if next.starts_with("by") || next.starts_with("without") => {}
                _ => found.push(Selector { name: word.to_owned(), matchers: Vec::new() }),
            }
        } else if first == '{' {
            let (list, after) = rest[1..].split_once('}').expect(expression);
            rest = after;
            for matcher in list.split("\",") {
                let (left, value) = matcher.split_once('"').expect(expression);
                let label = left.trim_end_matches(['=', '!', '~', ' ']).trim();
                let operator = left.trim().trim_start_matches(label).trim();
                let matcher = (label, operator, value.trim_end_matches('"'));
                let (label, operator, value) = matcher;
                let matcher = (label.to_owned(), operator.to_owned(), value.to_owned());
                found.last_mut().expect(expression).matchers.push(matcher);
            }
        } else if first == '[' {
            rest = rest.split_once(']').expect(expression).1;
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    (found, groupings)
}

/// What an expression names that no relay gives.
fn unknown(expression: &str, known: &Series) -> Vec<String> {
    let (selectors, groupings) = selectors(expression);
    assert!(!selectors.is_empty(), "{expression}");
    let mut unknown = Vec::new();
    let mut labels: BTreeSet<&str> = OF_TARGETS.into();
    for selector in &selectors {
        // Prometheus itself makes this one.
        if selector.name == "up" {
            continue;
        }
        let Some(given) = known.get(&selector.name) else {
            unknown.push(selector.name.clone());
            continue;
        };
        labels.extend(given.keys().map(String::as_str));
        for (label, operator, value) in &selector.matchers {
            if OF_TARGETS.contains(&label.as_str()) {
                continue;
            }
            let Some(values) = given.get(label) else {
                unknown.push(format!("{}{{{label}}}", selector.name));
                continue;
            };
            let words: Vec<&str> = match operator.as_str() {
                "=" | "!=" => vec![value],
                _ => value.split('|').collect(),
            };
            let codes = ["OOM", "NOPERM", "ERR", "other"];
            let is_known = |word: &&str| {
                values.contains(*word)
                    || (label == "code" && codes.contains(word))
                    || ["ok", "expired"].contains(word)
            };
            unknown.extend(
                words
                    .iter()
                    .filter(|word| !is_known(word))
                    .map(|word| format!("{}{{{label}={word}}}", selector.name)),
            );
        }
    }
    unknown.extend(groupings.into_iter().filter(|label| !labels.contains(label.as_str())));
    unknown
}

fn alerts() -> Vec<Yaml> {
    let file = YamlLoader::load_from_str(&read("deploy/alerts.yml")).expect("YAML");
    let groups = file[0]["groups"].as_vec().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_vec().expect("rules").clone()).collect()
}

/// Runs promtool, which `.ci/setup test` installs, on this input.
fn promtool(args: &[&str], input: &str) {
    let mut promtool = Command::new("promtool");
    let promtool = promtool.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut running) = promtool.stderr(Stdio::piped()).spawn() else {
        println!("promtool {args:?}: SKIPPED, it is not installed");
        return;
    };
    running.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("read");
    let outcome = running.wait_with_output().expect("it ends");
    let said = [outcome.stdout, outcome.stderr].concat();
    assert!(outcome.status.success(), "promtool {args:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn metrics_follow_the_conventions_and_are_all_described() {
    let texts = texts();
    let known = series(&texts);
    let text = read("docs/operations.md");
    let listed: BTreeSet<String> = rows(section(&text, "### Metrics of the relay"))
        .iter()
        .flat_map(|row| code_words(&row[0]))
        .map(str::to_owned)
        .collect();
    for text in &texts {
        promtool(&["check", "metrics"], text);
        let about = |word: &str| -> BTreeMap<&str, &str> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' '));
            lines.collect()
        };
        let (help, kinds) = (about("# HELP "), about("# TYPE "));
        for name in series(std::slice::from_ref(text)).keys() {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| kinds.get(family) == Some(&"histogram"));
            let family = family.unwrap_or(name);
            assert!(help.get(family).is_some_and(|help| !help.is_empty()), "no HELP of {family}");
            let kind = kinds.get(family).unwrap_or_else(|| panic!("no TYPE of {family}"));
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
            assert!(*kind != "histogram" || family.ends_with("_seconds"), "no unit in {name}");
            assert!(listed.contains(family), "{family} is in no row of docs/operations.md");
        }
    }
    let labels: BTreeSet<&str> =
        known.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let fixed = [
        "arch", "caller", "code", "key", "kind", "le", "op", "os", "outcome", "reason", "route",
        "status", "version", "way",
    ];
    assert_eq!(labels, fixed.into(), "a label needs a fixed table of values");
    assert!(known["chat_relay_operations_total"]["op"].contains("unknown"), "{known:?}");
    assert!(!known["chat_relay_operations_total"]["op"].contains("dance"), "{known:?}");
    assert!(known["chat_relay_http_requests_total"]["route"].contains("/metrics"), "{known:?}");
    let routes = &known["chat_relay_http_requests_total"]["route"];
    assert!(routes.contains("/v1/rooms/{room}") && routes.contains("/v1/{*path}"), "{routes:?}");
    assert!(!routes.iter().any(|route| route.contains("such") || route.contains("lobby")));
}

#[test]
fn the_dashboard_and_the_alerts_name_only_what_relays_give() {
    let known = series(&texts());
    let mut expressions: Vec<String> = Vec::new();
    let dashboard: Value =
        serde_json::from_str(&read("deploy/grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].to_string()), "two panels {}", panel["id"]);
        for target in panel["targets"].as_array().expect("targets") {
            expressions.push(target["expr"].as_str().expect("an expression").to_owned());
            let shown = target["legendFormat"].as_str().expect("a legend").split("{{").skip(1);
            let shown = shown.map(|rest| rest.split("}}").next().expect("a label"));
            let known = |label: &str| {
                OF_TARGETS.contains(&label)
                    || known.values().any(|labels| labels.contains_key(label))
            };
            shown.for_each(|label| assert!(known(label), "{label} in {target}"));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if let Some(query) = variable["definition"].as_str() {
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
            expressions.push(inner.expect("label_values").0.to_owned());
        }
    }
    let alerts = alerts();
    expressions.extend(alerts.iter().map(|rule| rule["expr"].as_str().expect("expr").to_owned()));
    assert!(expressions.len() > 30, "{expressions:?}");
    for expression in &expressions {
        assert_eq!(unknown(expression, &known), [""; 0], "{expression}");
    }
    // The check itself.
    for wrong in
        ["rate(chat_relay_frames[5m])", "chat_relay_rooms{room=\"x\"}", "sum by (user) (up)"]
    {
        assert_eq!(unknown(wrong, &known).len(), 1, "{wrong}");
    }
    // Each limit of a histogram that an alert compares with is a bucket.
    assert!(known["chat_relay_operation_seconds_bucket"]["le"].contains("1"), "a second");
}

#[test]
fn every_alert_is_sound_and_has_a_row_that_says_what_to_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/alerts.yml");
    promtool(&["check", "rules", path.to_str().expect("UTF-8")], "");
    // Each goes off when it should, and only then.
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/alerts.yml");
    promtool(&["test", "rules", cases.to_str().expect("UTF-8")], "");
    let text = read("docs/operations.md");
    let listed = rows(section(&text, "### Alerts"));
    let names: Vec<&str> = listed.iter().flat_map(|row| code_words(&row[0])).collect();
    let alerts = alerts();
    let tested = read("tests/fixtures/alerts.yml");
    let defined: Vec<&str> = alerts.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    assert_eq!(names, defined);
    for rule in &alerts {
        let name = format!("alertname=\"{}\"", rule["alert"].as_str().expect("a name"));
        assert!(tested.contains(&name), "{name} in tests/fixtures/alerts.yml");
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{rule:?}");
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|text| text.len() > 20));
    }
    // What the rows tell to look at is there.
    let redis = Redis::start();
    let info = cmd!(redis, "INFO", "chat").text().to_owned();
    let words = listed.iter().flat_map(|row| code_words(&row[2]));
    for field in words.filter(|word| word.starts_with("chat_") && !word.starts_with("chat_relay_"))
    {
        assert!(info.contains(&format!("{field}:")), "{field}");
    }
    let relay = Relay::start("r1", &redis);
    eventually("metrics", SOON, || match relay.get("/metrics").1 {
        text if text.contains("chat_relay_build_info{version=\"") => Ok(()),
        text => Err(text),
    });
}
