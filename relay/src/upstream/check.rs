//! Asking Redis whether it is what a relay needs, without changing anything.
//!
//! Every command that the relay uses is called once for a room that cannot exist. Redis looks at
//! permission, memory, disk and replicas before the module looks at the name and refuses it: so the
//! error says what would become of a real call.

use redis::{Cmd, Value};

use super::health::{Problem, State, denied_command};

/// The room that cannot exist: no user's name begins with `*`. Also the channel of the probe.
pub(crate) fn no_room(relay: &str, boot: &str) -> String {
    format!("@*relay:{relay}:{boot}")
}

/// Every command of the module that the relay uses, with what follows the room.
const NEEDED: &[(&str, &[&str])] = &[
    ("chat.send", &["*", "x"]),
    ("chat.edit", &["*", "1-1", "x"]),
    ("chat.delete", &["*", "1-1"]),
    ("chat.react", &["*", "1-1", "x"]),
    ("chat.history", &[]),
    ("chat.sync", &["0-0"]),
    ("chat.join", &["x"]),
    ("chat.leave", &["x"]),
    ("chat.members", &[]),
    ("chat.presence", &["x", "x"]),
    ("chat.beat", &["1000", "x"]),
    ("chat.who", &[]),
    ("chat.online", &[]),
    ("chat.signal", &["*", "x"]),
    ("chat.read", &["x", "1-1"]),
    ("chat.unread", &["x"]),
    ("chat.mod", &["*", "KICK", "x"]),
    ("chat.follow", &["x"]),
    ("chat.unfollow", &["x"]),
    ("chat.follows", &[]),
    ("chat.room", &[]),
    ("chat.room_ro", &[]),
];

/// The command that lists rooms and takes none.
const ROOMS: &str = "chat.rooms";

/// What is asked when the path is opened; [`judge`] reads the replies.
pub(super) fn questions(no_room: &str) -> Vec<Cmd> {
    let needed = NEEDED.iter().map(|(name, rest)| {
        let mut command = redis::cmd(name);
        command.arg(no_room).arg(*rest);
        command
    });
    let mut rooms = redis::cmd(ROOMS);
    rooms.arg("COUNT").arg("0");
    std::iter::once(redis::cmd("HELLO")).chain(needed).chain([rooms]).collect()
}

/// Whether writes are accepted, asked alone; [`writes`] reads the reply.
pub(super) fn write_question(no_room: &str) -> Cmd {
    let mut command = redis::cmd("chat.send");
    command.arg(no_room).arg("*").arg("x");
    command
}

/// What the replies to [`questions`] say.
pub(super) fn read_access(replies: &[Value]) -> State {
    let Some((hello, replies)) = replies.split_first() else {
        return State::Unavailable(Problem::Unreachable("no answer".to_owned()));
    };
    if is_replica(hello) {
        return State::Unavailable(Problem::Replica);
    }
    let mut state = State::Open;
    let names = NEEDED.iter().map(|(name, _)| *name).chain([ROOMS]);
    for (index, (name, reply)) in names.zip(replies).enumerate() {
        let Value::ServerError(error) = reply else { continue };
        let (code, details) = (error.code(), error.details().unwrap_or(""));
        if code == "NOPERM" && denied_command(details).is_some() {
            return State::Unavailable(Problem::Command(name.to_owned()));
        }
        if code == "ERR" && details.starts_with("unknown command") {
            let problem = if index == 0 { Problem::NoModule } else { Problem::OldModule(name) };
            return State::Unavailable(problem);
        }
        match State::from_error(code, details) {
            Some(State::Unavailable(problem)) => return State::Unavailable(problem),
            Some(refused) => state = refused,
            None => {}
        }
    }
    state
}

/// What the reply to [`write_question`] says.
pub(super) fn writes(reply: &Value) -> State {
    match reply {
        Value::ServerError(error) => {
            let state = State::from_error(error.code(), error.details().unwrap_or(""));
            state.unwrap_or(State::Open)
        }
        _ => State::Open,
    }
}

/// Whether the reply of `HELLO` is a replica's.
pub(super) fn is_replica(hello: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    };
    match hello {
        Value::Map(fields) => fields.iter().any(|(name, value)| {
            text(name) == "role" && matches!(&*text(value), "replica" | "slave")
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ServerError;

    fn error(text: &str) -> Value {
        let reply = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("a reply");
        assert!(matches!(reply, Value::ServerError(ServerError { .. })));
        reply
    }

    fn hello(role: &str) -> Value {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Map(vec![(text("proto"), Value::Int(3)), (text("role"), text(role))])
    }

    /// Replies where the command of this name is answered otherwise.
    fn judged(role: &str, name: &str, answer: &str) -> State {
        let names = NEEDED.iter().map(|(name, _)| *name).chain([ROOMS]);
        let replies = names.map(|each| error(if each == name { answer } else { "INVALID room" }));
        read_access(&std::iter::once(hello(role)).chain(replies).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_thing_that_stands_in_the_way_is_told() {
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
            assert_eq!(judged(role, name, answer), expected, "{name}: {answer}");
        }
        assert!(matches!(read_access(&[]), State::Unavailable(Problem::Unreachable(_))));
    }

    #[test]
    fn every_command_of_the_relay_is_asked_for() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).expect("text");
                for (at, _) in source.match_indices("(\"CHAT.") {
                    let name = source[at + 2..].chars().take_while(|c| *c != '"');
                    let name = name.collect::<String>().to_ascii_lowercase();
                    let known = NEEDED.iter().any(|(known, _)| *known == name) || name == ROOMS;
                    assert!(known, "{} uses {name}, which is not asked for", path.display());
                    found += 1;
                }
            }
        }
        assert!(found > 20, "{found} found: where are they?");
    }
}
