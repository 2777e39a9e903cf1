//! The token of the backend that acts as a user: its own user may be suspended, and the token revoked.
//!
//! The relay does not receive the personal room of that user, as it does of the user as whom the
//! backend acts. So the store is asked again and again; connections by tokens of one user share an
//! answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::operations::context::Context;
use crate::panics::catch_panic;

/// The time between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks, until the returned set is dropped, whether the bearer of a connection may still act. A
/// bearer who may not loses the connection.
pub(crate) fn watch_bearer(context: &Arc<Context>) -> JoinSet<()> {
    let mut task = JoinSet::new();
    let is_other = |user: &str| context.connection.identity_of(user).is_none();
    if context.connection.identity().is_some() && is_other(context.user()) {
        let context = context.clone();
        task.spawn(async move {
            catch_panic("watching a bearer", watch(&context)).await;
        });
    }
    task
}

async fn watch(context: &Context) {
    while context.connection.ended().is_none() {
        tokio::time::sleep(INTERVAL).await;
        // Without an answer the connection goes on, as those of users do.
        let _ = context.may_act().await;
    }
}
