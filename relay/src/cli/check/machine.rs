//! What is checked without Redis: ports, and the services that say who a user is. Files of keys are
//! read with the settings.

use std::net::{SocketAddr, TcpListener};

use crate::auth::ServiceUrl;
use crate::cli::check::finding::Finding;
use crate::config::{Auth, Config, SessionAuth};
use crate::verification::{WithoutSession, ask_without_session, fetch_keys};

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

/// Whether those answer who say who a user is: the server of a key set, an application.
pub(super) async fn services(config: &Config) -> Vec<Finding> {
    match &config.auth {
        Auth::None => Vec::new(),
        Auth::Jwt(jwt) => match jwt.url.clone() {
            Some(url) => vec![keys(url).await],
            None => Vec::new(),
        },
        Auth::Http(settings) => vec![sessions(settings, &config.name).await],
    }
}

async fn keys(url: ServiceUrl) -> Finding {
    let (host, fetched) = fetch_keys(url).await;
    match fetched {
        Ok(count) => Finding::ok("keys", format_args!("the set of {host}: {count} usable")),
        Err(why) => Finding::error("keys", format_args!("--jwt-jwks: the set of {host}: {why}")),
    }
}

async fn sessions(settings: &SessionAuth, relay: &str) -> Finding {
    let (host, answer) = ask_without_session(settings, relay).await;
    match answer {
        Ok(WithoutSession::Refused) => {
            let text = format_args!("{host} refuses a request without a session, as it should");
            Finding::ok("sessions", text)
        }
        Ok(WithoutSession::LetIn) => {
            let text = format_args!("{host} lets in a request without a session: anybody gets in");
            Finding::error("sessions", text)
        }
        Err(why) => Finding::error("sessions", format_args!("--auth-url: {host}: {why}")),
    }
}
