//! Beginning to watch: the first watcher starts the follower.

use std::sync::Arc;

use chat_protocol::glob::Pattern;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::panics::catch_panic;
use crate::upstream::Upstream;
use crate::watch::follower::Follower;
use crate::watch::watches::{Added, Answer, Watches};

/// The connection, which knows this pattern of its own already, watches it as soon as `answer` is
/// called with `Ok`. False: the connections of this relay watch too many different ones.
pub(crate) fn begin(
    watches: &Arc<Watches>,
    upstream: &Arc<Upstream>,
    connection: &Arc<Connection>,
    name: Arc<str>,
    pattern: Pattern,
    answer: Answer,
) -> bool {
    let added = watches.add(connection, name, pattern, answer);
    if added == Added::First {
        follow(watches.clone(), upstream.clone());
    }
    added != Added::TooMany
}

fn follow(watches: Arc<Watches>, upstream: Arc<Upstream>) {
    tokio::spawn(async move {
        let follower = Follower::new(watches.clone(), upstream);
        if catch_panic("following watched rooms", follower.run()).await.is_none() {
            watches.end_all(&Error::unavailable());
            watches.is_over();
        }
    });
}
