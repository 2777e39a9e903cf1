//! Who receives what comes on a connection without being asked.

use crate::upstream::connection::reply_reader::Push;

/// Receives what comes without being asked, and confirmations. It must not wait, and reading goes no
/// faster than it returns.
pub(crate) trait Receiver: Send + 'static {
    /// Something has come.
    fn push(&mut self, push: Push<'_>);
    /// Everything that had come has been handed over.
    fn caught_up(&mut self) {}
}

impl<F: FnMut(Push<'_>) + Send + 'static> Receiver for F {
    fn push(&mut self, push: Push<'_>) {
        self(push);
    }
}

/// For connections on which nothing comes unasked that anybody needs.
pub(crate) struct Nothing;

impl Receiver for Nothing {
    fn push(&mut self, _push: Push<'_>) {}
}
