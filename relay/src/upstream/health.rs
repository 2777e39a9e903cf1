//! The state of Redis, and its problems in words for logs, `/readyz` and clients.

use std::fmt;

use crate::upstream::dialling::greeting::{Greeting, Mode};
use crate::upstream::dialling::tls::TlsProblem;
use crate::upstream::outcome::Unavailable;

/// Whether Redis can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// For reading and writing.
    Open,
    /// For reading only.
    WritesRefused(Problem),
    /// For nothing.
    Unavailable(Problem),
}

/// Why Redis cannot be used, or not for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It cannot be reached.
    Unreachable(String),
    /// There is no encrypted connection to it.
    Tls(TlsProblem),
    /// It refuses the password, or requires one.
    Password,
    /// The file with the password cannot be read. Names the file.
    PasswordFile(String),
    /// It is a sentinel, which has no data.
    Sentinel,
    /// It has not loaded the module.
    NoModule,
    /// Its module lacks this command.
    OldModule(&'static str),
    /// The chat module does not know an option of this command.
    OldOption(&'static str),
    /// It is a replica.
    Replica,
    /// Sentinels name no primary that can be used.
    NoPrimary(String),
    /// The relay's Redis user may not run this command.
    Command(String),
    /// The relay's Redis user may not use this channel.
    Channel(String),
    /// The relay's Redis user may not use keys like this one.
    Key(String),
    /// It serves nothing now. Holds the error's code.
    NotServing(String),
    /// It refuses writes. Holds the error's code.
    Writes(String),
    /// It is out of memory.
    Memory,
    /// It runs in another way than before.
    Mode(Mode),
    /// It is a cluster in which nobody owns this slot, or any.
    NoOwner,
    /// Several servers are given, but this one is of no cluster. Holds its address.
    ManyServers(String),
}

impl State {
    /// Whether reading works.
    pub(crate) fn can_read(&self) -> bool {
        !matches!(self, State::Unavailable(_))
    }

    /// The state that an error shows. None: the error says nothing about the server.
    pub(crate) fn from_error(code: &str, details: &str) -> Option<State> {
        if code == "NOPERM" {
            return denied_command(details)
                .map(|name| State::Unavailable(Problem::Command(name.into())));
        }
        Some(match Unavailable::from_code(code)? {
            Unavailable::Unreachable => return None,
            // One slot is meant, not the server.
            _ if matches!(code, "MOVED" | "ASK" | "TRYAGAIN") => return None,
            _ if code == "CLUSTERDOWN" && details.contains("slot not served") => return None,
            Unavailable::NotServing if code == "READONLY" => State::Unavailable(Problem::Replica),
            Unavailable::NotServing => State::Unavailable(Problem::NotServing(code.to_owned())),
            Unavailable::WritesRefused => State::WritesRefused(Problem::Writes(code.to_owned())),
            Unavailable::OutOfMemory => State::WritesRefused(Problem::Memory),
        })
    }
}

impl Problem {
    /// The kind of problem, as a label of metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Problem::Unreachable(_) => "unreachable",
            Problem::Tls(problem) => problem.kind(),
            Problem::Password => "password",
            Problem::PasswordFile(_) => "password_file",
            Problem::Sentinel => "sentinel",
            Problem::NoModule | Problem::OldModule(_) | Problem::OldOption(_) => "module",
            Problem::Replica => "replica",
            Problem::NoPrimary(_) => "no_primary",
            Problem::Command(_) | Problem::Channel(_) | Problem::Key(_) => "permission",
            Problem::NotServing(_) => "busy",
            Problem::Writes(_) => "writes",
            Problem::Memory => "memory",
            Problem::NoOwner => "busy",
            Problem::Mode(_) | Problem::ManyServers(_) => "mode",
        }
    }

    /// Why the server that says this of itself has no rooms. `None`: it may have some.
    pub(super) fn of(greeting: &Greeting) -> Option<Problem> {
        match (greeting.mode, greeting.module_version) {
            (Mode::Sentinel, _) => Some(Problem::Sentinel),
            (_, None) if greeting.lists_modules => Some(Problem::NoModule),
            _ => None,
        }
    }

    /// Whether it stays until somebody changes the settings of the relay or of the server, so that
    /// there is no use in trying again soon.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Problem::Tls(TlsProblem::Silent) => false,
            Problem::Tls(_) | Problem::Password | Problem::PasswordFile(_) | Problem::Sentinel => {
                true
            }
            Problem::NoModule | Problem::OldModule(_) | Problem::OldOption(_) => true,
            Problem::Command(_) | Problem::Channel(_) | Problem::Key(_) => true,
            Problem::ManyServers(_) => true,
            Problem::Unreachable(_) | Problem::Replica | Problem::NotServing(_) => false,
            Problem::NoOwner | Problem::NoPrimary(_) | Problem::Mode(_) => false,
            Problem::Writes(_) | Problem::Memory => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unreachable(why) => write!(f, "Redis cannot be reached: {why}"),
            Problem::Tls(problem) => problem.fmt(f),
            Problem::Password => f.write_str("Redis refuses the password"),
            Problem::PasswordFile(why) => write!(f, "the password of Redis cannot be read: {why}"),
            Problem::Sentinel => f.write_str(
                "this is a sentinel; redis+sentinel:// leads to the Redis that it watches",
            ),
            Problem::NoModule => f.write_str("Redis has no chat module"),
            Problem::OldModule(command) => {
                write!(f, "the chat module of Redis is too old: it has no {command}")
            }
            Problem::OldOption(command) => {
                write!(f, "the chat module of Redis is too old: {command} lacks an option")
            }
            Problem::Replica => f.write_str("Redis is a replica; relays need the primary"),
            Problem::NoPrimary(why) => write!(f, "no primary: {why}"),
            Problem::Command(command) => write!(f, "no permission to run {command}"),
            Problem::Channel(channel) => write!(f, "no permission for the channel {channel}"),
            Problem::Key(key) => write!(f, "no permission for the key {key}"),
            Problem::NotServing(code) => match code.as_str() {
                "LOADING" => f.write_str("Redis is loading its data"),
                "BUSY" => f.write_str("Redis is busy with a script"),
                "CLUSTERDOWN" => f.write_str("the cluster of Redis is down"),
                code => write!(f, "Redis serves nothing now: {code}"),
            },
            Problem::Writes(code) => match code.as_str() {
                "NOREPLICAS" => f.write_str("Redis refuses writes: too few good replicas"),
                "MISCONF" => f.write_str("Redis refuses writes: it cannot save to disk"),
                code => write!(f, "Redis refuses writes: {code}"),
            },
            Problem::Memory => f.write_str("Redis is out of memory"),
            Problem::Mode(Mode::Cluster) => f.write_str("Redis is a cluster now"),
            Problem::Mode(_) => f.write_str("Redis is no cluster any more"),
            Problem::NoOwner => f.write_str("no node of the cluster owns the slot"),
            Problem::ManyServers(address) => write!(
                f,
                "{address} is of no cluster; only servers of one cluster can be given together"
            ),
        }
    }
}

