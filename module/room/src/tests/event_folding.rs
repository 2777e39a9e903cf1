//! Random commands of several users against a simple model. A reader that applies the events sees
//! what CHAT.HISTORY shows, from any cursor, and the unread counts equal those of the model.

use std::collections::BTreeMap;

use chat_protocol::id::Id;
use chat_protocol::names::Actor;
use proptest::prelude::*;
use serde_json::Value;

use super::World;
use crate::command_error::CommandError;
use crate::decide::context::Judging;
use crate::decide::edit::{Delete, Edit, MessageScope};
use crate::decide::erase::Keep;
use crate::decide::history::{self, Anchor};
use crate::decide::moderate::{Action, Moderate};
use crate::decide::react::Reaction;
use crate::decide::{self, sync};

const USERS: [&str; 5] = ["owner", "alice", "bob", "carol", "*"];
const EMOJI: [&str; 3] = ["👍", "🎉", "👩‍🚀"];

#[derive(Clone, Debug)]
enum Command {
    Send { user: usize, mention: Option<usize> },
    Edit { user: usize, back: usize, meta: bool },
    Delete { user: usize, back: usize },
    React { user: usize, back: usize, emoji: usize, remove: bool },
    Read { user: usize, back: usize },
    Join { user: usize },
    Leave { user: usize },
    Moderate { actor: usize, action: usize, user: usize },
    Bound { history_max: u64 },
    Bytes { room_bytes: u64 },
    Wait { ms: u64 },
    Erase { user: usize, count: usize, keep: bool },
}

fn command() -> impl Strategy<Value = Command> {
    let (user, back) = (0..USERS.len(), 0..12_usize);
    prop_oneof![
        6 => (user.clone(), proptest::option::of(0..4_usize))
            .prop_map(|(user, mention)| Command::Send { user, mention }),
        3 => (user.clone(), back.clone(), any::<bool>())
            .prop_map(|(user, back, meta)| Command::Edit { user, back, meta }),
        2 => (user.clone(), back.clone()).prop_map(|(user, back)| Command::Delete { user, back }),
        4 => (user.clone(), back.clone(), 0..EMOJI.len(), any::<bool>())
            .prop_map(|(user, back, emoji, remove)| Command::React { user, back, emoji, remove }),
        3 => (0..4_usize, back).prop_map(|(user, back)| Command::Read { user, back }),
        1 => (0..4_usize).prop_map(|user| Command::Join { user }),
        1 => (0..4_usize).prop_map(|user| Command::Leave { user }),
        1 => (user, 0..6_usize, 0..4_usize)
            .prop_map(|(actor, action, user)| Command::Moderate { actor, action, user }),
        1 => (3..30_u64).prop_map(|history_max| Command::Bound { history_max }),
        1 => (1..20_u64).prop_map(|size| Command::Bytes { room_bytes: size * size * 500 }),
        1 => (0..50_u64).prop_map(|ms| Command::Wait { ms }),
        1 => (0..4_usize, 1..40_usize, any::<bool>())
            .prop_map(|(user, count, keep)| Command::Erase { user, count, keep }),
    ]
}

