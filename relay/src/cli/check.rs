//! `chat-relay check`: what is wrong with these settings, and with what they refer to, without
//! serving.
//!
//! It prints one line for each finding: `ok`, `warning` or `error`, what it is about, and what was
//! found. The exit code is 1 if there is an error, otherwise 0. Nothing is changed, and every wait is
//! bounded.

mod answer;
mod cluster;
mod finding;
mod machine;
mod redis;

use std::io::Write;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

pub(super) use crate::cli::check::finding::Finding;
use crate::cli::check::finding::Level;
use crate::config::{Args, Auth, Config, RedisSettings, redis_settings};

pub(super) const NAME: &str = "check";
const ABOUT: &str = "Checks these settings, Redis, keys and ports without serving";
const LONG_ABOUT: &str = "Checks these settings, Redis, keys and ports without serving. Takes all \
    options of the relay.\n\nPrints one line for each finding. The exit code is 1 if there is an \
    error, otherwise 0: warnings are no errors.";
const OPERATOR: &str = "operator-redis";

/// The flags of the subcommand: those of the relay, and one more.
pub(super) fn command() -> Command {
    Args::for_process().name(NAME).about(ABOUT).long_about(LONG_ABOUT).arg(operator_flag())
}

/// The flag that names who may read what a relay may not.
pub(super) fn operator_flag() -> Arg {
    Arg::new(OPERATOR)
        .long(OPERATOR)
        .env("CHAT_RELAY_OPERATOR_REDIS")
        .hide_env_values(true)
        .value_name("URL")
        .help(
            "The same Redis with a user who may run TIME, CONFIG GET and INFO, for what the user of \
             --redis may not read",
        )
}

/// What was given.
pub(super) struct CheckArgs {
    relay: Box<Args>,
    operator: Option<String>,
}

/// Checked settings.
pub(super) struct Checked {
    /// Those of a relay.
    pub(super) config: Config,
    /// Who may read what a relay may not, if somebody is named.
    pub(super) operator: Option<RedisSettings>,
}

impl CheckArgs {
    /// What was given of the flags.
    pub(super) fn from_matches(matches: &ArgMatches, relay: Box<Args>) -> CheckArgs {
        let operator = matches.get_one::<String>(OPERATOR).cloned();
        CheckArgs { relay, operator: operator.filter(|text| !text.is_empty()) }
    }

    /// Checks the settings. Errors: every mistake.
    pub(super) fn check(self) -> Result<Checked, Vec<String>> {
        let config = self.relay.check();
        let like = config.as_ref().ok().map(|config| &config.redis);
        let operator = self.operator.as_deref().map(|url| redis_settings(url, like)).transpose();
        match (config, operator) {
            (Ok(config), Ok(operator)) => Ok(Checked { config, operator }),
            (config, operator) => {
                let mut mistakes = config.err().unwrap_or_default();
                mistakes.extend(operator.err().map(|why| format!("--{OPERATOR}: {why}")));
                Err(mistakes)
            }
        }
    }
}

/// Prints all findings.
pub(super) fn run(args: CheckArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let findings = match runtime {
        Ok(runtime) => runtime.block_on(findings(args)),
        Err(error) => vec![Finding::error("system", error)],
    };
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        // An error: nobody reads it any more.
        let _ = writeln!(out, "{finding}");
    }
    let has_error = findings.iter().any(|finding| finding.level == Level::Error);
    if has_error { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn findings(args: CheckArgs) -> Vec<Finding> {
    let checked = match args.check() {
        Ok(checked) => checked,
        Err(mistakes) => return mistakes.into_iter().map(Finding::setting).collect(),
    };
    let mut findings = cautions(&checked.config);
    findings.extend(machine::ports(&checked.config));
    findings.extend(around(&checked).await);
    findings
}

/// What is wrong with these settings while a relay with them may run: its ports are taken then.
pub(super) async fn findings_beside_a_relay(checked: &Checked) -> Vec<Finding> {
    let mut findings = cautions(&checked.config);
    findings.extend(around(checked).await);
    findings
}

/// What is wrong with what the settings refer to elsewhere.
async fn around(checked: &Checked) -> Vec<Finding> {
    let mut findings = machine::services(&checked.config).await;
    findings.extend(redis::findings(&checked.config, checked.operator.clone()).await);
    findings
}

/// Settings that are consistent, and what is doubtful about them.
fn cautions(config: &Config) -> Vec<Finding> {
    let edge = &config.edge;
    let has_proxies = edge.proxy_protocol.is_some() || !edge.trusted_proxies.is_empty();
    let is_public = !config.listen.ip().is_loopback();
    let rows = [
        (
            matches!(config.auth, Auth::None) && is_public,
            "--insecure: whoever reaches the port can be any user",
        ),
        (
            matches!(&config.auth, Auth::Jwt(jwt) if jwt.query),
            "--jwt-query: proxies and logs may keep tokens that are in addresses",
        ),
        (
            has_proxies && edge.drain_delay.is_zero(),
            "--drain-delay: 0s gives balancers no time to notice that the relay stops; 5s is usual",
        ),
    ];
    let doubtful = rows.into_iter().filter(|row| row.0);
    let mut findings = vec![Finding::ok("settings", "consistent")];
    findings.extend(doubtful.map(|(_, why)| Finding::warning("settings", why)));
    findings
}
