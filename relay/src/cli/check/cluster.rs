//! Settings of the nodes of a cluster that decide how it fails over, and what a relay then notices.

use crate::cli::check::answer::of;
use crate::cli::check::finding::Finding;
use crate::upstream::OperatorView;

/// Above this, all is not back within ten seconds after a primary fails.
const NODE_TIMEOUT_MAX_MS: u64 = 5000;
/// Bytes that may wait for a relay before the server cuts it off.
const PUBSUB_BUFFER_MIN: u64 = 64 << 20;

/// What is found about the settings of one primary.
pub(super) fn settings(view: &OperatorView) -> Vec<Finding> {
    let mut findings = vec![
        of(&view.number("cluster-node-timeout"), "failover", |&ms| node_timeout(ms)),
        of(&view.setting("cluster-require-full-coverage"), "failover", |word| coverage(word)),
        of(&view.setting("client-output-buffer-limit"), "buffers", |limits| buffers(limits)),
    ];
    let replicas = view.replicas.as_ref().map(|&count| count).map_err(Clone::clone);
    let both = replicas.and_then(|count| Ok((count, view.number("min-replicas-to-write")?)));
    findings.push(of(&both, "replicas", |&(count, wanted)| self::replicas(count, wanted)));
    // Redis knows it from 7.0 on; without it subscriptions end with the cluster's state.
    if view.setting("cluster-allow-pubsubshard-when-down") == Ok("yes") {
        let text = "cluster-allow-pubsubshard-when-down is yes: a relay may stay subscribed at a \
                    primary that was replaced";
        findings.push(Finding::warning("failover", text));
    }
    findings
}

fn node_timeout(ms: u64) -> Finding {
    let text = format!("cluster-node-timeout is {ms} ms");
    match ms {
        0..=NODE_TIMEOUT_MAX_MS => Finding::ok("failover", text),
        _ => Finding::warning(
            "failover",
            format_args!("{text}: rooms of a primary that fails are away for longer than 10 s"),
        ),
    }
}

fn coverage(word: &str) -> Finding {
    let text = format!("cluster-require-full-coverage is {word}");
    match word {
        "no" => Finding::ok("failover", text),
        _ => Finding::warning("failover", format_args!("{text}: one lost slot stops all rooms")),
    }
}

fn replicas(count: u32, wanted: u64) -> Finding {
    let text = format!("{count} of its own, min-replicas-to-write is {wanted}");
    match (count, wanted) {
        (0, _) => Finding::warning(
            "replicas",
            format_args!("{text}: if it fails, its rooms are away until it is back"),
        ),
        (2.., 0) => Finding::warning(
            "replicas",
            format_args!("{text}: with 1, less that is acknowledged is lost when it fails"),
        ),
        _ => Finding::ok("replicas", text),
    }
}

/// `limits` is `normal 0 0 0 … pubsub 33554432 8388608 60`.
fn buffers(limits: &str) -> Finding {
    let mut words = limits.split_whitespace().skip_while(|word| *word != "pubsub").skip(1);
    let mut bytes = || words.next().and_then(|word| word.parse::<u64>().ok());
    let (hard, soft) = (bytes().unwrap_or(0), bytes().unwrap_or(0));
    let text = format!("client-output-buffer-limit pubsub is {hard} {soft}");
    // 0: no limit.
    match [hard, soft].into_iter().filter(|&limit| limit > 0).min() {
        Some(least) if least < PUBSUB_BUFFER_MIN => Finding::warning(
            "buffers",
            format_args!("{text}: a relay is cut off in a burst; 128mb 64mb 60 is usual"),
        ),
        _ => Finding::ok("buffers", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Level::{self, Ok, Warning};

    #[test]
    fn what_makes_a_failover_worse_is_a_warning() {
        let rows: &[(Finding, Level)] = &[
            (node_timeout(2000), Ok),
            (node_timeout(5000), Ok),
            (node_timeout(15_000), Warning),
            (coverage("no"), Ok),
            (coverage("yes"), Warning),
            (replicas(0, 0), Warning),
            (replicas(1, 0), Ok),
            (replicas(2, 0), Warning),
            (replicas(2, 1), Ok),
            (buffers("normal 0 0 0 slave 1 1 60 pubsub 33554432 8388608 60"), Warning),
            (buffers("normal 0 0 0 slave 1 1 60 pubsub 134217728 67108864 60"), Ok),
            (buffers("pubsub 0 0 0"), Ok),
            (buffers(""), Ok),
        ];
        for (finding, level) in rows {
            assert_eq!(finding.level, *level, "{finding}");
        }
    }
}