/// The command that a `NOPERM` error names. None: the error is about a key or a channel.
pub(super) fn denied_command(details: &str) -> Option<&str> {
    let (_, rest) = details.split_once("permissions to run the '")?;
    Some(rest.split_once('\'')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_the_matter() {
        let away = |problem| Some(State::Unavailable(problem));
        let refused = |problem| Some(State::WritesRefused(problem));
        let rows: &[(&str, &str, Option<State>)] = &[
            (
                "NOPERM",
                "this user has no permissions to run the 'chat.send' command",
                away(Problem::Command("chat.send".into())),
            ),
            (
                "NOPERM",
                "User relay has no permissions to run the 'client|setname' command",
                away(Problem::Command("client|setname".into())),
            ),
            ("NOPERM", "this user has no permissions to access one of the keys", None),
            ("READONLY", "You can't write against a read only replica.", away(Problem::Replica)),
            ("BUSY", "Redis is busy running a script.", away(Problem::NotServing("BUSY".into()))),
            ("NOREPLICAS", "", refused(Problem::Writes("NOREPLICAS".into()))),
            ("MISCONF", "", refused(Problem::Writes("MISCONF".into()))),
            ("OOM", "", refused(Problem::Memory)),
            ("CLUSTERDOWN", "The cluster is down", away(Problem::NotServing("CLUSTERDOWN".into()))),
            ("CLUSTERDOWN", "Hash slot not served", None),
            ("TRYAGAIN", "Multiple keys request during rehashing of slot", None),
            ("MOVED", "866 10.0.0.1:7001", None),
            ("INVALID", "room", None),
        ];
        for (code, details, expected) in rows {
            assert_eq!(State::from_error(code, details), *expected, "{code} {details}");
        }
    }
}
