//! `chat-relay forward create|run NAME --to redis://…/KEY`: events to a stream.

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Args;
use crate::forward::{self, Action, ForwardArgs};
use crate::logging;

pub(super) const NAME: &str = "forward";

/// The subcommand: the flags of the relay that name Redis, and its own.
pub(super) fn command() -> Command {
    let about = "Writes every event of every room to a stream";
    forward::flags(Args::for_process().name(NAME).about(about).long_about(about))
}

/// What was given.
pub(super) struct Arguments {
    relay: Box<Args>,
    own: ForwardArgs,
}

impl Arguments {
    pub(super) fn from_matches(flags: &ArgMatches, relay: Box<Args>) -> Arguments {
        Arguments { relay, own: ForwardArgs::from_matches(flags) }
    }
}

/// Runs the subcommand. Exit code 2: wrong flags; 1: it could not be done.
pub(super) fn run(args: Arguments) -> ExitCode {
    let config = match args.relay.check() {
        Ok(config) => config,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    let settings = match args.own.check(&config) {
        Ok(settings) => settings,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => return fail(1, &why.to_string()),
    };
    let outcome = runtime.block_on(async {
        match settings.action {
            Action::Create { from_now } => {
                let done = forward::create(&config, &settings, from_now).await?;
                let _ = writeln!(std::io::stdout(), "{done}");
                Ok(())
            }
            Action::Run => {
                logging::start(&config);
                forward::run(&config, &settings, stopped()?).await
            }
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(1, &why),
    }
}

/// Becomes true at the first SIGTERM or SIGINT. A second one ends the process at once.
fn stopped() -> Result<watch::Receiver<bool>, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut terminate = signal(SignalKind::terminate()).map_err(said)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(said)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send_replace(true) {
                std::process::exit(1);
            }
        }
    });
    Ok(receiver)
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "chat-relay: {why}");
    ExitCode::from(code)
}
