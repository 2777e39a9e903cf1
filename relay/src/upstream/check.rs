//! Checking whether Redis has what a relay needs, without changing anything.
//!
//! Every command that the relay uses is called once for a room that cannot exist. Redis checks
//! permission, memory, disk and replicas before the module checks the name and refuses it. So the
//! error shows what would happen to a real call.

use std::time::Duration;

use chat_protocol::id::Id;
use redis::Value;

use crate::upstream::commands::{self, Bounds, Command, Message, Moderation, Part, Reader, Rows};
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::{Problem, State, denied_command};

/// A room that cannot exist, because no user's name begins with `*`. It is also the channel of the
/// probe.
pub(crate) fn probe_room(relay: &str, boot: &str) -> String {
    format!("@*relay:{relay}:{boot}")
}

/// One call of every command of the module that the relay uses, by the command's name in lower
/// case. `room` cannot exist.
fn needed(room: &str) -> Vec<(&'static str, Command)> {
    let (user, id, one) = ("x", Id { ms: 1, n: 1 }, Duration::from_secs(1));
    // Lists of rooms are kept in the personal room of a user.
    let owner = room.trim_start_matches('@');
    let (rows, bounds, backend) = (Rows::default(), Bounds::default(), Reader::Backend);
    let moderation = Moderation {
        room,
        actor: "*",
        action: "KICK",
        user,
        role: None,
        for_ms: None,
        reason: None,
    };
    vec![
        ("chat.send", write_question(room)),
        ("chat.send", write_question(room).with_notices()),
        ("chat.sent", commands::sent(room, "*", "x")),
        ("chat.edit", commands::edit(room, "*", id, "x", None)),
        ("chat.delete", commands::delete(room, "*", id, None)),
        ("chat.react", commands::react(room, "*", id, "x")),
        ("chat.history", commands::history(room, Part::Newest, bounds, backend)),
        ("chat.sync", commands::sync(room, Id::ZERO, bounds, backend)),
        ("chat.join", commands::join(room, user)),
        ("chat.leave", commands::leave(room, user)),
        ("chat.members", commands::members(room, rows, None, backend)),
        ("chat.presence", commands::present(room, user, "x", one, None)),
        ("chat.beat", commands::beat(room, one, ["x"])),
        ("chat.who", commands::who(room, rows, backend)),
        ("chat.online", commands::online(room)),
        ("chat.signal", commands::notice(owner, "{}", Reader::User(user))),
        ("chat.read", commands::read(room, user, id)),
        ("chat.unread", commands::unread(room, user)),
        ("chat.mod", commands::moderate(&moderation)),
        ("chat.sanctions", commands::sanctions(room, rows, backend)),
        ("chat.follow", commands::follow(owner, "x")),
        ("chat.unfollow", commands::unfollow(owner, "x")),
        ("chat.follows", commands::follows(owner, rows)),
        ("chat.room", commands::set_room(room, &[("topic", "x".to_owned())], Reader::User(user))),
        ("chat.room_ro", commands::room_fields(room, backend, &["role"])),
        // This command has no room; a COUNT of 0 makes it fail without effect.
        ("chat.rooms", commands::rooms(Rows { cursor: None, count: Some(0) }, None, backend)),
    ]
}

/// What the relay also uses where there is a cluster. `ASKING` counts for the command that follows,
/// which is for no slot.
fn needed_in_clusters() -> [(&'static str, Command); 3] {
    [
        ("cluster|slots", commands::cluster_slots()),
        ("cluster|info", commands::cluster_info()),
        ("asking", commands::asking()),
    ]
}

/// The commands that are sent when a link to a server that runs like this is opened; [`read_state`]
/// reads the replies.
pub(super) fn questions(probe_room: &str, mode: Mode) -> Vec<Command> {
    let mut questions = vec![commands::hello()];
    questions.extend(needed(probe_room).into_iter().map(|(_, command)| command));
    if mode == Mode::Cluster {
        questions.extend(needed_in_clusters().map(|(_, command)| command));
    }
    questions
}

/// The command that tests whether writes are accepted; [`writes`] reads the reply.
pub(super) fn write_question(probe_room: &str) -> Command {
    commands::send(&Message {
        room: probe_room,
        user: "*",
        text: "x",
        nonce: Some("x"),
        kind: None,
        meta: None,
        reply: None,
        mentions: &[],
    })
}

/// The names of the commands that [`questions`] calls after `HELLO`, the last ones perhaps.
fn names() -> impl Iterator<Item = &'static str> {
    let needed = needed("").into_iter().chain(needed_in_clusters()).map(|(name, _)| name);
    needed.chain(["readonly"])
}

/// The state of Redis by the replies to [`questions`].
pub(super) fn read_state(replies: &[Value]) -> State {
    let mut state = State::Open;
    for found in states(replies) {
        match found {
            State::Unavailable(problem) => return State::Unavailable(problem),
            refused => state = refused,
        }
    }
    state
}

