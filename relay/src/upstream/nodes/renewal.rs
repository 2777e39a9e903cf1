//! Renewing links when the password in its file has changed: a server may end the connections that
//! logged in with an old one, as with passwords that are tokens which expire.
//!
//! The one idea: a node is followed by another one at the same address. The successor opens a link
//! of its own, with the new password, and proves it while the old one serves. Then it gets the
//! slots, as if they had moved: subscriptions are made at the successor before they end at the old
//! node, and what is in flight there ends first. If the server does not know the password yet, the
//! successor tries again, and the old node serves meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::info;

use crate::config::{Login, Secret};
use crate::upstream::nodes::node::Node;
use crate::upstream::nodes::nodes::Nodes;

/// Pause between two looks at the file.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest pause between two looks whether a successor has a link.
const LINK_INTERVAL: Duration = Duration::from_millis(50);

/// A password in a file, as it was read last.
struct Watched {
    login: Login,
    password: Option<Secret>,
}

impl Watched {
    /// Returns when the password is another one. A file that cannot be read is tried again.
    async fn changed(&mut self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let login = self.login.clone();
            let read = tokio::task::spawn_blocking(move || password(&login)).await;
            if let Ok(Some(password)) = read
                && self.password.replace(password.clone()).is_some_and(|old| old != password)
            {
                return;
            }
        }
    }
}

fn password(login: &Login) -> Option<Secret> {
    login.read().ok().flatten().map(|(_, password)| password)
}

/// A node that takes the place of another one, or ends.
struct Successor {
    node: Arc<Node>,
    has_succeeded: bool,
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.has_succeeded {
            self.node.retire();
        }
    }
}

impl Nodes {
    /// Renews the links of all nodes whenever the password in its file has changed, forever.
    pub(in crate::upstream) async fn renew_links(self: &Arc<Self>) {
        let login = self.access.dialler.login();
        if login.file().is_none() {
            return;
        }
        let mut watched = Watched { login: login.clone(), password: password(login) };
        watched.changed().await;
        loop {
            info!(source = "upstream", "the password of Redis has changed: links are renewed");
            tokio::select! {
                biased;
                // Those that still try have read the file before.
                () = watched.changed() => {}
                () = async {
                    self.renew_all().await;
                    std::future::pending().await
                } => {}
            }
        }
    }

    async fn renew_all(self: &Arc<Self>) {
        let nodes: Vec<_> = self.map.read().nodes().cloned().collect();
        // The others read the file when they connect.
        let linked = nodes.into_iter().filter(|node| node.is_linked());
        join_all(linked.map(|node| self.renew(node))).await;
    }

    /// Has another node take the place of this one, once it has a link.
    async fn renew(self: &Arc<Self>, old: Arc<Node>) {
        let node = self.make(&old.endpoint, Some(&old.id()));
        let mut successor = Successor { node, has_succeeded: false };
        let mut changes = self.changes();
        while !successor.node.is_linked() {
            if !self.map.read().nodes().any(|node| *node == old) {
                return;
            }
            let _ = timeout(LINK_INTERVAL, changes.changed()).await;
        }
        successor.has_succeeded = self.map.write().succeed(&old, &successor.node);
        if successor.has_succeeded {
            self.map_changed();
            old.retire();
        }
    }
}
