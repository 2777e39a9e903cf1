//! The address of a service that the relay asks. It is a setting, and never built from anything that a
//! client sent.

use std::net::IpAddr;

use axum::http::Uri;

/// An address of `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUrl {
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

impl ServiceUrl {
    /// Whether this looks like an address rather than the path of a file.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads the address of a key set: `https`, or `http` on this machine.
    pub(crate) fn parse_of_keys(text: &str) -> Result<ServiceUrl, &'static str> {
        let url = ServiceUrl::parse(text)?;
        url.is_safe().then_some(url).ok_or("keys are fetched over https, except from this machine")
    }

    /// Whether nobody on the way reads or changes what is sent: `https`, or this machine.
    pub(crate) fn is_safe(&self) -> bool {
        self.is_https
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<ServiceUrl, &'static str> {
        let hint = "not an address like https://app.example/path";
        let url: Uri = text.parse().map_err(|_| hint)?;
        let is_https = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(hint),
        };
        let authority = url.authority().ok_or(hint)?;
        if authority.as_str().contains('@') {
            return Err("the address has no user and password");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let has_port = authority.as_str() != authority.host();
        if host.is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(hint);
        }
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        Ok(ServiceUrl {
            is_https,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_keys_are_https_or_on_this_machine() {
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
            let found = ServiceUrl::parse_of_keys(text).ok();
            let found = found
                .as_ref()
                .map(|url| (url.is_https, url.host.as_str(), url.port, url.path.as_str()));
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn other_services_may_be_asked_over_http() {
        let rows: &[(&str, Option<(bool, &str, u16, &str)>)] = &[
            ("http://app.example/chat?key=1", Some((false, "app.example", 80, "/chat?key=1"))),
            ("https://app.example:8443", Some((true, "app.example", 8443, "/"))),
            ("http://user@app.example/", None),
            ("http:///chat", None),
            ("http://app.example:x/", None),
            ("app.example/chat", None),
            ("/chat", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let found = ServiceUrl::parse(text).ok();
            let found = found
                .as_ref()
                .map(|url| (url.is_https, url.host.as_str(), url.port, url.path.as_str()));
            assert_eq!(found, *expected, "{text}");
        }
    }
}
