//! The Compose file, brought up by podman-compose: clients pass HAProxy to both relays, Prometheus reads
//! both, each service reaches only what it needs, and a relay that stops loses no message.
//!
//! Grafana is left out: Debian has no package of it to stand in for its image.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use chat_tests::clients::client::Client;
use chat_tests::port;
use chat_tests::servers::relay::get;
use chat_tests::tools::{run, said, succeed, tool};
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::podman::{self, Container, podman};

const PROJECT: &str = "chat-composed";
const SERVICES: [&str; 5] = ["redis", "relay-1", "relay-2", "haproxy", "prometheus"];

/// The project, running. Removed on drop, with its networks and volumes.
struct Project {
    /// A copy of `deploy/`, with secrets of its own.
    dir: TempDir,
    clients: SocketAddr,
    prometheus: SocketAddr,
}

impl Project {
    #[track_caller]
    fn up() -> Project {
        let dir = tempfile::tempdir().expect("a directory");
        run("cp", &["-r", "deploy", dir.path().to_str().expect("UTF-8")]);
        let _ = std::fs::remove_dir_all(dir.path().join("deploy/container/secrets"));
        let [clients, prometheus] =
            [port::free(), port::free()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let project = Project { dir, clients, prometheus };
        // Of a run that was killed.
        project.down();
        succeed(&mut Command::new(project.folder().join("make-secrets")));
        let up = ["up", "--detach", "--no-build"];
        succeed(project.compose().args(up).args(SERVICES));
        project
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("deploy/container")
    }

    fn compose(&self) -> Command {
        let mut command = podman::command("python3").expect("Podman is there");
        let tools = tool("checkers");
        command.arg(tools.join("bin/podman-compose")).args(["-p", PROJECT, "--in-pod", "false"]);
        command.args(["-f", "compose.yaml"]).current_dir(self.folder());
        command.env("PYTHONPATH", tools).env("CHAT_LISTEN", self.clients.to_string());
        command.env("PROMETHEUS_LISTEN", self.prometheus.to_string());
        command
    }

    /// Removes it. An error: there is nothing to remove.
    fn down(&self) {
        let _ = self.compose().args(["down", "--volumes", "--timeout", "0"]).output();
    }

    /// A file of its secrets.
    fn secret(&self, name: &str) -> String {
        let path = self.folder().join("secrets").join(name);
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.down();
    }
}

/// The container of a service.
fn container(service: &str) -> Container {
    Container::of(&format!("{PROJECT}_{service}_1"))
}

/// What Prometheus answers, which may come in chunks.
fn ask(prometheus: SocketAddr, path: &str) -> Result<Value, String> {
    let url = format!("http://{prometheus}{path}");
    let output = Command::new("curl").args(["-sf", &url]).output().expect("curl runs");
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", said(&output)))
}

/// Whether a connection from this container to `host/port` comes about.
fn reaches(from: &Container, address: &str) -> bool {
    let line = format!("exec 3<>/dev/tcp/{address}");
    from.exec(&["timeout", "2", "bash", "-c", &line]).0 == Some(0)
}

#[test]
fn the_compose_file_serves_clients_and_keeps_services_apart() {
    let Some(_turn) = podman::turn() else { return };
    let project = Project::up();
    let [redis, first, second, haproxy, prometheus] = SERVICES.map(container);
    for healthy in [&redis, &first, &second] {
        healthy.wait_healthy();
    }
    let token = |user: &str| {
        let file = "/run/secrets/chat.secret";
        let words = ["chat-relay", "token", "--secret-file", file, "--user", user];
        first.exec(&words).1.trim().to_owned()
    };
    let ready = || match get(project.clients, "/readyz") {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?} {}", haproxy.log())),
    };
    eventually("HAProxy with relays", LATER, ready);
    let users = ["alice", "bob", "carol", "dave"];
    let clients = users.map(|user| Client::connect_with_token(project.clients, user, &token(user)));
    for client in &clients {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let relays = clients.each_ref().map(|client| client.hello["relay"].clone());
    assert!(relays.contains(&json!("r1")) && relays.contains(&json!("r2")), "{relays:?}");
    clients[0].ok(json!({"op": "send", "room": "lobby", "text": "to all"}));
    for client in &clients {
        assert_eq!(client.next_of("lobby", "message").json["text"], "to all");
    }
    // Each client by its own address, which HAProxy tells.
    assert_eq!(get(project.clients, "/metrics").expect("an answer").0, 404);

    eventually("both relays in Prometheus", LATER, || {
        let targets = ask(project.prometheus, "/api/v1/query?query=up")?;
        let ups: Vec<_> = targets["data"]["result"].as_array().into_iter().flatten().collect();
        let is_up = |one: &&&Value| one["metric"]["job"] == "chat-relay" && one["value"][1] == "1";
        if ups.iter().filter(is_up).count() == 2 { Ok(()) } else { Err(targets.to_string()) }
    });
    let rules = ask(project.prometheus, "/api/v1/rules").expect("rules").to_string();
    assert!(rules.contains("ChatRelayWithoutRedis"), "{rules}");

    keeps_apart(&redis, &first, &haproxy, &prometheus);
    knows_its_users(&redis, &project);

    // One relay stops as in an upgrade; its clients find the other by HAProxy.
    let stopped = podman(&["stop", "--time=40", &format!("{PROJECT}_relay-1_1")]);
    assert!(!stopped.is_empty());
    assert_eq!(first.inspect("{{.State.ExitCode}}"), "0", "{}", first.log());
    eventually("HAProxy with a relay", LATER, ready);
    let late = Client::connect_with_token(project.clients, "late", &{
        let words = ["chat-relay", "token", "--secret-file", "/run/secrets/chat.secret"];
        second.exec(&[&words[..], &["--user", "late"]].concat()).1.trim().to_owned()
    });
    assert_eq!(late.hello["relay"], "r2");
    let page = late.ok(json!({"op": "history", "room": "lobby"}));
    assert_eq!(page["events"][0]["text"], "to all", "{page}");
}

/// Redis is reached by relays alone, and reaches nothing. Whether other networks reach each other is for
/// the firewall of Docker or Podman.
#[track_caller]
fn keeps_apart(redis: &Container, relay: &Container, haproxy: &Container, prometheus: &Container) {
    for (from, to) in
        [(relay, "redis/6379"), (haproxy, "relay-2/8080"), (prometheus, "relay-2/9180")]
    {
        // The names of containers are answered late on a busy machine.
        eventually(to, LATER, || reaches(from, to).then_some(()).ok_or_else(String::new));
    }
    // By address, since they would not know the name.
    let at = |to: &Container, network: &str, port: u16| {
        format!("{}/{port}", to.address(&format!("{PROJECT}_{network}")))
    };
    for (from, to) in [
        (haproxy, at(redis, "store", 6379)),
        (prometheus, at(redis, "store", 6379)),
        (redis, at(haproxy, "edge", 8000)),
        (redis, at(relay, "edge", 8080)),
    ] {
        assert!(!reaches(from, &to), "{to}");
    }
    for container in [redis, relay, haproxy, prometheus] {
        let (_, said) = container.exec(&["touch", "/etc/x"]);
        assert!(said.contains("Read-only file system"), "{said}");
        let (_, status) = container.exec(&["cat", "/proc/1/status"]);
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    }
}

/// Who has no password may ask whether Redis lives, and nothing else.
#[track_caller]
fn knows_its_users(redis: &Container, project: &Project) {
    assert_eq!(redis.exec(&["redis-cli", "-e", "ping"]).1.trim(), "PONG");
    for refused in [&["get", "x"][..], &["chat.history", "lobby"], &["config", "get", "dir"]] {
        let (_, said) = redis.exec(&[&["redis-cli", "-e"], refused].concat());
        assert!(said.contains("NOPERM"), "{refused:?}: {said}");
    }
    let operator = project.secret("operator.password");
    let as_operator = ["redis-cli", "--no-auth-warning", "--user", "operator", "--pass", &operator];
    let (_, said) = redis.exec(&[&as_operator[..], &["config", "get", "appendonly"]].concat());
    assert!(said.contains("yes"), "{said}");
    let users = project.secret("users.acl");
    for password in ["operator.password", "redis.password"] {
        assert!(!users.contains(&project.secret(password)), "only digests");
    }
}

#[test]
fn secrets_stay_and_only_their_owner_finds_them() {
    let dir = tempfile::tempdir().expect("a directory");
    for file in ["make-secrets", "users.acl"] {
        let to = dir.path().join(file);
        std::fs::copy(chat_tests::servers::artefacts::deployed("container").join(file), to)
            .expect("copied");
    }
    let make = || succeed(&mut Command::new(dir.path().join("make-secrets")));
    let read = |name: &str| std::fs::read(dir.path().join("secrets").join(name)).expect("a file");
    make();
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().expect("a file").permissions().mode() & 0o777
    };
    assert_eq!(mode(&dir.path().join("secrets")), 0o700);
    let names = ["chat.secret", "redis.password", "operator.password", "grafana.password"];
    let before = names.map(read);
    assert!(before.iter().all(|secret| secret.len() == 64 && !secret.contains(&b'\n')));
    let acl = read("users.acl");
    make();
    assert_eq!((names.map(read), read("users.acl")), (before, acl), "nothing is made anew");
}
