//! The relay's metrics; all names begin with `chat_relay_`.
//!
//! Handles are looked up once, so a counter on the delivery path costs one atomic addition. Before
//! [`install`], as in unit tests, nothing is recorded.

use std::sync::LazyLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge};
use metrics::{describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::metrics::operation;

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
    connections: Gauge gauge describe_gauge "chat_relay_connections" "WebSocket connections now";
    connections_total: Counter counter describe_counter "chat_relay_connections_total" "WebSocket connections accepted";
    http_connections: Gauge gauge describe_gauge "chat_relay_http_connections" "TCP connections that are no WebSockets, or not yet";
    accept_failures: Counter counter describe_counter "chat_relay_accept_failures_total" "Times the system refused a new connection, as when files run out";
    frames: Counter counter describe_counter "chat_relay_frames_total" "Frames from clients, pings and parts of messages included";
    bytes_received: Counter counter describe_counter "chat_relay_bytes_received_total" "Bytes of frames from clients";
    rooms: Gauge gauge describe_gauge "chat_relay_rooms" "Rooms that this relay is subscribed to";
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
    sends_waiting: Gauge gauge describe_gauge "chat_relay_sends_waiting" "Sends that wait for Redis";
    defects: Counter counter describe_counter "chat_relay_defects_total" "Panics of the relay; please report each one";
    verifications: Gauge gauge describe_gauge "chat_relay_verifications" "Tokens that wait to be verified, or are being verified";
    upstream_up: Gauge gauge describe_gauge "chat_relay_upstream_up" "1 while the link to Redis is proven";
    upstream_writes: Gauge gauge describe_gauge "chat_relay_upstream_writes" "1 while Redis accepts writes, as far as is known";
    upstream_connects: Counter counter describe_counter "chat_relay_upstream_connects_total" "Times the link to Redis was opened";
    upstream_failures: Counter counter describe_counter "chat_relay_upstream_failures_total" "Times the link to Redis was lost or could not be opened";
    command_seconds: Histogram histogram describe_histogram "chat_relay_command_seconds" "Time from a pipeline of commands to its replies";
    application_seconds: Histogram histogram describe_histogram "chat_relay_auth_request_seconds" "Time from a login by session to the answer of the application, waiting included";
    probe_seconds: Histogram histogram describe_histogram "chat_relay_probe_seconds" "Time from a probe's publication to its return";
    lag_seconds: Histogram histogram describe_histogram "chat_relay_event_lag_seconds" "Age of a durable event at delivery, by the clocks of both machines";
}

impl Metrics {
    /// Counts a new problem with Redis by its kind.
    pub(crate) fn upstream_problem(&self, kind: &'static str) {
        counter!("chat_relay_upstream_troubles_total", "reason" => kind).increment(1);
    }

    /// Counts a login with a token, by what carried it and by why it was refused, or `ok`.
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

    /// Counts a close by the relay, by the name of its close code.
    pub(crate) fn closed(&self, name: &'static str) {
        counter!("chat_relay_closes_total", "reason" => name).increment(1);
    }
}

/// Installs the recorder. The returned handle renders the metrics in Prometheus' text form.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
    let handle = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
    describe_counter!(
        "chat_relay_upstream_troubles_total",
        "Times something began to be the matter with Redis, by reason"
    );
    describe_counter!("chat_relay_closes_total", "Sockets closed by the relay, by reason");
    describe_counter!(
        "chat_relay_logins_total",
        "Logins, by what carried the credential and outcome"
    );
    describe_counter!(
        "chat_relay_auth_requests_total",
        "Questions to the application about sessions, by outcome"
    );
    describe_counter!(
        "chat_relay_http_requests_total",
        "HTTP requests, by route and class of the status"
    );
    describe_counter!("chat_relay_key_fetches_total", "Fetches of a key set, by outcome");
    describe_counter!(
        "chat_relay_proxy_headers_refused_total",
        "Connections closed because they did not begin with a good header of the PROXY protocol, by reason"
    );
    describe_counter!(
        "chat_relay_key_reloads_total",
        "Times the files of keys were read again, by outcome"
    );
    operation::describe();
    LazyLock::force(&METRICS);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
