//! The primaries: what each says of itself, by the fields that are listed here.

use futures_util::future::join_all;

use crate::cli::check::Checked;
use crate::cli::doctor::page::{Page, pair};
use crate::upstream::{Answer, Pairs, Problem, describe as ask, survey};

/// Primaries that are described.
const SERVERS_MAX: usize = 3;
/// Fields of `INFO chat`, which are all numbers.
const CHAT_MAX: usize = 80;
/// Sections of `INFO`, and which of their fields are shown.
const SECTIONS: &[(&str, &[&str])] = &[
    ("server", &["redis_mode", "server_mode", "os", "arch_bits", "uptime_in_seconds"]),
    ("clients", &["connected_clients", "blocked_clients", "maxclients", "pubsub_clients"]),
    (
        "memory",
        &[
            "used_memory",
            "used_memory_rss",
            "used_memory_peak",
            "maxmemory",
            "maxmemory_policy",
            "mem_fragmentation_ratio",
            "total_system_memory",
        ],
    ),
    (
        "persistence",
        &[
            "loading",
            "aof_enabled",
            "aof_last_write_status",
            "aof_last_bgrewrite_status",
            "aof_rewrite_in_progress",
            "rdb_last_bgsave_status",
            "rdb_bgsave_in_progress",
            "rdb_last_save_time",
            "rdb_changes_since_last_save",
        ],
    ),
    (
        "replication",
        &[
            "role",
            "connected_slaves",
            "min_slaves_good_slaves",
            "master_link_status",
            "master_failover_state",
            "repl_backlog_active",
            "repl_backlog_size",
        ],
    ),
    (
        "stats",
        &[
            "total_connections_received",
            "rejected_connections",
            "instantaneous_ops_per_sec",
            "evicted_keys",
            "expired_keys",
            "sync_full",
            "sync_partial_ok",
            "sync_partial_err",
            "pubsubshard_channels",
            "latest_fork_usec",
            "acl_access_denied_cmd",
        ],
    ),
    ("chat", &[]),
];
/// Patterns of `CONFIG GET`.
const SETTINGS: &[&str] = &[
    "chat.*",
    "appendonly",
    "appendfsync",
    "min-replicas-to-write",
    "client-output-buffer-limit",
    "cluster-node-timeout",
];

/// Adds what the primaries say of themselves.
pub(super) async fn describe(page: &mut Page, checked: &Checked) {
    let (config, relay) = (&checked.config, &*checked.config.name);
    let redis = checked.operator.as_ref().unwrap_or(&config.redis);
    let found = match survey(&config.redis, relay).await {
        Ok(found) => found,
        Err(problem) => return unreadable(page, "Redis", &problem),
    };
    let sections: Vec<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
    let some = found.primaries.iter().take(SERVERS_MAX);
    let asked = some.map(|server| ask(server, redis, relay, &sections, SETTINGS));
    let answers = join_all(asked).await;
    for (server, answer) in found.primaries.iter().zip(answers) {
        let name = format!("Redis at {}", server.endpoint);
        match answer {
            Err(problem) => unreadable(page, &name, &problem),
            Ok(described) => {
                page.heading(&name);
                let greeting = &described.greeting;
                let module = greeting.module_version.map_or("none".to_owned(), |n| n.to_string());
                let words = [
                    pair("server", &greeting.server),
                    pair("version", &greeting.version),
                    pair("chat_module", &module),
                ];
                page.words("version", words);
                for ((section, known), fields) in SECTIONS.iter().zip(&described.sections) {
                    answered(page, section, fields, |name| match *section {
                        "chat" => name.starts_with("chat_"),
                        _ => known.contains(&name),
                    });
                }
                let settings = described.settings.into_iter().collect::<Answer<Vec<Pairs>>>();
                answered(page, "settings", &settings.map(|all| all.concat()), |_| true);
            }
        }
    }
    if let Some(more) = found.primaries.len().checked_sub(SERVERS_MAX).filter(|more| *more > 0) {
        page.heading(&format!("and {more} more primaries"));
    }
}

fn unreadable(page: &mut Page, server: &str, problem: &Problem) {
    page.heading(server);
    page.line(&format!("cannot be read: {problem}"));
}

/// Adds those fields of an answer that are known and well-formed.
fn answered(page: &mut Page, label: &str, answer: &Answer<Pairs>, is_known: impl Fn(&str) -> bool) {
    match answer {
        Ok(fields) => {
            let known = fields.iter().filter(|(name, _)| is_known(name) && is_word(name));
            let shown = known.take(CHAT_MAX).map(|(name, value)| pair(short(name), value));
            page.words(label, shown);
        }
        Err(why) if why.starts_with("NOPERM") => {
            page.line(&format!(
                "{label}: not readable as this user; --operator-redis names one who may"
            ));
        }
        Err(why) => page.line(&format!("{label}: not readable: {why}")),
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("chat_").unwrap_or(name)
}

fn is_word(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 60 && name.bytes().all(|byte| is_letter(byte) || b"_.-".contains(&byte))
}
