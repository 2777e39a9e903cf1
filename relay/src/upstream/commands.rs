//! Every command that the relay sends to Redis: one function each, typed arguments in, [`Command`] out.
//!
//! No other file can make a [`Command`], and the upstream sends nothing else. So this file is the
//! whole list of what a relay asks of a server: compare it with the ACL rule in the documents, and
//! with `check.rs`, which calls each command once before the server is used.
//!
//! Above each function stands the command's syntax as the relay uses it; docs/commands.md has all
//! of it. The first argument of a `CHAT.*` command is its key, except for `CHAT.ROOMS`, which has
//! none. Nothing here knows what a reply means: see `replies.rs`.

mod arguments;
pub(crate) mod feed;
mod narrowed;
pub(super) mod operator;
pub(super) mod sentinels;
pub(crate) mod transfer;

use std::time::Duration;

use chat_protocol::id::Id;
use redis::{Arg, Cmd};

pub(crate) use arguments::{Bounds, Message, Moderation, Part, Reader, Rows};

/// One command, complete.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    cmd: Cmd,
    /// Its first argument is the key or the channel, which decides who executes it.
    has_key: bool,
}

/// Words of most commands, and bytes of those after the room.
const WORDS: usize = 9;
const BYTES: usize = 80;

// Messages.

/// Words of most sends.
const SEND_WORDS: usize = 9;
/// Bytes of the words of most sends that are the same or short.
const SEND_BYTES: usize = 48;

/// `CHAT.SEND room user text NONCE k | EPHEMERAL [KIND w] [META json] [REPLY id] [MENTION n user …]`
pub(crate) fn send(message: &Message<'_>) -> Command {
    let words = [message.room, message.user, message.text, message.nonce.unwrap_or_default()];
    let bytes = words.iter().map(|word| word.len()).sum::<usize>() + SEND_BYTES;
    let mut command = Cmd::with_capacity(SEND_WORDS, bytes);
    command.arg("CHAT.SEND").arg(message.room).arg(message.user).arg(message.text);
    match message.nonce {
        Some(nonce) => command.option("NONCE", Some(nonce)),
        None => command.arg("EPHEMERAL"),
    };
    command.option("KIND", message.kind).option("META", message.meta);
    command.option("REPLY", message.reply.map(|id| id.to_string()));
    if !message.mentions.is_empty() {
        command.arg("MENTION").arg(message.mentions.len()).arg(message.mentions);
    }
    keyed(command)
}

impl Command {
    /// `… NOTICES`, of `CHAT.SEND`: the reply names the users who are to get a notice, too.
    pub(crate) fn with_notices(mut self) -> Command {
        self.cmd.arg("NOTICES");
        self
    }
}

/// `CHAT.SENT room user nonce`
pub(crate) fn sent(room: &str, user: &str, nonce: &str) -> Command {
    let mut command = about_user("CHAT.SENT", room, user);
    command.arg(nonce);
    keyed(command)
}

/// `CHAT.EDIT room user id text [META json]`
pub(crate) fn edit(room: &str, user: &str, id: Id, text: &str, meta: Option<&str>) -> Command {
    let mut command = about_message("CHAT.EDIT", room, user, id);
    command.arg(text).option("META", meta);
    keyed(command)
}

/// `CHAT.DELETE room user id [REASON s]`
pub(crate) fn delete(room: &str, user: &str, id: Id, reason: Option<&str>) -> Command {
    let mut command = about_message("CHAT.DELETE", room, user, id);
    command.option("REASON", reason);
    keyed(command)
}

/// `CHAT.REACT room user id emoji`
pub(crate) fn react(room: &str, user: &str, id: Id, emoji: &str) -> Command {
    let mut command = about_message("CHAT.REACT", room, user, id);
    command.arg(emoji);
    keyed(command)
}

/// `CHAT.REACT room user id emoji REMOVE`
pub(crate) fn unreact(room: &str, user: &str, id: Id, emoji: &str) -> Command {
    let mut command = about_message("CHAT.REACT", room, user, id);
    command.arg(emoji).arg("REMOVE");
    keyed(command)
}

