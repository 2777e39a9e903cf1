//! Where a running relay answers its monitoring, by its settings alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::Args;
use crate::config::values::{Mistakes, listen_address};

impl Args {
    /// The address at which a relay with these settings answers /readyz and /healthz to this machine:
    /// that of `--listen-ops`, otherwise that of `--listen`. No file of keys is read: it may be about
    /// to be replaced. The error lists every mistake with its flag.
    pub(crate) fn ops_address(self) -> Result<SocketAddr, Vec<String>> {
        let mut mistakes = Mistakes(self.file_mistakes);
        let has_header = mistakes.switch("--proxy-protocol", &self.edge.proxy_protocol);
        let ops = self.edge.listen_ops.filter(|text| !text.is_empty());
        if has_header && ops.is_none() {
            mistakes
                .add("--listen-ops", "needed: with --proxy-protocol only proxies reach --listen");
        }
        let (flag, text) = match ops {
            Some(text) => ("--listen-ops", text),
            None => ("--listen", self.listen),
        };
        let address = mistakes.parsed(flag, &text, listen_address);
        if address.is_some_and(|address| address.port() == 0) {
            mistakes.add(flag, "port 0 is another port at each start");
        }
        match address {
            Some(address) if mistakes.0.is_empty() => Ok(reachable(address)),
            _ => Err(mistakes.0),
        }
    }
}

/// The address to connect to for what listens at this one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_address_is_that_of_the_monitoring_as_this_machine_reaches_it() {
        let rows: &[(&[&str], Result<&str, &[&str]>)] = &[
            (&[], Ok("127.0.0.1:8080")),
            (&["--listen=0.0.0.0:81", "--listen-ops="], Ok("127.0.0.1:81")),
            (&["--listen=0.0.0.0:81", "--listen-ops=0.0.0.0:91"], Ok("127.0.0.1:91")),
            (&["--listen-ops=[::]:91"], Ok("[::1]:91")),
            (&["--listen-ops=10.1.2.3:91"], Ok("10.1.2.3:91")),
            (&["--jwt-secret-file=/nowhere", "--redis=nonsense"], Ok("127.0.0.1:8080")),
            (&["--proxy-protocol", "--listen-ops=0.0.0.0:91"], Ok("127.0.0.1:91")),
            (&["--proxy-protocol"], Err(&["--listen-ops: needed"])),
            (&["--proxy-protocol=maybe", "--listen=x"], Err(&["--proxy-protocol: ", "--listen: "])),
            (&["--listen-ops=127.0.0.1:0"], Err(&["--listen-ops: port 0"])),
            (&["--listen-ops=127.0.0.1:99999"], Err(&["--listen-ops: "])),
        ];
        for (flags, expected) in rows {
            let flags = std::iter::once(&"chat-relay").chain(*flags);
            let found = Args::try_parse_from(flags.clone()).expect("known flags").ops_address();
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.to_string(), *expected),
                (Err(found), Err(expected)) => {
                    assert_eq!(found.len(), expected.len(), "{found:?}");
                    let pairs = found.iter().zip(*expected);
                    pairs.for_each(|(found, start)| assert!(found.starts_with(start), "{found}"));
                }
                (found, _) => panic!("{:?}: {found:?}", flags.collect::<Vec<_>>()),
            }
        }
    }
}
