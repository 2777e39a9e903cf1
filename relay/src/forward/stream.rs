//! The stream, and the state beside it: positions in rooms, cursors, the lease.
//!
//! All keys are on one server, and everything that belongs together is written in one transaction
//! while the lease is watched. So an event is in the stream if and only if the position says so, also
//! after the server was replaced by a replica that lacks the last second, and a process that was
//! frozen writes nothing more. Whenever the outcome of a transaction is unknown, the state is read
//! again.

use std::collections::HashMap;

use chat_protocol::id::Id;
use redis::Value;

use crate::forward::entry::Entry;
use crate::forward::settings::Settings;
use crate::forward::trimming;
use crate::upstream::commands::{Command, feed};
use crate::upstream::{LoneServer, replies};

/// How long a lease is valid without being renewed, in milliseconds.
const LEASE_MS: u64 = 10_000;
/// Fields of one command.
const FIELDS: usize = 500;
/// The field that shows that the state is whole.
const CREATED: &str = "";

/// Why something was not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SinkError {
    /// The server is away, or the outcome is unknown: connect and read the state again.
    Away(String),
    /// Another process has the lease.
    LeaseLost,
    /// The stream is full, and nobody has read what is in it.
    Full,
    /// It stays so until somebody changes it.
    Lasting(String),
}

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The last event of each room that is in the stream.
    pub(super) positions: HashMap<String, Id>,
    /// The cursor for each node.
    pub(super) cursors: HashMap<String, String>,
}

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// New positions; `None`: the room is gone.
    pub(super) positions: HashMap<String, Option<Id>>,
    pub(super) cursors: Vec<(String, String)>,
}

/// The names of the keys.
struct Keys {
    stream: String,
    lease: String,
    positions: String,
    cursors: String,
}

/// See the documentation of this file.
pub(super) struct StreamSink {
    server: LoneServer,
    keys: Keys,
    /// What the lease holds while it is this process's.
    token: String,
    bare: bool,
    stream_max: u64,
    /// The length of the stream when it was last written.
    length: u64,
}

impl StreamSink {
    /// Connects. `token`: a word that no other process has.
    pub(super) async fn connect(settings: &Settings, token: &str) -> Result<StreamSink, SinkError> {
        let name = format!("forward:{}", settings.name);
        let server = LoneServer::connect(&settings.sink, &name).await.map_err(SinkError::Away)?;
        if server.has_chat && !settings.key_is_no_room() {
            let why = "a room can have the name of this KEY, and the server has the chat module: \
                       take a name like dm:events";
            return Err(SinkError::Lasting(why.to_owned()));
        }
        let beside = |what: &str| format!("dm:forward:{{{}}}:{what}", settings.key);
        let keys = Keys {
            stream: settings.key.clone(),
            lease: beside("lease"),
            positions: beside("positions"),
            cursors: beside("cursors"),
        };
        let token = token.to_owned();
        let (bare, stream_max) = (settings.bare, settings.stream_max);
        let sink = StreamSink { server, keys, token, bare, stream_max, length: 0 };
        sink.check_types().await?;
        Ok(sink)
    }

    /// Checks that each key is absent or of its type.
    async fn check_types(&self) -> Result<(), SinkError> {
        let Keys { stream, lease, positions, cursors } = &self.keys;
        let wanted =
            [(stream, "stream"), (lease, "string"), (positions, "hash"), (cursors, "hash")];
        let asked: Vec<Command> = wanted.iter().map(|(key, _)| feed::kind_of(key)).collect();
        for ((key, wanted), found) in wanted.iter().zip(self.ask(&asked).await?) {
            let found = text(found)?;
            if found != *wanted && found != "none" {
                let why = format!("the key {key} is a {found}, a {wanted} is wanted");
                return Err(SinkError::Lasting(why));
            }
        }
        Ok(())
    }

    /// Takes the lease if nobody has it. False: another process has it.
    pub(super) async fn take_lease(&self) -> Result<bool, SinkError> {
        let take = feed::take(&self.keys.lease, &self.token, LEASE_MS);
        let [taken, holder] = self.ask_both(take, feed::get(&self.keys.lease)).await?;
        Ok(taken == Value::Okay || replies::text(holder).is_ok_and(|holder| holder == self.token))
    }

