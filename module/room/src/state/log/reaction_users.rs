//! The users who reacted with one emoji, in the order of reacting. Few users are a list; many are
//! kept in two maps, so that one is found without visiting the others.

use std::collections::BTreeMap;

use crate::bytes::allocation::{allocated, of_tree};
use crate::state::numbers::UserNumber;

/// More users than this are kept in maps.
const MANY: usize = 64;

/// Users, each once.
#[derive(Clone, Debug)]
pub(crate) enum ReactionUsers {
    Few(Vec<UserNumber>),
    Many(Box<Many>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Many {
    /// By place in the order of reacting.
    by_place: BTreeMap<u64, UserNumber>,
    places: BTreeMap<UserNumber, u64>,
    next: u64,
}

impl Many {
    fn push(&mut self, user: UserNumber) {
        self.by_place.insert(self.next, user);
        self.places.insert(user, self.next);
        self.next += 1;
    }
}

impl ReactionUsers {
    pub(crate) fn len(&self) -> usize {
        match self {
            ReactionUsers::Few(users) => users.len(),
            ReactionUsers::Many(many) => many.places.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the order of reacting.
    pub(crate) fn iter(&self) -> impl Iterator<Item = UserNumber> {
        let (few, many) = match self {
            ReactionUsers::Few(users) => (users.as_slice(), None),
            ReactionUsers::Many(many) => (&[][..], Some(many.by_place.values())),
        };
        few.iter().chain(many.into_iter().flatten()).copied()
    }

    pub(crate) fn contains(&self, user: UserNumber) -> bool {
        match self {
            ReactionUsers::Few(users) => users.contains(&user),
            ReactionUsers::Many(many) => many.places.contains_key(&user),
        }
    }

    /// Adds a user, who must not be among them, at the end.
    pub(crate) fn push(&mut self, user: UserNumber) {
        match self {
            ReactionUsers::Few(users) if users.len() < MANY => users.push(user),
            ReactionUsers::Few(users) => {
                let mut many = Many::default();
                users.drain(..).chain([user]).for_each(|user| many.push(user));
                *self = ReactionUsers::Many(Box::new(many));
            }
            ReactionUsers::Many(many) => many.push(user),
        }
    }

    /// Removes a user. False: the user is not among them.
    pub(crate) fn remove(&mut self, user: UserNumber) -> bool {
        match self {
            ReactionUsers::Few(users) => match users.iter().position(|other| *other == user) {
                Some(at) => {
                    users.remove(at);
                    true
                }
                None => false,
            },
            ReactionUsers::Many(many) => {
                let Some(place) = many.places.remove(&user) else { return false };
                many.by_place.remove(&place);
                if many.places.len() < MANY / 2 {
                    *self = ReactionUsers::Few(many.by_place.values().copied().collect());
                }
                true
            }
        }
    }

    /// Removes and returns the last user.
    pub(crate) fn pop(&mut self) -> Option<UserNumber> {
        match self {
            ReactionUsers::Few(users) => users.pop(),
            ReactionUsers::Many(many) => {
                let (_, user) = many.by_place.pop_last()?;
                many.places.remove(&user);
                Some(user)
            }
        }
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        const ENTRY: usize = size_of::<u64>() + size_of::<UserNumber>();
        match self {
            ReactionUsers::Few(users) => allocated(users.capacity() * size_of::<UserNumber>()),
            ReactionUsers::Many(many) => {
                let len = many.places.len();
                allocated(size_of::<Many>()) + of_tree(len, ENTRY, 6) + of_tree(len, ENTRY, 8)
            }
        }
    }
}

impl From<Vec<UserNumber>> for ReactionUsers {
    fn from(users: Vec<UserNumber>) -> ReactionUsers {
        if users.len() <= MANY {
            return ReactionUsers::Few(users);
        }
        let mut many = Many::default();
        users.into_iter().for_each(|user| many.push(user));
        ReactionUsers::Many(Box::new(many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_users_keep_their_order() {
        let mut reaction_users = ReactionUsers::Few(Vec::new());
        let mut model: Vec<UserNumber> = Vec::new();
        let mut random = 11_u64;
        for step in 0..20_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let user = UserNumber((random >> 33) as u32 % 300);
            // Growing for some time, then shrinking.
            let grows = step / 1_000 % 2 == 0;
            if model.contains(&user) {
                assert!(reaction_users.contains(user));
                if !grows || random >> 60 == 0 {
                    assert!(reaction_users.remove(user));
                    model.retain(|other| *other != user);
                }
            } else {
                assert!(!reaction_users.contains(user) && !reaction_users.remove(user));
                if grows || random >> 60 == 0 {
                    reaction_users.push(user);
                    model.push(user);
                }
            }
            assert_eq!(
                (reaction_users.len(), reaction_users.is_empty()),
                (model.len(), model.is_empty())
            );
            if step % 50 == 0 {
                assert_eq!(reaction_users.iter().collect::<Vec<_>>(), model);
                assert_eq!(ReactionUsers::from(model.clone()).iter().collect::<Vec<_>>(), model);
            }
        }
        while let Some(user) = reaction_users.pop() {
            assert_eq!(model.pop(), Some(user));
        }
        assert!(model.is_empty());
    }

    #[test]
    fn few_users_take_no_more_than_a_vec() {
        assert_eq!(size_of::<ReactionUsers>(), size_of::<Vec<UserNumber>>());
        assert!(matches!(ReactionUsers::from(vec![UserNumber(7); MANY]), ReactionUsers::Few(_)));
    }
}
