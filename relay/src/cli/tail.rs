//! `chat-relay tail ROOM …`: the events of rooms as they come, one a line.
//!
//! It reads from Redis itself and needs no relay. A message on a room's channel only says that there is
//! something to read: durable events are read by `CHAT.SYNC` from where the last line was, so whatever
//! breaks on the way, nothing is missing and nothing comes twice, and a reader that is slow costs no
//! memory. `inbox` is what channels have said, `place` how far a room is, `reading` the loop between
//! them, `line` the two forms of a line, `output` the writing.

mod inbox;
mod line;
mod output;
mod place;
mod reading;
mod settings;

use std::process::ExitCode;

use crate::cli::process::{fail, stopped};
use crate::cli::tail::output::Output;
use crate::cli::tail::reading::Reading;
use crate::cli::tail::settings::Settings;
use crate::config::Config;
use crate::logging;

pub(super) use settings::{NAME, TailArgs, command};

/// Runs the subcommand. Exit code 2: wrong flags; 1: it could not begin, or a room cannot be read.
pub(super) fn run(args: TailArgs) -> ExitCode {
    let (config, settings) = match args.check() {
        Ok(checked) => checked,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let outcome = runtime
        .map_err(|why| why.to_string())
        .and_then(|runtime| runtime.block_on(tail(&config, settings)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(1, &why),
    }
}

/// Prints until it is stopped, has printed enough, or nobody reads it any more.
async fn tail(config: &Config, settings: Settings) -> Result<(), String> {
    let mut stopped = stopped()?;
    let output = Output::start();
    let outcome = tokio::select! {
        // An error: nobody can stop it any more, which does not happen.
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
        () = output::reader_is_gone() => Ok(()),
        outcome = async {
            let reading = Reading::open(config, settings, &output).await?;
            // From here on it waits for a server that is away, and says so in the log.
            logging::start(config);
            reading.run().await
        } => outcome,
    };
    output.finish().await.and(outcome)
}
