//! Settings of the edge: how a relay stands behind balancers and towards the internet.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::networks::Networks;
use crate::config::token_url::TokenUrl;
use crate::config::values::{Mistakes, duration, listen_address, without_empty};

/// The flags.
#[derive(Args, Debug)]
#[allow(rustdoc::bare_urls, reason = "the comments of the fields are the texts of --help")]
pub(super) struct EdgeArgs {
    /// Address or name, and port, for /metrics, /healthz, /readyz and the page for operators, who need a
    /// key of --api-key-file; /metrics is then only there
    #[arg(long, env = "CHAT_RELAY_LISTEN_OPS", value_name = "ADDR")]
    pub(super) listen_ops: Option<String>,
    /// Whether the web page and the client are served: on or off
    #[arg(long, env = "CHAT_RELAY_PAGE", default_value = "on", value_name = "on|off")]
    page: String,
    /// Where the page gets a token of its user, e.g. https://app.example/chat-token: an address of the
    /// application, which answers GET ?user=NAME by {"token":"…"}; only with --auth jwt
    #[arg(long, env = "CHAT_RELAY_PAGE_TOKEN_URL", value_name = "URL")]
    page_token_url: Option<String>,
    /// Time after SIGTERM in which /readyz fails and connections are still served, before the drain
    #[arg(long, env = "CHAT_RELAY_DRAIN_DELAY", default_value = "0s", value_name = "TIME")]
    drain_delay: String,
    /// Networks of proxies, e.g. 10.0.0.0/8, whose X-Forwarded-For has the address of the client
    #[arg(long, env = "CHAT_RELAY_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDR")]
    trusted_proxies: Vec<String>,
    /// Every connection begins with a header of the PROXY protocol, version 2; needs
    /// --trusted-proxies, of which X-Forwarded-For then does not count
    #[arg(
        long,
        env = "CHAT_RELAY_PROXY_PROTOCOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    pub(super) proxy_protocol: String,
    /// Most connections at a time of one user to this relay; beyond it the oldest is closed. 0: no
    /// limit
    #[arg(
        long,
        env = "CHAT_RELAY_MAX_CONNECTIONS_PER_USER",
        default_value = "0",
        value_name = "N"
    )]
    max_connections_per_user: String,
    /// Requests without a valid credential from one address (IPv6: one /64) in this time; further
    /// ones are refused unverified. 0: no limit
    #[arg(long, env = "CHAT_RELAY_MAX_REFUSALS", default_value = "20/10s", value_name = "N/TIME")]
    max_refusals: String,
}

/// How many wrong credentials one address may bring in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxRefusals {
    /// So many at once.
    pub(crate) count: u32,
    /// The time after which as many are allowed again.
    pub(crate) within: Duration,
}

impl MaxRefusals {
    /// Reads a number and a time like `20/10s`. `None`: no limit.
    fn parse(text: &str) -> Result<Option<MaxRefusals>, &'static str> {
        let hint = "not a number of at least 1 and a time from 1s, like 20/10s, or 0";
        if text == "0" {
            return Ok(None);
        }
        let (count, within) = text.split_once('/').ok_or(hint)?;
        let count = count.parse().ok().filter(|count| *count >= 1).ok_or(hint)?;
        let within = duration(within).filter(|within| within.as_secs() >= 1).ok_or(hint)?;
        Ok(Some(MaxRefusals { count, within }))
    }
}

/// Whether the web page is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// The page, its client and its configuration.
    On,
    /// None of them.
    Off,
}

/// Checked settings. Each is explained at its flag.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Edge {
    pub listen_ops: Option<SocketAddr>,
    pub page: Page,
    pub page_token_url: Option<TokenUrl>,
    pub drain_delay: Duration,
    /// Whose `X-Forwarded-For` counts: nobody's with `--proxy-protocol`.
    pub trusted_proxies: Networks,
    /// From where connections come, if each begins with a header of the PROXY protocol.
    pub proxy_protocol: Option<Networks>,
    pub max_connections_per_user: usize,
    pub(crate) max_refusals: Option<MaxRefusals>,
}

impl EdgeArgs {
    pub(super) fn check(&self, mistakes: &mut Mistakes) -> Edge {
        let listen_ops = self.listen_ops.as_deref().filter(|text| !text.is_empty());
        let proxies = Networks::check("--trusted-proxies", &self.trusted_proxies, mistakes);
        let has_header = mistakes.switch("--proxy-protocol", &self.proxy_protocol);
        if has_header && without_empty(self.trusted_proxies.clone()).is_empty() {
            let why = "needs --trusted-proxies: anybody else could name any address";
            mistakes.add("--proxy-protocol", why);
        }
        let (trusted_proxies, proxy_protocol) = match has_header {
            true => (Networks::default(), Some(proxies)),
            false => (proxies, None),
        };
        Edge {
            listen_ops: listen_ops
                .and_then(|text| mistakes.parsed("--listen-ops", text, listen_address)),
            page: mistakes.choice("--page", &self.page).unwrap_or(Page::Off),
            page_token_url: self
                .page_token_url
                .as_deref()
                .filter(|text| !text.is_empty())
                .and_then(|text| mistakes.parsed("--page-token-url", text, TokenUrl::parse)),
            drain_delay: mistakes.time("--drain-delay", &self.drain_delay, 0),
            max_connections_per_user: mistakes.number(
                "--max-connections-per-user",
                &self.max_connections_per_user,
                0,
            ),
            max_refusals: mistakes
                .parsed("--max-refusals", &self.max_refusals, MaxRefusals::parse)
                .flatten(),
            trusted_proxies,
            proxy_protocol,
        }
    }
}
