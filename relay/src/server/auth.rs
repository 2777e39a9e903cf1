//! Authentication: what the request for a socket says about its user.
//!
//! With `--auth none` the query names the user and is trusted, which is for a developer's machine
//! only. With `--auth jwt` the request carries a token, or the first frame will. One credential
//! counts, by a fixed precedence; a bad one is refused and never replaced by the next one. Tokens are
//! only found here: they are verified later, when the connection has been counted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use chat_protocol::names;

use crate::auth::{self, Forwarded, LoginError, TOKEN_MAX};
use crate::config::{Auth, Jwt};

/// The subprotocol of the WebSocket, which every relay speaks.
pub(super) const SUBPROTOCOL: &str = "redis-chat.v1";
/// A subprotocol that begins with this carries a token: browsers can set no other header.
const BEARER_PROTOCOL: &str = "bearer.";

/// How a request names its user.
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(super) enum Credential {
    /// By a name that is trusted.
    Name(Arc<str>),
    /// By a token.
    Token {
        /// What carried it, for the metric.
        way: &'static str,
        /// The token. It is never logged.
        token: String,
    },
    /// By a session of the application.
    Session(Forwarded),
    /// Not at all: the first frame must.
    FirstFrame,
    /// In no way that can be right.
    Refused {
        /// What carried it.
        way: &'static str,
        /// Why it is refused.
        error: LoginError,
    },
}

impl Credential {
    /// What carries it, for the metric.
    pub(super) fn way(&self) -> &'static str {
        match self {
            Credential::Name(_) => "name",
            Credential::Token { way, .. } | Credential::Refused { way, .. } => way,
            Credential::Session(_) => "http",
            Credential::FirstFrame => "frame",
        }
    }

    /// Whether a cookie carries it, good or bad.
    pub(super) fn is_cookie(&self) -> bool {
        match self {
            Credential::Session(forwarded) => forwarded.has_cookie(),
            credential => credential.way() == "cookie",
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Name(name) => write!(out, "Name({name})"),
            Credential::Token { way, .. } => write!(out, "Token by {way}"),
            Credential::Session(_) => out.write_str("Session"),
            Credential::FirstFrame => out.write_str("FirstFrame"),
            Credential::Refused { way, error } => write!(out, "{error:?} by {way}"),
        }
    }
}

/// The credential of a request with these headers and this query.
pub(super) fn credential(auth: &Auth, headers: &HeaderMap, query: &str) -> Credential {
    match auth {
        Auth::None => match user(query) {
            Some(user) => Credential::Name(user),
            None => Credential::Refused { way: "name", error: LoginError::User },
        },
        Auth::Jwt(jwt) => token(jwt, headers, query),
        Auth::Http(settings) => match Forwarded::of(&settings.forward, headers) {
            Ok(Some(forwarded)) => Credential::Session(forwarded),
            Ok(None) if settings.has_guests => Credential::FirstFrame,
            Ok(None) => Credential::Refused { way: "http", error: LoginError::Missing },
            Err(error) => Credential::Refused { way: "http", error },
        },
    }
}

/// Whether the request offers the subprotocol.
pub(super) fn offers_subprotocol(headers: &HeaderMap) -> bool {
    subprotocols(headers).any(|offered| offered == SUBPROTOCOL)
}

fn token(jwt: &Jwt, headers: &HeaderMap, query: &str) -> Credential {
    let protocol =
        subprotocols(headers).filter_map(|offered| offered.strip_prefix(BEARER_PROTOCOL));
    let cookie = jwt.cookie.as_deref().map(|name| cookies(headers, name));
    let query = jwt.query.then(|| parameters(query, "access_token"));
    found("header", bearers(headers))
        .or_else(|| found("protocol", protocol.map(Cow::Borrowed).map(Some)))
        .or_else(|| found("cookie", cookie?))
        .or_else(|| found("query", query?))
        .unwrap_or(Credential::FirstFrame)
}

