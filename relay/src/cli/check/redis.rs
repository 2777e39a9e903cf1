//! What is checked of Redis: reachable, the module, rights, memory, clock, settings that must agree.

use std::time::Duration;

use chat_protocol::limits::MODULE_VERSION;
use chat_protocol::slot::SLOTS;
use futures_util::future::join_all;

use crate::auth::LEEWAY;
use crate::cli::check::answer::of;
use crate::cli::check::cluster;
use crate::cli::check::finding::Finding;
use crate::config::{Config, RedisSettings};
use crate::upstream::{
    Coverage, Greeting, Inspection, Mode, OperatorView, Problem, inspect, survey,
};

/// Clocks that differ by more are worth a line.
const CLOCKS_AGREE_MS: u64 = 1000;

/// Everything about Redis.
pub(super) async fn findings(config: &Config, operator: Option<RedisSettings>) -> Vec<Finding> {
    let (redis, relay) = (&config.redis, &*config.name);
    let found = match survey(redis, relay).await {
        Ok(found) => found,
        Err(problem) => {
            let text = format_args!("{problem}; --redis names {}", redis.servers);
            return vec![Finding::error("redis", text)];
        }
    };
    let mut findings: Vec<Finding> = found.coverage.map(coverage).into_iter().collect();
    findings.extend(found.unusable.iter().map(|(seed, problem)| {
        Finding::warning("redis", format_args!("{seed} of --redis cannot be used: {problem}"))
    }));
    let looks = found.primaries.iter().map(|server| async {
        let inspection = inspect(server, redis, operator.as_ref(), relay).await;
        let findings = match &inspection {
            Ok(inspection) => of_server(inspection, config, server.mode),
            Err(problem) => vec![unusable(problem, &server.endpoint.to_string())],
        };
        (server.endpoint.to_string(), findings)
    });
    let of_servers = join_all(looks).await;
    findings.extend(match found.coverage {
        Some(_) => merged(of_servers),
        None => of_servers.into_iter().flat_map(|(_, findings)| findings).collect(),
    });
    findings
}

/// What is found at several servers, each finding once, with the servers that it is about.
fn merged(of_servers: Vec<(String, Vec<Finding>)>) -> Vec<Finding> {
    let count = of_servers.len();
    let mut merged: Vec<(Finding, Vec<String>)> = Vec::new();
    for (server, findings) in of_servers {
        for finding in findings {
            match merged.iter_mut().find(|(known, _)| *known == finding) {
                // Two settings of one server may come to the same line.
                Some((_, servers)) if servers.last() == Some(&server) => {}
                Some((_, servers)) => servers.push(server.clone()),
                None => merged.push((finding, vec![server.clone()])),
            }
        }
    }
    let named = |(finding, servers): (Finding, Vec<String>)| match servers.len() == count {
        true if count == 1 => finding,
        true => finding.of(&format!("all {count} primaries")),
        false => finding.of(&servers.join(", ")),
    };
    merged.into_iter().map(named).collect()
}

fn coverage(found: Coverage) -> Finding {
    let all = usize::from(SLOTS);
    match found.slots {
        slots if slots < all => Finding::error(
            "cluster",
            format_args!("{} of {all} slots have no owner: their rooms are away", all - slots),
        ),
        _ if !found.is_ok => Finding::error("cluster", "its nodes find it not in order"),
        slots => Finding::ok("cluster", format_args!("all {slots} slots have an owner")),
    }
}

fn unusable(problem: &Problem, server: &str) -> Finding {
    let hint = match problem.kind() {
        "no_tls" => "; Redis 7.0 names its ports without TLS unless tls-cluster is yes",
        _ => "",
    };
    Finding::error("redis", format_args!("{problem}; the cluster names {server}{hint}"))
}

fn of_server(inspection: &Inspection, config: &Config, mode: Mode) -> Vec<Finding> {
    let mut findings = vec![reached(&inspection.greeting)];
    findings.extend(module(inspection));
    findings.extend(inspection.problems.iter().map(problem));
    if inspection.problems.is_empty() {
        findings.push(Finding::ok("rights", "all commands, keys and channels that a relay uses"));
    }
    match &inspection.operator {
        Ok(view) => {
            findings.extend(operator_view(view, config.nonce_window));
            if mode == Mode::Cluster {
                findings.extend(cluster::settings(view));
            }
        }
        Err(problem) => findings.push(Finding::error("--operator-redis", problem)),
    }
    findings
}

