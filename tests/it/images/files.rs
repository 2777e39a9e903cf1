//! The files of `deploy/container` and `deploy/kubernetes` against the tool or the schema that each is
//! for; the settings of relays in them against a relay; and what two of them must say alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use chat_tests::documents::{acl_line, acl_line_of, code_words, read, rows, section};
use chat_tests::servers::artefacts::{self, deployed};
use chat_tests::servers::redis::Redis;
use chat_tests::tools::{missing_here, run, said, succeed, tool};
use chat_tests::yaml;
use serde_json::{Value, json};

use super::podman::TARGETS;

const SECRETS: [(&str, &str); 2] =
    [("redis.password", "secret"), ("chat.secret", "the secret of an application in a test")];
/// The versions of Kubernetes whose schemas the manifest must satisfy.
const KUBERNETES: [&str; 2] = ["v1.27.0", "v1.37.0"];

/// A program or folder that `.ci/setup test` fetches. `None`: it is missing, as was said.
fn checker(path: &str) -> Option<std::path::PathBuf> {
    let found = tool("checkers").join(path);
    if !found.exists() {
        missing_here(&format!("{} is missing: run .ci/setup test", found.display()));
        return None;
    }
    Some(found)
}

/// The Compose file as the loader of Docker Compose understands it.
fn composed() -> Option<Value> {
    let loader = checker("bin/compose-spec")?;
    let mut command = Command::new(loader);
    command.args(["--format", "json", "compose.yaml"]).current_dir(deployed("container"));
    Some(serde_json::from_str(&succeed(&mut command)).expect("JSON"))
}

/// The documents of the manifest, by kind.
fn manifest() -> BTreeMap<String, Value> {
    let all = yaml::documents(&read("deploy/kubernetes/relay.yaml"));
    all.into_iter().map(|one| (one["kind"].as_str().expect("a kind").to_owned(), one)).collect()
}

/// The seconds of a duration like `45s`.
fn seconds(value: &Value) -> u64 {
    let text = value.as_str().and_then(|text| text.strip_suffix('s'));
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("not seconds: {value}"))
}

/// Fails unless `chat-relay check` finds no error in these variables, with those of the image. Addresses
/// and paths of secrets are replaced by those of the test.
#[track_caller]
fn assert_accepted(variables: &BTreeMap<String, String>) {
    let redis = Redis::start();
    let user = acl_line();
    let user: Vec<&str> = user.iter().map(String::as_str).collect();
    redis.call(&[&["ACL", "SETUSER"], &user[..]].concat());
    let dir = tempfile::tempdir().expect("a directory");
    for (name, secret) in SECRETS {
        std::fs::write(dir.path().join(name), secret).expect("a file");
    }
    let mut command = Command::new(artefacts::relay());
    command.arg("check").env_clear().envs(image_variables());
    for (name, value) in variables {
        let value = match value.rsplit_once('/') {
            Some((folder, file)) if folder.starts_with("/run/secrets") => {
                dir.path().join(file).to_str().expect("UTF-8").to_owned()
            }
            _ => value.replace("redis:6379", redis.url().trim_start_matches("redis://")),
        };
        command.env(name, value);
    }
    command.args(["--listen=127.0.0.1:0", "--listen-ops=127.0.0.1:0"]);
    let output = command.output().expect("it runs");
    let said = said(&output);
    assert!(output.status.success() && !said.contains("error "), "{variables:?}: {said}");
    // Whoever may read another user's times and settings is not this user.
    let warnings = said.lines().filter(|line| line.starts_with("warning"));
    let others = warnings.filter(|line| !line.contains("--operator-redis")).collect::<Vec<_>>();
    assert_eq!(others, [""; 0]);
}

