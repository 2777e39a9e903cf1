//! A cluster under load: users of two relays send, read, watch and ask in rooms on all shards, and
//! ghosts haunt them, while something happens to the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_tests::checking::checker::{Checker, Effects, Loss, Progress};
use chat_tests::checking::faults::{addresses, relays};
use chat_tests::checking::witness::{Ghost, Witness};
use chat_tests::seed::{patience, seeded};
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;

/// After a promotion deadlines apply soon, so that the ends of ghosts need not be waited for long.
pub(super) const GRACE: &str = "chat.presence-grace 4000";

/// How long a ghost lives.
const GHOST: Duration = Duration::from_secs(3);

/// A cluster, two relays, rooms.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) relays: Vec<Relay>,
    pub(super) rooms: Vec<String>,
    pub(super) loss: Loss,
    /// What the names of users begin with.
    pub(super) prefix: String,
}

impl Stage {
    /// Three primaries with a replica each, with so many rooms on each primary.
    #[track_caller]
    pub(super) fn with(rooms_of_each: usize, settings: &[&str]) -> Stage {
        let settings = [&[GRACE], settings].concat();
        Stage::of(&Shape { settings: &settings, ..Shape::default() }, rooms_of_each)
    }

    /// A cluster of this shape, with so many rooms on each primary.
    #[track_caller]
    pub(super) fn of(shape: &Shape<'_>, rooms_of_each: usize) -> Stage {
        let cluster = Cluster::with(shape);
        let rooms = cluster.rooms("room", rooms_of_each);
        let relays = relays(&cluster.url(), &["r1", "r2"]);
        Stage { cluster, relays, rooms, loss: Loss::Nothing, prefix: String::new() }
    }

    /// Lets no user have the own room on these nodes: a user's list of rooms is there.
    pub(super) fn keep_users_away_from(&mut self, nodes: &[usize]) {
        let owned: BTreeSet<u16> =
            nodes.iter().flat_map(|node| self.cluster.slots_of(*node)).collect();
        let users = ["sender0", "sender1", "sender2", "reader0", "reader1", "asker0", "asker1"];
        let elsewhere = |prefix: &String| {
            users.iter().all(|user| !owned.contains(&slot(&format!("@{prefix}{user}"))))
        };
        let prefixes = (0..).map(|n| format!("u{n}"));
        self.prefix = prefixes.into_iter().find(elsewhere).expect("there are many names");
    }

    /// Runs `change` under load. Checked here: exactly once and in order, no socket closed, presence
    /// right at the end, each ghost gone (once, if nothing may be lost), equal data on primaries and replicas. What readers
    /// and askers were told is for the scenario to judge.
    #[track_caller]
    pub(super) fn under_load(
        &mut self,
        name: &str,
        change: impl FnOnce(&Progress, &mut Cluster, &[String]),
    ) -> Effects {
        let Stage { cluster, relays, rooms, loss, prefix } = self;
        let seen_by = relays.iter().zip(["witness1", "witness2"]);
        let witnesses: Vec<Witness> =
            seen_by.map(|(relay, user)| Witness::at(relay.address(), user, rooms)).collect();
        let checker = Checker {
            rooms: rooms.clone(),
            prefix: prefix.clone(),
            senders: 3,
            readers: 2,
            askers: 2,
            messages: 40,
            while_fault: true,
            loss: *loss,
            others_online: Some(witnesses.iter().map(|one| one.user().to_owned()).collect()),
            deadline: patience(Duration::from_secs(60)),
            ..Checker::default()
        };
        let mut ghosts = Vec::new();
        let effects =
            checker.run(seeded(name), &addresses(relays), cluster, |progress, cluster| {
                progress.wait_for_more(20);
                ghosts = Ghost::in_each(&mut cluster.client(), rooms, "ghost", GHOST);
                change(progress, cluster, rooms);
                progress.wait_for_more(20);
            });
        cluster.agree();
        for witness in &witnesses {
            witness.assert_sees(cluster);
            if *loss == Loss::Nothing {
                witness.assert_saw_leave(&ghosts);
            }
            assert_eq!(witness.frames("drop"), 0, "{name}: a drop to {}", witness.user());
        }
        cluster.assert_equal_digests();
        assert_eq!(effects.reconnects, 0, "{name}: sockets stay open: {effects:?}");
        effects
    }
}

/// Nobody was refused anything, told to forget anything, or waited longer than `slowest` with a
/// send.
#[track_caller]
pub(super) fn assert_unnoticed(effects: &Effects, slowest: Duration) {
    assert!(effects.refusals.0.is_empty(), "{effects:?}");
    assert_eq!((effects.reloads, effects.drops, effects.lost), (0, 0, 0), "{effects:?}");
    assert!(effects.slowest.of_all() < slowest, "{effects:?}");
}

/// Slots of a node, those of these rooms among them.
#[track_caller]
pub(super) fn slots_with(
    cluster: &Cluster,
    node: usize,
    rooms: &[String],
    count: usize,
) -> Vec<u16> {
    let owned = cluster.slots_of(node);
    let mut slots: BTreeSet<u16> =
        rooms.iter().map(|room| slot(room)).filter(|slot| owned.contains(slot)).collect();
    let rest = owned.into_iter().filter(|slot| !slots.contains(slot)).collect::<Vec<_>>();
    let missing = count.saturating_sub(slots.len());
    slots.extend(rest.into_iter().take(missing));
    slots.into_iter().collect()
}
