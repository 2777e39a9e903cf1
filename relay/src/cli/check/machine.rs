//! What is checked without Redis: ports, and keys that are fetched. Files of keys are read with the
//! settings.

use std::net::{SocketAddr, TcpListener};

use crate::cli::check::finding::Finding;
use crate::config::{Auth, Config};
use crate::verification::fetch_keys;

/// Whether the relay's ports can be taken.
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let ports = [("--listen", Some(config.listen)), ("--listen-ops", config.edge.listen_ops)];
    // Kept until all are tried: two settings may name one port.
    let mut taken = Vec::new();
    let take = |(flag, address): (&str, Option<SocketAddr>)| {
        let address = address?;
        Some(match TcpListener::bind(address) {
            Ok(listener) => {
                taken.push(listener);
                Finding::ok("port", format_args!("{flag}: {address} is free"))
            }
            Err(error) => Finding::error("port", format_args!("{flag}: {address}: {error}")),
        })
    };
    ports.into_iter().filter_map(take).collect()
}

/// Whether keys can be fetched.
pub(super) async fn keys(config: &Config) -> Vec<Finding> {
    let Auth::Jwt(jwt) = &config.auth else { return Vec::new() };
    let Some(url) = jwt.url.clone() else { return Vec::new() };
    let (host, fetched) = fetch_keys(url).await;
    vec![match fetched {
        Ok(0) => Finding::error("keys", format_args!("the set of {host} has no usable key")),
        Ok(count) => Finding::ok("keys", format_args!("the set of {host} has {count}")),
        Err(why) => Finding::error("keys", format_args!("the set of {host}: {why}")),
    }]
}
