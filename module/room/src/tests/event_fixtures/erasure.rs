//! The event of an erasure, and the messages that it leaves.

use super::Script;
use crate::decide::erase::{self, Erase, Keep};
use crate::decide::react::Reaction;
use crate::decide::send::{Send, mentions};
use crate::tests::send;

pub(super) fn erasure(script: &mut Script<'_>) {
    let mut buffer = Vec::new();
    let mentioned = mentions(&["alice", "carol"], &mut buffer);
    let send_to_all = Send { mentions: mentioned, ..send("bob", "look", None) };
    let mentions_alice = script.send(&send_to_all);
    script.send(&send("alice", "my secret", None));
    script.react("alice", &mentions_alice, "\u{1f44d}", Reaction::Add);
    script.ignore();
    let name = script.world.name.clone();
    let erase =
        Erase { user: "alice", cursor: None, count: 1_000, keep: Keep::Nothing, alias: 0x1f };
    let erased = script.world.run(&name, |c, d| erase::decide(c, erase, d)).expect("erased");
    assert_eq!((erased.cursor, erased.changed), (None, 3), "two messages, the membership");
    script.published("erase.user");
    let [mentioning, tombstone] = <[String; 2]>::try_from(script.history(2)).expect("two");
    script.file("message.mentions-erased", mentioning);
    script.file("message.erased", tombstone);
}
