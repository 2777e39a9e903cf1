//! Origins of pages, as `--allowed-origin` names them and as browsers send them.
//!
//! Both are brought into one form before they are compared: scheme and host in lower case, names in
//! ASCII (IDNA), without the scheme's default port. A value that no browser can send is a mistake.

use url::{Host, Url};

use crate::config::values::Mistakes;

/// The origin of a page: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    url: Url,
}

/// Which pages may open sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Those of the relay's own host.
    Own,
    /// Those of these origins.
    Listed(Vec<Origin>),
    /// All.
    Any,
}

impl AllowedOrigins {
    pub(super) fn check(given: &[String], mistakes: &mut Mistakes) -> AllowedOrigins {
        let given = given.iter().map(|text| text.trim());
        let given: Vec<&str> = given.filter(|text| !text.is_empty()).collect();
        let mut listed = Vec::new();
        for text in given.iter().filter(|text| **text != "*") {
            listed.extend(mistakes.parsed("--allowed-origin", text, Origin::parse));
        }
        match (given.contains(&"*"), given.is_empty()) {
            (true, _) => AllowedOrigins::Any,
            (false, true) => AllowedOrigins::Own,
            (false, false) => AllowedOrigins::Listed(listed),
        }
    }

    /// Checks that cookies may be a credential, as `flag` wants. A browser sends them with a socket that
    /// any page opens. So only pages of known origins may.
    pub(super) fn check_cookies(&self, flag: &str, mistakes: &mut Mistakes) {
        match self {
            AllowedOrigins::Own => {
                mistakes.add(flag, "needs --allowed-origin: any page could use the cookie");
            }
            AllowedOrigins::Any => {
                mistakes.add(flag, "not with --allowed-origin *: any page could use the cookie");
            }
            AllowedOrigins::Listed(_) => {}
        }
    }
}

impl Origin {
    /// Parses an origin. Error: why no page can have it.
    pub(super) fn parse(text: &str) -> Result<Origin, &'static str> {
        if text.trim() == "null" {
            return Err("null is the origin of every sandboxed page and local file");
        }
        let url = Url::parse(text).map_err(|_| "not an origin like https://example.com")?;
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || url.scheme() == "file" {
            return Err("not an origin like https://example.com");
        }
        if host.contains('*') {
            return Err("a * stands for all origins, and only alone");
        }
        if matches!(url.scheme(), "ws" | "wss" | "ftp") {
            return Err("pages have the scheme http or https");
        }
        let is_bare = matches!(url.path(), "" | "/") && !text.contains(['?', '#', '@']);
        if !is_bare || url.port() == Some(0) {
            return Err("an origin is a scheme, a host and a port, nothing else");
        }
        Ok(Origin { url })
    }

    /// The origin in the header of this name; `None` if it is not one.
    pub fn of_page(header: &str) -> Option<Origin> {
        Origin::parse(header).ok()
    }

    /// What the header `Host` names, reached by the scheme of `page`; `None` if it names nothing.
    pub fn of_host(header: &str, page: &Origin) -> Option<Origin> {
        let is_authority = !header.is_empty() && !header.contains(['/', '\\']);
        let text = is_authority.then(|| format!("{}://{header}", page.url.scheme()))?;
        Origin::parse(&text).ok()
    }

    /// Whether the header `Host` names this machine by a loopback address or as `localhost`.
    pub fn host_is_loopback(header: &str) -> bool {
        let text = format!("http://{header}");
        !header.contains(['/', '\\']) && Origin::parse(&text).is_ok_and(|host| host.is_loopback())
    }

    /// Whether the host is a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            None => false,
        }
    }

    /// Whether both are the same. The hosts of schemes that are not of the web (`capacitor:`) keep
    /// their case when they are parsed.
    pub fn is(&self, other: &Origin) -> bool {
        let host = |origin: &Origin| origin.url.host_str().map(str::to_ascii_lowercase);
        self.url.scheme() == other.url.scheme()
            && host(self) == host(other)
            && self.url.port() == other.url.port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_can_have_is_a_mistake() {
        let wrong = [
            "example.com",
            "example.com:443",
            "localhost:8080",
            "//example.com",
            "https://",
            "https://a.example/chat",
            "https://a.example/?x",
            "https://a.example?",
            "https://a.example#",
            "https://user@a.example",
            "https://@a.example",
            "https://*.example",
            "https://a.example:0",
            "https://a.example:65536",
            "https://a b.example",
            "wss://a.example",
            "ftp://a.example",
            "file:///tmp",
            "file://host",
            "data:text/html,x",
            "null",
            " null ",
            "",
        ];
        for text in wrong {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_origin_has_many_spellings() {
        let rows = [
            ("https://a.example", "https://a.example", true),
            ("HTTPS://A.Example:443/", "https://a.example", true),
            ("http://a.example:80", "http://a.example", true),
            (" https://a.example", "https://a.example", true),
            ("https://bücher.example", "https://xn--bcher-kva.example", true),
            ("http://[::1]:8080", "http://[0:0::1]:8080", true),
            ("capacitor://LocalHost", "capacitor://localhost", true),
            ("http://a.example:443", "https://a.example", false),
            ("http://a.example", "https://a.example", false),
            ("https://a.example:8443", "https://a.example", false),
            ("https://a.example.b", "https://a.example", false),
            ("capacitor://localhost", "http://localhost", false),
        ];
        for (listed, sent, expected) in rows {
            let listed_origin = Origin::parse(listed).expect(listed);
            let sent_origin = Origin::of_page(sent).expect(sent);
            assert_eq!(listed_origin.is(&sent_origin), expected, "{listed} and {sent}");
        }
    }

    #[test]
    fn hosts_of_this_machine_are_known() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:8080"] {
            assert!(Origin::host_is_loopback(host), "{host}");
        }
        let others = ["", "h", "127.0.0.1.h", "localhost.h", "h@localhost", "localhost/", "[::2]"];
        for host in others {
            assert!(!Origin::host_is_loopback(host), "{host}");
        }
    }
}
