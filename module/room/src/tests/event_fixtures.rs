//! The bytes of every event type and shape, pinned in `tests/fixtures/events/` (see its README.md).
//!
//! The commands below are the only source of the files: each names the file that its event fills.
//! The relay and the JavaScript client read the same files.

mod erasure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chat_protocol::event_header::{EventHeader, MEMBERS, Place, TYPES};
use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use super::{World, send};
use crate::decide::context::Judging;
use crate::decide::edit::{Delete, Edit, MessageScope};
use crate::decide::history::{self, Anchor};
use crate::decide::import::Import;
use crate::decide::moderate::{Action, Moderate};
use crate::decide::presence::Presence;
use crate::decide::react::Reaction;
use crate::decide::send::{Send, mentions};
use crate::decide::signal::Signal;
use crate::decide::{self, sync};
use crate::state::users::members::{MemberAction, Role};
use crate::{dropped, moved};

/// Set: the test writes the files instead of comparing them.
const UPDATE: &str = "UPDATE_FIXTURES";

/// The content of the files by their names without the ending.
type Files = BTreeMap<String, String>;

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/events"))
}

fn actor(name: &str) -> Actor<'_> {
    Actor::parse(name.as_bytes()).expect("an actor")
}

/// A room, and the files that its commands fill.
struct Script<'f> {
    world: World,
    files: &'f mut Files,
}

