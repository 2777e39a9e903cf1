//! The metrics of the relay; all names begin with `chat_relay_`.
//!
//! Handles are looked up once, so a counter on the delivery path costs one atomic addition. Before
//! [`install`], as in unit tests, nothing is recorded.

use std::env::consts::{ARCH, OS};
use std::sync::LazyLock;
use std::time::Duration;

use chat_protocol::close_code;
use metrics::{Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge};
use metrics::{describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::metrics::{operation, process};

macro_rules! metrics {
    ($($field:ident: $kind:ident $make:ident $describe:ident $name:literal $text:literal;)*) => {
        /// The handles of all metrics.
        pub(crate) struct Metrics {
            $(#[doc = $text] pub(crate) $field: $kind,)*
        }

        /// The metrics of this process.
        pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
            $($describe!($name, $text);)*
            Metrics { $($field: $make!($name),)* }
        });
    };
}

metrics! {
    connections: Gauge gauge describe_gauge "chat_relay_connections" "WebSocket connections and streams of events now";
    connections_opened: Counter counter describe_counter "chat_relay_connections_opened_total" "WebSocket connections and streams of events accepted";
    http_connections: Gauge gauge describe_gauge "chat_relay_http_connections" "TCP connections that are no WebSockets or streams of events, or not yet";
    accept_failures: Counter counter describe_counter "chat_relay_accept_failures_total" "Times the system refused a new connection, as when files run out";
    frames: Counter counter describe_counter "chat_relay_frames_total" "Frames from clients, pings and parts of messages included";
    received_bytes: Counter counter describe_counter "chat_relay_received_bytes_total" "Bytes of frames from clients";
    sent_bytes: Counter counter describe_counter "chat_relay_sent_bytes_total" "Bytes of frames that the system took for clients";
    outbox_bytes: Gauge gauge describe_gauge "chat_relay_outbox_bytes" "Bytes of frames that wait for clients to read";
    rooms: Gauge gauge describe_gauge "chat_relay_rooms" "Rooms that this relay is subscribed to";
    watches: Gauge gauge describe_gauge "chat_relay_watches" "Patterns of rooms that connections watch, each counted for each connection";
    events_received: Counter counter describe_counter "chat_relay_events_received_total" "Events received from Redis";
    events_malformed: Counter counter describe_counter "chat_relay_events_malformed_total" "Messages on room channels that are no events";
    events_delivered: Counter counter describe_counter "chat_relay_events_delivered_total" "Events queued for connections, one per subscriber";
    ephemeral_dropped: Counter counter describe_counter "chat_relay_ephemeral_dropped_total" "Ephemeral events not sent to slow connections";
    signals_throttled: Counter counter describe_counter "chat_relay_signals_throttled_total" "Signals dropped because they came too fast";
    syncs: Counter counter describe_counter "chat_relay_syncs_total" "CHAT.SYNC calls made to close a gap of a room";
    resumes: Counter counter describe_counter "chat_relay_resume_fetches_total" "CHAT.SYNC and CHAT.HISTORY calls made for joining and resuming clients";
    resumes_shared: Counter counter describe_counter "chat_relay_resume_shared_total" "Joining and resuming clients served by a call made for another";
    holes: Counter counter describe_counter "chat_relay_holes_total" "Gaps in a room's events that a sync filled";
    reloads: Counter counter describe_counter "chat_relay_reloads_total" "Reloads of rooms that no longer knew the position of this relay";
    draining: Gauge gauge describe_gauge "chat_relay_draining" "1 from SIGTERM on";
    sends_waiting: Gauge gauge describe_gauge "chat_relay_sends_waiting" "Sends that wait for Redis or for a verdict";
    defects: Counter counter describe_counter "chat_relay_defects_total" "Panics of the relay; please report each one";
    verifications: Gauge gauge describe_gauge "chat_relay_verifications" "Tokens that wait to be verified, or are being verified";
    upstream_up: Gauge gauge describe_gauge "chat_relay_upstream_up" "1 while the link to Redis is proven";
    upstream_writes: Gauge gauge describe_gauge "chat_relay_upstream_writes" "1 while Redis accepts writes, as far as is known";
    upstream_connects: Counter counter describe_counter "chat_relay_upstream_connects_total" "Times the link to Redis was opened";
    upstream_failures: Counter counter describe_counter "chat_relay_upstream_failures_total" "Times the link to Redis was lost or could not be opened";
    nodes: Gauge gauge describe_gauge "chat_relay_nodes" "Nodes of Redis that this relay knows; 1 without a cluster";
    nodes_open: Gauge gauge describe_gauge "chat_relay_nodes_open" "Nodes of Redis to which the link is proven";
    slots_unproven: Gauge gauge describe_gauge "chat_relay_slots_unproven" "Slots, of 16384, whose node cannot be read now";
    topology_refreshes: Counter counter describe_counter "chat_relay_topology_refreshes_total" "Times servers were asked who owns which slots";
    sentinels_open: Gauge gauge describe_gauge "chat_relay_sentinels_open" "Sentinels that answer this relay";
    sentinel_switches: Counter counter describe_counter "chat_relay_sentinel_switches_total" "Times the relay left a primary because its Sentinels named another one";
    channels_unconfirmed: Gauge gauge describe_gauge "chat_relay_channels_unconfirmed" "Channels whose subscription the owner of their slot has not confirmed";
    moved_rooms: Counter counter describe_counter "chat_relay_moved_rooms_total" "Times a room's channel was followed to another node";
    command_seconds: Histogram histogram describe_histogram "chat_relay_command_seconds" "Time from a pipeline of commands to its replies";
    application_seconds: Histogram histogram describe_histogram "chat_relay_auth_request_seconds" "Time from a login by session to the answer of the application, waiting included";
    hook_open: Gauge gauge describe_gauge "chat_relay_hook_questions" "Questions to the service of --send-hook without an answer yet";
    hook_seconds: Histogram histogram describe_histogram "chat_relay_hook_seconds" "Time from a question to the service of --send-hook to its answer or failure";
    probe_seconds: Histogram histogram describe_histogram "chat_relay_probe_seconds" "Time from a probe's publication to its return";
    lag_seconds: Histogram histogram describe_histogram "chat_relay_event_lag_seconds" "Age of a durable event at delivery, by the clocks of both machines";
}

