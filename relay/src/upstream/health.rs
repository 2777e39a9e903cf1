//! What is the matter with Redis, in words for logs, `/readyz` and clients.

use std::fmt;

use super::outcome::Away;

/// Whether Redis can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// For everything.
    Open,
    /// For reading only.
    WritesRefused(Trouble),
    /// For nothing.
    Away(Trouble),
}

/// Why Redis, or a part of what it does, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no way to it and back.
    Unreachable(String),
    /// It wants another password, or one at all.
    Password,
    /// It has no module `chat`.
    NoModule,
    /// Its module `chat` lacks this command.
    OldModule(&'static str),
    /// It is a replica.
    Replica,
    /// This relay's user of Redis may not run this command.
    Command(String),
    /// This relay's user of Redis may not use this channel.
    Channel(String),
    /// It serves nothing now: the code of its error.
    NotNow(String),
    /// It refuses writes: the code of its error.
    Writes(String),
    /// It is out of memory.
    Memory,
}

impl State {
    /// Whether reading works.
    pub fn can_read(&self) -> bool {
        !matches!(self, State::Away(_))
    }

    /// What an error code with these details says about the server; None: nothing.
    pub fn from_error(code: &str, details: &str) -> Option<State> {
        if code == "NOPERM" {
            return denied_command(details).map(|name| State::Away(Trouble::Command(name.into())));
        }
        Some(match Away::from_code(code)? {
            Away::Unreachable => return None,
            Away::NotNow if code == "READONLY" => State::Away(Trouble::Replica),
            Away::NotNow => State::Away(Trouble::NotNow(code.to_owned())),
            Away::Writes => State::WritesRefused(Trouble::Writes(code.to_owned())),
            Away::Memory => State::WritesRefused(Trouble::Memory),
        })
    }
}

impl Trouble {
    /// The kind as a label of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Trouble::Unreachable(_) => "unreachable",
            Trouble::Password => "password",
            Trouble::NoModule | Trouble::OldModule(_) => "module",
            Trouble::Replica => "replica",
            Trouble::Command(_) | Trouble::Channel(_) => "permission",
            Trouble::NotNow(_) => "busy",
            Trouble::Writes(_) => "writes",
            Trouble::Memory => "memory",
        }
    }

    /// Why no connection could be made.
    pub fn of_connecting(error: &redis::RedisError) -> Trouble {
        let text = error.to_string();
        let is_about = |word| error.code() == Some(word) || text.contains(word);
        if let Some(name) = denied_command(&text) {
            return Trouble::Command(name.to_owned());
        }
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => Trouble::Password,
            _ if is_about("WRONGPASS") || is_about("NOAUTH") => Trouble::Password,
            _ => Trouble::Unreachable(text),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreachable(why) => write!(f, "Redis cannot be reached: {why}"),
            Trouble::Password => f.write_str("Redis refuses the password"),
            Trouble::NoModule => f.write_str("Redis has no chat module"),
            Trouble::OldModule(command) => {
                write!(f, "the chat module of Redis is too old: it has no {command}")
            }
            Trouble::Replica => f.write_str("Redis is a replica; relays need the primary"),
            Trouble::Command(command) => write!(f, "no permission to run {command}"),
            Trouble::Channel(channel) => write!(f, "no permission for the channel {channel}"),
            Trouble::NotNow(code) => match code.as_str() {
                "LOADING" => f.write_str("Redis is loading its data"),
                "BUSY" => f.write_str("Redis is busy with a script"),
                code => write!(f, "Redis serves nothing now: {code}"),
            },
            Trouble::Writes(code) => match code.as_str() {
                "NOREPLICAS" => f.write_str("Redis refuses writes: too few good replicas"),
                "MISCONF" => f.write_str("Redis refuses writes: it cannot save to disk"),
                code => write!(f, "Redis refuses writes: {code}"),
            },
            Trouble::Memory => f.write_str("Redis is out of memory"),
        }
    }
}

/// The command that an error `NOPERM` is about; None: it is about a key or a channel.
pub(super) fn denied_command(details: &str) -> Option<&str> {
    let (_, rest) = details.split_once("permissions to run the '")?;
    Some(rest.split_once('\'')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_the_matter() {
        let away = |trouble| Some(State::Away(trouble));
        let refused = |trouble| Some(State::WritesRefused(trouble));
        let rows: &[(&str, &str, Option<State>)] = &[
            (
                "NOPERM",
                "this user has no permissions to run the 'chat.send' command",
                away(Trouble::Command("chat.send".into())),
            ),
            (
                "NOPERM",
                "User relay has no permissions to run the 'client|setname' command",
                away(Trouble::Command("client|setname".into())),
            ),
            ("NOPERM", "this user has no permissions to access one of the keys", None),
            ("READONLY", "You can't write against a read only replica.", away(Trouble::Replica)),
            ("BUSY", "Redis is busy running a script.", away(Trouble::NotNow("BUSY".into()))),
            ("NOREPLICAS", "", refused(Trouble::Writes("NOREPLICAS".into()))),
            ("MISCONF", "", refused(Trouble::Writes("MISCONF".into()))),
            ("OOM", "", refused(Trouble::Memory)),
            ("INVALID", "room", None),
        ];
        for (code, details, expected) in rows {
            assert_eq!(State::from_error(code, details), *expected, "{code} {details}");
        }
    }
}
