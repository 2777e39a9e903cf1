//! The relay's settings: flags, `CHAT_RELAY_…` variables or a file in, one checked value out.
//!
//! Every flag is read as text and checked here, so that all mistakes are reported at once. An empty
//! variable counts as absent. A [`Config`] is proof that the settings are consistent; nothing is
//! looked up later.

mod api;
mod auth;
mod choices;
mod edge;
mod file;
mod guests;
mod jwt;
mod key_files;
mod networks;
mod ops_address;
mod origins;
mod relay_url;
mod send_hook;
mod servers;
mod sessions;
mod token_url;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use api::{Api, api_keys};
pub(crate) use auth::Auth;
use auth::Way;
use chat_protocol::names;
pub(crate) use choices::{Contacts, LogFormat, Offline};
use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser};
pub(crate) use edge::{Edge, MaxRefusals, Page};
pub(crate) use jwt::Jwt;
#[cfg(test)]
pub(crate) use key_files::KeyFiles;
pub(crate) use key_files::contents as read_key_file;
pub(crate) use networks::Networks;
pub(crate) use origins::{AllowedOrigins, Origin};
pub(crate) use relay_url::RelayUrl;
pub(crate) use send_hook::{SendHookFailure, SendHookSettings};
pub(crate) use servers::{
    Endpoint, Login, RedisSettings, Secret, Servers, TlsFiles, redis_settings,
};
pub(crate) use sessions::SessionAuth;
pub(crate) use token_url::TokenUrl;
pub(crate) use values::{Mistakes, without_empty};
use values::{is_log_filter, listen_address};

