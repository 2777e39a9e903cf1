//! One server of which nothing is expected but Redis itself: no module, no cluster. It is asked over
//! one connection, whose transactions nobody disturbs.

use std::sync::Arc;

use redis::Value;

use crate::config::{RedisSettings, Servers};
use crate::upstream::commands::Command;
use crate::upstream::connection::{Closing, Connection, Nothing, Purpose};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::{Mode, Role};

/// A connection to such a server. When it is dropped, it ends.
pub(crate) struct LoneServer {
    connection: Connection,
    closing: Arc<Closing>,
    /// Whether it has the chat module, as far as it says.
    pub(crate) has_chat: bool,
}

impl LoneServer {
    /// Connects to the first address of these settings. Errors: why not, in words.
    pub(crate) async fn connect(
        settings: &RedisSettings,
        name: &str,
    ) -> Result<LoneServer, String> {
        let Servers::Seeds(seeds) = &settings.servers else {
            return Err("an address of Redis itself is wanted, not of sentinels".to_owned());
        };
        let endpoint = seeds.first().ok_or("no address is named")?;
        let dialler = Dialler::to_redis(settings, name);
        let (stream, greeting) = dialler.dial(endpoint).await.map_err(|why| why.to_string())?;
        if greeting.role != Role::Primary {
            return Err(format!("{endpoint}: it is a replica"));
        }
        if greeting.mode != Mode::Standalone {
            return Err(format!("{endpoint}: it is no server that stands alone"));
        }
        let has_chat = greeting.module_version.is_some();
        let closing = Closing::new();
        let connection = Connection::start(stream, Purpose::Commands, &closing, Nothing);
        Ok(LoneServer { connection, closing, has_chat })
    }

    /// Sends commands in one write. Returns their replies, errors among them. `None`: the connection
    /// has ended, or the server took too long; it is unknown which commands ran, and the connection
    /// is of no use any more.
    pub(crate) async fn call(&self, commands: &[Command]) -> Option<Vec<Value>> {
        let replies = self.connection.call(commands).await;
        if replies.is_none() {
            self.closing.close();
        }
        replies
    }
}
