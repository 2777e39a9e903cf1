//! Writes the man pages and the completions of `chat-relay` into a folder: `manual FOLDER`.
//!
//! Made of the real command line, for the packages (`.ci/packages`). An example, so that the relay
//! contains neither of the generators.

use std::path::PathBuf;

use anyhow::Context;
use chat_relay::Invocation;
use clap_complete::Shell;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).context("usage: manual FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    let mut command = Invocation::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "chat-relay", &folder)?;
    }
    clap_mangen::generate_to(command, &folder)?;
    Ok(())
}
