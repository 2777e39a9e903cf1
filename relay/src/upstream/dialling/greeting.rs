//! What a server says of itself in its reply to `HELLO`.

use redis::Value;

/// How a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By itself, or as a primary with replicas.
    Standalone,
    /// As a node of a cluster.
    Cluster,
    /// As a sentinel, which has no data.
    Sentinel,
}

/// What a server is for the data that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that takes writes.
    Primary,
    /// A copy.
    Replica,
}

/// The reply to `HELLO`. What it does not say is `None` or the most usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// How it runs.
    pub(crate) mode: Mode,
    /// What it is.
    pub(crate) role: Role,
    /// `redis` or `valkey`.
    pub(crate) server: String,
    /// The version of the server.
    pub(crate) version: String,
    /// Whether it lists its modules.
    pub(crate) lists_modules: bool,
    /// The version of the module `chat`, if it is listed.
    pub(crate) module_version: Option<i64>,
}

impl Greeting {
    /// Reads the reply. `None`: it is none.
    pub(in crate::upstream) fn read(reply: &Value) -> Option<Greeting> {
        let Value::Map(_) = reply else { return None };
        let part = |name| field(reply, name).map(text).unwrap_or_default();
        let modules = match field(reply, "modules") {
            Some(Value::Array(modules)) => Some(modules),
            _ => None,
        };
        let is_chat = |one: &&Value| field(one, "name").map(text).as_deref() == Some("chat");
        let chat = modules.and_then(|modules| modules.iter().find(is_chat));
        Some(Greeting {
            mode: match part("mode").as_str() {
                "cluster" => Mode::Cluster,
                "sentinel" => Mode::Sentinel,
                _ => Mode::Standalone,
            },
            role: match part("role").as_str() {
                "replica" | "slave" => Role::Replica,
                _ => Role::Primary,
            },
            server: part("server"),
            version: part("version"),
            lists_modules: modules.is_some(),
            module_version: chat
                .and_then(|chat| field(chat, "ver"))
                .and_then(|version| text(version).parse().ok()),
        })
    }

    /// Whether the server knows `CLIENT SETINFO`: Redis from 7.2 on, and every Valkey.
    pub(in crate::upstream) fn takes_client_info(&self) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        self.server != "redis" || version >= (7, 2)
    }
}

fn field<'v>(map: &'v Value, name: &str) -> Option<&'v Value> {
    match map {
        Value::Map(fields) => fields.iter().find(|(key, _)| text(key) == name).map(|(_, v)| v),
        // Modules are listed as arrays of names and values on some servers.
        Value::Array(words) => {
            let at = words.iter().step_by(2).position(|word| text(word) == name)?;
            words.get(2 * at + 1)
        }
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Option<Greeting> {
        Greeting::read(&redis::parse_redis_value(reply.as_bytes()).expect("a reply"))
    }

    #[test]
    fn servers_say_what_they_are() {
        let redis = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n\
                     $2\r\nid\r\n:3\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
                     $7\r\nmodules\r\n*1\r\n*4\r\n$4\r\nname\r\n$4\r\nchat\r\n$3\r\nver\r\n:1\r\n";
        let greeting = read(redis).expect("a greeting");
        assert_eq!((greeting.mode, greeting.role), (Mode::Cluster, Role::Primary));
        assert_eq!((greeting.lists_modules, greeting.module_version), (true, Some(1)));
        assert!(!greeting.takes_client_info());
        let valkey = "%6\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n9.1.2\r\n$5\r\nproto\r\n:3\r\n\
                      $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$7\r\nreplica\r\n\
                      $7\r\nmodules\r\n*1\r\n%2\r\n$4\r\nname\r\n$3\r\nlua\r\n$3\r\nver\r\n:1\r\n";
        let greeting = read(valkey).expect("a greeting");
        assert_eq!((greeting.mode, greeting.role), (Mode::Standalone, Role::Replica));
        assert_eq!((greeting.lists_modules, greeting.module_version), (true, None));
        assert!(greeting.takes_client_info());
        let sentinel = "%2\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n$7\r\nmodules\r\n*0\r\n";
        assert_eq!(read(sentinel).expect("a greeting").mode, Mode::Sentinel);
        assert!(read("+OK\r\n").is_none() && read("*0\r\n").is_none());
    }
}