/// All problems by the replies to [`questions`], each once.
pub(super) fn problems(replies: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for state in states(replies) {
        if let State::Unavailable(problem) | State::WritesRefused(problem) = state
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
    problems
}

/// What the replies to [`questions`] say, beyond that all is well.
fn states(replies: &[Value]) -> Vec<State> {
    let Some((hello, replies)) = replies.split_first() else {
        return vec![State::Unavailable(Problem::Unreachable("no answer".to_owned()))];
    };
    if is_replica(hello) {
        return vec![State::Unavailable(Problem::Replica)];
    }
    let mut states = Vec::new();
    for (index, (name, reply)) in names().zip(replies).enumerate() {
        let Value::ServerError(error) = reply else { continue };
        let (code, details) = (error.code(), error.details().unwrap_or(""));
        if code == "NOPERM" && denied_command(details).is_some() {
            states.push(State::Unavailable(Problem::Command(name.to_owned())));
        } else if code == "ERR" && details.starts_with("unknown command") {
            if index == 0 {
                states.push(State::Unavailable(Problem::NoModule));
                break;
            }
            states.push(State::Unavailable(Problem::OldModule(name)));
        } else if code == "ERR" && details.starts_with("syntax") {
            states.push(State::Unavailable(Problem::OldOption(name)));
        } else {
            states.extend(State::from_error(code, details));
        }
    }
    states
}

/// The state of Redis by the reply to [`write_question`].
pub(super) fn writes(reply: &Value) -> State {
    match reply {
        Value::ServerError(error) => {
            let state = State::from_error(error.code(), error.details().unwrap_or(""));
            state.unwrap_or(State::Open)
        }
        _ => State::Open,
    }
}

/// Whether this reply to `HELLO` is from a replica.
pub(super) fn is_replica(hello: &Value) -> bool {
    matches!(field(hello, "role").as_deref(), Some("replica" | "slave"))
}

fn field(hello: &Value, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    };
    let Value::Map(fields) = hello else { return None };
    fields.iter().find(|(key, _)| text(key) == name).map(|(_, value)| text(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use redis::ServerError;

    use super::*;

    fn error(text: &str) -> Value {
        let reply = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("a reply");
        assert!(matches!(reply, Value::ServerError(ServerError { .. })));
        reply
    }

    fn hello(role: &str) -> Value {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Map(vec![(text("proto"), Value::Int(3)), (text("role"), text(role))])
    }

    /// The state if only the command of this name gets this answer.
    fn state_of(role: &str, name: &str, answer: &str) -> State {
        let replies = names().map(|each| error(if each == name { answer } else { "INVALID room" }));
        read_state(&std::iter::once(hello(role)).chain(replies).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_problem_is_reported() {
        let noperm = "NOPERM this user has no permissions to run the 'chat.mod' command";
        let away = State::Unavailable;
        let rows = [
            ("master", "chat.send", "INVALID room", State::Open),
            ("replica", "chat.send", "INVALID room", away(Problem::Replica)),
            ("master", "chat.mod", noperm, away(Problem::Command("chat.mod".into()))),
            ("master", "chat.send", "ERR unknown command 'chat.send'", away(Problem::NoModule)),
            (
                "master",
                "chat.room_ro",
                "ERR unknown command 'chat.room_ro'",
                away(Problem::OldModule("chat.room_ro")),
            ),
            ("master", "chat.signal", "ERR syntax error", away(Problem::OldOption("chat.signal"))),
            ("master", "chat.beat", "LOADING x", away(Problem::NotServing("LOADING".into()))),
            ("master", "chat.send", "OOM x", State::WritesRefused(Problem::Memory)),
            (
                "master",
                "chat.rooms",
                "NOPERM this user has no permissions to access one of the keys",
                State::Open,
            ),
        ];
        for (role, name, answer, expected) in rows {
            assert_eq!(state_of(role, name, answer), expected, "{name}: {answer}");
        }
        assert!(matches!(read_state(&[]), State::Unavailable(Problem::Unreachable(_))));
    }

    #[test]
    fn every_command_of_the_relay_is_asked_for() {
        let source = include_str!("commands.rs");
        // Those that are made there; the list of what may run twice has others, too.
        let made = source.match_indices("\"CHAT.").filter(|(at, _)| !source[..*at].ends_with('b'));
        let used = made.map(|(at, _)| {
            let name = source[at + 1..].chars().take_while(|letter| *letter != '"');
            name.collect::<String>().to_ascii_lowercase()
        });
        let used: BTreeSet<String> = used.collect();
        let asked: BTreeSet<String> =
            needed("").iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(used, asked);
        for (name, command) in needed("@*relay:a:b") {
            let packed = command.packed();
            let mut words = packed.lines().skip(2).step_by(2);
            assert_eq!(words.next().map(str::to_ascii_lowercase).as_deref(), Some(name));
            assert!(name == "chat.rooms" || words.next() == Some("@*relay:a:b"), "{packed}");
        }
    }
}