/// The variables of the image of the relay.
fn image_variables() -> BTreeMap<String, String> {
    let text = read("deploy/container/Dockerfile");
    let words = text.split_whitespace().filter(|word| word.starts_with("CHAT_RELAY_"));
    let pairs = words.filter_map(|word| word.split_once('='));
    let pairs: BTreeMap<_, _> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(pairs.len(), 2, "{pairs:?}");
    pairs
}

/// The port of the image at this variable.
fn image_port(variable: &str) -> u64 {
    let port = image_variables()[variable].rsplit(':').next().and_then(|port| port.parse().ok());
    port.expect("a port")
}

fn texts(object: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = object.as_object().expect("an object").iter();
    members.map(|(name, value)| (name.clone(), text(value))).collect()
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let Some(hadolint) = checker("bin/hadolint") else { return };
    let check = |file: &Path| Command::new(&hadolint).arg(file).output().expect("it runs");
    let found = check(&deployed("container/Dockerfile"));
    assert!(found.status.success(), "{}", said(&found));
    // The check itself.
    let dir = tempfile::tempdir().expect("a directory");
    let planted =
        read("deploy/container/Dockerfile").replace("ARG SERVER_IMAGE=", "RUN cd /x\nARG X=");
    std::fs::write(dir.path().join("Dockerfile"), planted).expect("a file");
    assert!(!check(&dir.path().join("Dockerfile")).status.success());
}

#[test]
fn every_service_of_the_compose_file_is_hardened_and_fits_the_others() {
    let Some(project) = composed() else { return };
    let services = project["services"].as_object().expect("services");
    assert_eq!(services.len(), 6);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        assert!(service["environment"].to_string().to_lowercase().find("\"secret").is_none());
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: unless somebody says otherwise");
        }
    }
    assert_eq!(project["networks"]["store"]["internal"], true);
    let network = &project["networks"]["edge"]["ipam"]["config"][0]["subnet"];
    let balancer = texts(&services["haproxy"]["environment"]);
    let names: BTreeSet<String> = balancer.into_values().collect();
    let relays = ["relay-1", "relay-2"];
    let expected = relays.map(|name| format!("{name}:{}", image_port("CHAT_RELAY_LISTEN")));
    assert_eq!(names, expected.into());
    for name in relays {
        let relay = &services[name];
        let settings = texts(&relay["environment"]);
        assert_eq!(settings["CHAT_RELAY_TRUSTED_PROXIES"], network.as_str().expect("a network"));
        let drain = seconds(&settings["CHAT_RELAY_DRAIN_DELAY"].as_str().into()) + 25;
        assert!(seconds(&relay["stop_grace_period"]) >= drain + 5, "{name}");
        assert_accepted(&settings);
    }
    let scraped = yaml::documents(&read("deploy/container/prometheus.yml")).remove(0);
    let job = &scraped["scrape_configs"][0];
    assert_eq!(job["job_name"], "chat-relay", "as the alerts expect");
    let expected = relays.map(|name| format!("{name}:{}", image_port("CHAT_RELAY_LISTEN_OPS")));
    assert_eq!(job["static_configs"][0]["targets"], json!(expected));
}

#[test]
fn the_loader_of_compose_refuses_what_is_wrong() {
    let Some(loader) = checker("bin/compose-spec") else { return };
    let text = read("deploy/container/compose.yaml");
    for (old, new) in [
        ("read_only: true", "read_onli: true"),
        ("internal: true", "internal: [1]"),
        ("secrets: [users.acl]", "secret: [users.acl]"),
        ("tmpfs: [/tmp]", "tmpfs: { /tmp: 1 }"),
        ("redis: { condition: service_healthy }", "redis: { condition: healthy }"),
    ] {
        assert!(text.contains(old), "{old}");
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("compose.yaml"), text.replace(old, new)).expect("a file");
        let mut command = Command::new(&loader);
        let output = command.arg("compose.yaml").current_dir(dir.path()).output();
        assert!(!output.expect("it runs").status.success(), "{new}");
    }
}

