//! Bans and mutes of users, whether members or not.
//!
//! Each lasts until a time or for ever; an expired one counts as lifted. In a personal room a ban
//! of another user is a block.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::bytes::allocation::{of_text, of_tree};
use crate::collections::work;

/// The end of a sanction that never expires.
pub(crate) const FOR_EVER: u64 = 0;

/// The sanctions against one user. Each holds its end in milliseconds since the epoch, or
/// [`FOR_EVER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sanction {
    pub(crate) ban: Option<u64>,
    pub(crate) mute: Option<u64>,
}

impl Sanction {
    /// Until when the user is banned, at `now`.
    pub(crate) fn ban_at(self, now: u64) -> Option<u64> {
        self.ban.filter(|until| lasts(*until, now))
    }

    /// Until when the user is muted, at `now`.
    pub(crate) fn mute_at(self, now: u64) -> Option<u64> {
        self.mute.filter(|until| lasts(*until, now))
    }

    /// Whether both expired at least an hour ago. The margin is needed because `now` may be the time
    /// of a record, which another server's clock has given.
    fn is_over(self, now: u64) -> bool {
        const LONG: u64 = 3_600_000;
        let before = now.saturating_sub(LONG);
        self.ban_at(before).or(self.mute_at(before)).is_none()
    }
}

/// The sanctioned users of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sanctions {
    by_user: BTreeMap<Box<str>, Sanction>,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Sanctions {
    pub(crate) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        const ENTRY: usize = size_of::<Box<str>>() + size_of::<Sanction>();
        of_tree(self.by_user.len(), ENTRY, 8) + self.name_bytes
    }

    /// Until when `user` is banned, at `now`.
    pub(crate) fn ban(&self, user: &str, now: u64) -> Option<u64> {
        self.get(user).ban_at(now)
    }

    /// Until when `user` is muted, at `now`.
    pub(crate) fn mute(&self, user: &str, now: u64) -> Option<u64> {
        self.get(user).mute_at(now)
    }

    /// Whether an entry for `user` is stored, expired or not.
    pub(crate) fn contains(&self, user: &str) -> bool {
        self.by_user.contains_key(user)
    }

    /// Removes long expired entries among the few users on both sides of `user` in the order of
    /// names. The order is a ring, so names that only grow or only shrink are pruned at their old
    /// end. Every new sanction prunes a few entries, so expired ones stay a small share.
    pub(crate) fn prune(&mut self, user: &str, now: u64) {
        let over = self.near(user).filter(|(_, held)| held.is_over(now));
        let over: Vec<Box<str>> = over.map(|(user, _)| user.into()).collect();
        over.iter().for_each(|user| self.remove(user));
    }

    /// Whether [`Sanctions::prune`] would remove an entry near `user`.
    pub(crate) fn can_prune(&self, user: &str, now: u64) -> bool {
        self.near(user).any(|(_, held)| held.is_over(now))
    }

    /// The few users on both sides of `user` in the order of names, which is a ring.
    fn near(&self, user: &str) -> impl Iterator<Item = (&str, Sanction)> {
        const EACH_SIDE: usize = 4;
        let after = (Bound::Excluded(user), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Excluded(user));
        let after = self.by_user.range::<str, _>(after).chain(self.by_user.iter()).take(EACH_SIDE);
        let before = self.by_user.range::<str, _>(before).rev().chain(self.by_user.iter().rev());
        after.chain(before.take(EACH_SIDE)).map(|(user, held)| (&**user, *held))
    }

    /// Changes the sanctions against `user`.
    pub(crate) fn set(&mut self, user: &str, change: impl FnOnce(&mut Sanction)) {
        let mut sanction = self.get(user);
        change(&mut sanction);
        if sanction == Sanction::default() {
            self.remove(user);
        } else if let Some(held) = self.by_user.get_mut(user) {
            *held = sanction;
        } else {
            self.name_bytes += of_text(user);
            self.by_user.insert(user.into(), sanction);
        }
    }

    fn remove(&mut self, user: &str) {
        if self.by_user.remove(user).is_some() {
            self.name_bytes -= of_text(user);
        }
    }

    /// All entries, ordered by user.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Sanction)> {
        self.from(Bound::Unbounded)
    }

    /// The entries from a user on, ordered by user.
    pub(crate) fn from(&self, start: Bound<&str>) -> impl Iterator<Item = (&str, Sanction)> {
        let range = self.by_user.range::<str, _>((start, Bound::Unbounded));
        range.inspect(|_| work::visit(1)).map(|(user, sanction)| (&**user, *sanction))
    }

    fn get(&self, user: &str) -> Sanction {
        self.by_user.get(user).copied().unwrap_or_default()
    }
}

fn lasts(until: u64, now: u64) -> bool {
    until == FOR_EVER || now < until
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn ban(sanctions: &mut Sanctions, user: &str, until: u64, now: u64) {
        sanctions.prune(user, now);
        sanctions.set(user, |held| held.ban = Some(until));
    }

    #[test]
    fn expired_entries_stay_a_small_share_in_any_order_of_names() {
        let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let orders: [(&str, fn(u64) -> u64); 2] = [("up", |n| n), ("down", |n| 99_999_999 - n)];
        for (what, order) in orders.into_iter().chain([("mixed", mixed as fn(u64) -> u64)]) {
            let mut sanctions = Sanctions::default();
            for n in 0..50_000 {
                // Each lasts a minute; there is one every ten seconds.
                let now = 10 * HOUR + n * 10_000;
                ban(&mut sanctions, &format!("{:020}", order(n)), now + 60_000, now);
            }
            // Entries that expired within the last hour are kept.
            assert!(sanctions.len() < 1_000, "{what}: {}", sanctions.len());
        }
    }

    #[test]
    fn only_entries_expired_for_an_hour_are_removed() {
        let mut sanctions = Sanctions::default();
        let now = 10 * HOUR;
        for (user, until) in [("a", FOR_EVER), ("b", now + 1), ("c", now), ("e", now - HOUR)] {
            sanctions.set(user, |held| held.ban = Some(until));
        }
        sanctions.set("f", |held| {
            *held = Sanction { ban: Some(1), mute: Some(now + 1) };
        });
        assert!(sanctions.can_prune("d", now) && !sanctions.can_prune("d", now - 1));
        sanctions.prune("d", now);
        let left: Vec<&str> = sanctions.iter().map(|(user, _)| user).collect();
        assert_eq!(left, ["a", "b", "c", "f"]);
        assert!(!sanctions.can_prune("d", now));
    }
}
