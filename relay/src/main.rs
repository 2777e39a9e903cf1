//! The relay's process: settings or a subcommand, logging, serving, and the exit code.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use chat_relay::{Config, Invocation, Server, logging};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Clients that come back at once take 8 to 20 % less CPU than with the allocator of the C library, and
/// many idle connections less memory (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Invocation::from_process() {
        Invocation::Serve(args) => args,
        Invocation::Run(subcommand) => return subcommand(),
    };
    let config = match args.check() {
        Ok(config) => config,
        Err(mistakes) => return fail(2, &mistakes.join("\nchat-relay: ")),
    };
    logging::start(&config);
    match threads(config.threads).and_then(|threads| threads.block_on(serve(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("{error:#}")),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "chat-relay: {why}");
    ExitCode::from(code)
}

/// The runtime of the relay's tasks. `count` 0: one thread for each processor.
fn threads(count: usize) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if count > 0 {
        builder.worker_threads(count);
    }
    Ok(builder.enable_all().build()?)
}

/// Serves until the first SIGTERM or SIGINT, then drains. A second signal ends the process at once.
/// SIGHUP reads the files of keys again.
async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (server, listeners) = Server::bind(config).await?;
    let reloading = server.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reloading.reload().await;
        }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let served = server.run(listeners, async { drop(stopped.await) });
    tokio::pin!(served);
    loop {
        tokio::select! {
            outcome = &mut served => return outcome,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.take().is_none() {
            return Ok(());
        }
    }
}