    /// Renews the lease. Errors: it is another process's.
    pub(super) async fn keep_lease(&mut self) -> Result<(), SinkError> {
        self.write(&Batch::default()).await
    }

    /// Gives the lease back, if it is still this process's.
    pub(super) async fn release_lease(&self) -> Result<(), SinkError> {
        self.watch_lease().await?;
        self.transaction(vec![feed::remove(&self.keys.lease)]).await.map(drop)
    }

    /// Reads the state. `None`: none was created, or it was lost.
    pub(super) async fn load(&self) -> Result<Option<State>, SinkError> {
        let cursors = self.fields(&self.keys.cursors).await?;
        if !cursors.contains_key(CREATED) {
            return Ok(None);
        }
        let position = |(room, id): (String, String)| Some((room, Id::parse(id.as_bytes())?));
        let positions = self.fields(&self.keys.positions).await?;
        let positions = positions.into_iter().filter_map(position).collect();
        let cursors = cursors.into_iter().filter(|(node, _)| node != CREATED).collect();
        Ok(Some(State { positions, cursors }))
    }

    /// Removes what an unfinished `create` has left.
    pub(super) async fn clear(&self) -> Result<(), SinkError> {
        let remove = [&self.keys.positions, &self.keys.cursors].map(|key| feed::remove(key));
        self.ask(&remove).await.map(drop)
    }

    /// Marks the state as whole, from now on.
    pub(super) async fn mark_created(&mut self) -> Result<(), SinkError> {
        let cursors = vec![(CREATED.to_owned(), "1".to_owned())];
        self.write(&Batch { cursors, ..Batch::default() }).await
    }

