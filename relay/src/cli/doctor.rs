//! `chat-relay doctor`: a page for a bug report.
//!
//! The one idea: what may be shown is listed, and everything else is not. So settings that may be
//! secret, and whatever a server answers beyond the fields that are known, cannot get into it; there
//! are no names of rooms and users, and no texts. Findings are those of `chat-relay check`. What others
//! say is short and printable. It changes nothing, every wait is bounded, and what cannot be read has a
//! line that says why.

mod machine;
mod page;
mod relays;
mod servers;
mod settings;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use chat_protocol::limits::MODULE_VERSION;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::check::{self, CheckArgs, Checked};
use crate::cli::doctor::page::Page;
use crate::clock;
use crate::config::Args;

pub(super) const NAME: &str = "doctor";
const ABOUT: &str =
    "Prints a page for a bug report: versions, settings without secrets, limits, counters";
/// Relays that are asked.
const RELAYS_MAX: usize = 4;
/// How long each part may take.
const PART: Duration = Duration::from_secs(30);

/// The flags of the subcommand: those of the relay, and its own.
pub(super) fn command() -> Command {
    let ops = Arg::new("ops").long("ops").value_name("URL").action(ArgAction::Append);
    let ops = ops.value_delimiter(',').help(
        "Where a relay serves /metrics and /readyz, like http://10.0.0.5:9100; up to four, by commas",
    );
    let command = Args::for_process().name(NAME).about(ABOUT).long_about(ABOUT);
    command.arg(check::operator_flag()).arg(ops)
}

/// What was given.
pub(super) struct DoctorArgs {
    check: CheckArgs,
    /// The settings as the page shows them.
    settings: Vec<String>,
    ops: Vec<String>,
}

impl DoctorArgs {
    pub(super) fn from_matches(flags: &ArgMatches, relay: Box<Args>) -> DoctorArgs {
        DoctorArgs {
            check: CheckArgs::from_matches(flags, relay),
            settings: settings::given(flags),
            ops: flags.get_many("ops").into_iter().flatten().cloned().collect(),
        }
    }
}

/// Prints the page. The exit code is 0, whatever it says.
pub(super) fn run(args: DoctorArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let page = match runtime {
        Ok(runtime) => runtime.block_on(page(args)),
        Err(error) => {
            let mut page = Page::default();
            page.heading("system");
            page.line(&error.to_string());
            page
        }
    };
    // An error: nobody reads it any more.
    let _ = write!(std::io::stdout(), "{}", page.text());
    ExitCode::SUCCESS
}

async fn page(args: DoctorArgs) -> Page {
    let mut page = Page::default();
    page.heading("chat-relay doctor");
    page.line(&format!("at {}", clock::utc(clock::now_ms())));
    page.line(&format!(
        "relay {}, needs module version {MODULE_VERSION}",
        env!("CARGO_PKG_VERSION")
    ));
    machine::describe(&mut page);
    page.heading("settings that are given; all others have their defaults");
    if args.settings.is_empty() {
        page.line("none");
    }
    args.settings.iter().for_each(|line| page.line(line));
    page.heading("findings of chat-relay check, without ports");
    match args.check.check() {
        Ok(checked) => of_servers(&mut page, &checked).await,
        Err(mistakes) => {
            mistakes.iter().for_each(|why| page.line(&format!("error   settings: {why}")))
        }
    }
    for url in args.ops.iter().take(RELAYS_MAX) {
        relays::describe(&mut page, url).await;
    }
    if args.ops.len() > RELAYS_MAX {
        page.heading(&format!("--ops: only {RELAYS_MAX} of {} are asked", args.ops.len()));
    }
    page
}

async fn of_servers(page: &mut Page, checked: &Checked) {
    match tokio::time::timeout(PART, check::findings_beside_a_relay(checked)).await {
        Ok(findings) => findings.iter().for_each(|finding| page.line(&finding.to_string())),
        Err(_) => page.line("error   no answer in time"),
    }
    if tokio::time::timeout(PART, servers::describe(page, checked)).await.is_err() {
        page.line("no answer in time");
    }
}