/// WebSocket relay of redis-chat: frames to CHAT.* commands, room channels to frames.
///
/// Durations are written like 500ms, 25s, 2m, 1h; sizes like 4096, 64kb, 1mb.
#[derive(Parser, Debug)]
#[command(name = "chat-relay", version)]
#[allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "the comments of the fields are the texts of --help"
)]
pub struct Args {
    /// File with settings in TOML, named like these flags; flags and variables count before it
    #[arg(long, env = "CHAT_RELAY_CONFIG", value_name = "FILE")]
    config: Option<String>,
    /// Mistakes in that file.
    #[arg(skip)]
    file_mistakes: Vec<String>,
    /// Address or name, and port, to serve HTTP and WebSocket on; port 0 picks a free one
    #[arg(long, env = "CHAT_RELAY_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,
    #[command(flatten)]
    redis: servers::RedisArgs,
    /// How users prove who they are: by a token (`jwt`), by a session of an application (`http`);
    /// `none` trusts ?user=NAME and serves loopback only
    #[arg(long, env = "CHAT_RELAY_AUTH", default_value = "none", value_name = "HOW")]
    auth: String,
    #[command(flatten)]
    jwt: jwt::JwtArgs,
    #[command(flatten)]
    sessions: sessions::SessionArgs,
    #[command(flatten)]
    guests: guests::GuestArgs,
    /// This relay's name in `hello` and in the names of its connections
    #[arg(long, env = "CHAT_RELAY_NAME", default_value = "relay", value_name = "NAME")]
    name: String,
    /// Let `--auth none` serve other machines too: anyone can then be anyone
    #[arg(
        long,
        env = "CHAT_RELAY_INSECURE",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    insecure: String,
    /// Origins that may open sockets, e.g. https://example.com, or *; without it, the host itself
    #[arg(long, env = "CHAT_RELAY_ALLOWED_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// Addresses of other relays, e.g. wss://chat2.example.com/ws, that the page may fail over to
    #[arg(long, env = "CHAT_RELAY_RELAY_URL", value_delimiter = ',', value_name = "URL")]
    relay_url: Vec<String>,
    /// Most WebSocket connections at a time
    #[arg(long, env = "CHAT_RELAY_MAX_CONNECTIONS", default_value = "100000", value_name = "N")]
    max_connections: String,
    /// Most connections at a time that are no WebSockets, or not yet; beyond it the oldest gives way
    #[arg(long, env = "CHAT_RELAY_MAX_HTTP_CONNECTIONS", default_value = "8192", value_name = "N")]
    max_http_connections: String,
    /// Most connections at a time from one address (IPv6: one /64); 0: no limit
    #[arg(
        long,
        env = "CHAT_RELAY_MAX_CONNECTIONS_PER_ADDRESS",
        default_value = "0",
        value_name = "N"
    )]
    max_connections_per_address: String,
    /// Most rooms that one connection can be in
    #[arg(long, env = "CHAT_RELAY_MAX_ROOMS", default_value = "500", value_name = "N")]
    max_rooms: String,
    /// Most operations per second of one user on this relay; one that names k rooms counts k
    #[arg(long, env = "CHAT_RELAY_OPERATIONS_PER_SECOND", default_value = "100", value_name = "N")]
    operations_per_second: String,
    /// Frames per second that one user may send, pings and what is refused included, ten seconds'
    /// worth at once; a user beyond it is closed. 0: four for each of --operations-per-second
    #[arg(long, env = "CHAT_RELAY_FRAMES_PER_SECOND", default_value = "0", value_name = "N")]
    frames_per_second: String,
    /// Bytes per second that one user may send, ten seconds' worth at once; a user beyond it is
    /// closed. 0: 16kb for each of --operations-per-second
    #[arg(long, env = "CHAT_RELAY_BYTES_PER_SECOND", default_value = "0", value_name = "SIZE")]
    bytes_per_second: String,
    /// Largest message a client may send
    #[arg(long, env = "CHAT_RELAY_MAX_FRAME", default_value = "64kb", value_name = "SIZE")]
    max_frame: String,
    /// Live events that may wait for one connection before it is closed as slow
    #[arg(long, env = "CHAT_RELAY_OUTBOX", default_value = "1mb", value_name = "SIZE")]
    outbox: String,
    /// Time a client has to send an HTTP request, and to take anything of its answer
    #[arg(long, env = "CHAT_RELAY_HANDSHAKE_TIMEOUT", default_value = "10s", value_name = "TIME")]
    handshake_timeout: String,
    /// Time between pings; a client not heard of within this time (at most 10s) after one is closed
    #[arg(long, env = "CHAT_RELAY_PING", default_value = "25s", value_name = "TIME")]
    ping: String,
    /// Time within which a message must have come in whole once its first byte has
    #[arg(long, env = "CHAT_RELAY_MESSAGE_TIME", default_value = "60s", value_name = "TIME")]
    message_time: String,
    /// Time after which a connection counts as gone if its relay died; renewed three times as often
    #[arg(long, env = "CHAT_RELAY_PRESENCE_TTL", default_value = "60s", value_name = "TIME")]
    presence_ttl: String,
    /// Time a user whose socket was lost still counts as present
    #[arg(long, env = "CHAT_RELAY_GRACE", default_value = "15s", value_name = "TIME")]
    grace: String,
    /// Time the relay stays subscribed to a room after its last connection here has left
    #[arg(long, env = "CHAT_RELAY_LINGER", default_value = "5s", value_name = "TIME")]
    linger: String,
    /// Time within which all connections are closed after SIGTERM
    #[arg(long, env = "CHAT_RELAY_DRAIN_TIME", default_value = "25s", value_name = "TIME")]
    drain_time: String,
    /// Time between proofs of the link to Redis, and the time each may take
    #[arg(long, env = "CHAT_RELAY_PROBE", default_value = "5s", value_name = "TIME")]
    probe: String,
    /// Redis's chat.nonce-window; a waiting send is given up after half of it
    #[arg(long, env = "CHAT_RELAY_NONCE_WINDOW", default_value = "5m", value_name = "TIME")]
    nonce_window: String,
    /// Show messages to this relay's clients while Redis is away, marked as local
    #[arg(long, env = "CHAT_RELAY_OFFLINE", default_value = "none", value_name = "none|local")]
    offline: String,
    /// Whether users see which other users are online: open or deny
    #[arg(long, env = "CHAT_RELAY_CONTACTS", default_value = "open", value_name = "open|deny")]
    contacts: String,
    /// Rooms that every user joins at login
    #[arg(long, env = "CHAT_RELAY_AUTO_JOIN", value_delimiter = ',', value_name = "ROOM")]
    auto_join: Vec<String>,
    /// Threads that serve; 0: one for each processor. A delivery costs least with one
    #[arg(long, env = "CHAT_RELAY_THREADS", default_value = "0", value_name = "N")]
    threads: String,
    /// Form of log lines on standard error: text or json
    #[arg(long, env = "CHAT_RELAY_LOG_FORMAT", default_value = "text", value_name = "FORM")]
    log_format: String,
    /// What to log: error, warn, info, debug, trace, or a filter like chat_relay=debug,info
    #[arg(long, env = "CHAT_RELAY_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    #[command(flatten)]
    edge: edge::EdgeArgs,
    #[command(flatten)]
    api: api::ApiArgs,
    #[command(flatten)]
    send_hook: send_hook::SendHookArgs,
}

