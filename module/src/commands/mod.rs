//! The commands: one file each, or one for a pair that belongs together.
//!
//! Every file has the same parts: the contract of the command, its registration (`SPEC`), and
//! `run`, which reads the words, calls the rule in the core and writes the reply. The way from
//! there, through reading or changing a room, is the same for all and is in `serving`.
//!
//! Each contract lists the errors besides the common ones: `ERR` for wrong syntax, `INVALID` for a
//! value that breaks its rules, `WRONGTYPE` for a key that holds something else, and those of Redis
//! itself, such as `OOM` for a command with the flag `deny-oom`.

mod apply;
mod beat;
mod changes;
mod delete;
mod edit;
mod erase;
mod follow;
mod history;
mod import;
mod join;
mod members;
mod moderate;
mod online;
mod presence;
mod react;
mod read;
mod room;
mod rooms;
mod sanctions;
mod send;
mod sent;
mod signal;
mod sync;
mod who;

use crate::redis::CommandSpec;

/// All commands.
pub(crate) fn all() -> [&'static CommandSpec; 29] {
    [
        &send::SPEC,
        &sent::SPEC,
        &edit::SPEC,
        &delete::SPEC,
        &erase::SPEC,
        &react::SPEC,
        &import::SPEC,
        &history::SPEC,
        &sync::SPEC,
        &join::JOIN,
        &join::LEAVE,
        &members::SPEC,
        &presence::SPEC,
        &beat::SPEC,
        &who::SPEC,
        &online::SPEC,
        &signal::SPEC,
        &read::READ,
        &read::UNREAD,
        &follow::FOLLOW,
        &follow::UNFOLLOW,
        &follow::FOLLOWS,
        &rooms::SPEC,
        &changes::SPEC,
        &room::ROOM,
        &room::ROOM_RO,
        &moderate::SPEC,
        &sanctions::SPEC,
        &apply::SPEC,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_command_costs_nearly_the_same_for_any_size_of_the_room() {
        for spec in all() {
            let (name, complexity) = (spec.name, spec.complexity);
            let formula = complexity.split(" with ").next().unwrap_or_default();
            let per_word = complexity.contains(" named") && !formula.contains('+');
            let small = ["O(1)", "O(log(N))"].contains(&formula) || per_word;
            let is_fast = spec.flags.split(' ').any(|flag| flag == "fast");
            assert!(small || !is_fast, "{name} is not fast: {complexity}");
        }
    }
}
