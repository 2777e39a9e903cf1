//! Values that only the main thread of Redis uses.

use std::cell::RefCell;

/// A value that only Redis's main thread uses. That thread runs all code of the module except two
/// callbacks: another thread may free a value or report a crash, and neither reads anything here.
/// (A thread-local is looked up at every use, which costs as much as a check of a send.)
pub(crate) struct MainThread<T>(RefCell<T>);

// SAFETY: only the main thread uses it, as said above.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        MainThread(RefCell::new(value))
    }

    /// Replaces the value; returns the old one.
    pub(crate) fn replace(&self, value: T) -> T {
        self.0.replace(value)
    }

    /// Borrows the value for the length of `body`, which must not use it again.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        body(&mut self.0.borrow_mut())
    }
}