/// The default of `--frames-per-second`, per operation.
const FRAMES_PER_OPERATION: u32 = 4;
/// The default of `--bytes-per-second`, per operation.
const BYTES_PER_OPERATION: usize = 16 << 10;
/// The most threads.
const THREADS_MAX: usize = 1024;

/// Checked settings. Each is explained at its flag.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Config {
    pub listen: SocketAddr,
    pub(crate) redis: RedisSettings,
    pub(crate) auth: Auth,
    /// How many guests are let in; `None`: none.
    pub guests: Option<usize>,
    pub name: String,
    pub allowed_origins: AllowedOrigins,
    /// Whether requests must name this machine, because every client that reaches the relay is trusted.
    pub loopback_hosts_only: bool,
    pub relay_urls: Vec<RelayUrl>,
    pub max_connections: usize,
    pub max_http_connections: usize,
    pub max_connections_per_address: usize,
    pub max_rooms: usize,
    pub operations_per_second: u32,
    pub frames_per_second: u32,
    pub bytes_per_second: usize,
    pub max_frame: usize,
    pub outbox: usize,
    pub handshake_timeout: Duration,
    pub ping: Duration,
    pub message_time: Duration,
    pub presence_ttl: Duration,
    pub grace: Duration,
    pub linger: Duration,
    pub drain_time: Duration,
    pub probe: Duration,
    pub nonce_window: Duration,
    pub offline: Offline,
    pub contacts: Contacts,
    pub auto_join: Vec<String>,
    pub threads: usize,
    pub log_format: LogFormat,
    pub log: String,
    pub edge: Edge,
    pub(crate) api: Api,
    pub(crate) send_hook: Option<SendHookSettings>,
}

impl Args {
    /// The flags and variables of this process, to be parsed: an empty variable counts as absent.
    pub(crate) fn for_process() -> clap::Command {
        Args::command().mut_args(|flag| {
            let value = flag.get_env().and_then(std::env::var_os);
            match value.is_some_and(|value| value.is_empty()) {
                true => flag.env(Resettable::Reset),
                false => flag,
            }
        })
    }

    /// What was given of them, completed by the file of `--config`.
    pub(crate) fn from_matches(matches: &clap::ArgMatches) -> Result<Args, clap::Error> {
        let given = Args::from_arg_matches(matches)?;
        let Some(path) = given.config else { return Ok(given) };
        let command = Args::command();
        let (arguments, mistakes) = file::merge(&command, matches, &path);
        let mut without_variables = command.mut_args(|flag| flag.env(Resettable::Reset));
        let merged = without_variables.try_get_matches_from_mut(arguments)?;
        let args = Args::from_arg_matches(&merged)?;
        Ok(Args { config: Some(path), file_mistakes: mistakes, ..args })
    }

