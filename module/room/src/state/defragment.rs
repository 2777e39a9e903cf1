//! Active defragmentation: shows the allocations of a room to Redis, which may move them.
//!
//! Moved are the lists and texts that make up nearly all of a large room: messages, users with
//! their names, connections, nonces, journal entries. Not moved are the nodes of trees and hash
//! tables (sanctions, reactions, followed rooms, user lists, look-up tables): their crates offer no
//! way to. Nor are the small parts that a room has once.
//!
//! A large room takes several calls. The work is divided into numbered steps, and
//! [`Room::relocate`] continues at the step where it stopped. Changes between two calls shift the
//! steps a little, so an allocation may be visited twice or only in the next round.

use crate::collections::relocator::Relocator;
use crate::state::room::Room;

/// Journal entries or nonces of one step.
const FEW: usize = 128;

impl Room {
    /// Shows the allocations to `relocator`, from step `from` until it must stop. Returns the step
    /// to continue with, or `None` at the end.
    pub fn relocate(&mut self, from: u64, relocator: &mut impl Relocator) -> Option<u64> {
        let parts = [
            self.messages.runs(),
            self.users.entries.chunks(),
            self.presence.connections.chunks(),
            self.presence.present.chunks(),
            self.journal.entry_count().div_ceil(FEW),
            self.nonces.len().div_ceil(FEW),
        ];
        let steps = parts.iter().sum::<usize>() as u64;
        let mut step = from;
        while step < steps {
            self.relocate_step(step as usize, parts, relocator);
            step += 1;
            if step < steps && relocator.must_stop() {
                return Some(step);
            }
        }
        None
    }

    fn relocate_step(&mut self, step: usize, parts: [usize; 6], relocator: &mut impl Relocator) {
        let (mut part, mut at) = (0, step);
        for steps in parts {
            if at < steps {
                break;
            }
            at -= steps;
            part += 1;
        }
        match part {
            0 => self.messages.relocate(at, relocator),
            1 => {
                self.users.entries.relocate(at, relocator);
                let entries = self.users.entries.chunk_mut(at).into_iter().flatten();
                entries.for_each(|entry| relocator.text(&mut entry.name));
            }
            2 => self.presence.connections.relocate(at, relocator),
            3 => self.presence.present.relocate(at, relocator),
            4 => {
                let entries = self.journal.entries.iter_mut_from(at * FEW).take(FEW);
                entries.for_each(|entry| {
                    relocator.value(entry);
                    entry.texts_mut(&mut |text| relocator.text(text));
                });
            }
            _ => {
                let nonces = self.nonces.list.iter_mut_from(at * FEW).take(FEW);
                nonces.for_each(|nonce| relocator.text(&mut nonce.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Part, Record};

    /// Moves everything, some steps at a time, and counts the bytes.
    struct Test {
        steps: usize,
        left: usize,
        bytes: usize,
    }

    impl Relocator for Test {
        fn list<T>(&mut self, list: &mut Vec<T>) {
            self.bytes += list.capacity() * size_of::<T>();
            let mut moved = Vec::with_capacity(list.capacity());
            moved.append(list);
            *list = moved;
        }

        fn text(&mut self, text: &mut Box<str>) {
            self.bytes += text.len();
            *text = (**text).into();
        }

        fn value<T>(&mut self, _: &mut Box<T>) {
            self.bytes += size_of::<T>();
        }

        fn must_stop(&mut self) -> bool {
            self.left = self.left.saturating_sub(1);
            self.left == 0
        }
    }

    #[test]
    fn nearly_all_of_a_room_is_visited_once_in_any_number_of_calls() {
        let mut room = Room::default();
        let (ms, mut n) = (1_795_225_200_000, 0);
        room.apply(&Record::Create { ms }, 0);
        for at in 0..3_000 {
            let (user, name) = (format!("user-{at}"), format!("a-relay-connection-{at}"));
            let id = chat_protocol::id::Id { ms, n: n + 1 };
            n += 1;
            let role = crate::state::users::members::Role::Member;
            room.apply(&Record::Join { user: &user, role, by: None, ms, logged: Some(id) }, 0);
            let status = None;
            let (connection, user) = (&*name, &*user);
            room.apply(&Record::Present { connection, user, ttl: 9, now: 1, status }, 0);
        }
        let mut world = crate::tests::World::new("lobby");
        world.room = room;
        for at in 0..5_000 {
            let nonce = format!("nonce-{at}");
            world.send_with("user-7", &"some text".repeat(9), Some(&nonce)).expect("sent");
        }
        let mut room = world.room.clone();
        let before = room.encode(Part::Everything(world.time()));
        let mut shown = Vec::new();
        for steps in [1, 2, 7, usize::MAX] {
            let mut test = Test { steps, left: steps, bytes: 0 };
            let (mut from, mut goes) = (0, 1);
            while let Some(next) = room.relocate(from, &mut test) {
                assert!(next > from && next - from <= test.steps as u64);
                (from, test.left) = (next, test.steps);
                goes += 1;
            }
            assert_eq!(room.encode(Part::Everything(world.time())), before, "nothing has changed");
            assert_eq!(goes == 1, steps == usize::MAX);
            shown.push(test.bytes);
        }
        assert!(shown.windows(2).all(|pair| pair[0] == pair[1]), "{shown:?}");
        let memory = room.memory();
        assert!(shown[0] > memory * 6 / 10, "{} of {memory} bytes", shown[0]);
    }
}
