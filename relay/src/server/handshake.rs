//! Whether a request opens a WebSocket (RFC 6455, section 4.2.1), and from which page.
//!
//! The request must be exact: a proxy and the relay must not read two requests out of one.

use axum::http::{HeaderMap, HeaderName, Method, Version, header, request::Parts};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::config::{AllowedOrigins, Origin};

/// Why a request is no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHandshake {
    /// It breaks the rules.
    Wrong(&'static str),
    /// It asks for another version of the protocol.
    Version,
}

/// The value of `Sec-WebSocket-Accept` for this request.
pub(super) fn accept_key(request: &Parts) -> Result<String, NoHandshake> {
    use NoHandshake::{Version as OtherVersion, Wrong};
    let headers = &request.headers;
    if request.method != Method::GET || request.version != Version::HTTP_11 {
        return Err(Wrong("a WebSocket is opened by GET of HTTP/1.1\n"));
    }
    if !has_one_host(headers) {
        return Err(Wrong("a request has one Host\n"));
    }
    if !has_word(headers, header::CONNECTION, "upgrade")
        || !has_word(headers, header::UPGRADE, "websocket")
    {
        return Err(Wrong("this is a WebSocket\n"));
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(OtherVersion);
    }
    match only(headers, header::SEC_WEBSOCKET_KEY) {
        Some(key) if is_key(key) => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(Wrong("a request has one Sec-WebSocket-Key: 16 bytes in base64\n")),
    }
}

/// Whether the request names one host.
pub(super) fn has_one_host(headers: &HeaderMap) -> bool {
    only(headers, header::HOST).is_some_and(|host| !host.is_empty())
}

/// The value of a header that occurs once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut words = value.to_str().unwrap_or("").split(',');
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    })
}

/// Whether this is base64 of 16 bytes: of the last digit only the two upper bits count.
fn is_key(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let digits = text.strip_suffix("==").map(str::as_bytes).unwrap_or_default();
    digits.len() == 22 && digits.iter().all(|&byte| is_digit(byte)) && b"AQgw".contains(&digits[21])
}

/// Whether the page's origin may open a socket. Browsers send an origin, programs usually none.
/// Without a list of origins the page must come from this host, or both must be on this machine, on
/// any port: so one browser can use several relays.
pub(super) fn origin_is_allowed(headers: &HeaderMap, allowed: &AllowedOrigins) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    if *allowed == AllowedOrigins::Any {
        return true;
    }
    let Some(page) = only(headers, header::ORIGIN).and_then(Origin::of_page) else { return false };
    if let AllowedOrigins::Listed(list) = allowed {
        return list.iter().any(|listed| listed.is(&page));
    }
    let host = only(headers, header::HOST).and_then(|host| Origin::of_host(host, &page));
    host.is_some_and(|host| host.is(&page) || (host.is_loopback() && page.is_loopback()))
}

/// Whether no page sends the request, or one of the very host and port that it is sent to.
pub(super) fn origin_is_the_host(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let Some(page) = only(headers, header::ORIGIN).and_then(Origin::of_page) else { return false };
    let host = only(headers, header::HOST).and_then(|host| Origin::of_host(host, &page));
    host.is_some_and(|host| host.is(&page))
}