    /// Writes everything in one transaction and renews the lease. After an error nothing is written,
    /// or it is unknown ([`SinkError::Away`]).
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if self.length >= self.stream_max && !batch.entries.is_empty() {
            self.make_space().await?;
        }
        self.watch_lease().await?;
        if !batch.entries.is_empty() {
            // A transaction goes on after a command that meets another type: the positions would be
            // written without the entries.
            self.check_types().await?;
        }
        let mut commands = Vec::with_capacity(batch.entries.len() + 5);
        commands.extend(batch.entries.iter().map(|entry| self.append(entry)));
        let ids: Vec<(&str, String)> = batch.positions.iter().filter_map(position).collect();
        for some in ids.chunks(FIELDS) {
            let fields = some.iter().map(|(room, id)| (*room, id.as_str()));
            commands.push(feed::set_fields(&self.keys.positions, fields));
        }
        let gone = batch.positions.iter().filter(|(_, id)| id.is_none());
        let gone: Vec<&str> = gone.map(|(room, _)| room.as_str()).collect();
        for some in gone.chunks(FIELDS) {
            commands.push(feed::remove_fields(&self.keys.positions, some.iter().copied()));
        }
        if !batch.cursors.is_empty() {
            let fields = batch.cursors.iter().map(|(node, cursor)| (&**node, &**cursor));
            commands.push(feed::set_fields(&self.keys.cursors, fields));
        }
        commands.push(feed::keep(&self.keys.lease, LEASE_MS));
        commands.push(feed::length(&self.keys.stream));
        let done = self.transaction(commands).await?;
        if let Some(Value::Int(length)) = done.last() {
            self.length = u64::try_from(*length).unwrap_or(0);
        }
        match done.into_iter().find_map(refusal) {
            None => Ok(()),
            Some(why) => Err(SinkError::Lasting(why)),
        }
    }

    /// Entries in the stream when it was last written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn append(&self, entry: &Entry) -> Command {
        let id = entry.id.to_string();
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("room", entry.room.as_bytes()),
            ("type", entry.kind.as_bytes()),
            ("id", id.as_bytes()),
        ];
        if let Some(event) = entry.event.as_deref().filter(|_| !self.bare) {
            fields.push(("event", event));
        }
        feed::append(&self.keys.stream, &fields)
    }

    /// Trims what all groups have acknowledged. Without groups nobody waits for an entry, and the
    /// oldest go.
    async fn make_space(&mut self) -> Result<(), SinkError> {
        let groups = self.server.call(&[feed::groups(&self.keys.stream)]).await;
        let groups = groups.and_then(|mut replies| replies.pop()).ok_or_else(no_answer)?;
        // Without the key there are no groups.
        let groups = trimming::groups(groups).unwrap_or_default();
        if groups.is_empty() {
            let some = self.stream_max - self.stream_max / 10;
            return self.trim(feed::trim_to(&self.keys.stream, some)).await;
        }
        let asked = groups.iter().map(|group| feed::pending(&self.keys.stream, &group.name));
        let pending = self.ask(&asked.collect::<Vec<_>>()).await?;
        let Some(keep) = trimming::first_to_keep(&groups, &pending) else {
            return Err(SinkError::Away("the stream's groups cannot be read".to_owned()));
        };
        self.trim(feed::trim_before(&self.keys.stream, &keep)).await
    }

    async fn trim(&mut self, trim: Command) -> Result<(), SinkError> {
        let [_, length] = self.ask_both(trim, feed::length(&self.keys.stream)).await?;
        self.length = replies::integer(&length).ok().and_then(|n| n.try_into().ok()).unwrap_or(0);
        if self.length < self.stream_max { Ok(()) } else { Err(SinkError::Full) }
    }

    async fn watch_lease(&self) -> Result<(), SinkError> {
        let lease = &self.keys.lease;
        let [_, holder] = self.ask_both(feed::watch(lease), feed::get(lease)).await?;
        if replies::text(holder).is_ok_and(|holder| holder == self.token) {
            return Ok(());
        }
        self.ask(&[feed::unwatch()]).await?;
        Err(SinkError::LeaseLost)
    }

    /// Executes commands together, if the lease has not changed since it was watched. Returns their
    /// replies.
    async fn transaction(&self, commands: Vec<Command>) -> Result<Vec<Value>, SinkError> {
        let mut all = vec![feed::multi()];
        all.extend(commands);
        all.push(feed::exec());
        let mut queued = self.server.call(&all).await.ok_or_else(no_answer)?;
        match queued.pop() {
            Some(Value::Array(replies)) => Ok(replies),
            Some(Value::Nil) => Err(SinkError::LeaseLost),
            // The first refusal says more than EXECABORT.
            other => {
                let refused = queued.into_iter().chain(other).find_map(refusal);
                Err(SinkError::Away(refused.unwrap_or_else(|| "no reply to EXEC".to_owned())))
            }
        }
    }

    async fn fields(&self, key: &str) -> Result<HashMap<String, String>, SinkError> {
        let (mut fields, mut cursor) = (HashMap::new(), "0".to_owned());
        loop {
            let mut page = self.ask(&[feed::scan_fields(key, &cursor, 1_000)]).await?;
            let Some(Value::Array(parts)) = page.pop() else { return Err(unknown_reply()) };
            let [next, Value::Array(words)] = &parts[..] else { return Err(unknown_reply()) };
            for pair in words.chunks_exact(2) {
                let [field, value] = pair else { continue };
                fields.insert(text(field.clone())?, text(value.clone())?);
            }
            cursor = text(next.clone())?;
            if cursor == "0" {
                return Ok(fields);
            }
        }
    }

    async fn ask_both(&self, first: Command, second: Command) -> Result<[Value; 2], SinkError> {
        let replies = self.ask(&[first, second]).await?;
        replies.try_into().map_err(|_| unknown_reply())
    }

    /// Sends commands; a refusal of one is an error.
    async fn ask(&self, commands: &[Command]) -> Result<Vec<Value>, SinkError> {
        let replies = self.server.call(commands).await.ok_or_else(no_answer)?;
        match replies.iter().cloned().find_map(refusal) {
            None => Ok(replies),
            Some(why) if why.starts_with("NOPERM") || why.starts_with("WRONGTYPE") => {
                Err(SinkError::Lasting(why))
            }
            Some(why) => Err(SinkError::Away(why)),
        }
    }
}

fn position<'a>((room, id): (&'a String, &Option<Id>)) -> Option<(&'a str, String)> {
    id.map(|id| (room.as_str(), id.to_string()))
}

fn refusal(value: Value) -> Option<String> {
    match value {
        Value::ServerError(error) => {
            Some(format!("{} {}", error.code(), error.details().unwrap_or_default()))
        }
        _ => None,
    }
}

fn text(value: Value) -> Result<String, SinkError> {
    replies::text(value).map_err(|_| unknown_reply())
}

fn no_answer() -> SinkError {
    SinkError::Away("the connection has ended, or the server did not answer".to_owned())
}

fn unknown_reply() -> SinkError {
    SinkError::Away("an unknown reply".to_owned())
}
