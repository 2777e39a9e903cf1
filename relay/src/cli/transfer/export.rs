//! Export: walks the keys of every node and writes each room, page by page.
//!
//! Nothing is locked meanwhile. What is sent to a room that was written already is not in the file.

use std::path::Path;

use chat_protocol::id::Id;
use chat_protocol::names::{RoomKind, room_kind};
use redis::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::transfer::failure::Failure;
use crate::cli::transfer::file::{Line, Message, Writer};
use crate::cli::transfer::progress::Progress;
use crate::cli::transfer::room_set::RoomSet;
use crate::cli::transfer::servers::{Servers, Walk, sanction};
use crate::upstream::commands::{self, Bounds, Part, Reader, transfer};
use crate::upstream::replies::{Elements, Page, text};

/// Messages asked for at a time.
const PAGE: Bounds = Bounds { count: Some(1000), bytes: Some(1 << 20) };
/// Walks over all keys. A slot that moves from a node which is not walked yet to one that was hides
/// its rooms from one walk, so the nodes are walked until nothing new is found.
const WALKS_MAX: u32 = 5;

/// An event of CHAT.HISTORY.
#[derive(Deserialize)]
struct Event {
    id: String,
    user: String,
    ts: u64,
    kind: Option<String>,
    #[serde(default)]
    text: String,
    meta: Option<Box<RawValue>>,
    reply: Option<String>,
    deleted: Option<u64>,
}

/// What was written.
struct Export<'a> {
    servers: &'a Servers,
    writer: Writer,
    progress: Progress,
    rooms: u64,
    messages: u64,
    /// Rooms with names that the module does not accept any more.
    skipped: u64,
}

/// Writes the rooms whose names match. The result says how many.
pub(super) async fn run(servers: &Servers, file: &Path, pattern: &str) -> Result<String, Failure> {
    let (writer, progress) = (Writer::create(file)?, Progress::on_terminal());
    let mut export = Export { servers, writer, progress, rooms: 0, messages: 0, skipped: 0 };
    // SCAN may answer a key twice.
    let mut written = RoomSet::default();
    for _ in 0..WALKS_MAX {
        let (mut walk, before) = (Walk::default(), written.len());
        let scan = |cursor: &str| transfer::scan(cursor, pattern);
        while let Some(names) = servers.scan(&mut walk, scan).await? {
            for name in &names {
                if written.insert(name) {
                    export.room(name).await?;
                }
            }
        }
        if !walk.is_of_several() || written.len() == before {
            break;
        }
    }
    export.writer.finish()?;
    let mut summary = format!("{} rooms, {} messages", export.rooms, export.messages);
    if export.skipped > 0 {
        summary += &format!("\n{} rooms are left out: RENAME them first", export.skipped);
    }
    Ok(summary)
}

impl Export<'_> {
    /// Writes a room. One that is deleted meanwhile ends where it was.
    async fn room(&mut self, name: &str) -> Result<(), Failure> {
        if room_kind(name).is_none() {
            self.skipped += 1;
            return Ok(());
        }
        match self.whole_room(name).await {
            Err(failure) if failure.is_gone() => Ok(()),
            outcome => outcome,
        }
    }

    async fn whole_room(&mut self, name: &str) -> Result<(), Failure> {
        let Value::Map(settings) = self.servers.ask(transfer::settings(name)).await? else {
            return Err(Failure::Reply);
        };
        let settings = settings.into_iter().map(|(field, word)| Ok((text(field)?, text(word)?)));
        let settings = settings.collect::<Result<_, Failure>>()?;
        self.rooms += 1;
        self.writer.line(&Line::Room { name: name.to_owned(), settings })?;
        match room_kind(name) {
            Some(RoomKind::Personal(user)) => self.follows(user).await?,
            // The two users of a direct room are its members as soon as it exists.
            Some(RoomKind::Direct(..)) => {}
            _ => self.members(name).await?,
        }
        self.sanctions(name).await?;
        self.messages(name).await
    }

    async fn members(&mut self, name: &str) -> Result<(), Failure> {
        let members =
            |rows: commands::Rows<'_>| commands::members(name, rows, None, Reader::Backend);
        let write = |row: Value| {
            let mut row = Elements::of(row)?;
            self.writer.line(&Line::Member { user: row.text()?, role: row.text()? })
        };
        self.servers.rows(members, write).await
    }

    async fn follows(&mut self, user: &str) -> Result<(), Failure> {
        let mut rooms = Vec::new();
        let push = |row: Value| {
            rooms.push(Elements::of(row)?.text()?);
            Ok(())
        };
        self.servers.rows(|rows| commands::follows(user, rows), push).await?;
        // A list is bounded by chat.follows-max, a line by what one CHAT.FOLLOW takes.
        rooms
            .chunks(transfer::FOLLOWS_MAX)
            .try_for_each(|rooms| self.writer.line(&Line::Follows { rooms: rooms.to_vec() }))
    }

    async fn sanctions(&mut self, name: &str) -> Result<(), Failure> {
        let sanctions = |rows: commands::Rows<'_>| commands::sanctions(name, rows, Reader::Backend);
        let write = |row: Value| {
            let (user, ban, mute) = sanction(row)?;
            self.writer.line(&Line::Sanction { user, ban, mute })
        };
        self.servers.rows(sanctions, write).await
    }

    async fn messages(&mut self, name: &str) -> Result<(), Failure> {
        let mut after = Id::ZERO;
        loop {
            let part = Part::After(after);
            let history = commands::history(name, part, PAGE, Reader::Backend);
            let page = Page::read(self.servers.ask(history).await?)?;
            for event in &page.events {
                let event: Event = serde_json::from_slice(event)?;
                after = Id::parse(event.id.as_bytes()).ok_or(Failure::Reply)?;
                if event.deleted.is_none() {
                    let Event { id, user, ts, kind, text, meta, reply, .. } = event;
                    let id = Some(id);
                    let message = Message { id, user, ts, kind, text, meta, reply };
                    self.writer.line(&Line::Message(Box::new(message)))?;
                    self.messages += 1;
                }
            }
            let (rooms, messages) = (self.rooms, self.messages);
            self.progress.show(|| format!("{rooms} rooms, {messages} messages; {name}"));
            if !page.more {
                return Ok(());
            }
        }
    }
}
