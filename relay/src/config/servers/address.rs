//! The URL of `--redis`:
//! `redis://[user[:password]@]host[:port][,host[:port]…][/0]`, or
//! `redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/master-name`. With `rediss` in the
//! place of `redis` it is the same over TLS.
//!
//! Users and passwords are percent-encoded. No mistake repeats anything of the text, because any part
//! of it can turn out to be a password in a wrong place.

use std::net::Ipv6Addr;

use tokio_rustls::rustls::pki_types::DnsName;
use url::Host;

use crate::config::servers::endpoint::{Endpoint, Servers};
use crate::config::servers::login::{Login, Password, Secret};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Hosts of one URL.
const HOSTS_MAX: usize = 100;
const FORM: &str = "not an address like redis://user:password@127.0.0.1:6379";

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) has_tls: bool,
    pub(super) servers: Servers,
    /// At the servers that are named: with sentinels these are they, and not Redis.
    pub(super) login: Login,
}

/// Reads a URL. The error lists every mistake.
pub(super) fn parse(text: &str) -> Result<Address, Vec<String>> {
    let one = |why: &str| vec![why.to_owned()];
    let (scheme, rest) = text.split_once("://").ok_or_else(|| one(FORM))?;
    let (has_tls, is_sentinel) = match scheme.to_ascii_lowercase().as_str() {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis+sentinel" => (false, true),
        "rediss+sentinel" => (true, true),
        _ => {
            let why = "the scheme is none of redis, rediss, redis+sentinel, rediss+sentinel";
            return Err(one(why));
        }
    };
    if rest.contains("://") {
        return Err(one("one scheme counts for all hosts, which are separated by commas"));
    }
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if path.contains(['?', '#', '@']) {
        return Err(one(
            "nothing follows the path; in a user or password the characters / ? # @ : \
                        are percent-encoded",
        ));
    }
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let mut mistakes = Vec::new();
    let login = self::login(login).unwrap_or_else(|why| {
        mistakes.push(why.to_owned());
        Login { user: None, password: Password::None }
    });
    let default_port = if is_sentinel { SENTINEL_PORT } else { REDIS_PORT };
    let mut endpoints = Vec::new();
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > HOSTS_MAX {
        return Err(one("at most 100 hosts"));
    }
    for (index, host) in hosts.iter().enumerate() {
        match endpoint(host, default_port) {
            // A host that is there twice is one.
            Ok(endpoint) if endpoints.contains(&endpoint) => {}
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) if hosts.len() > 1 => mistakes.push(format!("host {}: {why}", index + 1)),
            Err(why) => mistakes.push(why.to_owned()),
        }
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let servers = if is_sentinel {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if path.is_empty() || !path.bytes().all(is_name) {
            mistakes.push("after the hosts, /name: what the sentinels call the primary".to_owned());
        }
        Servers::Sentinel { sentinels: endpoints, master: path.to_owned() }
    } else {
        if !matches!(path, "" | "0") {
            let why = match path.bytes().all(|byte| byte.is_ascii_digit()) {
                true => "rooms live in database 0, their channels know no other",
                false => "after the hosts, only /0: the database",
            };
            mistakes.push(why.to_owned());
        }
        Servers::Seeds(endpoints)
    };
    if mistakes.is_empty() { Ok(Address { has_tls, servers, login }) } else { Err(mistakes) }
}

fn login(text: Option<&str>) -> Result<Login, &'static str> {
    let Some(text) = text else { return Ok(Login { user: None, password: Password::None }) };
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let user = String::from_utf8(percent_decoded(user)?).map_err(|_| "the user is not UTF-8")?;
    if user.bytes().any(|byte| byte == 0 || byte.is_ascii_whitespace()) {
        return Err("no user of Redis has such a name");
    }
    let password = match password.map(percent_decoded).transpose()? {
        None => Password::None,
        Some(password) if password.is_empty() => Password::None,
        Some(password) => Password::Text(Secret::new(password)),
    };
    Ok(Login { user: Some(user).filter(|user| !user.is_empty()), password })
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let hint = "a % in a user or password begins a byte in hex; the character itself is %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(hint)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(hint);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = after;
    }
    Ok(bytes)
}

fn endpoint(text: &str, default_port: u16) -> Result<Endpoint, &'static str> {
    let is_bare_ipv6 = !text.starts_with('[') && text.matches(':').count() > 1;
    if is_bare_ipv6 {
        return Err("an IPv6 address stands in brackets: [::1]:6379");
    }
    let (host, port) = match text.rfind(':').filter(|at| !text[*at..].contains(']')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let port = match port {
        None => default_port,
        Some(digits) => self::port(digits).ok_or("the port is not a number from 1 to 65535")?,
    };
    if host.is_empty() {
        return Err("a host is missing");
    }
    Ok(Endpoint::new(self::host(host).ok_or("not a name or an address")?, port))
}

fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| is_number && port > 0)
}

/// A name in its form for DNS, or an address.
fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => DnsName::try_from(name.as_str()).is_ok().then_some(name),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests;
