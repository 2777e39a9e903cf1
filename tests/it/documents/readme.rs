//! The two samples of `README.md`, as they are written, and its size.

use chat_tests::clients::browser::Browser;
use chat_tests::documents::{blocks, read, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::LATER;
use serde_json::{Value, json};

use super::session::Session;

const DOCUMENT: &str = "README.md";
const LINES_MAX: usize = 130;
const COLUMNS_MAX: usize = 120;

/// Where a relay serves the file that the sample imports.
const MODULES: [(&str, &str); 1] = [("'./sdk/dist/redis-chat.js'", "'/sdk.js'")];

#[test]
fn the_samples_of_the_readme_answer_and_print_what_it_shows() {
    let text = read(DOCUMENT);
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let sessions = blocks(&text, "console");
    assert_eq!(sessions.len(), 1);
    Session::on(&redis).run(&sessions[0]);

    let part = section(&text, "## From JavaScript");
    let sample = blocks(part, "js").remove(0);
    let sample = sample.replace("127.0.0.1:8080", &relay.address().to_string());
    let sample = MODULES.iter().fold(sample, |sample, (from, to)| sample.replace(from, to));
    // An expression cannot hold an import declaration: the same as a call.
    let sample =
        sample.replacen("import {", "const {", 1).replacen("} from '", "} = await import('", 1);
    let sample = sample.replacen(".js';", ".js');", 1);
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/healthz", relay.address()));
    page.wait("location.pathname", &json!("/healthz"), LATER);
    let token = issuer.token_of("carol", json!({}));
    page.evaluate(&format!(
        "(async () => {{ globalThis.printed = []; \
         const process = {{ env: {{ TOKEN: '{token}' }} }}; \
         const console = {{ log: (line) => printed.push(line) }};\n{sample}\n}})()"
    ));
    let shown: Vec<Value> =
        blocks(part, "text").iter().flat_map(|block| block.lines()).map(Value::from).collect();
    assert!(!shown.is_empty());
    page.wait("globalThis.printed", &json!(shown), LATER);
}

#[test]
fn the_readme_is_short() {
    let text = read(DOCUMENT);
    assert!(text.lines().count() <= LINES_MAX, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS_MAX, "{} columns: {line}", line.chars().count());
    }
}
