//! Each image on its own: without a right, without a file that it could write, and healthy only while
//! it does its work.

use std::net::SocketAddr;
use std::path::Path;

use chat_protocol::close_code;
use chat_tests::clients::client::Client;
use chat_tests::clients::wire::Wire;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::podman::{self, Container, Network, TARGETS, podman, try_podman};

const NETWORK: &str = "chat-alone";

/// Nothing of a container can be changed, and its process has no right.
#[track_caller]
fn assert_without_rights(container: &Container, user: &str) {
    let (_, id) = container.exec(&["id", "-u"]);
    assert_eq!(id.trim(), user);
    let (code, said) = container.exec(&["touch", "/usr/bin/x"]);
    assert!(code == Some(1) && said.contains("Read-only file system"), "{said}");
    let (_, status) = container.exec(&["cat", "/proc/1/status"]);
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

/// A server that answers in its own container.
#[track_caller]
fn start_redis(network: &Network, data: &str, arguments: &[&str]) -> Container {
    let volume = format!("--volume={data}:/data");
    let redis = network.start("chat-redis", &[&[&volume, "redis-chat/redis"], arguments].concat());
    eventually("Redis", LATER, || match redis.exec(&["redis-cli", "ping"]) {
        (_, said) if said.contains("PONG") || said.contains("NOAUTH") => Ok(()),
        other => Err(format!("{other:?} {}", redis.log())),
    });
    redis
}

fn start_relay(network: &Network, secret: &Path) -> Container {
    let mount = format!("--volume={}:/run/secrets/chat.secret:ro", secret.display());
    let variables = [
        "--env=CHAT_RELAY_REDIS=redis://:secret@chat-redis:6379",
        "--env=CHAT_RELAY_AUTH=jwt",
        "--env=CHAT_RELAY_JWT_SECRET_FILE=/run/secrets/chat.secret",
        "--env=CHAT_RELAY_PROBE=500ms",
        "--env=CHAT_RELAY_DRAIN_TIME=1s",
        "--env=CHAT_RELAY_NAME=r1",
    ];
    let relay =
        network.start("chat-relay", &[&[&*mount], &variables[..], &["redis-chat/relay"]].concat());
    relay.wait_healthy();
    relay
}

#[test]
fn images_serve_without_rights_and_are_healthy_only_while_they_work() {
    let Some(_turn) = podman::turn() else { return };
    let data = "chat-alone-data";
    for name in ["chat-relay", "chat-redis"] {
        // Of a run that was killed.
        try_podman(&["rm", "--force", "--time=0", name]);
    }
    try_podman(&["volume", "rm", "--force", data]);
    let network = Network::new(NETWORK);

    let redis = start_redis(&network, data, &[]);
    let address = SocketAddr::from((redis.address(NETWORK), 6379));
    let mut wire = Wire::connect(address).expect("it listens");
    let refused = format!("{:?}", wire.try_call(&["PING"]));
    assert!(refused.contains("DENIED"), "without a password: {refused}");
    drop(redis);
    let with_password = ["/etc/redis-chat/redis.conf", "--requirepass", "secret"];
    let redis = start_redis(&network, data, &with_password);
    assert_without_rights(&redis, "999");

    let dir = tempfile::tempdir().expect("a directory");
    let secret = dir.path().join("chat.secret");
    std::fs::write(&secret, "the secret of an application in a test").expect("a file");
    let relay = start_relay(&network, &secret);
    assert_without_rights(&relay, "65532");
    let token = "chat-relay token --secret-file /run/secrets/chat.secret --user alice";
    let (_, token) = relay.exec(&token.split(' ').collect::<Vec<_>>());
    let address = SocketAddr::from((relay.address(NETWORK), 8080));
    let alice = Client::connect_with_token(address, "alice", token.trim());
    alice.ok(json!({"op": "send", "room": "lobby", "text": "kept"}));

    // Frozen: when a container ends, its bridge may get another address, and loses packets meanwhile.
    podman(&["pause", "chat-redis"]);
    eventually("an unhealthy relay", LATER, || match relay.is_healthy() {
        Err(why) if why.contains("unhealthy") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let (code, said) = relay.exec(&["chat-relay", "probe"]);
    assert!(code == Some(1) && said.contains("answers 503"), "{said}");
    assert_eq!(relay.exec(&["chat-relay", "probe", "--live"]).0, Some(0), "it serves");
    podman(&["unpause", "chat-redis"]);
    relay.wait_healthy();
    let page = alice.ok(json!({"op": "history", "room": "lobby"}));
    assert_eq!(page["events"][0]["text"], "kept", "{page}");

    podman(&["stop", "--time=40", "chat-relay"]);
    assert_eq!(alice.wait_closed(LATER).code, close_code::DRAIN.number);
    assert_eq!(relay.inspect("{{.State.ExitCode}}"), "0", "{}", relay.log());
    assert!(relay.is_healthy().is_err());

    // A new container with the same volume.
    drop(redis);
    let redis = start_redis(&network, data, &with_password);
    let history = "redis-cli --no-auth-warning -a secret chat.history lobby";
    let (_, said) = redis.exec(&history.split(' ').collect::<Vec<_>>());
    assert!(said.contains("kept"), "{said}");
    drop((relay, redis, network));
    podman(&["volume", "rm", data]);
}

#[test]
fn the_server_may_be_valkey() {
    let Some(_turn) = podman::turn() else { return };
    let image = "docker.io/valkey/valkey:8.0-bookworm";
    podman::build("redis", "valkey", &[&format!("--build-arg=SERVER_IMAGE={image}")]);
    try_podman(&["rm", "--force", "--time=0", "chat-valkey"]);
    let network = Network::new(NETWORK);
    let valkey = network.start("chat-valkey", &["redis-chat/valkey"]);
    let send = ["valkey-cli", "chat.send", "lobby", "alice", "hi"];
    eventually("Valkey with the module", LATER, || match valkey.exec(&send) {
        (Some(0), said) if said.contains("-1") => Ok(()),
        other => Err(format!("{other:?} {}", valkey.log())),
    });
    assert!(valkey.exec(&["valkey-cli", "info", "server"]).1.contains("server_name:valkey"));
    assert_without_rights(&valkey, "999");
}

#[test]
fn images_say_how_they_are_run() {
    let Some(_turn) = podman::turn() else { return };
    let [redis, relay] = TARGETS.map(|target| {
        let found = podman(&["image", "inspect", &format!("redis-chat/{target}")]);
        let found: Value = serde_json::from_str(&found).expect("JSON");
        found[0].clone()
    });
    let config = &relay["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["chat-relay"]));
    assert_eq!(config["Cmd"], Value::Null);
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}, "9180/tcp": {}}));
    assert_eq!(relay["Healthcheck"]["Test"], json!(["CMD", "chat-relay", "probe"]));
    assert_eq!(redis["Config"]["User"], "999:999");
    assert_eq!(redis["Config"]["Cmd"], json!(["/etc/redis-chat/redis.conf"]));
    assert_eq!(redis["Config"]["Volumes"], json!({"/data": {}}), "of the official image");
    // Whoever reads the settings of an image finds no secret in it.
    for image in [&redis, &relay] {
        let variables = image["Config"]["Env"].to_string().to_lowercase();
        assert!(!variables.contains("secret") && !variables.contains("password"), "{variables}");
    }
}
