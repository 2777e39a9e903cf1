//! Random commands against a simple model of one room: published, stored and replayed state agree.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::id::Id;
use proptest::prelude::*;

use super::World;
use crate::command_error::CommandError;
use crate::decide::history::{self, Anchor};
use crate::decide::presence::Presence;
use crate::decide::{self, sync};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

#[derive(Clone, Debug)]
enum Command {
    Send {
        user: usize,
        text: String,
        nonce: Option<u8>,
    },
    Join {
        user: usize,
    },
    Leave {
        user: usize,
    },
    Set {
        field: usize,
        value: u8,
    },
    Here {
        user: usize,
        connection: u8,
        ttl: u64,
        status: u8,
    },
    Off {
        user: usize,
        connection: u8,
    },
    Expire,
    Wait {
        ms: u64,
    },
    /// Ids get ahead of the clock, or fall back.
    Lead {
        ms: u64,
    },
}

fn command() -> impl Strategy<Value = Command> {
    let user = 0..USERS.len();
    prop_oneof![
        5 => (user.clone(), "[a-z ☕\"\\\\\n]{0,12}", proptest::option::of(0..6_u8))
            .prop_map(|(user, text, nonce)| Command::Send { user, text, nonce }),
        2 => user.clone().prop_map(|user| Command::Join { user }),
        1 => user.clone().prop_map(|user| Command::Leave { user }),
        1 => (0..5_usize, any::<u8>()).prop_map(|(field, value)| Command::Set { field, value }),
        2 => (user.clone(), 0..6_u8, 1_000..9_000_u64, 0..6_u8)
            .prop_map(|(user, connection, ttl, status)| Command::Here { user, connection, ttl, status }),
        1 => (user, 0..6_u8).prop_map(|(user, connection)| Command::Off { user, connection }),
        1 => Just(Command::Expire),
        2 => (0..4_000_u64).prop_map(|ms| Command::Wait { ms }),
        1 => (0..4_000_u64).prop_map(|ms| Command::Lead { ms: ms.saturating_sub(1_000) }),
    ]
}

/// The state as a subscriber of the channel knows it.
#[derive(Default)]
struct Reader {
    last: Id,
    events: Vec<String>,
    online: BTreeMap<String, String>,
    users: u64,
}

impl Reader {
    fn read(&mut self, event: &str) {
        let parsed: serde_json::Value = serde_json::from_str(event).expect("strict JSON");
        let id = |member: &str| {
            parsed[member].as_str().map(|id| Id::parse(id.as_bytes()).expect("an id"))
        };
        match id("id") {
            Some(id_here) => {
                assert_eq!(id("prev"), Some(self.last), "the chain holds: {event}");
                assert!(id_here.n == self.last.n + 1 && id_here.ms >= self.last.ms, "{event}");
                self.last = id_here;
                self.events.push(event.to_owned());
            }
            None => assert_eq!(id("last"), Some(self.last), "ephemeral ones say where: {event}"),
        }
        if parsed["type"] == "presence" {
            let user = parsed["user"].as_str().unwrap_or_default().to_owned();
            match parsed["status"].as_str() {
                Some(status) => drop(self.online.insert(user, status.to_owned())),
                None => drop(self.online.remove(&user)),
            }
            self.users = parsed["users"].as_u64().expect("a count");
            assert_eq!(self.users, self.online.len() as u64, "{event}");
        }
    }
}

