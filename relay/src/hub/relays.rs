//! How operators learn which relays there are: each one with `--listen-ops` is present in one room,
//! whose `CHAT.WHO` is the list. A relay that dies is gone from it after `--presence-ttl`.
//!
//! The room is the backend's: relays let no user read it, list it or write to it
//! (`operations/scopes.rs`). In a cluster it is one slot's, like any room. The cost is one command for
//! each third of the TTL, whether somebody looks or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::error_code::ErrorCode;
use chat_protocol::limits::STATUS_MAX;
use tracing::warn;

use crate::hub::hub::Hub;
use crate::rate_limit::LogLimit;
use crate::upstream::CommandError;
use crate::upstream::commands::{self, Reader};

/// The room in which relays are present. Each is a user there, with the name of its process.
pub(crate) const RELAYS: &str = "*relays";
const TOPIC: &str = "Relays announce themselves here";
/// A refusal is logged once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(600);
/// The time that Redis has to take a relay off the list when it stops.
const LEAVING: Duration = Duration::from_secs(1);

/// Keeps this relay on the list, forever. `address`: that of `--listen-ops`.
pub(crate) async fn announce(hub: Arc<Hub>, address: SocketAddr) {
    let mut log_limit = LogLimit::every(LOG_INTERVAL);
    loop {
        // While Redis is away there is nothing to try.
        hub.upstream.wait_open(RELAYS).await;
        if let Err(CommandError::Refused(error)) = beat(&hub, address).await
            && log_limit.note(Instant::now()).is_some()
        {
            let why = &*error.message;
            warn!(source = "upstream", room = RELAYS, why, "operators do not see this relay");
        }
        tokio::time::sleep(hub.config.presence_ttl / 3).await;
    }
}

/// Takes this relay off the list.
pub(crate) async fn leave(hub: &Hub) {
    let name = hub.process_name();
    let leaving = commands::absent(RELAYS, &name, &name, Some("stopped"));
    // Without an answer it is gone when its time has passed.
    let _ = hub.upstream.call_one_within(leaving, LEAVING).await;
}

async fn beat(hub: &Hub, address: SocketAddr) -> Result<(), CommandError> {
    let (name, ttl) = (hub.process_name(), hub.config.presence_ttl);
    let status = status(hub.connection_count(), address);
    let present = || commands::present(RELAYS, &name, &name, ttl, Some(&status));
    match hub.upstream.call_one_at_once(present()).await {
        Err(CommandError::Refused(error)) if error.is(ErrorCode::NoRoom) => {}
        reply => return reply.map(drop),
    }
    // The first relay makes the room. Frozen: only the backend writes there.
    let settings = [("topic", TOPIC.to_owned()), ("frozen", "yes".to_owned())];
    let making = commands::set_room(RELAYS, &settings, Reader::Backend);
    hub.upstream.call_one_at_once(making).await?;
    hub.upstream.call_one_at_once(present()).await.map(drop)
}

/// The status of a relay: its version, its connections and where operators reach it, with spaces
/// between them. An address that is too long is left out.
fn status(connections: usize, address: SocketAddr) -> String {
    let short = format!("{} {connections}", env!("CARGO_PKG_VERSION"));
    let whole = format!("{short} {address}");
    if whole.len() <= STATUS_MAX { whole } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_one() {
        let addresses = [
            "127.0.0.1:9180",
            "[::]:1",
            "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535",
        ];
        for address in addresses {
            let parsed: SocketAddr = address.parse().expect("an address");
            for connections in [0, 100_000, usize::MAX] {
                let status = status(connections, parsed);
                assert!(status.len() <= STATUS_MAX, "{status}");
                let mut words = status.split(' ');
                assert_eq!(words.next(), Some(env!("CARGO_PKG_VERSION")));
                assert_eq!(words.next(), Some(&*connections.to_string()));
                assert!(words.next().is_none_or(|found| found == address), "{status}");
            }
        }
        let usual = status(12, "10.0.0.5:9180".parse().expect("an address"));
        assert_eq!(usual, format!("{} 12 10.0.0.5:9180", env!("CARGO_PKG_VERSION")));
    }
}
