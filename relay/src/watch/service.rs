//! Beginning to watch: the first watcher starts the follower.

use std::sync::Arc;

use chat_protocol::glob::Pattern;

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::panics::catch_panic;
use crate::upstream::Upstream;
use crate::watch::follower::Follower;
use crate::watch::watches::{Added, Answer, Refused, Watches};

/// The connection watches this pattern as soon as `answer` is called with `Ok`. Before that, `noted`
/// is called: from then on the connection gets each event once.
pub(crate) fn begin(
    watches: &Arc<Watches>,
    upstream: &Arc<Upstream>,
    connection: &Arc<Connection>,
    (name, pattern): (Arc<str>, Pattern),
    noted: impl FnOnce(),
    answer: Answer,
) -> Result<(), Refused> {
    if watches.add(connection, name, pattern, noted, answer)? == Added::First {
        follow(watches.clone(), upstream.clone());
    }
    Ok(())
}

fn follow(watches: Arc<Watches>, upstream: Arc<Upstream>) {
    tokio::spawn(async move {
        let follower = Follower::new(watches.clone(), upstream);
        if catch_panic("following watched rooms", follower.run()).await.is_none() {
            watches.abandon(&Error::unavailable());
        }
    });
}
