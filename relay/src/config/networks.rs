//! Networks of addresses, as `--trusted-proxies` names them.

use std::net::IpAddr;

use crate::config::values::Mistakes;

/// One network: the addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

/// Some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    pub(super) fn check(flag: &str, given: &[String], mistakes: &mut Mistakes) -> Networks {
        let given = given.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        Networks(given.filter_map(|text| mistakes.parsed(flag, text, Network::parse)).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    /// An address, or the first bits of one: `10.0.0.0/8`.
    fn parse(text: &str) -> Result<Network, &'static str> {
        let hint = "not a network like 10.0.0.0/8 or fd00::/8";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| hint)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| hint)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits.unwrap_or(most) {
            0 => Err("a network of all addresses would let everybody name any address"),
            bits if bits <= most => Ok(Network { address, bits }),
            _ => Err(hint),
        }
    }

    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_the_addresses_with_their_bits() {
        let rows = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.1", "192.168.1.1", true),
            ("192.168.1.1", "192.168.1.0", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::1", "::1", true),
            ("::1", "127.0.0.1", false),
        ];
        for (network, address, expected) in rows {
            let network = Networks(vec![Network::parse(network).expect(network)]);
            let found = network.contain(address.parse().expect(address));
            assert_eq!(found, expected, "{address} in {network:?}");
        }
        let wrong = ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10/8", "0.0.0.0/0", "::/0"];
        for text in wrong {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
