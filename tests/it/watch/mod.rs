//! Watching patterns of rooms from a socket.

use chat_tests::clients::client::Client;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::json;

mod events;
mod holes;
mod rights;
mod shards;
mod twice;

/// Watches a pattern.
#[track_caller]
fn watch(client: &Client, pattern: &str) {
    client.ok(json!({"op": "watch", "match": pattern}));
}

/// The ids of the durable events of a room that have arrived, in order.
fn ids(client: &Client, room: &str) -> Vec<String> {
    let events = client.events(room);
    events.iter().filter_map(|event| event.json["id"].as_str().map(str::to_owned)).collect()
}

/// A Redis and a relay that is ready.
#[track_caller]
fn servers() -> (Redis, Relay) {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    relay.wait_ready();
    (redis, relay)
}
