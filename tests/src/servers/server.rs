//! What the server under test is: its own answer to INFO server, and what follows from it.
//!
//! A scenario that must differ asks for an ability, never for a version; the versions are here, and
//! for people in `docs/servers.md`.

use crate::servers::redis::Redis;

/// A product and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// Redis.
    Redis(u32, u32),
    /// Valkey.
    Valkey(u32, u32),
}

impl Server {
    /// What this server says of itself.
    #[track_caller]
    pub fn of(redis: &Redis) -> Server {
        let info = redis.call(&["INFO", "server"]).text().to_owned();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        // Valkey tells redis_version as well: the one it is compatible with.
        let (version, kind): (_, fn(u32, u32) -> Server) = match field("valkey_version:") {
            Some(version) => (version, Server::Valkey),
            None => (field("redis_version:").expect("a version"), Server::Redis),
        };
        let mut numbers = version.split('.').map(|part| part.parse().expect("a number"));
        let mut next = || numbers.next().expect("a version of two numbers and more");
        kind(next(), next())
    }

    /// Whether commands of modules can be in ACL categories.
    pub fn has_command_categories(self) -> bool {
        self >= Server::Redis(7, 2)
    }

    /// Whether modules can add an ACL category of their own.
    pub fn has_own_categories(self) -> bool {
        self >= Server::Redis(7, 4)
    }

    /// Whether a client is still in its database after a key that modules hear of went to another one.
    pub fn stays_in_its_database(self) -> bool {
        !matches!(self, Server::Valkey(8, 1))
    }

    /// Whether this server, whose own format of RDB files is `own`, loads files of the format `other`:
    /// none later than its own, and Valkey none of the formats that Redis made after they had parted.
    pub fn loads_format(self, own: u16, other: u16) -> bool {
        let only_redis = matches!(self, Server::Valkey(..)) && (12..80).contains(&other);
        other <= own && !only_redis
    }

    /// The setting by which a replica gets a snapshot on one connection and what happens meanwhile on
    /// another.
    pub fn two_channels(self) -> Option<&'static str> {
        match self {
            Server::Redis(8.., _) => Some("repl-rdb-channel"),
            Server::Valkey(8.., _) => Some("dual-channel-replication-enabled"),
            _ => None,
        }
    }
}
