//! The words of a command: Redis holds them, the cursor of the core reads them.

pub(crate) use chat_room::args::{Paging, once};

use crate::redis::{Arg, Call, Words};

/// The arguments that [`Paging`] reads, as `COMMAND DOCS` describes them.
pub(crate) const PAGED: &[Arg] = &[
    Arg::Key("room"),
    Arg::OptionalText("CURSOR", "cursor"),
    Arg::OptionalNumber("COUNT", "count"),
    Arg::OptionalText("AS", "user"),
];

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
