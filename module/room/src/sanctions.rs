//! Bans and mutes: what moderation keeps against a user, whether a member or not.
//!
//! Each lasts until a moment or for ever; one whose time is over counts as lifted. In a personal room
//! a ban is its owner's block.

use std::collections::BTreeMap;

/// The moment of a sanction without an end.
pub(crate) const FOR_EVER: u64 = 0;

/// What is held against one user: until when, milliseconds since the epoch, or [`FOR_EVER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sanction {
    pub(crate) ban: Option<u64>,
    pub(crate) mute: Option<u64>,
}

/// The sanctioned users of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sanctions(BTreeMap<Box<str>, Sanction>);

impl Sanctions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Until when `user` is banned, at `now`.
    pub(crate) fn ban(&self, user: &str, now: u64) -> Option<u64> {
        self.get(user).ban.filter(|until| lasts(*until, now))
    }

    /// Until when `user` is muted, at `now`.
    pub(crate) fn mute(&self, user: &str, now: u64) -> Option<u64> {
        self.get(user).mute.filter(|until| lasts(*until, now))
    }

    /// Whether anything is or was held against `user`.
    pub(crate) fn knows(&self, user: &str) -> bool {
        self.0.contains_key(user)
    }

    /// Forgets what was over long before `now`, each time their number has doubled.
    pub(crate) fn prune(&mut self, now: u64) {
        const LONG: u64 = 3_600_000;
        if self.0.len().is_power_of_two() {
            let matters = |until: u64| lasts(until.saturating_add(LONG), now) || until == FOR_EVER;
            self.0.retain(|_, held| {
                held.ban = held.ban.filter(|until| matters(*until));
                held.mute = held.mute.filter(|until| matters(*until));
                *held != Sanction::default()
            });
        }
    }

    /// Changes what is held against `user`.
    pub(crate) fn set(&mut self, user: &str, change: impl FnOnce(&mut Sanction)) {
        let mut sanction = self.get(user);
        change(&mut sanction);
        if sanction == Sanction::default() {
            self.0.remove(user);
        } else {
            self.0.insert(user.into(), sanction);
        }
    }

    /// All of them, by user.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Sanction)> {
        self.0.iter().map(|(user, sanction)| (&**user, *sanction))
    }

    fn get(&self, user: &str) -> Sanction {
        self.0.get(user).copied().unwrap_or_default()
    }
}

fn lasts(until: u64, now: u64) -> bool {
    until == FOR_EVER || now < until
}
