//! What a Sentinel sends, read: replies to `SENTINEL`, messages of `+switch-master`, errors. Pure.

use std::fmt;

use redis::Value;

use crate::config::Endpoint;
use crate::upstream::health::{Problem, denied_command};

/// Sentinels read from one list.
const LISTED_MAX: usize = 64;

/// Why a Sentinel is of no use now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no connection to it, or it does not answer.
    Connection(Problem),
    /// The user of Sentinels may not do this.
    Denied(String),
    /// It watches no primary of this name.
    NoSuchName,
    /// It is something else.
    NotASentinel,
}

impl Trouble {
    /// It does not answer, or cannot be understood.
    pub(super) fn unreachable(why: impl Into<String>) -> Trouble {
        Trouble::Connection(Problem::Unreachable(why.into()))
    }

    /// As a label of metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Trouble::Connection(problem) => problem.kind(),
            Trouble::Denied(_) => "permission",
            Trouble::NoSuchName => "name",
            Trouble::NotASentinel => "mode",
        }
    }

    /// Whether there is no use in trying again soon.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Trouble::Connection(problem) => problem.lasts(),
            Trouble::Denied(_) | Trouble::NoSuchName | Trouble::NotASentinel => true,
        }
    }

    /// The trouble that an error reply shows.
    pub(super) fn of_reply(code: &str, details: &str) -> Trouble {
        match code {
            "NOAUTH" | "WRONGPASS" => Trouble::Connection(Problem::Password),
            "NOPERM" => {
                Trouble::Denied(denied_command(details).unwrap_or("+switch-master").to_owned())
            }
            "ERR" if details.starts_with("No such master") => Trouble::NoSuchName,
            "ERR" if details.starts_with("unknown command") => Trouble::NotASentinel,
            _ => Trouble::unreachable(format!("{code} {details}")),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connection(Problem::Unreachable(why)) => {
                write!(f, "it cannot be reached: {why}")
            }
            Trouble::Connection(Problem::Password) => {
                f.write_str("it refuses the password of Sentinels")
            }
            Trouble::Connection(problem) => problem.fmt(f),
            Trouble::Denied(what) => write!(f, "no permission for {what}"),
            Trouble::NoSuchName => f.write_str("it watches no primary of this name"),
            Trouble::NotASentinel => f.write_str("it is no Sentinel"),
        }
    }
}

/// The reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`. `Ok(None)`: it knows none of that name.
pub(super) fn read_primary(reply: &Value) -> Result<Option<Endpoint>, Trouble> {
    match reply {
        Value::Nil => Ok(None),
        Value::Array(parts) => match &parts[..] {
            [host, port] => Ok(endpoint(host, port)),
            _ => Err(unreadable()),
        },
        other => Err(refused(other)),
    }
}

/// The reply to `SENTINEL SENTINELS`: those that it knows besides itself.
pub(super) fn read_others(reply: &Value) -> Result<Vec<Endpoint>, Trouble> {
    let Value::Array(listed) = reply else { return Err(refused(reply)) };
    let field = |fields: &[(Value, Value)], name: &str| {
        let found = fields.iter().find(|(key, _)| text(key).as_deref() == Some(name));
        found.map(|(_, value)| value.clone())
    };
    let read = |one: &Value| {
        let fields: Vec<(Value, Value)> = match one {
            Value::Map(fields) => fields.clone(),
            Value::Array(flat) => {
                flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
            }
            _ => return None,
        };
        endpoint(&field(&fields, "ip")?, &field(&fields, "port")?)
    };
    Ok(listed.iter().take(LISTED_MAX).filter_map(read).collect())
}

/// The new primary in a message of `+switch-master`: name, old host and port, new host and port.
/// `None`: it is about another name, or cannot be read.
pub(super) fn read_switch(message: &[u8], name: &str) -> Option<Endpoint> {
    let message = std::str::from_utf8(message).ok()?;
    let [about, _, _, host, port] = message.split(' ').collect::<Vec<_>>()[..] else { return None };
    if about == name { named(host, port) } else { None }
}