/// The one token among those that a way carries. Two are refused: which one counts would be a guess.
fn found<'a>(
    way: &'static str,
    mut tokens: impl Iterator<Item = Option<Cow<'a, str>>>,
) -> Option<Credential> {
    let refused = |error| Some(Credential::Refused { way, error });
    match (tokens.next()?, tokens.next()) {
        (Some(token), None) if token.len() > TOKEN_MAX => refused(LoginError::TooLong),
        (Some(token), None) => Some(Credential::Token { way, token: token.into_owned() }),
        _ => refused(LoginError::Form),
    }
}

/// The tokens of `Authorization: Bearer` (RFC 6750, section 2.1). Other schemes are for others.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    values(headers, header::AUTHORIZATION).filter_map(|value| {
        let Some(value) = value else { return Some(None) };
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then(|| Some(token.trim_matches(' ').into()))
    })
}

/// Whether the request carries anything as a bearer.
pub(super) fn has_bearer(headers: &HeaderMap) -> bool {
    bearers(headers).next().is_some()
}

/// The one bearer of the request.
pub(super) fn only_bearer(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut bearers = bearers(headers);
    let bearer = bearers.next()??;
    bearers.next().is_none().then_some(bearer)
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = values(headers, header::SEC_WEBSOCKET_PROTOCOL).flatten();
    values.flat_map(|value| value.split(',').map(str::trim))
}

/// The values of the cookies of this name; `None` in place of one that is no text.
fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = Option<Cow<'h, str>>> {
    auth::cookies(headers, name).map(|value| {
        let value = std::str::from_utf8(value).ok()?;
        Some(value.trim_matches('"').into())
    })
}

/// The values of a header; `None` in place of one that is no visible ASCII.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(name).iter().map(|value| value.to_str().ok())
}

/// The parameters of this name; `None` in place of one that cannot be decoded.
pub(super) fn parameters<'q>(
    query: &'q str,
    name: &str,
) -> impl Iterator<Item = Option<Cow<'q, str>>> {
    query.split('&').filter_map(move |pair| {
        let value = pair.strip_prefix(name)?.strip_prefix('=')?;
        Some(percent_decoded(value))
    })
}

/// The user of a query that is trusted; `None`: no user can have this name.
fn user(query: &str) -> Option<Arc<str>> {
    let user = parameters(query, "user").next()??;
    names::is_user(&user).then(|| Arc::from(user.as_ref()))
}

/// As in a query, where a plus is a space. `None`: not UTF-8, or a broken escape.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    match text.contains('+') {
        true => percent_decoded_path(&text.replace('+', " ")).map(|text| text.into_owned().into()),
        false => percent_decoded_path(text),
    }
}

