//! The rooms in which a connection's status could not be set, because their nodes are away.
//!
//! One task per connection sets it once they are back, however often the status changes meanwhile.

use std::sync::Arc;

use parking_lot::Mutex;

/// The rooms. None: no task is running.
#[derive(Default)]
pub(crate) struct Unannounced(Mutex<Option<Vec<Arc<str>>>>);

impl Unannounced {
    /// Adds rooms. Returns whether the caller starts the task, because none is running.
    pub(crate) fn add(&self, rooms: Vec<Arc<str>>) -> bool {
        let mut unannounced = self.0.lock();
        let is_first = unannounced.is_none();
        let noted = unannounced.get_or_insert_default();
        for room in rooms {
            if !noted.contains(&room) {
                noted.push(room);
            }
        }
        is_first
    }

    /// The rooms to be announced now, each once. None: there are none, and the task ends.
    pub(crate) fn take(&self) -> Option<Vec<Arc<str>>> {
        let mut unannounced = self.0.lock();
        let rooms = unannounced.as_mut().map(std::mem::take).unwrap_or_default();
        if rooms.is_empty() {
            *unannounced = None;
            return None;
        }
        Some(rooms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_announces_each_room_once() {
        let unannounced = Unannounced::default();
        assert!(unannounced.add(vec!["a".into(), "b".into()]));
        assert!(!unannounced.add(vec!["b".into(), "c".into()]), "a task is running");
        assert_eq!(unannounced.take().map(|rooms| rooms.len()), Some(3));
        assert!(!unannounced.add(vec!["a".into()]), "it is still running");
        assert_eq!(unannounced.take(), Some(vec!["a".into()]));
        assert_eq!(unannounced.take(), None);
        assert!(unannounced.add(vec!["a".into()]), "another task is needed");
    }
}