/// The trouble that a reply of the wrong form shows.
pub(super) fn refused(reply: &Value) -> Trouble {
    match reply {
        Value::ServerError(error) => Trouble::of_reply(error.code(), error.details().unwrap_or("")),
        _ => unreadable(),
    }
}

fn unreadable() -> Trouble {
    Trouble::unreachable("its reply has another form than that of a Sentinel")
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

fn endpoint(host: &Value, port: &Value) -> Option<Endpoint> {
    named(&text(host)?, &text(port)?)
}

fn named(host: &str, port: &str) -> Option<Endpoint> {
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Endpoint::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Value {
        redis::parse_redis_value(text.replace('|', "\r\n").as_bytes()).expect("a reply")
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::new(host, port)
    }

    #[test]
    fn a_primary_is_read() {
        let rows: &[(&str, Result<Option<Endpoint>, &str>)] = &[
            ("*2|$8|10.0.0.1|$4|6379|", Ok(Some(at("10.0.0.1", 6379)))),
            ("*2|$3|::1|$4|6379|", Ok(Some(at("::1", 6379)))),
            ("*2|$0||$4|6379|", Ok(None)),
            ("*2|$1|a|$1|0|", Ok(None)),
            ("*2|$1|a|$5|65536|", Ok(None)),
            ("_|", Ok(None)),
            ("*-1|", Ok(None)),
            ("*1|$1|a|", Err("unreachable")),
            (":1|", Err("unreachable")),
            ("-NOAUTH Authentication required.|", Err("password")),
            ("-ERR unknown command 'SENTINEL', with args|", Err("mode")),
        ];
        for (text, expected) in rows {
            let found = read_primary(&reply(text)).map_err(|trouble| trouble.kind());
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let rows = [
            ("NOPERM", "x has no permissions to run the 'subscribe' command", "subscribe"),
            ("NOPERM", "No permissions to access a channel", "+switch-master"),
        ];
        for (code, details, expected) in rows {
            assert_eq!(Trouble::of_reply(code, details), Trouble::Denied(expected.to_owned()));
        }
        let rows = [
            ("WRONGPASS", "invalid username-password pair", "password"),
            ("ERR", "No such master with that name", "name"),
            ("ERR", "something else", "unreachable"),
            ("LOADING", "x", "unreachable"),
        ];
        for (code, details, expected) in rows {
            assert_eq!(Trouble::of_reply(code, details).kind(), expected, "{code} {details}");
        }
    }

    #[test]
    fn other_sentinels_are_read_and_bounded() {
        let two = "*2|%2|$2|ip|$1|a|$4|port|$1|1|*4|$4|port|$1|2|$2|ip|$1|b|";
        assert_eq!(read_others(&reply(two)), Ok(vec![at("a", 1), at("b", 2)]));
        let damaged = "*3|%1|$2|ip|$1|a|:1|%2|$2|ip|$1|c|$4|port|$1|3|";
        assert_eq!(read_others(&reply(damaged)), Ok(vec![at("c", 3)]));
        let many = format!("*100|{}", "%2|$2|ip|$1|a|$4|port|$1|1|".repeat(100));
        assert_eq!(read_others(&reply(&many)).map(|listed| listed.len()), Ok(LISTED_MAX));
        let refused = read_others(&reply("-ERR No such master with that name|"));
        assert_eq!(refused, Err(Trouble::NoSuchName));
    }

    #[test]
    fn a_switch_is_read_if_it_is_about_the_name() {
        let rows = [
            ("chat 10.0.0.1 6379 10.0.0.2 6380", Some(at("10.0.0.2", 6380))),
            ("chat2 10.0.0.1 6379 10.0.0.2 6380", None),
            ("chat 10.0.0.1 6379 10.0.0.2", None),
            ("chat 10.0.0.1 6379 10.0.0.2 x", None),
            ("chat a 1 b 2 c", None),
            ("", None),
        ];
        for (message, expected) in rows {
            assert_eq!(read_switch(message.as_bytes(), "chat"), expected, "{message}");
        }
        assert_eq!(read_switch(b"chat a 1 \xff 2", "chat"), None);
    }
}
