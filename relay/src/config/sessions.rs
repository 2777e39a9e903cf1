//! The settings of `--auth http`: whom the relay asks about sessions, and what it shows of a request.

use clap::Args;

use crate::auth::{ForwardNames, ServiceUrl};
use crate::config::origins::AllowedOrigins;
use crate::config::values::{Mistakes, without_empty};

/// The flags as they are given.
#[derive(Args, Debug)]
pub(super) struct SessionArgs {
    /// Address of the application that says who the user of a session is (`--auth http`)
    #[arg(long, env = "CHAT_RELAY_AUTH_URL", value_name = "URL", hide_env_values = true)]
    auth_url: Option<String>,
    /// Headers of a client's request that the application gets, and cookies as cookie:NAME
    #[arg(long, env = "CHAT_RELAY_AUTH_FORWARD", value_delimiter = ',', value_name = "NAME")]
    auth_forward: Vec<String>,
}

/// Checked settings of sessions.
#[derive(Debug)]
pub(crate) struct SessionAuth {
    /// Whom to ask.
    pub(crate) url: ServiceUrl,
    /// What to show.
    pub(crate) forward: ForwardNames,
    /// Whether guests are let in. No user may then have their name.
    pub(crate) has_guests: bool,
}

impl SessionArgs {
    /// Checks all flags. `is_on`: whether `--auth http` is given. `None`: it is not, or wrongly.
    pub(super) fn check(
        self,
        is_on: bool,
        guests: Option<usize>,
        origins: &AllowedOrigins,
        mistakes: &mut Mistakes,
    ) -> Option<SessionAuth> {
        let names = without_empty(self.auth_forward);
        let url = self.auth_url.filter(|url| !url.is_empty());
        if !is_on {
            let given = [("--auth-url", url.is_some()), ("--auth-forward", !names.is_empty())];
            for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
                mistakes.add(flag, "only with --auth http");
            }
            return None;
        }
        if url.is_none() {
            mistakes.add("--auth-url", "required with --auth http");
        }
        if names.is_empty() {
            mistakes.add("--auth-forward", "required with --auth http");
        }
        let url = url.and_then(|url| mistakes.parsed("--auth-url", &url, ServiceUrl::parse));
        let forward =
            ForwardNames::parse(&names).map_err(|why| mistakes.add("--auth-forward", why));
        let forward = forward.ok()?;
        if forward.has_cookie() {
            origins.check_cookies("--auth-forward", mistakes);
        }
        Some(SessionAuth { url: url?, forward, has_guests: guests.is_some() })
    }
}