/// `CHAT.HISTORY room [BEFORE id | AFTER id | AROUND id] [COUNT n] [BYTES n] [AS user]`
pub(crate) fn history(room: &str, part: Part, bounds: Bounds, reader: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.HISTORY", room);
    match part {
        Part::Newest => &mut command,
        Part::Before(id) => command.option("BEFORE", Some(id.to_string())),
        Part::After(id) => command.option("AFTER", Some(id.to_string())),
        Part::Around(id) => command.option("AROUND", Some(id.to_string())),
    };
    command.option("COUNT", bounds.count).option("BYTES", bounds.bytes).reader(reader);
    keyed(command)
}

/// `CHAT.SYNC room id [COUNT n] [BYTES n] [AS user]`
pub(crate) fn sync(room: &str, after: Id, bounds: Bounds, reader: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.SYNC", room);
    command.arg(after.to_string());
    command.option("COUNT", bounds.count).option("BYTES", bounds.bytes).reader(reader);
    keyed(command)
}

// Members and moderation.

/// `CHAT.JOIN room user`
pub(crate) fn join(room: &str, user: &str) -> Command {
    keyed(about_user("CHAT.JOIN", room, user))
}

/// `CHAT.LEAVE room user`
pub(crate) fn leave(room: &str, user: &str) -> Command {
    keyed(about_user("CHAT.LEAVE", room, user))
}

/// `CHAT.MEMBERS room [CURSOR c] [COUNT n] [PREFIX p] [AS user]`
pub(crate) fn members(
    room: &str,
    rows: Rows<'_>,
    prefix: Option<&str>,
    reader: Reader<'_>,
) -> Command {
    let mut command = about_room("CHAT.MEMBERS", room);
    command.rows(rows).option("PREFIX", prefix).reader(reader);
    keyed(command)
}

/// `CHAT.MOD room actor action user [role] [FOR ms] [REASON s]`
pub(crate) fn moderate(moderation: &Moderation<'_>) -> Command {
    let mut command = about_user("CHAT.MOD", moderation.room, moderation.actor);
    command.arg(moderation.action).arg(moderation.user).arg(moderation.role);
    command.option("FOR", moderation.for_ms).option("REASON", moderation.reason);
    keyed(command)
}

/// `CHAT.SANCTIONS room [CURSOR c] [COUNT n] [AS user]`
pub(crate) fn sanctions(room: &str, rows: Rows<'_>, reader: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.SANCTIONS", room);
    command.rows(rows).reader(reader);
    keyed(command)
}

// Presence.

/// `CHAT.PRESENCE room user connection TTL ms [STATUS s]`
pub(crate) fn present(
    room: &str,
    user: &str,
    connection: &str,
    ttl: Duration,
    status: Option<&str>,
) -> Command {
    let mut command = about_user("CHAT.PRESENCE", room, user);
    command.arg(connection).option("TTL", Some(milliseconds(ttl))).option("STATUS", status);
    keyed(command)
}

/// `CHAT.PRESENCE room user connection OFF [REASON s]`
pub(crate) fn absent(room: &str, user: &str, connection: &str, reason: Option<&str>) -> Command {
    let mut command = about_user("CHAT.PRESENCE", room, user);
    command.arg(connection).arg("OFF").option("REASON", reason);
    keyed(command)
}

/// `CHAT.BEAT room ttl connection [connection …]`
pub(crate) fn beat<'a>(
    room: &str,
    ttl: Duration,
    connections: impl IntoIterator<Item = &'a str>,
) -> Command {
    let mut command = about_room("CHAT.BEAT", room);
    command.arg(milliseconds(ttl));
    for connection in connections {
        command.arg(connection);
    }
    keyed(command)
}

/// `CHAT.WHO room [CURSOR c] [COUNT n] [AS user]`
pub(crate) fn who(room: &str, rows: Rows<'_>, reader: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.WHO", room);
    command.rows(rows).reader(reader);
    keyed(command)
}

/// `CHAT.ONLINE room`
pub(crate) fn online(room: &str) -> Command {
    keyed(about_room("CHAT.ONLINE", room))
}

/// `CHAT.SIGNAL room user name [json]`
pub(crate) fn signal(room: &str, user: &str, name: &str, data: Option<&str>) -> Command {
    let mut command = about_user("CHAT.SIGNAL", room, user);
    command.arg(name).arg(data);
    keyed(command)
}