impl Metrics {
    /// Counts a new problem with Redis by its kind.
    pub(crate) fn upstream_problem(&self, kind: &'static str) {
        counter!("chat_relay_upstream_troubles_total", "reason" => kind).increment(1);
    }

    /// Counts a command that was sent to another node, because the first one said so.
    pub(crate) fn redirected(&self, kind: &'static str) {
        counter!("chat_relay_redirects_total", "kind" => kind).increment(1);
    }

    /// Counts a Sentinel that was of no use, by the reason.
    pub(crate) fn sentinel_failure(&self, reason: &'static str) {
        counter!("chat_relay_sentinel_failures_total", "reason" => reason).increment(1);
    }

    /// Counts a login, by what carried the credential and by why it was refused, or `ok`.
    pub(crate) fn login(&self, way: &'static str, outcome: &'static str) {
        counter!("chat_relay_logins_total", "way" => way, "outcome" => outcome).increment(1);
    }

    /// Counts an HTTP request by the pattern of its route and the class of its status.
    pub(crate) fn http_request(&self, route: &str, class: &'static str) {
        let labels =
            [Label::new("route", route.to_owned()), Label::from_static_parts("status", class)];
        counter!("chat_relay_http_requests_total", labels.iter()).increment(1);
    }

    /// Counts a fetch of a key set, by its outcome.
    pub(crate) fn key_fetch(&self, outcome: &'static str) {
        counter!("chat_relay_key_fetches_total", "outcome" => outcome).increment(1);
    }

    /// Counts a connection closed for want of a good header of the PROXY protocol.
    pub(crate) fn proxy_header_refused(&self, reason: &'static str) {
        counter!("chat_relay_proxy_headers_refused_total", "reason" => reason).increment(1);
    }

    /// Counts a reading of the files of keys, by its outcome.
    pub(crate) fn key_reload(&self, outcome: &'static str) {
        counter!("chat_relay_key_reloads_total", "outcome" => outcome).increment(1);
    }

    /// Counts a question to the application about a session, by outcome, and notes its time.
    pub(crate) fn application_request(&self, outcome: &'static str, time: Duration) {
        counter!("chat_relay_auth_requests_total", "outcome" => outcome).increment(1);
        self.application_seconds.record(time.as_secs_f64());
    }

