//! A running relay, by its `/readyz` and `/metrics`.

use std::time::Duration;

use axum::http::StatusCode;

use crate::auth::ServiceUrl;
use crate::cli::doctor::page::{Page, pair};
use crate::http_client::{Bounds, HttpClient};

const BOUNDS: Bounds = Bounds { within: Duration::from_secs(5), body: 1 << 20 };
/// Metrics that are shown.
const METRICS_MAX: usize = 120;

/// Adds what the relay at this address says of itself.
pub(super) async fn describe(page: &mut Page, url: &str) {
    let base = match ServiceUrl::parse(url) {
        Ok(base) => base,
        Err(why) => {
            page.heading("relay");
            return page.line(&format!("--ops: {why}"));
        }
    };
    page.heading(&format!("relay at {}", base.authority));
    match get(&base, "/readyz").await {
        Ok((status, text)) => page.line(&format!("readyz: {} {text}", status.as_u16())),
        Err(why) => page.line(&format!("readyz: {why}")),
    }
    match get(&base, "/metrics").await {
        Ok((StatusCode::OK, text)) => page.words("metrics that are not 0", metrics(&text)),
        Ok((status, _)) => page.line(&format!("metrics: status {}", status.as_u16())),
        Err(why) => page.line(&format!("metrics: {why}")),
    }
}

async fn get(base: &ServiceUrl, path: &str) -> Result<(StatusCode, String), String> {
    let path = format!("{}{path}", base.path.trim_end_matches('/'));
    let client = HttpClient::new(ServiceUrl { path, ..base.clone() }, BOUNDS).reading_failures();
    let answer = client.get().await.map_err(|why| why.to_string())?;
    let body = answer.body.unwrap_or_default();
    Ok((answer.status, String::from_utf8_lossy(&body).into_owned()))
}

/// The metrics of a relay or forwarder, and of its process, that are not 0; of histograms the sum and
/// the count.
fn metrics(text: &str) -> Vec<String> {
    let known = text.lines().filter(|line| {
        line.starts_with("chat_relay_")
            || line.starts_with("chat_forward_")
            || line.starts_with("process_")
    });
    let samples = known.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let number: f64 = value.parse().ok()?;
        let is_part = name.contains("_bucket{") || name.contains("quantile=");
        (number != 0.0 && !is_part && is_sample(name)).then(|| pair(name, value))
    });
    samples.take(METRICS_MAX).collect()
}

/// A name with short labels, like `chat_relay_closes_total{reason="ping"}`.
fn is_sample(name: &str) -> bool {
    name.len() <= 120
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_{}=\",./-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_samples_of_relays_are_shown() {
        let text = "# HELP chat_relay_x words\nchat_relay_a_total 3\nchat_relay_b 0\n\
                    chat_relay_c_bucket{le=\"1\"} 4\nchat_relay_c_sum 0.5\nprocess_open_fds 9\n\
                    chat_relay_d{reason=\"ping\"} 2\nchat_relay_e{reason=\"\u{1b}[2J\"} 2\n\
                    chat_relay_f{room=\"a b\"} 2\nother 5\nchat_relay_g many\n";
        let expected = [
            "chat_relay_a_total=3",
            "chat_relay_c_sum=0.5",
            "process_open_fds=9",
            "chat_relay_d{reason=\"ping\"}=2",
        ];
        assert_eq!(metrics(text), expected);
        let many: String = (0..1_000).map(|n| format!("chat_relay_{n} 1\n")).collect();
        assert_eq!(metrics(&many).len(), METRICS_MAX);
    }
}
