//! `chat-relay forward create|run|redrive NAME --to URL`: events to a stream, or to an HTTP service.

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::cli::process::{fail, stopped};
use crate::config::{Args, Config};
use crate::forward::{self, Action, ForwardArgs, Settings};
use crate::logging;
use crate::webhook::{self, WebhookArgs, WebhookSettings};

pub(super) const NAME: &str = "forward";

/// The subcommand: the flags of the relay that name Redis, and its own.
pub(super) fn command() -> Command {
    let about = "Hands every event of every room to a stream or an HTTP service";
    forward::flags(Args::for_process().name(NAME).about(about).long_about(about))
}

/// What was given.
pub(super) struct Arguments {
    relay: Box<Args>,
    own: Sink,
}

/// What was given, by what `--to` names.
enum Sink {
    Stream(ForwardArgs),
    Webhook(WebhookArgs),
}

impl Arguments {
    pub(super) fn from_matches(flags: &ArgMatches, relay: Box<Args>) -> Arguments {
        let own = match WebhookArgs::from_matches(flags) {
            Some(own) => Sink::Webhook(own),
            None => Sink::Stream(ForwardArgs::from_matches(flags)),
        };
        Arguments { relay, own }
    }
}

/// Runs the subcommand. Exit code 2: wrong flags; 1: it could not be done.
pub(super) fn run(args: Arguments) -> ExitCode {
    let config = match args.relay.check() {
        Ok(config) => config,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    let outcome = match args.own {
        Sink::Stream(own) => own.check(&config).map(|settings| to_stream(&config, &settings)),
        Sink::Webhook(own) => own.check().map(|given| to_webhook(&config, given)),
    };
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(why)) => fail(1, &why),
        Err(mistakes) => fail(2, &mistakes.join("\nchat-relay: ")),
    }
}

fn to_stream(config: &Config, settings: &Settings) -> Result<ExitCode, String> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    runtime.map_err(|why| why.to_string())?.block_on(async {
        match settings.action {
            Action::Create { from_now } => {
                print(&forward::create(config, settings, from_now).await?.to_string());
            }
            Action::Run => {
                logging::start(config);
                forward::run(config, settings, stopped()?).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn to_webhook(
    config: &Config,
    (action, settings, receiver): (webhook::Action, webhook::Settings, WebhookSettings),
) -> Result<ExitCode, String> {
    if !matches!(action, webhook::Action::Create(_)) {
        logging::start(config);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.threads > 0 {
        runtime.worker_threads(config.threads);
    }
    let runtime = runtime.enable_all().build().map_err(|why| why.to_string())?;
    let done = runtime.block_on(async { webhook::act(config, action, settings, receiver).await });
    let (said, is_complete) = done.map_err(|why| why.to_string())?;
    if !said.is_empty() {
        print(&said);
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(line: &str) {
    // An error: nobody reads it any more.
    let _ = writeln!(std::io::stdout(), "{line}");
}
