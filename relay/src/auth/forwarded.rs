//! The headers of a client's request that the application gets, by which it knows the session.
//!
//! They are as good as a password: never logged, at most 4 KiB, and overwritten with zeros when they
//! are dropped. A header or cookie that comes twice is refused: which one counts would be a guess.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::auth::login_error::LoginError;

/// Bytes of all names and values.
const FORWARDED_MAX: usize = 4 << 10;
/// Entries of the list of names.
const NAMES_MAX: usize = 16;

/// The names of what is forwarded: headers, and single cookies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardNames {
    headers: Vec<HeaderName>,
    cookies: Vec<String>,
}

impl ForwardNames {
    /// Reads a list of names of headers, and of cookies as `cookie:NAME`.
    pub(crate) fn parse(list: &[String]) -> Result<ForwardNames, &'static str> {
        let mut names = ForwardNames::default();
        if list.len() > NAMES_MAX {
            return Err("at most 16 names");
        }
        for entry in list.iter().map(|entry| entry.trim()) {
            match entry.split_once(':') {
                Some((kind, name)) if kind.eq_ignore_ascii_case("cookie") => {
                    if !is_cookie_name(name) {
                        return Err("no cookie can have this name");
                    }
                    names.cookies.push(name.to_owned());
                }
                _ => names.headers.push(entry.parse().map_err(|_| "no header can have this name")?),
            }
        }
        if names.headers.contains(&COOKIE) && !names.cookies.is_empty() {
            return Err("either the whole header cookie or single cookies");
        }
        Ok(names)
    }

    /// Whether cookies are among them. Browsers send those for pages of any origin.
    pub(crate) fn has_cookie(&self) -> bool {
        !self.cookies.is_empty() || self.headers.contains(&COOKIE)
    }
}

/// Whether a cookie can have this name (RFC 6265, section 4.1.1).
pub(crate) fn is_cookie_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(is_token)
}

/// The values of the cookies of this name (RFC 6265, section 4.2.1).
pub(crate) fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let rest = pair.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    })
}

/// The headers of one request.
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(crate) struct Forwarded {
    /// A JSON object.
    json: Zeroizing<Vec<u8>>,
    has_cookie: bool,
}

impl Forwarded {
    /// What a request has of these names. `None`: nothing. An empty value is none.
    pub(crate) fn of(
        names: &ForwardNames,
        headers: &HeaderMap,
    ) -> Result<Option<Forwarded>, LoginError> {
        let mut found = Vec::new();
        for name in &names.headers {
            // A proxy may have split the cookies, which come back together.
            let is_list = *name == COOKIE;
            let lines = headers.get_all(name).iter().map(|line| line.as_bytes());
            let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
            match lines.len() {
                0 => {}
                1 => found.push((name.as_str(), None, lines)),
                _ if is_list => found.push((name.as_str(), None, lines)),
                _ => return Err(LoginError::Form),
            }
        }
        for name in &names.cookies {
            let values: Vec<&[u8]> =
                cookies(headers, name).filter(|value| !value.is_empty()).collect();
            match values.len() {
                0 => {}
                1 => found.push((COOKIE.as_str(), Some(name), values)),
                _ => return Err(LoginError::Form),
            }
        }
        if found.is_empty() { Ok(None) } else { Forwarded::write(&found).map(Some) }
    }