    /// What a file of `--config` gives to flags, by their names without dashes, and the mistakes in
    /// it.
    pub(crate) fn of_file(path: &str) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
        file::texts(&Args::command(), path)
    }

    /// Checks everything. The error lists every mistake with its flag.
    pub fn check(self) -> Result<Config, Vec<String>> {
        let mut mistakes = Mistakes(self.file_mistakes);
        let listen = mistakes.parsed("--listen", &self.listen, listen_address);
        let insecure = mistakes.switch("--insecure", &self.insecure);
        let redis = self.redis.check(&mut mistakes);
        let way: Option<Way> = mistakes.choice("--auth", &self.auth);
        if let (Some(Way::None), Some(address)) = (way, listen)
            && !address.ip().is_loopback()
            && !insecure
        {
            mistakes.add("--auth", "none serves loopback only, unless told --insecure");
        }
        let edge = self.edge.check(&mut mistakes);
        let api = self.api.check(&mut mistakes);
        let send_hook = self.send_hook.check(&mut mistakes);
        let allowed_origins = AllowedOrigins::check(&self.allowed_origin, &mut mistakes);
        let has_tokens = way == Some(Way::Jwt);
        let guests = self.guests.check(&mut mistakes);
        if guests.is_some() && way == Some(Way::None) {
            mistakes
                .add("--anonymous", "only with --auth jwt or http: with none anybody is let in");
        }
        let jwt = self.jwt.check(has_tokens, guests, &allowed_origins, &mut mistakes);
        if edge.page_token_url.is_some() && !has_tokens {
            mistakes.add("--page-token-url", "only with --auth jwt");
        }
        let has_sessions = way == Some(Way::Http);
        let sessions = self.sessions.check(has_sessions, guests, &allowed_origins, &mut mistakes);
        if !names::is_relay(&self.name) {
            mistakes.add("--name", "1 to 32 of a-z A-Z 0-9 _ . -");
        }
        for room in self.auto_join.iter().filter(|room| !room.is_empty()) {
            if names::room_kind(room) != Some(names::RoomKind::Ordinary) {
                mistakes.add("--auto-join", "no ordinary room can have such a name");
            }
        }
        let mut relay_urls = Vec::new();
        for url in self.relay_url.iter().filter(|url| !url.is_empty()) {
            relay_urls.extend(mistakes.parsed("--relay-url", url, RelayUrl::parse));
        }
        let loopback_hosts_only = way == Some(Way::None)
            && listen.is_some_and(|address| address.ip().is_loopback())
            && !insecure
            && allowed_origins == AllowedOrigins::Own;
        let operations_per_second =
            mistakes.number("--operations-per-second", &self.operations_per_second, 1);
        let frames_per_second =
            match mistakes.number("--frames-per-second", &self.frames_per_second, 0) {
                0 => FRAMES_PER_OPERATION.saturating_mul(operations_per_second),
                frames => frames,
            };
        let bytes_per_second =
            match mistakes.size("--bytes-per-second", &self.bytes_per_second, 0..=1 << 40) {
                0 => BYTES_PER_OPERATION.saturating_mul(operations_per_second as usize),
                bytes => bytes,
            };
        let config = Config {
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            redis,
            auth: match sessions {
                Some(sessions) => Auth::Http(Arc::new(sessions)),
                None if has_tokens => Auth::Jwt(Arc::new(jwt)),
                None => Auth::None,
            },
            guests,
            max_connections: mistakes.number("--max-connections", &self.max_connections, 1),
            max_http_connections: mistakes.number(
                "--max-http-connections",
                &self.max_http_connections,
                1,
            ),
            max_connections_per_address: mistakes.number(
                "--max-connections-per-address",
                &self.max_connections_per_address,
                0,
            ),
            max_rooms: mistakes.number("--max-rooms", &self.max_rooms, 1),
            operations_per_second,
            frames_per_second,
            bytes_per_second,
            max_frame: mistakes.size("--max-frame", &self.max_frame, 1024..=16 << 20),
            outbox: mistakes.size("--outbox", &self.outbox, 16 << 10..=1 << 30),
            handshake_timeout: mistakes.time("--handshake-timeout", &self.handshake_timeout, 100),
            ping: mistakes.time("--ping", &self.ping, 100),
            message_time: mistakes.time("--message-time", &self.message_time, 100),
            presence_ttl: mistakes.time("--presence-ttl", &self.presence_ttl, 1000),
            grace: mistakes.time("--grace", &self.grace, 1),
            linger: mistakes.time("--linger", &self.linger, 0),
            drain_time: mistakes.time("--drain-time", &self.drain_time, 0),
            probe: mistakes.time("--probe", &self.probe, 50),
            nonce_window: mistakes.time("--nonce-window", &self.nonce_window, 1000),
            offline: mistakes.choice("--offline", &self.offline).unwrap_or(Offline::None),
            contacts: mistakes.choice("--contacts", &self.contacts).unwrap_or(Contacts::Deny),
            log_format: mistakes
                .choice("--log-format", &self.log_format)
                .unwrap_or(LogFormat::Text),
            threads: mistakes.number("--threads", &self.threads, 0),
            name: self.name,
            allowed_origins,
            loopback_hosts_only,
            relay_urls,
            auto_join: without_empty(self.auto_join),
            log: self.log,
            edge,
            api,
            send_hook,
        };
        if !is_log_filter(&config.log) {
            mistakes.add("--log", "not a filter like info or chat_relay=debug,info");
        }
        if config.threads > THREADS_MAX {
            mistakes.add("--threads", format!("at most {THREADS_MAX}"));
        }
        if config.grace > config.presence_ttl {
            mistakes.add("--grace", "longer than --presence-ttl");
        }
        if mistakes.0.is_empty() { Ok(config) } else { Err(mistakes.0) }
    }
}

/// The settings of a relay with these flags.
#[cfg(test)]
pub(crate) fn test_config(flags: &[&str]) -> Config {
    let flags = std::iter::once(&"chat-relay").chain(flags);
    Args::try_parse_from(flags).expect("known flags").check().expect("good flags")
}

#[cfg(test)]
mod tests;
