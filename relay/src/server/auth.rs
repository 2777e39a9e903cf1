//! Authentication: which user a new connection belongs to.
//!
//! With `--auth none` the query names the user and is trusted, which is for a developer's machine
//! only. The user found here is the user of every command of the connection.

use std::borrow::Cow;
use std::sync::Arc;

use chat_protocol::names;

use crate::config::Auth;

/// The user of an upgrade request with this query. None: the request must be refused.
pub(super) fn user(auth: Auth, query: &str) -> Option<Arc<str>> {
    match auth {
        Auth::None => {
            let user = query.split('&').find_map(|pair| pair.strip_prefix("user="))?;
            let user = percent_decoded(user)?;
            names::is_user(&user).then(|| Arc::from(user.as_ref()))
        }
    }
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
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
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(user(Auth::None, query).as_deref(), *user_name, "{why}: {query}");
        }
    }
}
