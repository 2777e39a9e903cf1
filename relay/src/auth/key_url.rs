//! The address of a JSON Web Key Set. It is a setting, and never built from anything in a token.

use std::net::IpAddr;

use axum::http::Uri;

/// An address of `https`, or of `http` on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyUrl {
    /// Whether the connection is encrypted.
    pub(crate) is_https: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The host as the header `Host` has it.
    pub(crate) authority: String,
    /// The path and the query.
    pub(crate) path: String,
}

impl KeyUrl {
    /// Whether this looks like an address rather than the path of a file.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<KeyUrl, &'static str> {
        let hint = "not an address like https://id.example/jwks.json";
        let url: Uri = text.parse().map_err(|_| hint)?;
        let is_https = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(hint),
        };
        let authority = url.authority().ok_or(hint)?;
        if authority.as_str().contains('@') {
            return Err("an address of keys has no user and password");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_https && !is_loopback {
            return Err("keys are fetched over https, except from this machine");
        }
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let (host, authority) = (host.to_owned(), authority.as_str().to_owned());
        let is_whole = !host.is_empty();
        let url = KeyUrl { is_https, host, port, authority, path: path.to_owned() };
        if is_whole { Ok(url) } else { Err(hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_or_on_this_machine() {
        let rows: &[(&str, Option<(bool, &str, u16, &str)>)] = &[
            ("https://id.example/keys?v=1", Some((true, "id.example", 443, "/keys?v=1"))),
            ("https://id.example:8443", Some((true, "id.example", 8443, "/"))),
            ("http://127.0.0.1:81/k", Some((false, "127.0.0.1", 81, "/k"))),
            ("http://[::1]/k", Some((false, "::1", 80, "/k"))),
            ("http://localhost/k", Some((false, "localhost", 80, "/k"))),
            ("http://id.example/keys", None),
            ("http://127.0.0.1.evil.example/", None),
            ("http://localhost.evil.example/", None),
            ("http://localhost@evil.example/", None),
            ("https://user:pass@id.example/", None),
            ("file:///etc/keys", None),
            ("ftp://id.example/", None),
            ("https://", None),
            ("//id.example/", None),
        ];
        for (text, expected) in rows {
            let found = KeyUrl::parse(text).ok();
            let found = found
                .as_ref()
                .map(|url| (url.is_https, url.host.as_str(), url.port, url.path.as_str()));
            assert_eq!(found, *expected, "{text}");
        }
    }
}
