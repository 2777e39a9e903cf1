//! Sends what the lines of a file say, many lines in one write.
//!
//! Commands are queued over several rooms and sent together. Those of one room keep their order: all
//! go to one node. A reply to a message that is still in the queue needs its id, so the queue is
//! sent first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::Value;

use crate::cli::transfer::failure::Failure;
use crate::cli::transfer::file::Message;
use crate::cli::transfer::ids::{Ids, Known};
use crate::cli::transfer::servers::{Servers, sanction};
use crate::cli::transfer::summary::Summary;
use crate::upstream::CommandError;
use crate::upstream::commands::transfer::{self, Past};
use crate::upstream::commands::{self, Bounds, Command, Moderation, Part, Reader};
use crate::upstream::replies::{Page, field, id, integer};

/// Commands sent in one write.
const COMMANDS_MAX: usize = 500;
/// Bytes of texts sent in one write; one text may be longer.
const BYTES_MAX: usize = 1 << 18;
/// The setting that makes a durable event of every join, so it is set after the members.
const LOG_JOINS: &str = "log_joins";

/// Brings in room after room.
pub(super) struct Importer<'a> {
    servers: &'a Servers,
    queue: Vec<Queued>,
    bytes: usize,
    room: Room,
    pub(super) summary: Summary,
}

/// The room that lines are about.
#[derive(Debug)]
struct Room {
    name: Arc<str>,
    messages: u64,
    ids: Ids,
    /// Whether `ids` knows how many messages the room keeps.
    is_limit_known: bool,
    log_joins: Option<String>,
    /// Banned and muted users that are there already: banned or not, muted or not.
    sanctions: Option<HashMap<String, [bool; 2]>>,
}

/// A command that was not sent yet.
struct Queued {
    room: Arc<str>,
    about: About,
    command: Command,
}

/// What to do with the reply.
enum About {
    /// Something that an import can do without.
    Part(String),
    /// A message: the key of its name in the file, its number, and the command without REPLY.
    Message { key: Option<u64>, m: u64, without_reply: Option<Command> },
    /// The oldest message of a room that should have this many.
    Oldest(u64),
}

