//! The settings of guests.

use clap::Args;

use crate::config::values::Mistakes;

const GUESTS_MAX: &str = "10000";

/// The flags as they are given.
#[derive(Args, Debug)]
pub(super) struct GuestArgs {
    /// Let in guests, who show no credential and only read open ordinary rooms; with --auth jwt or http
    #[arg(
        long,
        env = "CHAT_RELAY_ANONYMOUS",
        num_args = 0..=1,
        require_equals = true,
        default_value = "no",
        default_missing_value = "yes",
        value_name = "yes|no"
    )]
    anonymous: String,
    /// Most guests at a time
    #[arg(long, env = "CHAT_RELAY_MAX_GUESTS", default_value = GUESTS_MAX, value_name = "N")]
    max_guests: String,
}

impl GuestArgs {
    /// Checks the flags. Returns how many guests are let in; `None`: none.
    pub(super) fn check(&self, mistakes: &mut Mistakes) -> Option<usize> {
        let is_on = mistakes.switch("--anonymous", &self.anonymous);
        let most = mistakes.number("--max-guests", &self.max_guests, 1);
        if !is_on && self.max_guests != GUESTS_MAX {
            mistakes.add("--max-guests", "only with --anonymous");
        }
        is_on.then_some(most)
    }
}