fn execute(world: &mut World, command: &Command, count: u64) -> Result<(), CommandError> {
    let name = world.name.clone();
    let actor = |user: usize| Actor::parse(USERS[user].as_bytes()).expect("an actor");
    let newest = world.room.messages.last();
    let id = |back: usize| {
        let message = world.room.messages.get(newest.saturating_sub(back as u64));
        message.map_or(Id { ms: 1, n: 1 }, |message| message.id).to_string()
    };
    let text = format!("text {count}");
    match command {
        Command::Send { user, mention } => {
            let mut buffer = Vec::new();
            let mut send = super::send(USERS[*user], &text, None);
            let mentioned: Vec<&str> = mention.iter().map(|user| USERS[*user]).collect();
            send.mentions = decide::send::mentions(&mentioned, &mut buffer);
            world.run(&name, |c, d| decide::send::decide(c, &send, d)).map(drop)
        }
        Command::Edit { user, back, meta } => {
            let object = format!("{{\"meta {count}\":1}}");
            let (id, text) = (id(*back), text.as_bytes());
            let meta = meta.then_some(object.as_bytes());
            let (user, whose) = (actor(*user), MessageScope::Permitted);
            let edit = Edit { user, id: id.as_bytes(), text, meta, whose, judging: Judging::Done };
            world.run(&name, |c, d| decide::edit::edit(c, edit, d)).map(drop)
        }
        Command::Delete { user, back } => {
            let (user, id) = (actor(*user), id(*back));
            let reason = count.is_multiple_of(2).then_some("why");
            let id = id.as_bytes();
            let delete = Delete { user, id, reason, whose: MessageScope::Permitted };
            world.run(&name, |c, d| decide::edit::delete(c, delete, d)).map(drop)
        }
        Command::React { user, back, emoji, remove } => {
            let reaction = if *remove { Reaction::Remove } else { Reaction::Add };
            let (user, id, emoji) = (actor(*user), id(*back), EMOJI[*emoji]);
            let id = id.as_bytes();
            world
                .run(&name, |c, d| decide::react::decide(c, user, id, emoji, reaction, d))
                .map(drop)
        }
        Command::Read { user, back } => {
            let last = world.room.last.n.saturating_sub(*back as u64);
            let id = world.room.id_at(last).ok_or(CommandError::NoMessage)?;
            world.run(&name, |c, d| decide::read::read(c, USERS[*user], id, d))
        }
        Command::Join { user } => world.join(USERS[*user], None, None).map(drop),
        Command::Leave { user } => world.leave(USERS[*user]).map(drop),
        Command::Moderate { actor: by, action, user } => {
            let action = [Action::Kick, Action::Ban, Action::Unban, Action::Mute, Action::Unmute]
                .get(*action)
                .copied()
                .unwrap_or(Action::Role(crate::state::users::members::Role::Moderator));
            let timed = matches!(action, Action::Ban | Action::Mute);
            let duration = (timed && !count.is_multiple_of(3)).then_some(40);
            let (actor, user) = (actor(*by), USERS[*user]);
            let moderate = Moderate { actor, action, user, duration, reason: None };
            world.run(&name, |c, d| decide::moderate::decide(c, moderate, d)).map(drop)
        }
        Command::Bound { history_max } => world.set("history_max", &history_max.to_string(), None),
        Command::Bytes { room_bytes } => {
            world.limits.room_bytes = *room_bytes;
            world.expire(5);
            Ok(())
        }
        Command::Wait { ms } => {
            world.now += ms;
            Ok(())
        }
        Command::Erase { user, count, keep } => {
            let keep = if *keep { Keep::Ban } else { Keep::Nothing };
            super::erasing::walk(world, USERS[*user], *count, keep);
            let stored = world.room.encode(crate::Part::Everything(world.time()));
            let name = USERS[*user].as_bytes();
            let named = stored.windows(name.len()).any(|bytes| bytes == name);
            let banned = world.room.sanctions.contains(USERS[*user]);
            assert_eq!(named, banned, "only a ban that is kept names the user");
            Ok(())
        }
    }
}

/// Messages as a reader sees them, by event number.
#[derive(Clone, Debug, Default, PartialEq)]
struct View(BTreeMap<u64, Shown>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    user: String,
    text: Option<String>,
    meta: Value,
    edited: bool,
    mentions: Vec<String>,
    deleted: bool,
    reactions: Vec<(String, Vec<String>)>,
}

