//! The address that a client counts by.
//!
//! A trusted proxy appends to `X-Forwarded-For` the address that sent it the request. So the right-most
//! address that is not of a trusted proxy is the client's; the client may have invented those left of
//! it. A client with an IPv6 address is taken to have its whole /64.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::Networks;

/// The address of the client whose request `peer` passed on, or made.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let mut address = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter();
    let named: Vec<&[u8]> =
        lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    for text in named.into_iter().rev() {
        if !trusted.contain(address) {
            break;
        }
        // What a trusted proxy does not say readably counts as its own.
        let Some(named) = parse(text) else { break };
        address = named;
    }
    address
}

/// An address, or one with a port.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    Some(address?.to_canonical())
}

/// What all addresses of one client have in common.
pub(super) fn of_one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_config;
    use axum::http::HeaderValue;

    #[test]
    fn the_rightmost_untrusted_address_is_the_clients() {
        let config = test_config(&["--trusted-proxies=10.0.0.0/8, ::1"]);
        let rows: &[(&str, &[&str], &str, &str)] = &[
            ("10.0.0.1", &[], "10.0.0.1", "no header"),
            ("10.0.0.1", &["1.1.1.1"], "1.1.1.1", "one proxy"),
            ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1", "IPv4 within IPv6"),
            ("::1", &["2.2.2.2, 1.1.1.1 , 10.0.0.2"], "1.1.1.1", "two proxies and an invention"),
            ("::1", &["1.1.1.1", "10.0.0.2"], "1.1.1.1", "two lines"),
            ("::1", &["1.1.1.1:99"], "1.1.1.1", "with a port"),
            ("::1", &["[fd00::1]:99"], "fd00::1", "IPv6 with a port"),
            ("3.3.3.3", &["1.1.1.1"], "3.3.3.3", "nobody trusted"),
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1", "unreadable"),
            ("10.0.0.1", &["1.1.1.1,"], "10.0.0.1", "empty"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", "trusted ones only"),
        ];
        for (peer, lines, expected, why) in rows {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            let peer = peer.parse().expect(peer);
            let found = client_address(peer, &headers, &config.edge.trusted_proxies);
            assert_eq!(found.to_string(), *expected, "{why}");
        }
    }

    #[test]
    fn a_client_has_a_whole_network_of_ipv6_addresses() {
        let one = |text: &str| of_one_client(text.parse().expect(text));
        assert_eq!(one("fd00:1:2:3::1"), one("fd00:1:2:3:ffff::2"));
        assert_ne!(one("fd00:1:2:3::1"), one("fd00:1:2:4::1"));
        assert_eq!(one("::ffff:1.2.3.4"), one("1.2.3.4"));
        assert_ne!(one("1.2.3.4"), one("1.2.3.5"));
    }
}