impl<'a> Importer<'a> {
    /// An importer that has nothing to do.
    pub(super) fn new(servers: &'a Servers) -> Importer<'a> {
        let (queue, summary) = (Vec::new(), Summary::default());
        Importer { servers, queue, bytes: 0, room: Room::new(""), summary }
    }

    /// A room, with what was set for it. Settings come first: `history_max` decides what stays.
    pub(super) async fn room(
        &mut self,
        name: &str,
        mut settings: BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        self.end_room().await?;
        self.room = Room::new(name);
        self.room.log_joins = settings.remove(LOG_JOINS);
        self.summary.rooms += 1;
        if settings.is_empty() {
            return Ok(());
        }
        let settings: Vec<(&str, String)> =
            settings.iter().map(|(field, value)| (field.as_str(), value.clone())).collect();
        let command = commands::set_room(name, &settings, Reader::Backend);
        self.push(About::Part("settings".to_owned()), command, 0).await
    }

    /// A member. Whoever is one already gets this role.
    pub(super) async fn member(&mut self, user: &str, role: &str) -> Result<(), Failure> {
        self.summary.members += 1;
        let command = transfer::add(&self.room.name, user, role);
        self.push(About::Part(format!("member {user}")), command, 0).await
    }

    /// Rooms in a user's list.
    pub(super) async fn follows(&mut self, rooms: &[String]) -> Result<(), Failure> {
        let Some(user) = self.room.name.strip_prefix('@') else {
            let name = &self.room.name;
            return Err(Failure::Other(format!("{name} is no personal room and has no list")));
        };
        let mut parts = rooms.chunks(transfer::FOLLOWS_MAX).map(|rooms| {
            let bytes = rooms.iter().map(String::len).sum::<usize>();
            (transfer::follow_all(user, rooms), bytes)
        });
        let parts: Vec<_> = parts.by_ref().collect();
        for (command, bytes) in parts {
            self.push(About::Part("the list of rooms".to_owned()), command, bytes).await?;
        }
        Ok(())
    }

    /// A user who is banned or muted. A ban or mute that is there already stays as it is, and one that
    /// has expired is left out.
    pub(super) async fn sanction(
        &mut self,
        user: &str,
        until: [Option<u64>; 2],
    ) -> Result<(), Failure> {
        if self.room.sanctions.is_none() {
            self.flush().await?;
            self.room.sanctions = Some(self.sanctions_there().await?);
        }
        let there = self.room.sanctions.as_ref().and_then(|there| there.get(user).copied());
        let there = there.unwrap_or_default();
        self.summary.sanctions += 1;
        for ((action, until), is_there) in ["BAN", "MUTE"].into_iter().zip(until).zip(there) {
            let (Some(until), false) = (until, is_there) else { continue };
            let for_ms = (until > 0).then(|| until.saturating_sub(now()));
            if for_ms == Some(0) {
                continue;
            }
            let room = &self.room.name;
            let moderation =
                Moderation { room, actor: "*", action, user, role: None, for_ms, reason: None };
            let command = commands::moderate(&moderation);
            self.push(About::Part(format!("{action} of {user}")), command, 0).await?;
        }
        Ok(())
    }

    async fn sanctions_there(&self) -> Result<HashMap<String, [bool; 2]>, Failure> {
        let mut there = HashMap::new();
        let note = |row| {
            let (user, ban, mute) = sanction(row)?;
            there.insert(user, [ban.is_some(), mute.is_some()]);
            Ok(())
        };
        let name = &self.room.name;
        let command = |rows: commands::Rows<'_>| commands::sanctions(name, rows, Reader::Backend);
        match self.servers.rows(command, note).await {
            Err(failure) if !failure.is_gone() => Err(failure),
            _ => Ok(there),
        }
    }

    /// The next message.
    pub(super) async fn message(&mut self, message: Message) -> Result<(), Failure> {
        let reply = match &message.reply {
            Some(name) => self.reply(name).await?,
            None => None,
        };
        self.summary.replies_cut += u64::from(message.reply.is_some() && reply.is_none());
        self.room.messages += 1;
        self.summary.messages += 1;
        let mut past = Past {
            room: &self.room.name,
            user: &message.user,
            ts: message.ts,
            text: &message.text,
            at: self.room.messages,
            kind: message.kind.as_deref(),
            meta: message.meta.as_deref().map(|meta| meta.get()),
            reply: reply.as_deref(),
        };
        let command = transfer::import(&past);
        let without_reply = past.reply.take().map(|_| transfer::import(&past));
        let key = message.id.as_deref().map(|name| self.room.ids.sent(name));
        let about = About::Message { key, m: self.room.messages, without_reply };
        let bytes = message.text.len() + message.meta.as_ref().map_or(0, |meta| meta.get().len());
        self.push(about, command, bytes).await
    }

    /// The id of the message that the file calls `name`. `None`: the room does not have it.
    async fn reply(&mut self, name: &str) -> Result<Option<String>, Failure> {
        if !self.room.is_limit_known {
            self.room.is_limit_known = true;
            self.flush().await?;
            let room = commands::room(&self.room.name, Reader::Backend);
            if let Ok(view) = self.servers.ask(room).await
                && let Some(Ok(most)) = field(&view, "history_max").map(integer)
            {
                self.room.ids.keep(u64::try_from(most).unwrap_or(0));
            }
        }
        if self.room.ids.of(name) == Known::Sent {
            self.flush().await?;
        }
        Ok(match self.room.ids.of(name) {
            Known::Stored(id) => Some(id.to_string()),
            Known::Nothing | Known::Sent => None,
        })
    }

    /// Ends the last room, and sends what is left.
    pub(super) async fn end(mut self) -> Result<Summary, Failure> {
        self.end_room().await?;
        self.flush().await?;
        Ok(self.summary)
    }

    async fn end_room(&mut self) -> Result<(), Failure> {
        if let Some(value) = self.room.log_joins.take() {
            let settings = [(LOG_JOINS, value)];
            let command = commands::set_room(&self.room.name, &settings, Reader::Backend);
            self.push(About::Part("settings".to_owned()), command, 0).await?;
        }
        if self.room.messages > 0 {
            let bounds = Bounds { count: Some(1), bytes: None };
            let oldest = Part::After(chat_protocol::id::Id::ZERO);
            let command = commands::history(&self.room.name, oldest, bounds, Reader::Backend);
            self.push(About::Oldest(self.room.messages), command, 0).await?;
        }
        Ok(())
    }

    async fn push(&mut self, about: About, command: Command, bytes: usize) -> Result<(), Failure> {
        self.queue.push(Queued { room: Arc::clone(&self.room.name), about, command });
        self.bytes += bytes;
        match self.queue.len() >= COMMANDS_MAX || self.bytes >= BYTES_MAX {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends the queue.
    async fn flush(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        let queue = std::mem::take(&mut self.queue);
        let commands = queue.iter().map(|queued| queued.command.clone()).collect();
        let replies = self.servers.ask_at_once(commands).await;
        for (queued, reply) in queue.into_iter().zip(replies) {
            let reply = match reply {
                // It waits for a server that is away, or for the message before it, which failed.
                Err(CommandError::Unavailable(_)) => self.servers.ask(queued.command).await,
                reply => match reply.map_err(Failure::from) {
                    Err(why) if why.is_invalid("at") => self.servers.ask(queued.command).await,
                    reply => reply,
                },
            };
            self.note(&queued.room, queued.about, reply).await?;
        }
        Ok(())
    }

    async fn note(
        &mut self,
        room: &Arc<str>,
        about: About,
        reply: Result<Value, Failure>,
    ) -> Result<(), Failure> {
        match (about, reply) {
            (About::Part(_), Ok(_)) => Ok(()),
            (About::Part(what), Err(why @ Failure::Refused(_))) => {
                self.summary.refused(&format!("{room}: {what}"), &why);
                Ok(())
            }
            (About::Oldest(count), Ok(page)) => self.note_oldest(room, count, page),
            (About::Oldest(_), Err(Failure::Refused(_))) => Ok(()),
            (About::Message { key, m, without_reply }, mut reply) => {
                // The message that it answers was trimmed or deleted.
                if let (Err(Failure::Refused(error)), Some(command)) = (&reply, without_reply)
                    && error.code == "NOMSG"
                {
                    self.summary.replies_cut += 1;
                    reply = self.servers.ask(command).await;
                }
                let reply = reply.map_err(|why| match why.is_invalid("at") {
                    true => format!("{room} has lost messages of this import: run it again"),
                    false => format!("{room} message {m}: {why}"),
                })?;
                if let (Some(key), true) = (key, Arc::ptr_eq(room, &self.room.name)) {
                    self.room.ids.stored(key, id(reply).ok());
                }
                Ok(())
            }
            (_, Err(why)) => Err(why),
        }
    }

    fn note_oldest(&mut self, room: &str, count: u64, page: Value) -> Result<(), Failure> {
        #[derive(serde::Deserialize)]
        struct Oldest {
            m: u64,
        }
        let page = Page::read(page)?;
        let oldest = page.events.first().map(|event| serde_json::from_slice::<Oldest>(event));
        let kept = match oldest.transpose()? {
            Some(Oldest { m }) => (count + 1).saturating_sub(m),
            None => 0,
        };
        if kept < count {
            self.summary.note(format!(
                "{room}: {kept} of {count} messages stay, by history_max, history_ttl or room_bytes"
            ));
        }
        Ok(())
    }
}

impl Room {
    fn new(name: &str) -> Room {
        Room {
            name: name.into(),
            messages: 0,
            ids: Ids::default(),
            is_limit_known: false,
            log_joins: None,
            sanctions: None,
        }
    }
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