    /// Counts what the service of `--send-hook` was to judge, by what came of it.
    pub(crate) fn hook_question(&self, outcome: &'static str, count: u64) {
        counter!("chat_relay_hook_questions_total", "outcome" => outcome).increment(count);
    }

    /// Counts a request to `/v1`, by who sent it, the name of an API key, and the status.
    pub(crate) fn api_request(&self, caller: &'static str, key: &str, status: u16) {
        let labels = [
            ("caller", caller.to_owned()),
            ("key", key.to_owned()),
            ("status", status.to_string()),
        ];
        counter!("chat_relay_api_requests_total", &labels).increment(1);
    }

    /// Counts a close by the relay, by the name of its close code.
    pub(crate) fn closed(&self, name: &'static str) {
        counter!("chat_relay_closes_total", "reason" => name).increment(1);
    }
}

/// Buckets in seconds, for what each histogram shows. Each limit that an alert names is one of them.
const BUCKETS: &[(&str, &[f64])] = &[
    // A network's round trip and a short command, up to the time-out.
    (
        "chat_relay_command_seconds",
        &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0],
    ),
    ("chat_relay_probe_seconds", &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0]),
    // From delivery at once to what a sync brings after an outage.
    (
        "chat_relay_event_lag_seconds",
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0],
    ),
    // Up to a send that waited for half of the nonce window. There is a set for each operation.
    (
        operation::SECONDS,
        &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 150.0],
    ),
];

/// Buckets of all other histograms.
const OTHER_BUCKETS: [f64; 11] =
    [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Metrics with labels that come with their first value, and their descriptions.
const LABELLED: &[(&str, &str)] = &[
    (
        "chat_relay_upstream_troubles_total",
        "Times something began to be the matter with Redis, by reason",
    ),
    (
        "chat_relay_redirects_total",
        "Commands sent again to the node that the first one named, by kind: moved or ask",
    ),
    ("chat_relay_sentinel_failures_total", "Times a Sentinel was of no use, by reason"),
    ("chat_relay_closes_total", "Sockets closed by the relay, by reason"),
    ("chat_relay_logins_total", "Logins, by what carried the credential and outcome"),
    ("chat_relay_http_requests_total", "HTTP requests, by route and class of the status"),
    ("chat_relay_api_requests_total", "Requests to /v1, by caller, API key and status"),
    ("chat_relay_key_fetches_total", "Fetches of a key set, by outcome"),
    (
        "chat_relay_proxy_headers_refused_total",
        "Connections closed because they did not begin with a good header of the PROXY protocol, by reason",
    ),
    ("chat_relay_auth_requests_total", "Questions to the application about sessions, by outcome"),
    ("chat_relay_hook_questions_total", "What the service of --send-hook was to judge, by outcome"),
    ("chat_relay_key_reloads_total", "Times the files of keys were read again, by outcome"),
];

/// What may come of something that the service of `--send-hook` was to judge.
const HOOK_OUTCOMES: [&str; 6] = ["accepted", "rejected", "kept", "passed", "failed", "refused"];

/// Installs the recorder. [`render`] gives its text.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new().set_buckets(&OTHER_BUCKETS)?;
    for (name, limits) in BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), limits)?;
    }
    let handle = builder.install_recorder()?;
    for (name, text) in LABELLED {
        describe_counter!(*name, *text);
    }
    operation::describe();
    LazyLock::force(&METRICS);
    // Each from 0 on, so that the first close is an increase.
    for close in close_code::ALL {
        counter!("chat_relay_closes_total", "reason" => close.name).increment(0);
    }
    for outcome in HOOK_OUTCOMES {
        METRICS.hook_question(outcome, 0);
    }
    for kind in ["moved", "ask"] {
        counter!("chat_relay_redirects_total", "kind" => kind).increment(0);
    }
    describe_gauge!("chat_relay_build_info", "1; the labels say what this relay is");
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("os", OS), ("arch", ARCH)];
    gauge!("chat_relay_build_info", &labels).set(1.0);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// All metrics in Prometheus' text form, those of the process included. Reads files.
pub(crate) fn render(handle: &PrometheusHandle) -> String {
    let mut text = handle.render();
    process::render(&mut text);
    text
}
