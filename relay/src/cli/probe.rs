//! `chat-relay probe`: whether the relay that runs with these settings is ready, for the health checks
//! of containers, whose images have no program that asks over HTTP.
//!
//! It asks once, on this machine, and waits a bounded time. Exit code 0: the relay answers 200.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use axum::http::StatusCode;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::auth::ServiceUrl;
use crate::config::Args;
use crate::http_client::{Bounds, HttpClient};

pub(super) const NAME: &str = "probe";
const ABOUT: &str = "Asks the relay that runs with these settings whether it is ready";
const LONG_ABOUT: &str = "Asks the relay that runs with these settings whether it is ready, at \
    --listen-ops or else at --listen. Takes all options of the relay.\n\nThe exit code is 0 if it \
    is, 1 if it is not or does not answer within 3 seconds, 2 if the options do not say where it \
    is.";
const LIVE: &str = "live";
/// What the one request may cost. A health check has its own, longer time.
const BOUNDS: Bounds = Bounds { within: Duration::from_secs(3), body: 4 << 10 };

/// The flags of the subcommand: those of the relay, and one more.
pub(super) fn command() -> Command {
    Args::for_process().name(NAME).about(ABOUT).long_about(LONG_ABOUT).arg(
        Arg::new(LIVE)
            .long(LIVE)
            .action(ArgAction::SetTrue)
            .help("Ask whether it serves at all (/healthz), also while Redis is away"),
    )
}

/// What was given.
pub(super) struct ProbeArgs {
    relay: Box<Args>,
    path: &'static str,
}

impl ProbeArgs {
    /// What was given of the flags.
    pub(super) fn from_matches(matches: &ArgMatches, relay: Box<Args>) -> ProbeArgs {
        let path = if matches.get_flag(LIVE) { "/healthz" } else { "/readyz" };
        ProbeArgs { relay, path }
    }
}

/// Asks, and prints one line.
pub(super) fn run(args: ProbeArgs) -> ExitCode {
    let (text, code) = match args.relay.ops_address() {
        Ok(address) => match ask(&format!("http://{address}{}", args.path)) {
            Ok(text) => (text, ExitCode::SUCCESS),
            Err(why) => (why, ExitCode::FAILURE),
        },
        Err(mistakes) => (mistakes.join("\n"), ExitCode::from(2)),
    };
    // An error: nobody reads it any more.
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

fn ask(url: &str) -> Result<String, String> {
    let parsed = ServiceUrl::parse(url).map_err(|why| format!("{url}: {why}"))?;
    let client = HttpClient::new(parsed, BOUNDS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    match runtime.block_on(client.get()) {
        Ok(answer) if answer.status == StatusCode::OK => {
            let body = answer.body.unwrap_or_default();
            Ok(String::from_utf8_lossy(&body).trim().to_owned())
        }
        Ok(answer) => {
            Err(format!("{url} answers {}: the log of the relay says why", answer.status))
        }
        Err(failure) => Err(format!("{url}: {failure}")),
    }
}