fn reached(greeting: &Greeting) -> Finding {
    let server = format!("{} {}", greeting.server, greeting.version);
    match server.trim() {
        "" => Finding::ok("redis", "answers"),
        server => Finding::ok("redis", format_args!("{server} answers")),
    }
}

fn module(inspection: &Inspection) -> Option<Finding> {
    let has_module = !inspection.problems.contains(&Problem::NoModule);
    let expected = i64::from(MODULE_VERSION);
    Some(match inspection.greeting.module_version.filter(|_| has_module)? {
        version if version < expected => Finding::error(
            "module",
            format_args!("version {version} is older than this relay's, {expected}"),
        ),
        version if version > expected => Finding::warning(
            "module",
            format_args!("version {version} is newer than this relay's, {expected}"),
        ),
        version => Finding::ok("module", format_args!("version {version}")),
    })
}

fn problem(problem: &Problem) -> Finding {
    let about = match problem.kind() {
        "permission" => "rights",
        "module" => "module",
        _ => "redis",
    };
    Finding::error(about, problem)
}

fn operator_view(view: &OperatorView, nonce_window: Duration) -> Vec<Finding> {
    vec![
        of(&view.clock_ahead_ms, "clock", |&ahead_ms| clock(ahead_ms)),
        of(&view.setting("maxmemory-policy"), "memory", |policy| memory(policy)),
        of(&view.number("chat.nonce-window"), "nonces", |&ms| nonces(ms, nonce_window)),
    ]
}

fn clock(ahead_ms: i64) -> Finding {
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let text = format!("Redis is {} ms {side} this machine", ahead_ms.unsigned_abs());
    if ahead_ms.unsigned_abs() > LEEWAY * 1000 {
        Finding::error("clock", text)
    } else if ahead_ms.unsigned_abs() > CLOCKS_AGREE_MS {
        Finding::warning("clock", text)
    } else {
        Finding::ok("clock", text)
    }
}

fn memory(policy: &str) -> Finding {
    match policy {
        "noeviction" => Finding::ok("memory", "maxmemory-policy is noeviction"),
        policy => Finding::error(
            "memory",
            format_args!(
                "maxmemory-policy is {policy}, which evicts whole rooms: set it to noeviction"
            ),
        ),
    }
}

fn nonces(window_ms: u64, configured: Duration) -> Finding {
    let configured_ms = u64::try_from(configured.as_millis()).unwrap_or(u64::MAX);
    let text = format!(
        "--nonce-window is {configured_ms} ms, chat.nonce-window of Redis is {window_ms} ms"
    );
    match configured_ms.cmp(&window_ms) {
        std::cmp::Ordering::Equal => Finding::ok("nonces", text),
        std::cmp::Ordering::Less => {
            Finding::warning("nonces", format!("{text}: sends are given up too early"))
        }
        std::cmp::Ordering::Greater => {
            Finding::error("nonces", format!("{text}: a send that waits may be stored twice"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Level;

    #[test]
    fn what_may_lose_something_is_an_error() {
        use Level::{Error, Ok, Warning};
        let five_minutes = Duration::from_secs(300);
        let rows = [
            (clock(0), Ok),
            (clock(-1000), Ok),
            (clock(1001), Warning),
            (clock(-30_000), Warning),
            (clock(30_001), Error),
            (clock(i64::MIN), Error),
            (memory("noeviction"), Ok),
            (memory("allkeys-lru"), Error),
            (memory("volatile-ttl"), Error),
            (nonces(300_000, five_minutes), Ok),
            (nonces(600_000, five_minutes), Warning),
            (nonces(299_999, five_minutes), Error),
            (of(&Err::<u64, _>("NOPERM x".into()), "clock", |_| memory("")), Warning),
            (of(&Err::<u64, _>("ERR x".into()), "clock", |_| memory("")), Warning),
        ];
        for (finding, level) in rows {
            assert_eq!(finding.level, level, "{finding}");
        }
    }

    #[test]
    fn each_server_is_named_once() {
        let unreadable = || Finding::warning("failover", "not readable");
        let server = |name: &str| (name.to_owned(), vec![unreadable(), unreadable()]);
        let (one, other) = (server("a:1"), ("b:2".to_owned(), vec![]));
        let lines = |servers| merged(servers).iter().map(Finding::to_string).collect::<Vec<_>>();
        assert_eq!(
            lines(vec![server("a:1"), server("b:2")]),
            ["warning failover: not readable (all 2 primaries)"]
        );
        assert_eq!(lines(vec![one, other]), ["warning failover: not readable (a:1)"]);
    }

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::error("keys", "a\r\nb\0");
        assert_eq!(finding.to_string(), "error   keys: a  b ");
    }
}
