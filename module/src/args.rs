//! The words of a command, as Redis holds them, for the cursor of the core to read.

pub(crate) use chat_room::args::{Paging, once};

use crate::redis::{Call, Words};

/// The words not yet read.
pub(crate) type Args<'c> = chat_room::args::Args<'c, Words<'c>>;

impl<'c> From<&Call<'c>> for Words<'c> {
    fn from(call: &Call<'c>) -> Words<'c> {
        call.words()
    }
}

impl<'c> chat_room::args::Words<'c> for Words<'c> {
    #[inline]
    fn get(self, at: usize) -> Option<&'c [u8]> {
        Words::get(self, at)
    }

    #[inline]
    fn count(self) -> usize {
        self.len()
    }
}