fn execute(world: &mut World, command: &Command) -> Result<(), CommandError> {
    let name = world.name.clone();
    match command {
        Command::Send { user, text, nonce } => {
            let nonce = nonce.map(|nonce| format!("n{nonce}"));
            world.send_with(USERS[*user], text, nonce.as_deref()).map(drop)
        }
        Command::Join { user } => world.join(USERS[*user], None, None).map(drop),
        Command::Leave { user } => world.leave(USERS[*user]).map(drop),
        Command::Set { field, value } => {
            let (field, value) = match field {
                0 => ("topic", format!("topic {value}")),
                1 => ("history_max", (value / 8 + 1).to_string()),
                2 => ("log_joins", if value % 2 == 0 { "yes" } else { "no" }.into()),
                3 => ("history_ttl", (u64::from(*value) * 100 + 1).to_string()),
                _ => ("access", if value % 4 == 0 { "members" } else { "open" }.into()),
            };
            world.set(field, &value, None)
        }
        Command::Here { user, connection, ttl, status } => {
            let connection = format!("c{connection}");
            let words = ["online", "away", "dnd", "lunch", "train"];
            let status = words.get(usize::from(*status)).copied();
            let (user, ttl) = (USERS[*user], Some(*ttl));
            let presence = Presence { user, connection: &connection, ttl, status };
            world.run(&name, |c, d| decide::presence::connect(c, presence, d))
        }
        Command::Off { user, connection } => {
            let connection = format!("c{connection}");
            let user = USERS[*user];
            world.run(&name, |c, d| decide::presence::disconnect(c, user, &connection, None, d))
        }
        Command::Expire => {
            let now = world.time();
            world.room.requeue_beaten(now, 3);
            world.expire(3);
            Ok(())
        }
        Command::Wait { ms } => {
            world.now += ms;
            Ok(())
        }
        Command::Lead { ms } => {
            world.ahead = *ms;
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_agree_with_the_model(commands in proptest::collection::vec(command(), 1..150)) {
        let mut world = World::new("lobby");
        world.limits.history_max = 20;
        let mut reader = Reader::default();
        let mut answered: BTreeMap<(usize, u8), BTreeSet<String>> = BTreeMap::new();
        for command in &commands {
            let before = world.room.encode(crate::Part::Everything(world.time()));
            let read_up_to = world.published.len();
            let outcome = execute(&mut world, command);
            if outcome.is_err() {
                prop_assert_eq!(&world.room.encode(crate::Part::Everything(world.time())), &before);
                prop_assert_eq!(world.published.len(), read_up_to);
            }
            world.published[read_up_to..].iter().for_each(|event| reader.read(event));
            if let (Command::Send { user, nonce: Some(nonce), text }, Ok(())) = (command, outcome) {
                let nonce_name = format!("n{nonce}");
                let id = world.send_with(USERS[*user], text, Some(&nonce_name));
                answered.entry((*user, *nonce)).or_default().insert(id.expect("a repeat"));
            }
        }
        prop_assert!(answered.values().all(|ids| ids.len() == 1), "a nonce, one id: {answered:?}");
        if world.room.is_blank() {
            return Ok(());
        }
        world.check_copies();
        prop_assert_eq!(world.room.last(), reader.last);
        prop_assert_eq!(world.room.online(), reader.online.len());
        for (user, status) in &reader.online {
            let entry = world.room.presence_of(user);
            prop_assert_eq!(entry.map(|online| online.statuses.shown()), Some(status.as_str()));
        }

        // The stored events are the newest published ones, byte for byte.
        let name = world.name.clone();
        let page = history::answer(world.context(&name), Anchor::Newest, 1000, None);
        let kept: Vec<String> = page.expect("anyone may").events.iter()
            .map(|event| String::from_utf8_lossy(event).into_owned()).collect();
        let messages: Vec<&String> =
            reader.events.iter().filter(|event| event.contains("\"type\":\"message\"")).collect();
        prop_assert!(kept.len() <= world.room.settings().history_max(&world.limits) as usize);
        for (kept, published) in kept.iter().rev().zip(messages.iter().rev()) {
            prop_assert_eq!(kept, *published);
        }

        // From every cursor: all later events, or the reply that the cursor is not valid.
        let mut cursors = vec![Id::ZERO];
        for event in &reader.events {
            let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
            cursors.extend(event["id"].as_str().and_then(|id| Id::parse(id.as_bytes())));
        }
        let mut lost = true;
        for (at, cursor) in cursors.iter().enumerate() {
            let found = sync::answer(world.context(&name), *cursor, 1000, None).expect("anyone");
            prop_assert!(found.recovered || lost, "older cursors are lost first");
            lost = !found.recovered;
            if found.recovered {
                let events: Vec<String> = found.events.iter()
                    .map(|event| String::from_utf8_lossy(event).into_owned()).collect();
                prop_assert_eq!(&events[..], &reader.events[at..]);
            }
        }
        prop_assert!(!lost, "the newest cursor is always known");
    }
}