/// `CHAT.SIGNAL @user * notice json [FROM from]`
pub(crate) fn notice(user: &str, data: &str, from: Reader<'_>) -> Command {
    let mut command = about_user("CHAT.SIGNAL", &personal(user), "*");
    command.arg("notice").arg(data);
    if let Reader::User(from) = from {
        command.arg("FROM").arg(from);
    }
    keyed(command)
}

// What a user has read, and the user's list of rooms.

/// `CHAT.READ room user id`
pub(crate) fn read(room: &str, user: &str, upto: Id) -> Command {
    keyed(about_message("CHAT.READ", room, user, upto))
}

/// `CHAT.UNREAD room user`
pub(crate) fn unread(room: &str, user: &str) -> Command {
    keyed(about_user("CHAT.UNREAD", room, user))
}

/// `CHAT.FOLLOW @user room`
pub(crate) fn follow(user: &str, room: &str) -> Command {
    keyed(about_user("CHAT.FOLLOW", &personal(user), room))
}

/// `CHAT.UNFOLLOW @user room`
pub(crate) fn unfollow(user: &str, room: &str) -> Command {
    keyed(about_user("CHAT.UNFOLLOW", &personal(user), room))
}

/// `CHAT.FOLLOWS @user [CURSOR c] [COUNT n]`
pub(crate) fn follows(user: &str, rows: Rows<'_>) -> Command {
    let mut command = about_room("CHAT.FOLLOWS", &personal(user));
    command.rows(rows);
    keyed(command)
}

// Rooms.

/// `CHAT.ROOM_RO room [AS user]`
pub(crate) fn room(room: &str, reader: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.ROOM_RO", room);
    command.reader(reader);
    keyed(command)
}

/// `CHAT.ROOM_RO room [AS user] GET field …`
pub(crate) fn room_fields(room: &str, reader: Reader<'_>, fields: &[&str]) -> Command {
    let mut command = about_room("CHAT.ROOM_RO", room);
    command.reader(reader);
    command.arg("GET").arg(fields);
    keyed(command)
}

/// `CHAT.ROOM room SET field value … [BY user AS user]`
pub(crate) fn set_room(room: &str, settings: &[(&str, String)], by: Reader<'_>) -> Command {
    let mut command = about_room("CHAT.ROOM", room);
    command.arg("SET");
    for (field, value) in settings {
        command.arg(*field).arg(value);
    }
    if let Reader::User(user) = by {
        command.arg("BY").arg(user);
    }
    command.reader(by);
    keyed(command)
}

/// `CHAT.ROOMS [CURSOR c] [MATCH glob] [COUNT n] [AS user]`
pub(crate) fn rooms(rows: Rows<'_>, glob: Option<&str>, reader: Reader<'_>) -> Command {
    let mut command = redis::cmd("CHAT.ROOMS");
    command.option("CURSOR", rows.cursor).option("MATCH", glob).option("COUNT", rows.count);
    command.reader(reader);
    keyless(command)
}

// The server and its channels.

/// `HELLO`: the server's name, version and role.
pub(crate) fn hello() -> Command {
    keyless(redis::cmd("HELLO"))
}

/// `CLUSTER SLOTS`
pub(super) fn cluster_slots() -> Command {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    keyless(command)
}

/// `CLUSTER INFO`
pub(super) fn cluster_info() -> Command {
    let mut command = redis::cmd("CLUSTER");
    command.arg("INFO");
    keyless(command)
}

/// `ASKING`: the next command may be for a slot that is still moving to this node.
pub(super) fn asking() -> Command {
    keyless(redis::cmd("ASKING"))
}

/// `READONLY`: on a replica the connection may use the slots of its primary.
pub(super) fn read_only() -> Command {
    keyless(redis::cmd("READONLY"))
}

/// `SPUBLISH channel payload`
pub(crate) fn publish(channel: &str, payload: &str) -> Command {
    keyed(about_user("SPUBLISH", channel, payload))
}

/// `SSUBSCRIBE channel`. One channel each: several in one command may lie in different slots.
pub(super) fn subscribe(channel: &str) -> Command {
    keyed(about_room("SSUBSCRIBE", channel))
}

/// `SUNSUBSCRIBE channel`
pub(super) fn unsubscribe(channel: &str) -> Command {
    keyed(about_room("SUNSUBSCRIBE", channel))
}