#[test]
fn what_the_compose_file_mounts_fits() {
    // HAProxy with the addresses of the services, none of which this machine knows.
    let file = deployed("haproxy.cfg");
    let mut haproxy = Command::new("haproxy");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").expect("a path"));
    haproxy.env("PATH", path).env("RELAY_1", "relay-1:8080").env("RELAY_2", "relay-2:8080");
    succeed(haproxy.arg("-c").arg("-f").arg(file));
    // Prometheus, with the alerts beside its settings.
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().to_str().expect("UTF-8");
    run("cp", &["deploy/container/prometheus.yml", "deploy/alerts.yml", folder]);
    run("promtool", &["check", "config", &format!("{folder}/prometheus.yml")]);
    // Grafana, which cannot be run here.
    let compose = read("deploy/container/compose.yaml");
    let dashboards = yaml::documents(&read("deploy/container/grafana/dashboards.yaml")).remove(0);
    let folder = dashboards["providers"][0]["options"]["path"].as_str().expect("a path");
    assert!(compose.contains(&format!("../grafana-dashboard.json:{folder}/")), "{folder}");
    let source = yaml::documents(&read("deploy/container/grafana/datasource.yaml")).remove(0);
    assert_eq!(source["datasources"][0]["url"], "http://prometheus:9090");
    // Redis: the documented line, with another password.
    let mut documented = acl_line();
    documented
        .iter_mut()
        .filter(|word| *word == ">secret")
        .for_each(|word| *word = ">relay".into());
    assert_eq!(acl_line_of("deploy/container/users.acl"), documented);
}

#[test]
fn the_manifest_satisfies_the_schemas_of_kubernetes() {
    let Some(schemas) = checker("kubernetes_validate/kubernetes-json-schema") else { return };
    let all = manifest();
    assert_eq!(all.len(), 6, "one of each kind");
    for version in KUBERNETES {
        let folder = schemas.join(format!("{version}-local-strict"));
        for document in all.values() {
            let errors = errors(&folder, document);
            assert!(errors.is_empty(), "{version}: {}: {errors:?}", document["kind"]);
        }
        // The check itself.
        let mut wrong = all["Deployment"].clone();
        wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = json!({});
        wrong["spec"]["minReadySeconds"] = json!("10s");
        assert!(errors(&folder, &wrong).len() >= 2, "{version}");
    }
}

