//! `chat-relay export FILE` and `chat-relay import FILE`: rooms as lines of JSON.
//!
//! What is carried: messages, members with their roles, settings and profiles, lists of rooms, bans
//! and mutes. `DUMP` and `RESTORE`, or an RDB file, copy everything. What docs/transfer.md says of the
//! file is `file.rs`; `servers.rs` is the side of Redis.

mod export;
mod failure;
mod file;
mod ids;
mod import;
mod importer;
mod progress;
mod room_check;
mod room_set;
mod servers;
mod summary;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::cli::process::fail;
use crate::cli::transfer::failure::Failure;
use crate::cli::transfer::servers::Servers;
use crate::config::{Args, Config};

pub(super) const EXPORT: &str = "export";
pub(super) const IMPORT: &str = "import";

/// What is printed at the end of both.
const NOT_CARRIED: &str = "not carried: reactions, read cursors, the journal, mentions, deleted \
    messages, earlier texts of edited ones, times of joining, reasons of bans and mutes, nonces, \
    presence";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Export,
    Import,
}

/// The subcommand `name`: the flags of the relay that name Redis, and the file.
pub(super) fn command(name: &'static str) -> Command {
    let about = match name {
        EXPORT => "Writes rooms to a file, as lines of JSON",
        _ => "Brings in the rooms of a file that export has written",
    };
    let pattern = Arg::new("match")
        .long("match")
        .value_name("PATTERN")
        .default_value("*")
        .help("Only rooms whose names match, like support:*");
    let file = Arg::new("file").value_name("FILE").required(true);
    let file = file.value_parser(value_parser!(PathBuf));
    Args::for_process().name(name).about(about).long_about(about).arg(pattern).arg(file)
}

/// What was given.
pub(super) struct TransferArgs {
    relay: Box<Args>,
    direction: Direction,
    file: PathBuf,
    pattern: String,
}

impl TransferArgs {
    /// What was given of the flags of subcommand `name`.
    pub(super) fn from_matches(name: &str, flags: &ArgMatches, relay: Box<Args>) -> TransferArgs {
        let file = flags.get_one::<PathBuf>("file").cloned().unwrap_or_default();
        let pattern = flags.get_one::<String>("match").cloned().unwrap_or_default();
        let direction = if name == EXPORT { Direction::Export } else { Direction::Import };
        TransferArgs { relay, direction, file, pattern }
    }
}

/// Runs the subcommand. Exit code 2: wrong flags; 1: it ended early, or Redis has refused a line.
pub(super) fn run(args: TransferArgs) -> ExitCode {
    let config = match args.relay.check() {
        Ok(config) => config,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    // The file is read on this thread, and links are kept on another.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(transfer(&config, args.direction, &args.file, &args.pattern))
    });
    match outcome {
        Ok((summary, is_complete)) => {
            let _ = writeln!(std::io::stdout(), "{summary}\n{NOT_CARRIED}");
            if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => fail(1, &why.to_string()),
    }
}

/// What was done, in words, and whether it was everything.
async fn transfer(
    config: &Config,
    direction: Direction,
    file: &std::path::Path,
    pattern: &str,
) -> Result<(String, bool), Failure> {
    let servers = Servers::open(config, direction == Direction::Import).await?;
    match direction {
        Direction::Export => Ok((export::run(&servers, file, pattern).await?, true)),
        Direction::Import => {
            let summary = import::run(&servers, file, pattern).await?;
            Ok((summary.to_string(), summary.is_complete()))
        }
    }
}