impl<'f> Script<'f> {
    fn new(room: &str, files: &'f mut Files) -> Script<'f> {
        Script { world: World::new(room), files }
    }

    /// Fills a file with an event.
    fn file(&mut self, name: &str, event: String) {
        let before = self.files.insert(name.to_owned(), event);
        assert_eq!(before, None, "{name} is filled once");
    }

    /// Fills a file with the one event that the last command published.
    fn published(&mut self, name: &str) {
        let events = std::mem::take(&mut self.world.published);
        let [event] = <[String; 1]>::try_from(events).expect("one event");
        self.file(name, event);
        self.world.now += 1_000;
    }

    /// Ignores what the last commands published.
    fn ignore(&mut self) {
        self.world.published.clear();
        self.world.now += 1_000;
    }

    fn send(&mut self, send: &Send<'_>) -> String {
        let name = self.world.name.clone();
        let sent = self.world.run(&name, |c, d| decide::send::decide(c, send, d)).expect("sent");
        sent.map(|id| id.to_string()).unwrap_or_default()
    }

    fn import(&mut self, import: Import<'_>) -> String {
        let name = self.world.name.clone();
        let id = self.world.run(&name, |c, d| decide::import::decide(c, import, d));
        id.expect("imported").expect("stored").to_string()
    }

    fn edit(&mut self, id: &str, text: &str, meta: Option<&[u8]>) {
        let name = self.world.name.clone();
        let (user, whose) = (actor("alice"), MessageScope::Permitted);
        let (id, text, judging) = (id.as_bytes(), text.as_bytes(), Judging::Done);
        let edit = Edit { user, id, text, meta, whose, judging };
        self.world.run(&name, |c, d| decide::edit::edit(c, edit, d)).expect("edited");
    }

    fn delete(&mut self, user: &str, id: &str, reason: Option<&str>) {
        let name = self.world.name.clone();
        let (user, whose) = (actor(user), MessageScope::Permitted);
        let delete = Delete { user, id: id.as_bytes(), reason, whose };
        self.world.run(&name, |c, d| decide::edit::delete(c, delete, d)).expect("deleted");
    }

    fn react(&mut self, user: &str, id: &str, emoji: &str, reaction: Reaction) {
        let name = self.world.name.clone();
        let (user, id) = (actor(user), id.as_bytes());
        self.world
            .run(&name, |c, d| decide::react::decide(c, user, id, emoji, reaction, d))
            .expect("reacted");
    }

    fn moderate(&mut self, action: Action, user: &str, duration: Option<u64>) {
        let name = self.world.name.clone();
        let reason = duration.map(|_| "spam");
        let moderate = Moderate { actor: actor("mo"), action, user, duration, reason };
        self.world.run(&name, |c, d| decide::moderate::decide(c, moderate, d)).expect("done");
    }

    fn connect(&mut self, user: &str, connection: &str, status: Option<&str>) {
        let name = self.world.name.clone();
        let presence = Presence { user, connection, ttl: Some(60_000), status };
        self.world.run(&name, |c, d| decide::presence::connect(c, presence, d)).expect("online");
    }

    fn signal(&mut self, user: &str, word: &str, data: Option<&[u8]>) {
        let name = self.world.name.clone();
        let (user, judging) = (actor(user), Judging::Done);
        let signal = Signal { user, name: word, data, judging, from: None };
        self.world.run(&name, |c, d| decide::signal::decide(c, signal, d)).expect("published");
    }

    /// The newest messages as CHAT.HISTORY shows them now.
    fn history(&self, count: usize) -> Vec<String> {
        let name = self.world.name.clone();
        let page = history::answer(self.world.context(&name), Anchor::Newest, count, None);
        let page = page.expect("anyone may");
        page.events.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect()
    }

    /// The events after a cursor as CHAT.SYNC repeats them.
    fn sync(&self, cursor: &str) -> Vec<String> {
        let name = self.world.name.clone();
        let cursor = Id::parse(cursor.as_bytes()).expect("an id");
        let page = sync::answer(self.world.context(&name), cursor, 100, None).expect("known");
        page.events.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect()
    }
}

fn messages(script: &mut Script<'_>) {
    script.send(&send("alice", "hello", None));
    script.published("message.first");
    let id = script.send(&send("alice", "hello again", None));
    script.published("message.text");
    script.send(&send("bob", "hi", Some("n-1")));
    script.published("message.nonce");
    script.send(&send("bob", "say \"hi\"\\\n\u{1}\u{e4}\u{1f600}", None));
    script.published("message.escaped");
    let action = Send { kind: Some("action"), ..send("bob", "waves", None) };
    script.send(&action);
    script.published("message.action");
    script.send(&send("*", "The server restarts at noon.", None));
    script.published("message.system");
    let meta = br#"{"file":{"name":"a.png","bytes":1234}}"#;
    let with_meta = Send { meta: Some(meta), ..send("bob", "a picture", None) };
    script.send(&with_meta);
    script.published("message.meta");
    script.send(&Send { text: b"", ..with_meta });
    script.published("message.empty-text");
    script.send(&Send { reply: Some(id.as_bytes()), ..send("bob", "yes", None) });
    script.published("message.reply");
    let mut buffer = Vec::new();
    let mentioned = mentions(&["alice", "carol"], &mut buffer);
    script.send(&Send { mentions: mentioned, ..send("bob", "@alice @carol look", None) });
    script.published("message.mentions");
    let mut buffer = Vec::new();
    let all = Send {
        kind: Some("poll"),
        meta: Some(br#"{"choices":["a","b"]}"#),
        reply: Some(id.as_bytes()),
        mentions: mentions(&["alice"], &mut buffer),
        ..send("bob", "which?", Some("n-2"))
    };
    script.send(&all);
    script.published("message.every-member");
    script.send(&Send { ephemeral: true, ..send("bob", "not stored", None) });
    script.published("message.ephemeral");
}

fn imported(script: &mut Script<'_>) {
    let plain = Import {
        user: actor("alice"),
        ts: 1_595_225_200_000,
        text: b"long ago",
        m: 1,
        kind: None,
        meta: None,
        reply: None,
    };
    let id = script.import(plain);
    script.published("message.imported");
    let meta = Some(&br#"{"from":"irc"}"#[..]);
    let (kind, reply) = (Some("action"), Id::parse(id.as_bytes()));
    script.import(Import { m: 2, kind, meta, reply, ..plain });
    script.published("message.imported-every-member");
    script.delete("*", &id, None);
    script.ignore();
    let shown = script.history(2).remove(0);
    script.file("message.imported-deleted", shown);
}

fn annotations(script: &mut Script<'_>) {
    let id = script.send(&send("alice", "one", Some("n-3")));
    script.ignore();
    script.edit(&id, "two", None);
    script.published("edit.text");
    script.edit(&id, "three", Some(br#"{"a":1}"#));
    script.published("edit.meta");
    script.react("bob", &id, "\u{1f44d}", Reaction::Add);
    script.published("react.added");
    script.react("alice", &id, "\u{1f44d}", Reaction::Add);
    script.react("bob", &id, "\u{2764}\u{fe0f}", Reaction::Add);
    script.ignore();
    let [shown] = <[String; 1]>::try_from(script.history(1)).expect("one");
    script.file("message.edited-with-reactions", shown);
    script.react("bob", &id, "\u{2764}\u{fe0f}", Reaction::Remove);
    script.published("react.removed");
    let events = script.sync(&id);
    script.file("edit.superseded", events.first().expect("the first edit").clone());
    script.delete("alice", &id, None);
    script.published("delete.own");
    let events = script.sync(&id);
    script.file("react.of-deleted", events.get(2).expect("the reaction").clone());
    let [shown] = <[String; 1]>::try_from(script.history(1)).expect("one");
    script.file("message.deleted", shown);
    let id = script.send(&send("alice", "insult", None));
    script.ignore();
    script.delete("mo", &id, Some("an insult"));
    script.published("delete.reason");
    let [shown] = <[String; 1]>::try_from(script.history(1)).expect("one");
    script.file("message.deleted-by-moderator", shown);
}

fn membership(script: &mut Script<'_>) {
    script.world.join("carol", None, None).expect("joined");
    script.published("member.join");
    script.world.join("dora", None, Some("mo")).expect("joined");
    script.published("member.join-by");
    script.world.set("log_joins", "yes", None).expect("set");
    script.ignore();
    script.world.join("erik", None, None).expect("joined");
    script.published("member.join-logged");
    script.world.leave("erik").expect("left");
    script.published("member.leave");
    let name = script.world.name.clone();
    let role = Moderate {
        actor: Actor::Backend,
        action: Action::Role(Role::Moderator),
        user: "carol",
        duration: None,
        reason: None,
    };
    script.world.run(&name, |c, d| decide::moderate::decide(c, role, d)).expect("done");
    script.published("member.role");
    script.moderate(Action::Mute, "dora", Some(60_000));
    script.published("member.mute");
    script.moderate(Action::Unmute, "dora", None);
    script.published("member.unmute");
    script.moderate(Action::Kick, "dora", None);
    script.published("member.kick");
    script.moderate(Action::Ban, "dora", Some(60_000));
    script.published("member.ban");
    script.moderate(Action::Unban, "dora", None);
    script.published("member.unban");
    script.moderate(Action::Ban, "dora", None);
    script.published("member.ban-without-end");
    script.world.set("topic", "news \"today\"", Some("mo")).expect("set");
    script.published("room.settings");
}

fn presence(script: &mut Script<'_>) {
    script.connect("alice", "r1-1", None);
    script.published("presence.join");
    script.connect("alice", "r1-1", Some("away"));
    script.published("presence.status");
    let name = script.world.name.clone();
    script
        .world
        .run(&name, |c, d| decide::presence::disconnect(c, "alice", "r1-1", None, d))
        .expect("offline");
    script.published("presence.leave");
    script.connect("alice", "r1-2", Some("busy"));
    script.ignore();
    script.world.now += 60_000;
    script.world.expire(10);
    script.published("presence.timeout");
    script.world.limits.presence_announce = 0;
    script.connect("alice", "r1-3", None);
    script.published("occupancy.users");
}

fn logged_presence(script: &mut Script<'_>) {
    script.connect("alice", "r1-1", None);
    let [durable, _ephemeral] =
        <[String; 2]>::try_from(std::mem::take(&mut script.world.published)).expect("two");
    script.file("presence.logged-join", durable);
    script.world.now += 60_000;
    let name = script.world.name.clone();
    script
        .world
        .run(&name, |c, d| decide::presence::disconnect(c, "alice", "r1-1", None, d))
        .expect("offline");
    let [durable, _ephemeral] =
        <[String; 2]>::try_from(std::mem::take(&mut script.world.published)).expect("two");
    script.file("presence.logged-leave", durable);
}

fn ephemeral(script: &mut Script<'_>) {
    script.signal("alice", "typing", None);
    script.published("signal.name");
    script.signal("alice", "cursor", Some(br#"{"x":1,"y":2}"#));
    script.published("signal.data");
    script.signal("*", "notice", Some(br#"{"kind":"mention","room":"lobby"}"#));
    script.published("notice.data");
    let name = script.world.name.clone();
    let last = script.world.room.last;
    script.world.run(&name, |c, d| decide::read::read(c, "alice", last, d)).expect("read");
    script.published("read.cursor");
    let gone = dropped(&name, last, script.world.now, "deleted");
    script.file("drop.reason", String::from_utf8(gone).expect("UTF-8"));
    let gone = moved(&name, last, script.world.now);
    script.file("moved.slot", String::from_utf8(gone).expect("UTF-8"));
}

/// Every file, from the commands that lead to it.
fn files() -> Files {
    let mut files = Files::new();
    let mut script = Script::new("lobby", &mut files);
    for (user, role) in [("mo", "moderator"), ("alice", "member"), ("bob", "member")] {
        script.world.join(user, Some(role), Some("*")).expect("joined");
    }
    script.ignore();
    messages(&mut script);
    annotations(&mut script);
    membership(&mut script);
    presence(&mut script);
    ephemeral(&mut script);
    imported(&mut Script::new("archive", &mut files));
    erasure::erasure(&mut Script::new("lobby", &mut files));
    let mut script = Script::new("@alice", &mut files);
    script.world.set("name", "Alice L\u{f8}v", Some("alice")).expect("set");
    script.published("room.profile");
    script.world.limits.presence_log = true;
    logged_presence(&mut script);
    let mut script = Script::new("say\"hi\"\\", &mut files);
    script.world.join("al\"ice", None, None).expect("joined");
    script.ignore();
    script.send(&send("al\"ice", "hello", None));
    script.published("message.escaped-names");
    files
}

#[test]
fn every_event_has_the_bytes_of_its_file() {
    let (files, directory) = (files(), directory());
    if std::env::var_os(UPDATE).is_some() {
        for old in std::fs::read_dir(&directory).expect("the folder") {
            let path = old.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "json") {
                std::fs::remove_file(path).expect("removable");
            }
        }
        for (name, event) in &files {
            std::fs::write(directory.join(format!("{name}.json")), event).expect("writable");
        }
    }
    let entries = std::fs::read_dir(&directory).expect("the folder");
    let present: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect();
    let filled: BTreeSet<String> = files.keys().cloned().collect();
    assert_eq!(present, filled, "a file for every event, an event for every file");
    for (name, event) in &files {
        let pinned = std::fs::read_to_string(directory.join(format!("{name}.json")));
        assert_eq!(*event, pinned.expect("readable"), "{name}; to accept it: {UPDATE}=1");
    }
}

#[test]
fn every_type_member_and_action_has_a_file() {
    let files = files();
    let mut shown = BTreeSet::new();
    for (name, event) in &files {
        let header = EventHeader::parse(event.as_bytes()).expect("a header");
        let (kind, _shape) = name.split_once('.').expect("type.shape");
        assert_eq!(header.kind, kind, "{name}");
        let is_durable = matches!(header.place, Place::Durable { .. });
        let value: serde_json::Value = serde_json::from_str(event).expect("strict JSON");
        let object = value.as_object().expect("an object");
        assert_eq!(is_durable, object.contains_key("id"), "{name}");
        let places: Vec<_> = MEMBERS.iter().map(|member| header.raw(member)).collect();
        let order: Vec<_> = places.iter().flatten().map(|value| value.as_ptr()).collect();
        assert!(order.is_sorted(), "{name}: members in the order of MEMBERS");
        assert_eq!(order.len(), object.len(), "{name}: members that MEMBERS names");
        shown.extend(object.keys().cloned());
    }
    let types: BTreeSet<_> =
        files.keys().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    assert_eq!(types, BTreeSet::from(TYPES));
    let members = BTreeSet::from(MEMBERS.map(str::to_owned));
    assert_eq!(shown, members, "every member of an event is in a file");
    for action in MemberAction::ALL {
        let name = format!("member.{}", action.as_str());
        assert!(files.contains_key(&name), "{name}");
    }
}