    /// `found`: the name of a header, that of a cookie if only one is forwarded, the values.
    fn write(found: &[(&str, Option<&String>, Vec<&[u8]>)]) -> Result<Forwarded, LoginError> {
        let mut bytes = 0;
        let mut texts: Vec<(&str, Zeroizing<String>)> = Vec::new();
        for (header, cookie, values) in found {
            for value in values {
                bytes += header.len() + cookie.map_or(0, |name| name.len() + 1) + value.len();
                if bytes > FORWARDED_MAX {
                    return Err(LoginError::TooLong);
                }
                let value = std::str::from_utf8(value).map_err(|_| LoginError::Form)?;
                // OK because of the capacity: a text that moved would leave a copy behind.
                let text = match texts.last_mut() {
                    Some((last, text)) if last == header => {
                        text.push_str("; ");
                        text
                    }
                    _ => {
                        texts.push((
                            header,
                            Zeroizing::new(String::with_capacity(2 * FORWARDED_MAX)),
                        ));
                        &mut texts.last_mut().ok_or(LoginError::Form)?.1
                    }
                };
                if let Some(name) = cookie {
                    text.push_str(name);
                    text.push('=');
                }
                text.push_str(value);
            }
        }
        // No value has control characters but tabs, so each byte is written as at most two.
        let mut json = Zeroizing::new(Vec::with_capacity(4 * FORWARDED_MAX));
        json.push(b'{');
        for (index, (name, text)) in texts.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            let written = serde_json::to_writer(&mut *json, name)
                .map(|()| json.push(b':'))
                .and_then(|()| serde_json::to_writer(&mut *json, text.as_str()));
            written.map_err(|_| LoginError::Form)?;
        }
        json.push(b'}');
        let has_cookie = texts.iter().any(|(name, _)| *name == COOKIE.as_str());
        Ok(Forwarded { json: Zeroizing::new(json.as_slice().to_vec()), has_cookie })
    }

    /// Whether a cookie is among them.
    pub(crate) fn has_cookie(&self) -> bool {
        self.has_cookie
    }

    /// The same for the same headers, and of no use to anybody who reads it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &self.json).as_ref());
        bytes
    }

    /// The question to the application about a client of this address.
    pub(crate) fn question(&self, relay: &str, address: IpAddr) -> Bytes {
        let head = format!("{{\"relay\":\"{relay}\",\"address\":\"{address}\",\"headers\":");
        let mut body = Zeroizing::new(Vec::with_capacity(head.len() + self.json.len() + 1));
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.json);
        body.push(b'}');
        Bytes::from_owner(body)
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Forwarded")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;

    fn names(list: &[&str]) -> Result<ForwardNames, &'static str> {
        ForwardNames::parse(&list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn forwarded(list: &[&str], lines: &[(&str, &[u8])]) -> Result<Option<Value>, LoginError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        let found = Forwarded::of(&names(list).expect("good names"), &headers)?;
        Ok(found.map(|found| {
            let question = found.question("r1", [10, 0, 0, 1].into());
            let question: Value = serde_json::from_slice(&question).expect("JSON");
            assert_eq!(
                (&question["relay"], &question["address"]),
                (&json!("r1"), &json!("10.0.0.1"))
            );
            let has_cookie = question["headers"].get("cookie").is_some();
            assert_eq!(found.has_cookie(), has_cookie, "{question}");
            question["headers"].clone()
        }))
    }

    #[test]
    fn names_are_of_headers_or_single_cookies() {
        for good in ["authorization", "X-Session", "cookie", "cookie:sid", "COOKIE:Sid.1"] {
            assert!(names(&[good]).is_ok(), "{good}");
        }
        for bad in ["", "a b", "x:y", "cookie:", "cookie:a b", "cookie:a=b", "cookie:é", "é"] {
            assert!(names(&[bad]).is_err(), "{bad}");
        }
        assert!(names(&["cookie", "cookie:sid"]).is_err());
        assert!(names(&["a"; NAMES_MAX]).is_ok() && names(&["a"; NAMES_MAX + 1]).is_err());
        assert!(names(&["cookie:sid"]).expect("good").has_cookie());
        assert!(names(&["Cookie"]).expect("good").has_cookie());
        assert!(!names(&["x-cookie"]).expect("good").has_cookie());
    }

    #[test]
    fn only_what_is_named_is_forwarded() {
        let long = vec![b'x'; FORWARDED_MAX];
        type Lines<'a> = &'a [(&'a str, &'a [u8])];
        type Row<'a> = (&'a [&'a str], Lines<'a>, Result<Option<Value>, LoginError>, &'a str);
        let rows: &[Row<'_>] = &[
            (&["authorization"], &[], Ok(None), "nothing there"),
            (&["authorization"], &[("x", b"1")], Ok(None), "only another one"),
            (&["authorization"], &[("authorization", b"")], Ok(None), "an empty one"),
            (
                &["Authorization", "x-tenant"],
                &[("x-tenant", b"t"), ("authorization", b"Bearer a"), ("x-other", b"1")],
                Ok(Some(json!({"authorization": "Bearer a", "x-tenant": "t"}))),
                "two of three",
            ),
            (
                &["authorization"],
                &[("authorization", b"Bearer a"), ("authorization", b"Bearer b")],
                Err(LoginError::Form),
                "twice",
            ),
            (&["x"], &[("x", b"a\"\\\tb")], Ok(Some(json!({"x": "a\"\\\tb"}))), "escaped"),
            (&["x"], &[("x", "é".as_bytes())], Ok(Some(json!({"x": "é"}))), "UTF-8"),
            (&["x"], &[("x", b"\xff")], Err(LoginError::Form), "not UTF-8"),
            (&["x"], &[("x", &long)], Err(LoginError::TooLong), "too long"),
            (&["x"], &[("y", &long)], Ok(None), "too long, and not asked for"),
            (
                &["cookie"],
                &[("cookie", b"a=1; b=2"), ("cookie", b"c=3")],
                Ok(Some(json!({"cookie": "a=1; b=2; c=3"}))),
                "all cookies",
            ),
            (
                &["cookie:sid", "cookie:b"],
                &[("cookie", b"a=\xff; sid=\"x=y\";b=2; xsid=3; sidx=4")],
                Ok(Some(json!({"cookie": "sid=\"x=y\"; b=2"}))),
                "two cookies",
            ),
            (&["cookie:sid"], &[("cookie", b"Sid=1; sid=")], Ok(None), "names have a case"),
            (&["cookie:sid"], &[("cookie", b"sid=1; sid=2")], Err(LoginError::Form), "twice"),
        ];
        for (list, lines, expected, why) in rows {
            assert_eq!(forwarded(list, lines), *expected, "{why}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_headers_alone() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x", HeaderValue::from_static(value));
            headers.insert("y", HeaderValue::from_static("whatever"));
            let found = Forwarded::of(&names(&["x"]).expect("good"), &headers);
            found.expect("good").expect("there").digest()
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }
}