/// Whether every `Host` of the request names this machine. A page of a name that its owner lets
/// resolve to a loopback address (DNS rebinding) sends that name.
pub(super) fn host_is_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.all(|host| host.to_str().is_ok_and(Origin::host_is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn origins_are_checked() {
        let origin = |text: &str| Origin::of_page(text).expect("an origin");
        let (own, any) = (AllowedOrigins::Own, AllowedOrigins::Any);
        let list = AllowedOrigins::Listed(vec![origin("https://a.example")]);
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a AllowedOrigins, bool, &'a str);
        let rows: &[Row<'_>] = &[
            (&[("host", "h:1")], &own, true, "no browser"),
            (&[("host", "h:1"), ("origin", "http://h:1")], &own, true, "its own page"),
            (&[("host", "H"), ("origin", "http://h")], &own, true, "another case"),
            (&[("host", "h:80"), ("origin", "http://h")], &own, true, "http's port"),
            (&[("host", "h:443"), ("origin", "https://h")], &own, true, "https's port"),
            (&[("host", "h"), ("origin", "https://h:443")], &own, true, "in the origin"),
            (&[("host", "h:443"), ("origin", "http://h")], &own, false, "the port of another"),
            (&[("host", "h:1"), ("origin", "http://h:2")], &own, false, "another port"),
            (&[("host", "h:1"), ("origin", "null")], &own, false, "an opaque origin"),
            (&[("host", "h@g"), ("origin", "http://g")], &own, false, "a user in the host"),
            (&[("host", "g/h"), ("origin", "http://g")], &own, false, "a path in the host"),
            (&[("host", "127.0.0.1:1"), ("origin", "http://localhost:2")], &own, true, "here"),
            (&[("host", "[::1]:1"), ("origin", "http://127.0.0.1:2")], &own, true, "here too"),
            (&[("host", "127.0.0.1:1"), ("origin", "http://h:2")], &own, false, "elsewhere"),
            (&[("host", "h:1"), ("origin", "http://127.0.0.1:2")], &own, false, "not for others"),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1.h")], &own, false, "a trick"),
            (
                &[("host", "h"), ("origin", "http://h"), ("origin", "http://h")],
                &own,
                false,
                "two origins",
            ),
            (&[("host", "h:1"), ("origin", "https://a.example")], &list, true, "listed"),
            (&[("host", "h:1"), ("origin", "https://A.example:443")], &list, true, "normalised"),
            (&[("host", "h:1"), ("origin", "http://h:1")], &list, false, "not listed"),
            (&[("host", "h:1"), ("origin", "null")], &list, false, "opaque, not listed"),
            (&[("host", "h:1"), ("origin", "https://b")], &any, true, "any"),
            (&[("host", "h:1"), ("origin", "null")], &any, true, "any, opaque"),
        ];
        for (pairs, allowed, expected, why) in rows {
            assert_eq!(origin_is_allowed(&headers(pairs), allowed), *expected, "{why}");
        }
    }

    const GOOD: [(&str, &str); 5] = [
        ("host", "h:1"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn answer(
        method: Method,
        version: Version,
        pairs: &[(&str, &str)],
    ) -> Result<String, NoHandshake> {
        let request = Request::builder().method(method).version(version).body(());
        let (mut parts, ()) = request.expect("a request").into_parts();
        parts.headers = headers(pairs);
        accept_key(&parts)
    }

    #[test]
    fn only_a_whole_handshake_is_accepted() {
        let get = |pairs: &[(&str, &str)]| answer(Method::GET, Version::HTTP_11, pairs);
        let expected = Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
        assert_eq!(get(&GOOD), expected, "the example of the RFC");
        for (index, (name, value)) in GOOD.iter().enumerate() {
            let is_version = *name == "sec-websocket-version";
            let mut without = GOOD.to_vec();
            without.remove(index);
            let answer = get(&without).expect_err("an error");
            assert_eq!(answer == NoHandshake::Version, is_version, "without {name}");
            let may_repeat = ["connection", "upgrade"].contains(name);
            let twice = get(&[&GOOD[..], &[(name, value)]].concat());
            assert_eq!(twice.is_ok(), may_repeat, "{name} twice");
        }
        assert!(answer(Method::HEAD, Version::HTTP_11, &GOOD).is_err());
        assert!(answer(Method::POST, Version::HTTP_11, &GOOD).is_err());
        assert!(answer(Method::GET, Version::HTTP_10, &GOOD).is_err());
    }

    #[test]
    fn a_key_is_16_bytes_in_base64() {
        for key in ["AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+w=="] {
            assert!(is_key(key), "{key}");
        }
        let wrong = [
            "",
            "==",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAB==",
            "AAAAAAAAAAAAAAAAAAAA-A==",
            "AAAAAAAAAAAAAAAAAAAAAA== ",
            "AAAAAAAAAAAAAAAAAAAAAAAAAA==",
        ];
        for key in wrong {
            assert!(!is_key(key), "{key}");
        }
    }
}
