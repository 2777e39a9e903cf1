//! The settings of `--send-hook`: which service judges what users write, where, and what holds if it fails.

use std::time::Duration;

use chat_protocol::glob::Pattern;
use clap::{Args, ValueEnum};

use crate::auth::ServiceUrl;
use crate::config::values::Mistakes;

/// The longest time that a user's connection may wait for the service.
const TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// The flags as they are given.
#[derive(Args, Debug)]
pub(super) struct SendHookArgs {
    /// Address of a service that judges what users write before it is stored, in rooms with the
    /// setting hook
    #[arg(long, env = "CHAT_RELAY_SEND_HOOK", value_name = "URL", hide_env_values = true)]
    send_hook: Option<String>,
    /// Pattern of the names of further rooms that --send-hook is for, whatever their settings
    #[arg(long, env = "CHAT_RELAY_SEND_HOOK_ROOMS", value_name = "GLOB")]
    send_hook_rooms: Option<String>,
    /// Time that the service of --send-hook has to answer, at most 10s
    #[arg(long, env = "CHAT_RELAY_SEND_HOOK_TIMEOUT", default_value = "1s", value_name = "TIME")]
    send_hook_timeout: String,
    /// What becomes of a message if the service of --send-hook fails: closed refuses it, open stores it
    #[arg(
        long,
        env = "CHAT_RELAY_SEND_HOOK_FAILURE",
        default_value = "closed",
        value_name = "open|closed"
    )]
    send_hook_failure: String,
}

/// What holds if the service fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SendHookFailure {
    /// A time-out, a lost connection or a status 5xx lets the message pass.
    Open,
    /// Nothing passes.
    Closed,
}

/// Checked settings.
#[derive(Clone)]
pub(crate) struct SendHookSettings {
    /// Whom to ask.
    pub(crate) url: ServiceUrl,
    /// The rooms that need no setting.
    pub(crate) rooms: Option<Pattern>,
    /// How long to wait.
    pub(crate) timeout: Duration,
    /// What holds if the service fails.
    pub(crate) failure: SendHookFailure,
}

/// Without the path of the address, which may hold a secret.
impl std::fmt::Debug for SendHookSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SendHookSettings { url, timeout, failure, rooms } = self;
        let (host, has_rooms) = (&url.authority, rooms.is_some());
        write!(f, "SendHookSettings({host}, {timeout:?}, {failure:?}, rooms: {has_rooms})")
    }
}

impl SendHookArgs {
    /// Checks all flags. `None`: there is no service, or a flag is wrong.
    pub(super) fn check(self, mistakes: &mut Mistakes) -> Option<SendHookSettings> {
        let timeout = mistakes.time("--send-hook-timeout", &self.send_hook_timeout, 10);
        if timeout > TIMEOUT_MAX {
            mistakes.add("--send-hook-timeout", "at most 10s");
        }
        let failure = mistakes.choice("--send-hook-failure", &self.send_hook_failure);
        let rooms = self.send_hook_rooms.filter(|glob| !glob.is_empty());
        let Some(url) = self.send_hook.filter(|url| !url.is_empty()) else {
            if rooms.is_some() {
                mistakes.add("--send-hook-rooms", "only with --send-hook");
            }
            return None;
        };
        let url = mistakes.parsed("--send-hook", &url, ServiceUrl::parse);
        let rooms = match rooms.map(|glob| Pattern::parse(glob.as_bytes())).transpose() {
            Ok(rooms) => rooms,
            Err(invalid) => {
                mistakes.add("--send-hook-rooms", invalid.hint);
                return None;
            }
        };
        Some(SendHookSettings { url: url?, rooms, timeout, failure: failure? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: SendHookArgs,
    }

    fn check(flags: &[&str]) -> Result<Option<SendHookSettings>, Vec<String>> {
        let mut mistakes = Mistakes(Vec::new());
        let flags = std::iter::once(&"relay").chain(flags);
        let settings = Only::try_parse_from(flags).expect("flags").args.check(&mut mistakes);
        if mistakes.0.is_empty() { Ok(settings) } else { Err(mistakes.0) }
    }

    #[test]
    fn a_service_has_an_address_and_bounds() {
        assert!(check(&[]).expect("good").is_none());
        assert!(check(&["--send-hook="]).expect("good").is_none());
        let url = "--send-hook=https://app.example/judge?key=SECRET";
        let settings = check(&[url, "--send-hook-rooms=support:*"]).expect("good").expect("one");
        assert_eq!(settings.timeout, Duration::from_secs(1));
        assert_eq!(settings.failure, SendHookFailure::Closed);
        let rooms = settings.rooms.as_ref().expect("a pattern");
        assert!(rooms.matches(b"support:1") && !rooms.matches(b"lobby"));
        assert!(!format!("{settings:?}").contains("SECRET"));
        let long = format!("--send-hook-rooms={}", "x".repeat(201));
        let rows: [(&[&str], &str); 6] = [
            (&["--send-hook=app.example"], "--send-hook:"),
            (&["--send-hook=https://u:p@app.example/"], "--send-hook:"),
            (&["--send-hook-rooms=*"], "--send-hook-rooms:"),
            (&[url, &long], "--send-hook-rooms:"),
            (&[url, "--send-hook-timeout=11s"], "--send-hook-timeout:"),
            (&[url, "--send-hook-failure=ajar"], "--send-hook-failure:"),
        ];
        for (flags, flag) in rows {
            let mistakes = check(flags).expect_err("a mistake");
            assert!(mistakes[0].starts_with(flag), "{flags:?}: {mistakes:?}");
        }
    }
}
