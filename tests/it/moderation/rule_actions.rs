//! The actions that `rules.rs` tries: each as a command and, where a relay has it, as an
//! operation.

use chat_tests::args;
use chat_tests::clients::wire::Command;
use serde_json::{Value, json};

/// Where an action is tried, and by whom.
pub(crate) struct Scene<'a> {
    /// The room.
    pub room: &'a str,
    /// The acting user.
    pub actor: &'a str,
    /// The id of one of their own messages, or any if they have none.
    pub own: &'a str,
    /// The id of a message of another user, a plain member.
    pub other: &'a str,
}

/// An action.
pub(crate) struct Action {
    /// Its name in the tables.
    pub name: &'static str,
    /// As a command. `None`: the backend cannot do this.
    pub command: fn(&Scene<'_>) -> Option<Command>,
    /// As an operation of a relay.
    pub op: Option<fn(&Scene<'_>) -> Value>,
}

/// A reading command: the backend reads without AS.
fn reading(s: &Scene<'_>, mut command: Command) -> Option<Command> {
    if s.actor != "*" {
        command.extend(args!["AS", s.actor]);
    }
    Some(command)
}

/// A command with the actor in the place of a user, which the backend cannot be.
fn of_user(s: &Scene<'_>, command: Command) -> Option<Command> {
    (s.actor != "*").then_some(command)
}

macro_rules! actions {
    ($($name:literal: $command:expr, $op:expr;)*) => {
        /// Every action.
        pub(crate) const ACTIONS: &[Action] = &[$(Action { name: $name, command: $command, op: $op }),*];
    };
}

actions! {
    "send": |s| Some(args!["CHAT.SEND", s.room, s.actor, "x"]),
        Some(|s| json!({"op": "send", "room": s.room, "text": "x"}));
    "send ephemeral": |s| Some(args!["CHAT.SEND", s.room, s.actor, "x", "EPHEMERAL"]),
        Some(|s| json!({"op": "send", "room": s.room, "text": "x", "ephemeral": true}));
    "edit own": |s| Some(args!["CHAT.EDIT", s.room, s.actor, s.own, "y"]),
        Some(|s| json!({"op": "edit", "room": s.room, "id": s.own, "text": "y"}));
    "edit other": |s| Some(args!["CHAT.EDIT", s.room, s.actor, s.other, "y"]),
        Some(|s| json!({"op": "edit", "room": s.room, "id": s.other, "text": "y"}));
    "delete own": |s| Some(args!["CHAT.DELETE", s.room, s.actor, s.own]),
        Some(|s| json!({"op": "delete", "room": s.room, "id": s.own}));
    "delete other": |s| Some(args!["CHAT.DELETE", s.room, s.actor, s.other]),
        Some(|s| json!({"op": "delete", "room": s.room, "id": s.other}));
    "react": |s| Some(args!["CHAT.REACT", s.room, s.actor, s.other, "👍"]),
        Some(|s| json!({"op": "react", "room": s.room, "id": s.other, "emoji": "👍"}));
    "signal": |s| Some(args!["CHAT.SIGNAL", s.room, s.actor, "typing"]),
        Some(|s| json!({"op": "signal", "room": s.room, "name": "typing"}));
    "read": |s| of_user(s, args!["CHAT.READ", s.room, s.actor, s.other]),
        Some(|s| json!({"op": "read", "room": s.room, "id": s.other}));
    "history": |s| reading(s, args!["CHAT.HISTORY", s.room]),
        Some(|s| json!({"op": "history", "room": s.room}));
    "sync": |s| reading(s, args!["CHAT.SYNC", s.room, "0-0"]), None;
    "members": |s| reading(s, args!["CHAT.MEMBERS", s.room]),
        Some(|s| json!({"op": "members", "room": s.room}));
    "who": |s| reading(s, args!["CHAT.WHO", s.room]),
        Some(|s| json!({"op": "who", "room": s.room}));
    "room": |s| reading(s, args!["CHAT.ROOM_RO", s.room]),
        Some(|s| json!({"op": "room", "room": s.room}));
    "presence": |s| of_user(s, args!["CHAT.PRESENCE", s.room, s.actor, s.actor]), None;
    "join": |s| of_user(s, args!["CHAT.JOIN", s.room, s.actor]),
        Some(|s| json!({"op": "join", "room": s.room}));
    "leave": |s| of_user(s, args!["CHAT.LEAVE", s.room, s.actor]), None;
    "set topic": |s| Some(args!["CHAT.ROOM", s.room, "SET", "topic", "tea", "BY", s.actor]),
        Some(|s| json!({"op": "room", "room": s.room, "set": {"topic": "tea"}}));
    "set slow": |s| Some(args!["CHAT.ROOM", s.room, "SET", "slow", 9, "BY", s.actor]),
        Some(|s| json!({"op": "room", "room": s.room, "set": {"slow": 9}}));
    "set log_joins": |s| Some(args!["CHAT.ROOM", s.room, "SET", "log_joins", "yes", "BY", s.actor]),
        Some(|s| json!({"op": "room", "room": s.room, "set": {"log_joins": true}}));
    "set hook": |s| Some(args!["CHAT.ROOM", s.room, "SET", "hook", "yes", "BY", s.actor]),
        Some(|s| json!({"op": "room", "room": s.room, "set": {"hook": true}}));
    "set name": |s| Some(args!["CHAT.ROOM", s.room, "SET", "name", "A.", "BY", s.actor]),
        Some(|s| json!({"op": "room", "room": s.room, "set": {"name": "A."}}));
    "add": |s| Some(args!["CHAT.JOIN", s.room, "guest", "BY", s.actor]), None;
    "kick member": |s| moderate(s, &["KICK", "target"]), Some(|s| mod_op(s, "kick", "target"));
    "kick moderator": |s| moderate(s, &["KICK", "mod2"]), Some(|s| mod_op(s, "kick", "mod2"));
    "kick owner": |s| moderate(s, &["KICK", "owner"]), Some(|s| mod_op(s, "kick", "owner"));
    "ban stranger": |s| moderate(s, &["BAN", "guest"]), Some(|s| mod_op(s, "ban", "guest"));
    "unban": |s| moderate(s, &["UNBAN", "banned"]), Some(|s| mod_op(s, "unban", "banned"));
    "mute member": |s| moderate(s, &["MUTE", "target"]), Some(|s| mod_op(s, "mute", "target"));
    "mute moderator": |s| moderate(s, &["MUTE", "mod2"]), Some(|s| mod_op(s, "mute", "mod2"));
    "mute owner": |s| moderate(s, &["MUTE", "owner"]), Some(|s| mod_op(s, "mute", "owner"));
    "mute stranger": |s| moderate(s, &["MUTE", "guest"]), Some(|s| mod_op(s, "mute", "guest"));
    "unmute member": |s| moderate(s, &["UNMUTE", "target"]),
        Some(|s| mod_op(s, "unmute", "target"));
    "unmute owner": |s| moderate(s, &["UNMUTE", "owner"]), Some(|s| mod_op(s, "unmute", "owner"));
    "unmute": |s| moderate(s, &["UNMUTE", "muted"]), Some(|s| mod_op(s, "unmute", "muted"));
    "make member": |s| moderate(s, &["ROLE", "mod2", "member"]),
        Some(|s| role_op(s, "mod2", "member"));
    "make moderator": |s| moderate(s, &["ROLE", "target", "moderator"]),
        Some(|s| role_op(s, "target", "moderator"));
    "make owner": |s| moderate(s, &["ROLE", "target", "owner"]),
        Some(|s| role_op(s, "target", "owner"));
    "add by role": |s| moderate(s, &["ROLE", "guest", "member"]),
        Some(|s| role_op(s, "guest", "member"));
    "add moderator": |s| moderate(s, &["ROLE", "guest", "moderator"]),
        Some(|s| role_op(s, "guest", "moderator"));
    "block": |s| moderate(s, &["BAN", "guest"]), Some(|s| mod_op(s, "ban", "guest"));
    "unblock": |s| moderate(s, &["UNBAN", "banned"]), Some(|s| mod_op(s, "unban", "banned"));
    "mute in it": |s| moderate(s, &["MUTE", "guest"]), Some(|s| mod_op(s, "mute", "guest"));
    "suspend": |s| moderate(s, &["BAN", "owner"]), Some(|s| mod_op(s, "ban", "owner"));
    "unsuspend": |s| moderate(s, &["UNBAN", "owner"]), Some(|s| mod_op(s, "unban", "owner"));
    "end sockets": |s| moderate(s, &["KICK", "owner"]), Some(|s| mod_op(s, "kick", "owner"));
}

fn moderate(s: &Scene<'_>, rest: &[&str]) -> Option<Command> {
    let mut command = args!["CHAT.MOD", s.room, s.actor];
    command.extend(rest.iter().map(|word| word.as_bytes().to_vec()));
    Some(command)
}

fn mod_op(s: &Scene<'_>, action: &str, user: &str) -> Value {
    json!({"op": "mod", "room": s.room, "action": action, "user": user})
}

fn role_op(s: &Scene<'_>, user: &str, role: &str) -> Value {
    json!({"op": "mod", "room": s.room, "action": "role", "user": user, "role": role})
}