impl Command {
    /// The key or channel, whose slot decides which node executes the command. `None`: any node
    /// can.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match self.cmd.args_iter().nth(1) {
            Some(Arg::Simple(key)) if self.has_key => Some(key),
            _ => None,
        }
    }

    /// Whether it may be sent again when it is not known whether it has run: it reads, or running it
    /// twice does the same as once. An ephemeral event that comes twice does no harm either.
    pub(super) fn may_run_twice(&self) -> bool {
        const THESE: &[&[u8]] = &[
            b"CHAT.CHANGES",
            b"CHAT.SENT",
            b"CHAT.HISTORY",
            b"CHAT.SYNC",
            b"CHAT.MEMBERS",
            b"CHAT.WHO",
            b"CHAT.ONLINE",
            b"CHAT.UNREAD",
            b"CHAT.FOLLOWS",
            b"CHAT.ROOM_RO",
            b"CHAT.ROOMS",
            b"CHAT.SANCTIONS",
            b"CHAT.JOIN",
            b"CHAT.FOLLOW",
            b"CHAT.PRESENCE",
            b"CHAT.READ",
            b"CHAT.SIGNAL",
            b"HSCAN",
            b"XRANGE",
        ];
        self.words().next().is_some_and(|name| THESE.contains(&name))
    }

    /// Any command.
    #[cfg(test)]
    pub(super) fn of(words: &[&str]) -> Command {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        keyless(command)
    }

    /// Appends the command in the form in which it is sent.
    pub(super) fn write_packed(&self, bytes: &mut Vec<u8>) {
        self.cmd.write_packed_command(bytes);
    }

    /// The command as it is sent.
    #[cfg(test)]
    pub(super) fn packed(&self) -> String {
        let mut bytes = Vec::new();
        self.write_packed(&mut bytes);
        String::from_utf8(bytes).expect("text")
    }

    /// The command's name and arguments.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.cmd.args_iter().filter_map(|word| match word {
            Arg::Simple(word) => Some(word),
            _ => None,
        })
    }
}

/// A command whose first argument is its key or channel.
fn keyed(cmd: Cmd) -> Command {
    Command { cmd, has_key: true }
}

/// A command without a key.
fn keyless(cmd: Cmd) -> Command {
    Command { cmd, has_key: false }
}

/// `name room`
fn about_room(name: &str, room: &str) -> Cmd {
    let mut command = Cmd::with_capacity(WORDS, name.len() + room.len() + BYTES);
    command.arg(name).arg(room);
    command
}

/// `name room user`
fn about_user(name: &str, room: &str, user: &str) -> Cmd {
    let mut command = about_room(name, room);
    command.arg(user);
    command
}

/// `name room user id`
fn about_message(name: &str, room: &str, user: &str, id: Id) -> Cmd {
    let mut command = about_user(name, room, user);
    command.arg(id.to_string());
    command
}

/// The name of a user's personal room, where the user's list of rooms is kept.
fn personal(user: &str) -> String {
    format!("@{user}")
}

fn milliseconds(time: Duration) -> String {
    time.as_millis().to_string()
}

/// The options that several commands have.
trait Options {
    /// `word value`, if there is a value.
    fn option(&mut self, word: &str, value: Option<impl redis::ToRedisArgs>) -> &mut Self;
    /// `[CURSOR c] [COUNT n]`
    fn rows(&mut self, rows: Rows<'_>) -> &mut Self;
    /// `[AS user]`
    fn reader(&mut self, reader: Reader<'_>) -> &mut Self;
}

impl Options for Cmd {
    fn option(&mut self, word: &str, value: Option<impl redis::ToRedisArgs>) -> &mut Cmd {
        match value {
            Some(value) => self.arg(word).arg(value),
            None => self,
        }
    }

    fn rows(&mut self, rows: Rows<'_>) -> &mut Cmd {
        self.option("CURSOR", rows.cursor).option("COUNT", rows.count)
    }

    fn reader(&mut self, reader: Reader<'_>) -> &mut Cmd {
        match reader {
            Reader::Backend => self,
            Reader::User(user) => self.arg("AS").arg(user),
        }
    }
}

#[cfg(test)]
mod tests;
