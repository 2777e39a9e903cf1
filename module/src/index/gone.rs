//! The names of rooms that are gone, by the numbers of these changes.

use std::collections::BTreeMap;
use std::rc::Rc;

use hashbrown::HashMap;

/// Stands for the number of a room that is gone: no room has it.
pub(super) const GONE: u64 = 0;

/// The most names kept.
const NAMES_MAX: usize = 100_000;
/// The most bytes of names kept.
const BYTES_MAX: usize = 8 << 20;

/// Rooms that are gone and were not made again.
#[derive(Default)]
pub(super) struct GoneRooms {
    by_change: BTreeMap<u64, Rc<[u8]>>,
    by_name: HashMap<Rc<[u8]>, u64>,
    bytes: usize,
}

impl GoneRooms {
    /// Notes a room. False: there are too many; all are forgotten.
    pub(super) fn note(&mut self, change: u64, name: &[u8]) -> bool {
        self.forget(name);
        let name: Rc<[u8]> = name.into();
        self.bytes += name.len();
        self.by_change.insert(change, name.clone());
        self.by_name.insert(name, change);
        let fits = self.by_name.len() <= NAMES_MAX && self.bytes <= BYTES_MAX;
        if !fits {
            *self = GoneRooms::default();
        }
        fits
    }

    /// Forgets a room: it is made again.
    pub(super) fn forget(&mut self, name: &[u8]) {
        if let Some(change) = self.by_name.remove(name) {
            self.by_change.remove(&change);
            self.bytes -= name.len();
        }
    }

    /// The rooms that went after this change, in their order.
    pub(super) fn after(&self, change: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let later = self.by_change.range((change.saturating_add(1))..);
        later.map(|(change, name)| (*change, &**name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_names_are_forgotten_together() {
        let mut gone = GoneRooms::default();
        for at in 0..NAMES_MAX as u64 {
            assert!(gone.note(at, format!("room{at}").as_bytes()));
        }
        assert!(gone.note(NAMES_MAX as u64, b"room7"), "it was noted already");
        assert_eq!(gone.after(NAMES_MAX as u64 - 1).count(), 1);
        gone.forget(b"room7");
        assert_eq!(gone.after(0).count(), NAMES_MAX - 2);
        assert!(gone.note(200_000, b"room7"));
        assert!(!gone.note(200_001, b"one more"));
        assert_eq!((gone.after(0).count(), gone.bytes, gone.by_name.len()), (0, 0, 0));
    }

    #[test]
    fn the_bytes_of_names_are_bounded() {
        let mut gone = GoneRooms::default();
        let name = |at: u64| format!("{at:0200}");
        let fit = (0_u64..).take_while(|at| gone.note(*at, name(*at).as_bytes())).count();
        assert_eq!(fit, BYTES_MAX / 200);
    }
}
