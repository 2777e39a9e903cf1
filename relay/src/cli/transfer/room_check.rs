//! The check of a room before anything is imported: it holds nothing, or what an earlier run of the
//! same import has stored.
//!
//! CHAT.IMPORT answers a number that the room has given with the message that is there, whatever it
//! is. So the newest message that both have is compared.

use chat_protocol::id::Id;
use redis::Value;
use serde::Deserialize;

use crate::cli::transfer::failure::Failure;
use crate::cli::transfer::file::Message;
use crate::cli::transfer::servers::Servers;
use crate::upstream::commands::transfer::{self, Past};
use crate::upstream::commands::{self, Bounds, Part, Reader};
use crate::upstream::replies::{Page, field, id, integer};

/// A room of the file, beside the one of that name in Redis.
#[derive(Debug)]
pub(super) struct RoomCheck {
    name: String,
    /// The number of the newest message in Redis; 0: none.
    stored: u64,
    is_online: bool,
    /// Messages of the file so far.
    read: u64,
    last_ts: u64,
    /// The last message of the file so far, while Redis has more.
    last: Option<Message>,
}

/// A message in Redis.
#[derive(Deserialize)]
struct Stored {
    id: String,
    user: String,
    ts: u64,
    #[serde(default)]
    imported: bool,
}

impl RoomCheck {
    /// Looks at the room in Redis.
    pub(super) async fn begin(servers: &Servers, name: String) -> Result<RoomCheck, Failure> {
        let view = match servers.ask(commands::room(&name, Reader::Backend)).await {
            Err(failure) if failure.is_gone() => Value::Nil,
            view => view?,
        };
        let number = |name| {
            let number = field(&view, name).and_then(|number| integer(number).ok());
            number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
        };
        let (stored, is_online) = (number("m"), number("online") > 0);
        Ok(RoomCheck { name, stored, is_online, read: 0, last_ts: 0, last: None })
    }

    /// Checks the next message of the file.
    pub(super) async fn message(
        &mut self,
        servers: &Servers,
        message: Message,
    ) -> Result<(), Failure> {
        self.read += 1;
        if message.ts < self.last_ts {
            return Err(Failure::Other("its ts is before the one of the message before".into()));
        }
        self.last_ts = message.ts;
        if self.read == self.stored + 1 && self.is_online {
            let why = format!("somebody is online in {}: stop the relays first", self.name);
            return Err(why.into());
        }
        if self.read == self.stored {
            self.compare(servers, &message, Part::Newest).await?;
        }
        self.last = (self.read < self.stored).then_some(message);
        Ok(())
    }

    /// Checks what is left after the last message of the file.
    pub(super) async fn finish(self, servers: &Servers) -> Result<(), Failure> {
        let Some(message) = &self.last else { return Ok(()) };
        let past = Past {
            room: &self.name,
            user: &message.user,
            ts: message.ts,
            text: &message.text,
            at: self.read,
            kind: message.kind.as_deref(),
            meta: message.meta.as_deref().map(|meta| meta.get()),
            reply: None,
        };
        // The room has given this number, so nothing is stored.
        match servers.ask(transfer::import(&past)).await? {
            Value::Nil => Err(self.differs()),
            stored => self.compare(servers, message, Part::Around(id(stored)?)).await,
        }
    }

    async fn compare(
        &self,
        servers: &Servers,
        message: &Message,
        part: Part,
    ) -> Result<(), Failure> {
        let count = if part == Part::Newest { 1 } else { 3 };
        let bounds = Bounds { count: Some(count), bytes: None };
        let history = commands::history(&self.name, part, bounds, Reader::Backend);
        let page = Page::read(servers.ask(history).await?)?;
        for event in &page.events {
            let Stored { id, user, ts, imported } = serde_json::from_slice(event)?;
            let is_meant = match part {
                Part::Around(wanted) => Id::parse(id.as_bytes()) == Some(wanted),
                _ => true,
            };
            if is_meant && imported && user == message.user && ts == message.ts {
                return Ok(());
            }
        }
        Err(self.differs())
    }

    fn differs(&self) -> Failure {
        let name = &self.name;
        Failure::Other(format!("{name} has messages that are not from this file"))
    }
}