/// As in a path, where a plus is a plus. `None`: not UTF-8, or a broken escape.
pub(super) fn percent_decoded_path(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::auth::{Rules, Verifier};
    use crate::config::KeyFiles;

    #[test]
    fn the_query_names_the_user() {
        let rows: &[(&str, Option<&str>, &str)] = &[
            ("user=alice", Some("alice"), "plain"),
            ("x=1&user=al%C3%ADce&y", Some("alíce"), "escaped, among others"),
            ("user=a%2Bb", Some("a+b"), "an escaped plus"),
            ("", None, "no query"),
            ("user=", None, "empty"),
            ("user=*", None, "the backend"),
            ("user=a+b", None, "a space"),
            ("user=%4", None, "a broken escape"),
            ("user=%ff", None, "not UTF-8"),
            ("username=alice", None, "another parameter"),
        ];
        for (query, user_name, why) in rows {
            assert_eq!(user(query).as_deref(), *user_name, "{why}: {query}");
        }
    }

    #[test]
    fn one_credential_counts_and_a_bad_one_is_not_replaced() {
        const PROTOCOL: &str = "sec-websocket-protocol";
        let jwt = |cookie: Option<&str>, query| Jwt {
            verifier: Verifier::new(Vec::new(), Rules::default()),
            files: KeyFiles::default(),
            url: None,
            cookie: cookie.map(str::to_owned),
            query,
            profile: false,
        };
        let (all, plain) = (jwt(Some("chat"), true), jwt(None, false));
        let token = |way, token: &str| Credential::Token { way, token: token.to_owned() };
        let refused = |way, error| Credential::Refused { way, error };
        let long = format!("Bearer {}", "x".repeat(TOKEN_MAX + 1));
        type Row<'a> = (&'a Jwt, &'a [(&'a str, &'a str)], &'a str, Credential, &'a str);
        let rows: &[Row<'_>] = &[
            (&plain, &[], "", Credential::FirstFrame, "nothing"),
            (&plain, &[], "user=alice", Credential::FirstFrame, "a name is not believed"),
            (&plain, &[("authorization", "Bearer a.b.c")], "", token("header", "a.b.c"), "header"),
            (&plain, &[("authorization", "bEARER  a ")], "", token("header", "a"), "any case"),
            (&plain, &[("authorization", "Basic eDp5")], "", Credential::FirstFrame, "another way"),
            (
                &plain,
                &[("authorization", "Bearer")],
                "",
                token("header", ""),
                "empty is refused later",
            ),
            (
                &plain,
                &[("authorization", "Bearer é")],
                "",
                refused("header", LoginError::Form),
                "é",
            ),
            (
                &plain,
                &[("authorization", &long)],
                "",
                refused("header", LoginError::TooLong),
                "long",
            ),
            (
                &plain,
                &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
                "",
                refused("header", LoginError::Form),
                "two headers",
            ),
            (
                &plain,
                &[(PROTOCOL, "redis-chat.v1, bearer.a.b.c")],
                "",
                token("protocol", "a.b.c"),
                "a subprotocol",
            ),
            (
                &plain,
                &[(PROTOCOL, "bearer.a,bearer.b")],
                "",
                refused("protocol", LoginError::Form),
                "two subprotocols",
            ),
            (&plain, &[(PROTOCOL, "redis-chat.v1")], "", Credential::FirstFrame, "no token"),
            (&plain, &[("cookie", "chat=a")], "access_token=b", Credential::FirstFrame, "not on"),
            (&all, &[("cookie", "x=1; chat=a; y=2")], "", token("cookie", "a"), "a cookie"),
            (&all, &[("cookie", "chat=\"a\"")], "", token("cookie", "a"), "a quoted cookie"),
            (&all, &[("cookie", "xchat=a; Chat=b")], "", Credential::FirstFrame, "others' cookies"),
            (
                &all,
                &[("cookie", "chat=a; chat=b")],
                "",
                refused("cookie", LoginError::Form),
                "two cookies",
            ),
            (&all, &[], "x&access_token=a%2Eb", token("query", "a.b"), "the query"),
            (
                &all,
                &[],
                "access_token=a&access_token=b",
                refused("query", LoginError::Form),
                "twice",
            ),
            (&all, &[], "access_token=%f", refused("query", LoginError::Form), "a broken escape"),
            (
                &all,
                &[("authorization", "Bearer bad"), (PROTOCOL, "bearer.p"), ("cookie", "chat=c")],
                "access_token=q",
                token("header", "bad"),
                "the header first, whether good or bad",
            ),
            (
                &all,
                &[("cookie", "chat=c"), (PROTOCOL, "bearer.p")],
                "access_token=q",
                token("protocol", "p"),
                "then the subprotocol",
            ),
            (
                &all,
                &[("cookie", "chat=c")],
                "access_token=q",
                token("cookie", "c"),
                "then the cookie",
            ),
        ];
        for (jwt, pairs, query, expected, why) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in *pairs {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                headers.append(name, value);
            }
            assert!(super::token(jwt, &headers, query) == *expected, "{why}");
        }
    }

    #[test]
    fn credentials_are_not_shown_by_debug() {
        let credential = Credential::Token { way: "header", token: "secret".to_owned() };
        assert_eq!(format!("{credential:?}"), "Token by header");
    }
}