/// What a document has that its schema does not allow.
fn errors(folder: &Path, document: &Value) -> Vec<String> {
    let text = |field: &str| document[field].as_str().expect("a text").to_lowercase();
    // rbac.authorization.k8s.io/v1 has files that end in -rbac-v1.json.
    let version = text("apiVersion");
    let version = match version.split_once('/') {
        Some((group, version)) => {
            format!("{}-{version}", group.split('.').next().unwrap_or_default())
        }
        None => version,
    };
    let read = |name: &str| {
        let path = folder.join(name);
        let read = std::fs::read_to_string(&path);
        read.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    // The definitions come into the schema, whose references name their file.
    let schema = read(&format!("{}-{version}.json", text("kind")));
    let mut schema: Value =
        serde_json::from_str(&schema.replace("/api/_definitions.json#", "#")).expect("JSON");
    let definitions: Value = serde_json::from_str(&read("_definitions.json")).expect("JSON");
    schema["$defs"] = definitions["$defs"].clone();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    validator.iter_errors(document).map(|error| error.to_string()).collect()
}

#[test]
fn the_manifest_gives_relays_time_to_drain_and_settings_that_they_take() {
    let all = manifest();
    let deployment = &all["Deployment"]["spec"];
    let pod = &deployment["template"]["spec"];
    let [container] = &pod["containers"].as_array().expect("containers")[..] else {
        panic!("one container")
    };
    let settings = texts(&all["ConfigMap"]["data"]);
    let time = |name: &str| seconds(&settings[name].as_str().into());
    let (delay, drain) = (time("CHAT_RELAY_DRAIN_DELAY"), time("CHAT_RELAY_DRAIN_TIME"));
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    assert!(grace >= delay + drain + 5, "{grace} s");
    let probe = &container["readinessProbe"];
    let number = |name: &str| probe[name].as_u64().expect("a number");
    assert!(number("periodSeconds") * number("failureThreshold") < delay, "{probe}");
    for (name, path) in
        [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz"), ("startupProbe", "/healthz")]
    {
        assert_eq!(container[name]["httpGet"], json!({"path": path, "port": "ops"}), "{name}");
    }
    let ports = json!([
        {"name": "clients", "containerPort": image_port("CHAT_RELAY_LISTEN")},
        {"name": "ops", "containerPort": image_port("CHAT_RELAY_LISTEN_OPS")},
    ]);
    assert_eq!(container["ports"], ports, "those of the image");
    let labels = &deployment["template"]["metadata"]["labels"];
    for selector in [
        &deployment["selector"]["matchLabels"],
        &pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        &all["Service"]["spec"]["selector"],
        &all["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        &all["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    assert_eq!(all["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"], "chat-relay");
    assert!(container["resources"]["requests"]["cpu"].is_string(), "what it scales by");
    // The user of the image, and every file of the secret where the settings look for it.
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert!(read("deploy/container/Dockerfile").contains("\nUSER 65532:65532\n"));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let folder = container["volumeMounts"][0]["mountPath"].as_str().expect("a path");
    for (name, value) in settings.iter().filter(|(name, _)| name.ends_with("_FILE")) {
        assert!(value.starts_with(&format!("{folder}/")), "{name}");
    }
    // A generated name of a pod is not too long for a relay's.
    let name = format!("{}-0123456789-01234", all["Deployment"]["metadata"]["name"]);
    let mut settings = settings;
    settings.insert("CHAT_RELAY_NAME".into(), name.replace('"', ""));
    assert_accepted(&settings);
}

#[test]
fn the_document_names_what_there_is() {
    let text = read("docs/install.md");
    let dockerfile = read("deploy/container/Dockerfile");
    let arguments = dockerfile.lines().filter_map(|line| line.strip_prefix("ARG "));
    for (name, image) in arguments.map(|line| line.split_once('=').expect("a default")) {
        let short = image.trim_start_matches("docker.io/library/");
        assert!(text.contains(&format!("| `{name}` | `{short}` |")), "{name}");
    }
    for target in TARGETS {
        let line = format!("    docker build -f deploy/container/Dockerfile --target {target} ");
        assert!(text.contains(&line) && dockerfile.contains(&format!(" AS {target}\n")), "{line}");
    }
    let compose = section(&text, "## Compose");
    let listed: BTreeSet<String> =
        rows(compose).iter().flat_map(|row| code_words(&row[0])).map(str::to_owned).collect();
    let file = read("deploy/container/compose.yaml");
    let services = &yaml::documents(&file)[0]["services"];
    assert_eq!(listed, services.as_object().expect("services").keys().cloned().collect());
    // Each variable, with its default.
    for rest in file.split("${CHAT_").skip(1).chain(file.split("_LISTEN:-").skip(1)) {
        let default = rest.split_once('}').expect("its end").0;
        let (name, value) = default.split_once(":-").unwrap_or(("", default));
        assert!(compose.contains(name) && compose.contains(value), "{default}");
    }
    let kinds = rows(section(&text, "## Kubernetes"));
    let kinds: BTreeSet<String> = kinds.iter().map(|row| row[0].clone()).collect();
    assert_eq!(kinds, manifest().into_keys().collect());
    let [oldest, newest] =
        KUBERNETES.map(|version| version.trim_start_matches('v').trim_end_matches(".0"));
    assert!(text.contains(&format!("schemas of Kubernetes {oldest} and {newest}")));
}
