//! Lazy freeing: a command detaches a large part of a room in one step, and timers free it in many.
//!
//! Two parts are freed so: the connections of a room that got another name, and the annotations of
//! deleted or trimmed messages. Detached parts are in no reply, no snapshot and no digest. They
//! still hold memory and references to users, which are released one by one. A deleted message may
//! have a million reactions: it is hidden from readers at once and freed within seconds.

use crate::collections::rare::Rare;
use crate::collections::work;
use crate::state::log::annotations::MessageAnnotations;
use crate::state::pending_free::PendingFree;
use crate::state::presence::presence_table::Presence;
use crate::state::room::Room;

impl Room {
    /// Whether [`Room::free_pending`] has something to free.
    pub fn has_pending_free(&self) -> bool {
        self.pending_free.is_some()
    }

    /// Detaches the presence: the room got another name, and no connection was announced under that
    /// name. Complexity: O(1) for any number of connections.
    pub fn detach_presence(&mut self) {
        let presence = std::mem::take(&mut self.presence);
        if presence.connections() > 0 {
            self.pending_free.get_or_insert_default().presences.push(presence);
        }
    }

    /// Frees the annotations of a message that is gone: a few at once, the rest later.
    pub(crate) fn discard_annotations(&mut self, mut annotations: MessageAnnotations) {
        const AT_ONCE: usize = 16;
        for _ in 0..AT_ONCE {
            work::visit(1);
            if !annotations.free_next(&mut self.journal, &mut self.users) {
                return;
            }
        }
        self.pending_free.get_or_insert_default().annotations.push(annotations);
    }

    /// Frees at most `most` detached connections or reactions. True: there are more.
    pub fn free_pending(&mut self, most: usize) -> bool {
        let Some(pending_free) = &mut self.pending_free else { return false };
        for _ in 0..most {
            work::visit(1);
            if let Some(annotations) = pending_free.annotations.last_mut() {
                if !annotations.free_next(&mut self.journal, &mut self.users) {
                    pending_free.annotations.pop();
                }
            } else if let Some(presence) = pending_free.presences.last_mut() {
                if !presence.free_next(&mut self.users) {
                    pending_free.presences.pop();
                }
            } else {
                break;
            }
        }
        if pending_free.presences.is_empty() && pending_free.annotations.is_empty() {
            self.pending_free = None;
        }
        self.has_pending_free()
    }

    /// A copy of the room for another name, without presence. Annotations that are still to be
    /// freed are copied too, as the journal entries they belong to are.
    pub fn copy(&self) -> Room {
        let annotations =
            self.pending_free.as_ref().map_or(&[][..], |pending_free| &pending_free.annotations);
        let left = PendingFree { presences: Vec::new(), annotations: annotations.to_vec() };
        let mut users = self.users.clone();
        let pending_free =
            self.pending_free.iter().flat_map(|pending_free| &pending_free.presences);
        for presence in pending_free.chain([&self.presence]) {
            presence.iter().for_each(|connection| users.release(connection.user));
        }
        Room {
            created: self.created,
            last: self.last,
            id_lead: self.id_lead.clone(),
            users,
            settings: self.settings.clone(),
            messages: self.messages.clone(),
            annotations: self.annotations.clone(),
            range_counts: self.range_counts.clone(),
            journal: self.journal.clone(),
            members: self.members.clone(),
            import_run: self.import_run,
            sanctions: self.sanctions.clone(),
            nonces: self.nonces.clone(),
            follows: self.follows.clone(),
            last_seen: self.last_seen,
            logged_online: self.logged_online,
            presence: Presence::default(),
            rate_limits: Rare::default(),
            pending_free: (!left.annotations.is_empty()).then(|| Box::new(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Now, Part, Record};

    fn present(room: &mut Room, connection: &str, user: &str) {
        let record =
            Record::Present { connection, user, ttl: 60_000, now: 1, status: Some("away") };
        room.apply(&record, 1);
    }

    /// A room with a member, and `count` connections, two to a user.
    fn crowd(count: usize) -> Room {
        let mut room = Room::default();
        room.apply(&Record::Create { ms: 5 }, 1);
        let role = crate::state::users::members::Role::Member;
        room.apply(&Record::Join { user: "u1", role, by: None, ms: 5, logged: None }, 1);
        (0..count).for_each(|at| present(&mut room, &format!("c{at}"), &format!("u{}", at / 2)));
        room
    }

    fn everything(room: &Room) -> Vec<u8> {
        room.encode(Part::Everything(Now { ms: 9, id_ms: 9, unused_ms: 9, monotonic_ms: 9 }))
    }

    #[test]
    fn presence_is_set_aside_at_once_and_freed_in_steps() {
        const COUNT: usize = 20_000;
        let mut room = crowd(COUNT);
        let memory = room.memory();
        let encoded = room.encode(Part::Durable);
        room.detach_presence();
        assert_eq!((room.connections(), room.online()), (0, 0));
        assert_eq!(room.encode(Part::Durable), encoded);
        assert!(room.memory() > memory - memory / 10, "the pending_free count");
        let mut steps = 0;
        while room.has_pending_free() {
            let before = room.users.len();
            room.free_pending(128);
            assert!(before - room.users.len() <= 128, "users freed in one step");
            steps += 1;
        }
        assert!(steps >= COUNT / 128, "{steps} steps");
        assert_eq!(room.users.len(), 1, "the member");
        assert_eq!(room.encode(Part::Durable), encoded);
    }

    #[test]
    fn users_who_come_under_the_new_name_meanwhile_are_present_there_only() {
        let mut room = crowd(1_000);
        let mut fresh = crowd(0);
        let mut expected = BTreeSet::new();
        for turn in 0..50 {
            if turn % 10 == 0 {
                room.detach_presence();
                fresh.detach_presence();
                expected.clear();
            }
            for at in 0..20 {
                let (connection, user) = (format!("c{}", turn * 7 + at), format!("u{}", at * 13));
                present(&mut room, &connection, &user);
                present(&mut fresh, &connection, &user);
                expected.insert(user);
            }
            let connections = vec![format!("c{}", turn * 7).into()];
            let gone = Record::Absent { connections };
            room.apply(&gone, 1);
            fresh.apply(&gone, 1);
            room.free_pending(40);
            assert_eq!(everything(&room), everything(&fresh), "after turn {turn}");
            for user in (0..500).map(|at| format!("u{at}")) {
                let is_here = fresh.presence_of(&user).is_some();
                assert_eq!(room.presence_of(&user).is_some(), is_here, "{user}");
            }
        }
        while room.free_pending(100) || fresh.free_pending(100) {}
        assert_eq!(room.users.len(), fresh.users.len());
    }

    #[test]
    fn a_copy_has_neither_presence_nor_references_of_it() {
        let mut room = crowd(100);
        room.detach_presence();
        (50..150).for_each(|at| present(&mut room, &format!("c{at}"), &format!("u{at}")));
        let copy = room.copy();
        assert_eq!((copy.connections(), copy.online(), copy.users.len()), (0, 0, 1));
        assert_eq!(copy.encode(Part::Durable), room.encode(Part::Durable));
        assert!(!copy.has_pending_free());
    }
}
