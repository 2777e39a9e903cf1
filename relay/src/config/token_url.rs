//! Where the page gets its user's token: an address of the application.

use crate::auth::ServiceUrl;

/// The address of an application's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUrl {
    /// Scheme, host and port; `None`: those of the page.
    origin: Option<String>,
    path: String,
}

impl TokenUrl {
    /// Parses `https://…`, `http://…` of this machine, or a path at the page's own host.
    pub(super) fn parse(text: &str) -> Result<TokenUrl, &'static str> {
        let hint = "not an address like https://app.example/chat-token, or a path like /chat-token";
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain(text) || text.contains(['#', '\\']) {
            return Err(hint);
        }
        if text.starts_with('/') && !text.starts_with("//") {
            return Ok(TokenUrl { origin: None, path: text.to_owned() });
        }
        let url = ServiceUrl::parse(text).map_err(|_| hint)?;
        if !url.is_safe() {
            return Err("tokens come over https, except from this machine");
        }
        let scheme = if url.is_https { "https" } else { "http" };
        let authority = url.authority.to_ascii_lowercase();
        // Only what a content security policy may contain.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let fits = authority.bytes().all(fits);
        let url = TokenUrl { origin: Some(format!("{scheme}://{authority}")), path: url.path };
        fits.then_some(url).ok_or(hint)
    }

    /// Scheme, host and port, unless they are the page's own.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The whole address, as a page resolves it.
    pub fn text(&self) -> String {
        format!("{}{}", self.origin.as_deref().unwrap_or_default(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_from_an_address_that_nobody_on_the_way_can_read() {
        let rows: &[(&str, Option<(Option<&str>, &str)>)] = &[
            ("https://App.example/t", Some((Some("https://app.example"), "/t"))),
            ("https://app.example:8443", Some((Some("https://app.example:8443"), "/"))),
            ("http://127.0.0.1:9000/t?a=b", Some((Some("http://127.0.0.1:9000"), "/t?a=b"))),
            ("http://[::1]:9000/t", Some((Some("http://[::1]:9000"), "/t"))),
            ("http://localhost:9000/t", Some((Some("http://localhost:9000"), "/t"))),
            ("/chat-token", Some((None, "/chat-token"))),
            ("http://app.example/t", None),
            ("http://127.0.0.1.evil.example/t", None),
            ("//evil.example/t", None),
            ("/\\evil.example/t", None),
            ("chat-token", None),
            ("ws://127.0.0.1/t", None),
            ("https://user:secret@app.example/t", None),
            ("https://app.example;script-src/t", None),
            ("https://app.example/t#x", None),
            ("https://app.example/a b", None),
            ("https://", None),
            ("javascript:alert(1)", None),
        ];
        for (text, expected) in rows {
            let url = TokenUrl::parse(text).ok();
            let read = url.as_ref().map(|url| (url.origin(), url.path.as_str()));
            assert_eq!(read, *expected, "{text}");
        }
    }
}
