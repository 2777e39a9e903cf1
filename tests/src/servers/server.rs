//! The server under test by its own INFO, and what follows from it.
//!
//! A scenario that must differ asks for an ability, never for a version; the versions are listed
//! here, and for people in `docs/servers.md`.

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
    /// What this server reports about itself.
    #[track_caller]
    pub fn of(redis: &Redis) -> Server {
        let info = redis.call(&["INFO", "server"]).text().to_owned();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        // Valkey reports a redis_version too: the one with which it is compatible.
        let (version, kind): (_, fn(u32, u32) -> Server) = match field("valkey_version:") {
            Some(version) => (version, Server::Valkey),
            None => (field("redis_version:").expect("a version"), Server::Redis),
        };
        let mut numbers = version.split('.').map(|part| part.parse().expect("a number"));
        let mut next = || numbers.next().expect("a version of two numbers and more");
        kind(next(), next())
    }

    /// Its name in INFO: `redis` or `valkey`.
    pub fn product(self) -> &'static str {
        match self {
            Server::Redis(..) => "redis",
            Server::Valkey(..) => "valkey",
        }
    }

    /// Whether commands of modules can belong to ACL categories.
    pub fn has_command_categories(self) -> bool {
        self >= Server::Redis(7, 2)
    }

    /// Whether modules can add an ACL category of their own.
    pub fn has_own_categories(self) -> bool {
        self >= Server::Redis(7, 4)
    }

    /// Whether it moves slots by itself, all keys at once (CLUSTER MIGRATESLOTS).
    pub fn moves_slots_at_once(self) -> bool {
        self >= Server::Valkey(9, 0)
    }

    /// Whether a client is still in its database after a key with keyspace events for modules was
    /// moved to another one.
    pub fn stays_in_its_database(self) -> bool {
        !matches!(self, Server::Valkey(8, 1))
    }

    /// Whether this server, whose RDB format is `own`, loads files of the format `other`: no format
    /// later than its own, and on Valkey no format that Redis introduced after the fork.
    pub fn loads_format(self, own: u16, other: u16) -> bool {
        let only_redis = matches!(self, Server::Valkey(..)) && (12..80).contains(&other);
        other <= own && !only_redis
    }

    /// The setting with which a replica receives a snapshot on one connection and the writes
    /// meanwhile on another.
    pub fn two_channels(self) -> Option<&'static str> {
        match self {
            Server::Redis(8.., _) => Some("repl-rdb-channel"),
            Server::Valkey(8.., _) => Some("dual-channel-replication-enabled"),
            _ => None,
        }
    }
}