fn n_of(id: &Value) -> u64 {
    Id::parse(id.as_str().expect("an id").as_bytes()).expect("an id").n
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn shown(event: &Value) -> Shown {
    let text = |member: &str| event[member].as_str().map(str::to_owned);
    let reactions = event["reactions"].as_array().map(Vec::as_slice).unwrap_or_default();
    Shown {
        user: text("user").expect("an author"),
        text: text("text"),
        meta: event["meta"].clone(),
        edited: event["edited"].is_u64(),
        mentions: words(&event["mentions"]),
        deleted: event["deleted"].is_u64(),
        reactions: reactions
            .iter()
            .map(|reaction| {
                let users = words(&reaction["users"]);
                assert_eq!(reaction["count"].as_u64(), Some(users.len() as u64));
                (reaction["emoji"].as_str().expect("an emoji").to_owned(), users)
            })
            .collect(),
    }
}

impl Shown {
    fn erase(&mut self, user: &str, alias: &str) {
        if self.user == user {
            *self = Shown { user: alias.to_owned(), deleted: true, ..Shown::default() };
        }
        for name in self.mentions.iter_mut().filter(|name| *name == user) {
            *name = alias.to_owned();
        }
        self.reactions.iter_mut().for_each(|(_, users)| users.retain(|other| other != user));
        self.reactions.retain(|(_, users)| !users.is_empty());
    }
}

impl View {
    /// Applies one event as `docs/protocol.md` describes it.
    fn fold(&mut self, event: &Value) {
        let text = |member: &str| event[member].as_str().map(str::to_owned);
        let kind = event["type"].as_str().expect("a type");
        if kind == "message" {
            self.0.insert(n_of(&event["id"]), shown(event));
            return;
        }
        if kind == "erase" {
            let (user, alias) = (text("user").expect("who"), text("as").expect("a name"));
            for (_, message) in self.0.range_mut(..=n_of(&event["ref"])) {
                message.erase(&user, &alias);
            }
            return;
        }
        if !matches!(kind, "edit" | "delete" | "react") {
            return;
        }
        let Some(message) = self.0.get_mut(&n_of(&event["ref"])) else { return };
        match kind {
            "delete" => {
                let user = std::mem::take(&mut message.user);
                *message = Shown { user, deleted: true, ..Shown::default() };
            }
            "edit" if event["text"].is_string() => {
                message.text = text("text");
                message.meta = event["meta"].clone();
                message.edited = true;
            }
            "react" if event["emoji"].is_string() => {
                let (user, emoji) = (text("user").expect("who"), text("emoji").expect("what"));
                let removed = event["removed"] == true;
                let at = message.reactions.iter().position(|(other, _)| *other == emoji);
                match at {
                    Some(at) if removed => message.reactions[at].1.retain(|other| *other != user),
                    Some(at) => message.reactions[at].1.push(user),
                    None => message.reactions.push((emoji, vec![user])),
                }
                message.reactions.retain(|(_, users)| !users.is_empty());
            }
            _ => {}
        }
    }

    /// The view without messages older than the room keeps.
    fn kept(&self, first: u64) -> View {
        View(self.0.range(first..).map(|(n, shown)| (*n, shown.clone())).collect())
    }
}

fn parsed<'a>(events: impl Iterator<Item = &'a [u8]>) -> Vec<Value> {
    events.map(|event| serde_json::from_slice(event).expect("strict JSON")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_readers_fold_is_what_history_shows(commands in proptest::collection::vec(command(), 1..250)) {
        let mut world = World::new("lobby");
        world.limits.history_max = 25;
        world.join("owner", None, None).expect("made");
        let mut view = View::default();
        let mut snapshots = vec![(world.room.last(), view.clone())];
        for (count, command) in commands.iter().enumerate() {
            let before = world.room.encode(crate::Part::Everything(world.time()));
            let read_up_to = world.published.len();
            if execute(&mut world, command, count as u64).is_err() {
                prop_assert_eq!(&world.room.encode(crate::Part::Everything(world.time())), &before);
                prop_assert_eq!(world.published.len(), read_up_to);
            }
            for event in parsed(world.published[read_up_to..].iter().map(|event| event.as_bytes())) {
                if event["id"].is_string() {
                    view.fold(&event);
                }
            }
            if snapshots.last().is_some_and(|(last, _)| *last != world.room.last()) {
                snapshots.push((world.room.last(), view.clone()));
            }
        }
        world.check_copies();

        let name = world.name.clone();
        let page = history::answer(world.context(&name), Anchor::Newest, 1000, None).expect("all");
        let mut history = View::default();
        for event in parsed(page.events.iter()) {
            history.0.insert(n_of(&event["id"]), shown(&event));
        }
        let first = world.context(&name).first_visible();
        let first = world.room.messages.get(first).map_or(u64::MAX, |message| message.id.n);
        let kept = view.kept(first);
        prop_assert_eq!(&history, &kept);

        for (cursor, snapshot) in &snapshots {
            let found = sync::answer(world.context(&name), *cursor, 1000, None).expect("anyone");
            if found.recovered {
                let mut resumed = snapshot.clone();
                parsed(found.events.iter()).iter().for_each(|event| resumed.fold(event));
                prop_assert_eq!(resumed.kept(first), kept.clone(), "from {}", cursor);
            }
        }

        for user in &USERS[..4] {
            let read_state = decide::read::read_states(world.context(&name), &[user]).expect("a room");
            prop_assert_eq!(read_state[0].is_some(), world.room.role(user).is_some());
            let Some(read_state) = read_state[0] else { continue };
            let unread = |shown: &&Shown| !shown.deleted && shown.user != *user;
            let after: Vec<&Shown> =
                kept.0.range(read_state.cursor.n + 1..).map(|(_, shown)| shown).filter(unread).collect();
            let mentions = after.iter().filter(|shown| shown.mentions.iter().any(|m| m == user));
            prop_assert_eq!(read_state.unread.messages, after.len() as u64, "{}", user);
            prop_assert_eq!(read_state.unread.mentions, mentions.count() as u64, "{}", user);
        }
        let stored = String::from_utf8_lossy(&world.room.encode(crate::Part::Everything(world.time()))).into_owned();
        for event in world.published.iter().filter(|event| event.contains("\"text\":")) {
            let event: Value = serde_json::from_str(event).expect("JSON");
            let n = n_of(if event["type"] == "edit" { &event["ref"] } else { &event["id"] });
            let removed = world.room.messages.oldest().is_none_or(|oldest| n < oldest.id.n);
            let text = event["text"].as_str().expect("a text");
            // The message was deleted, or a later edit replaced the text.
            let gone = removed || view.0.get(&n).is_none_or(|now| now.text.as_deref() != Some(text));
            let word_end = |at: usize| {
                stored[at + text.len()..].chars().next().is_none_or(|c| !c.is_ascii_digit())
            };
            let found = stored.match_indices(text).any(|(at, _)| word_end(at));
            prop_assert!(!(gone && found), "{} is gone, but stored", text);
        }
    }
}
