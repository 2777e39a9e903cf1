//! The statuses of one user: how many connections have each, and which one is shown.

use chat_protocol::limits::STATUSES_MAX;

use crate::bytes::allocation::{allocated, of_text};
use crate::state::presence::connections_by_user::OwnConnections;

/// The status of a connection that never set one. It has precedence over all others.
pub(crate) const ONLINE: &str = "online";
/// Do not disturb: below a status in the user's own words.
pub(crate) const DO_NOT_DISTURB: &str = "dnd";
/// The lowest precedence.
pub(crate) const AWAY: &str = "away";

/// How many connections of a user have each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusCounts {
    /// Connections with the status `online`, which has number 0.
    online: u32,
    /// Maintained by [`crate::state::presence::presence_table::Presence`]. It is a field of this
    /// type because the layout leaves these four bytes free.
    pub(crate) own: OwnConnections,
    /// The other statuses, numbered from 1. A number whose status has no connections is vacant.
    #[allow(clippy::box_collection, reason = "most users have none, and there are many users")]
    others: Option<Box<Vec<Status>>>,
}

/// A status other than `online`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) name: Box<str>,
    pub(crate) connections: u32,
    /// When it was last set, milliseconds since the epoch.
    pub(crate) set: u64,
}

impl StatusCounts {
    /// Connections of all statuses.
    pub(crate) fn connections(&self) -> u32 {
        self.online + self.others().iter().map(|status| status.connections).sum::<u32>()
    }

    /// The status with the highest precedence: `online`, then the newest of the user's own words,
    /// `dnd`, `away`.
    pub(crate) fn shown(&self) -> &str {
        let rank = |status: &&Status| match &*status.name {
            AWAY => (0, 0),
            DO_NOT_DISTURB => (1, 0),
            _ => (2, status.set),
        };
        match self.others().iter().filter(|status| status.connections > 0).max_by_key(rank) {
            Some(status) if self.online == 0 => &status.name,
            _ => ONLINE,
        }
    }

    /// Whether every connection has the status `online`.
    pub(crate) fn is_plain(&self) -> bool {
        self.others.is_none()
    }

    /// The name of status `number`.
    pub(crate) fn name(&self, number: u8) -> &str {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| self.others().get(at)).map_or(ONLINE, |status| &status.name)
    }

    /// When status `number` was last set, milliseconds since the epoch; 0 for `online`.
    pub(crate) fn set(&self, number: u8) -> u64 {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| self.others().get(at)).map_or(0, |status| status.set)
    }

    /// Counts a connection with this status, set at `now`; returns the number of the status.
    pub(crate) fn add(&mut self, name: &str, now: u64) -> u8 {
        if name == ONLINE {
            self.online += 1;
            return 0;
        }
        let here = |status: &Status| status.connections > 0;
        let others = self.others.get_or_insert_default();
        let same = others.iter().position(|other| here(other) && *other.name == *name);
        let at = same.or_else(|| others.iter().position(|other| !here(other)));
        let at = at.unwrap_or(others.len());
        if at >= usize::from(u8::MAX) {
            self.online += 1;
            return 0;
        }
        match others.get_mut(at) {
            Some(other) if here(other) => {
                other.connections += 1;
                other.set = other.set.max(now);
            }
            Some(vacant) => *vacant = Status { name: name.into(), connections: 1, set: now },
            None => {
                others.reserve_exact(1);
                others.push(Status { name: name.into(), connections: 1, set: now });
            }
        }
        at as u8 + 1
    }

    /// Like [`StatusCounts::add`]; a status beyond the limit counts as `online`.
    pub(crate) fn take(&mut self, name: &str, now: u64) -> u8 {
        let here = || self.others().iter().filter(|status| status.connections > 0);
        let fits = here().count() < STATUSES_MAX || here().any(|status| *status.name == *name);
        self.add(if fits { name } else { ONLINE }, now)
    }

    /// Counts one connection of status `number` fewer.
    pub(crate) fn remove(&mut self, number: u8) {
        let at = usize::from(number).checked_sub(1);
        let others = self.others.as_mut();
        match at.zip(others).and_then(|(at, others)| others.get_mut(at)) {
            Some(status) => status.connections = status.connections.saturating_sub(1),
            None => self.online = self.online.saturating_sub(1),
        }
        if let Some(others) = &mut self.others {
            while others.last().is_some_and(|status| status.connections == 0) {
                others.pop();
            }
            if others.is_empty() {
                self.others = None;
            }
        }
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.others.as_ref().map_or(0, |others| {
            let texts: usize = others.iter().map(|status| of_text(&status.name)).sum();
            let list = allocated(others.capacity() * size_of::<Status>());
            allocated(size_of::<Vec<Status>>()) + list + texts
        })
    }

    fn others(&self) -> &[Status] {
        self.others.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether there are more different statuses than a user may have.
    pub(crate) fn are_too_many(&self) -> bool {
        self.others().iter().filter(|status| status.connections > 0).count() > STATUSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_with_the_highest_precedence_is_shown() {
        let rows: &[(&[&str], &str)] = &[
            (&["online"], "online"),
            (&["away"], "away"),
            (&["away", "dnd"], "dnd"),
            (&["dnd", "lunch", "away"], "lunch"),
            (&["lunch", "train"], "train"),
            (&["train", "lunch"], "lunch"),
            (&["away", "online", "dnd"], "online"),
        ];
        for (statuses, shown) in rows {
            let mut counted = StatusCounts::default();
            let numbers: Vec<u8> =
                statuses.iter().zip(1..).map(|(name, now)| counted.add(name, now)).collect();
            assert_eq!(counted.shown(), *shown, "{statuses:?}");
            assert_eq!(counted.connections() as usize, statuses.len());
            for (number, name) in numbers.iter().zip(*statuses) {
                assert_eq!(counted.name(*number), *name);
                counted.remove(*number);
            }
            assert_eq!(counted, StatusCounts::default(), "nothing is left of {statuses:?}");
        }
    }
}
