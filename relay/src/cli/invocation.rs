//! What the process was asked to do.
//!
//! The flags of the relay stand without a subcommand, because serving is what it is for.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::cli::check::CheckArgs;
use crate::cli::probe::ProbeArgs;
use crate::cli::transfer::TransferArgs;
use crate::cli::{check, doctor, forward, probe, tail, token, transfer};
use crate::config::Args;

/// What the process was asked to do.
pub enum Invocation {
    /// To serve with these settings.
    Serve(Box<Args>),
    /// To run a subcommand, which returns its exit code.
    Run(Box<dyn FnOnce() -> ExitCode>),
}

impl Invocation {
    /// What the process's arguments and variables say. Wrong arguments end the process with an
    /// explanation.
    pub fn from_process() -> Invocation {
        let matches = Invocation::command().get_matches();
        match matches.subcommand() {
            Some((check::NAME, flags)) => {
                let args = CheckArgs::from_matches(flags, args(flags));
                Invocation::Run(Box::new(move || check::run(args)))
            }
            Some((probe::NAME, flags)) => {
                let args = ProbeArgs::from_matches(flags, args(flags));
                Invocation::Run(Box::new(move || probe::run(args)))
            }
            Some((token::NAME, flags)) => {
                let args = token::TokenArgs::from_matches(flags);
                let args = args.unwrap_or_else(|error| error.exit());
                Invocation::Run(Box::new(move || token::run(args)))
            }
            Some((forward::NAME, flags)) => {
                let args = forward::Arguments::from_matches(flags, args(flags));
                Invocation::Run(Box::new(move || forward::run(args)))
            }
            Some((doctor::NAME, flags)) => {
                let args = doctor::DoctorArgs::from_matches(flags, args(flags));
                Invocation::Run(Box::new(move || doctor::run(args)))
            }
            Some((tail::NAME, flags)) => {
                let args = tail::TailArgs::from_matches(flags, args(flags));
                Invocation::Run(Box::new(move || tail::run(args)))
            }
            Some((name @ (transfer::EXPORT | transfer::IMPORT), flags)) => {
                let args = TransferArgs::from_matches(name, flags, args(flags));
                Invocation::Run(Box::new(move || transfer::run(args)))
            }
            _ => Invocation::Serve(args(&matches)),
        }
    }

    /// The command line: the flags of the relay and all subcommands.
    pub fn command() -> Command {
        Args::for_process()
            .args_conflicts_with_subcommands(true)
            .disable_help_subcommand(true)
            .subcommand(check::command())
            .subcommand(doctor::command())
            .subcommand(forward::command())
            .subcommand(probe::command())
            .subcommand(tail::command())
            .subcommand(token::command())
            .subcommand(transfer::command(transfer::EXPORT))
            .subcommand(transfer::command(transfer::IMPORT))
    }
}

fn args(matches: &ArgMatches) -> Box<Args> {
    Box::new(Args::from_matches(matches).unwrap_or_else(|error| error.exit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_alone_serve_and_a_subcommand_takes_its_own() {
        Invocation::command().debug_assert();
        let rows: [(&[&str], Option<Option<&str>>); 22] = [
            (&[], Some(None)),
            (&["--name=r1"], Some(None)),
            (&["check"], Some(Some("check"))),
            (&["check", "--name=r1"], Some(Some("check"))),
            (&["--name=r1", "check"], None),
            (&["probe", "--live", "--name=r1"], Some(Some("probe"))),
            (&["check", "--live"], None),
            (&["sing"], None),
            (&["token", "--secret-file=x", "--user=alice"], Some(Some("token"))),
            (&["token"], None),
            (&["token", "--secret-file=x", "--user=alice", "--name=r1", "--ping=5s"], None),
            (&["--user=alice"], None),
            (&["export", "f"], Some(Some("export"))),
            (&["import", "--redis=redis://r", "--match=a*", "f"], Some(Some("import"))),
            (&["export"], None),
            (&["import", "f", "g"], None),
            (&["doctor", "--ops=http://a,http://b", "--name=r1"], Some(Some("doctor"))),
            (&["doctor", "lobby"], None),
            (&["tail", "lobby", "news", "--last=3"], Some(Some("tail"))),
            (&["tail"], None),
            (&["tail", "lobby", "--last=3", "--since=1-1"], None),
            (&["tail", "lobby", "--last=1001"], None),
        ];
        for (words, expected) in rows {
            let words = std::iter::once(&"chat-relay").chain(words);
            let found = Invocation::command().try_get_matches_from(words.clone());
            let found = found.ok().map(|found| found.subcommand_name().map(str::to_owned));
            assert_eq!(found.as_ref().map(Option::as_deref), expected, "{words:?}");
        }
    }
}
