//! Addresses of other relays, as the page receives them.

use axum::http::Uri;

/// The address of a relay's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl {
    /// `ws://host:port` or `wss://host:port`.
    origin: String,
    path: String,
}

impl RelayUrl {
    /// Parses `ws://`, `wss://`, `http://` or `https://`, a host, an optional port and an optional
    /// path.
    pub(super) fn parse(text: &str) -> Result<RelayUrl, &'static str> {
        let hint = "not an address like wss://chat2.example.com/ws";
        let url: Uri = text.parse().map_err(|_| hint)?;
        let scheme = match url.scheme_str().unwrap_or_default() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(hint),
        };
        let authority = url.authority().ok_or(hint)?.as_str().to_ascii_lowercase();
        // Only what a content security policy may contain: a name or an address, and a port.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let fits = !authority.is_empty() && authority.bytes().all(fits) && url.query().is_none();
        let path = if url.path() == "/" { "/ws" } else { url.path() };
        let url = RelayUrl { origin: format!("{scheme}://{authority}"), path: path.to_owned() };
        fits.then_some(url).ok_or(hint)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The whole address.
    pub fn text(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}
