//! Reads a stored journal, and checks that its entries and the messages make one chain of events.

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names;

use crate::bytes::json;
use crate::bytes::varint::Malformed;
use crate::codec::fields::{
    read_actor, read_line, read_member, read_ms, read_role, read_text_line, read_user, read_who,
};
use crate::codec::snapshot_read::decoder::Decoder;
use crate::state::limits::*;
use crate::state::log::journal::{Change, Journal, Left, LogEntry, ReactionDetail, Target};
use crate::state::numbers::END;
use crate::state::users::members::{MemberAction, MemberChange};

const OUT_OF_ORDER: Malformed = Malformed("journal out of order");

impl Decoder<'_, '_> {
    /// The number of entries: one for every event that is no message.
    pub(super) fn begin_journal(&mut self) -> Result<u64, Malformed> {
        let base = self.id()?;
        self.room.journal = Journal::starting_after(base).into();
        self.progress.before = base;
        self.progress.m = self.room.messages.partition(|id| id.n <= base.n);
        self.reader.number()
    }

    pub(super) fn journal_entry(&mut self) -> Result<(), Malformed> {
        let tag = self.reader.byte()?;
        if tag == 0 && self.progress.version == 1 {
            // Version 1 listed the messages too.
            self.reader.number()?;
            return Ok(());
        }
        let (mut entry, repeats) = self.entry(tag)?;
        self.follow_messages(entry.id)?;
        let before = self.progress.before;
        if entry.id.n != before.n + 1 || entry.id.ms < before.ms {
            return Err(OUT_OF_ORDER);
        }
        self.progress.before = entry.id;
        match &mut entry.change {
            Change::Edit { target, .. } if repeats => {
                self.room.annotations.note_edit(target.m, entry.id.n);
            }
            Change::React { target, earlier, .. } if repeats => {
                *earlier = self.room.annotations.note_reaction(target.m, entry.id.n);
            }
            _ => {}
        }
        self.room.journal.push(entry);
        Ok(())
    }

    /// Compares the messages after the last entry with the room's last event.
    pub(super) fn end_journal(&mut self) -> Result<(), Malformed> {
        let last = self.room.last;
        self.follow_messages(Id { ms: last.ms, n: last.n + 1 })?;
        if self.progress.before == last { Ok(()) } else { Err(OUT_OF_ORDER) }
    }

    /// Checks the messages up to event `to`: their numbers follow the event before without holes.
    fn follow_messages(&mut self, to: Id) -> Result<(), Malformed> {
        let (m, before) = (&mut self.progress.m, &mut self.progress.before);
        while let Some(id) = self.room.messages.get(*m).map(|message| message.id) {
            if id.n >= to.n {
                break;
            }
            if id.n != before.n + 1 || id.ms < before.ms {
                return Err(OUT_OF_ORDER);
            }
            (*before, *m) = (id, *m + 1);
        }
        Ok(())
    }

    /// An entry, and whether it was written with what it repeats of its message.
    fn entry(&mut self, tag: u8) -> Result<(LogEntry, bool), Malformed> {
        let mut repeats = false;
        let (id, prev) = (self.id()?, self.id()?);
        let reader = &mut self.reader;
        let change = match tag {
            1 => {
                let by = read_actor(reader)?.into();
                let data = reader.text(OBJECT_MAX * 2)?;
                if !json::is_object(data) {
                    return Err(Malformed("settings are no JSON object"));
                }
                Change::Settings { by, data: data.into() }
            }
            // Version 1 wrote joins, leaves and roles this way.
            2..=4 => {
                let (user, by) = read_who(reader)?;
                let (action, role) = match tag {
                    2 => (MemberAction::Join, Some(read_role(reader)?)),
                    3 => (MemberAction::Leave, None),
                    _ => (MemberAction::Role, Some(read_role(reader)?)),
                };
                Change::Member(MemberChange::plain(user, by, action, role).into())
            }
            5 => Change::Member(read_member(reader)?.into()),
            6 => {
                let target = self.target()?;
                let user = read_actor(&mut self.reader)?.into();
                repeats = self.reader.flag()?;
                if repeats {
                    self.content(target)?;
                }
                Change::Edit { target, user }
            }
            7 => {
                let target = self.target()?;
                let user = read_actor(&mut self.reader)?.into();
                let reason = read_line(&mut self.reader, REASON_MAX)?;
                Change::Delete { target, user, reason: reason.map(Box::from) }
            }
            8 => {
                let target = self.target()?;
                let removed = self.reader.flag()?;
                repeats = self.reader.flag()?;
                let reaction = if repeats { Some(self.reacted(target)?) } else { None };
                Change::React { target, reaction, removed, earlier: 0 }
            }
            10 => {
                let user = read_user(reader)?.into();
                let left = match reader.flag()? {
                    false => None,
                    true => {
                        let since = read_ms(reader)?;
                        let reason = read_text_line(reader, REASON_MAX)?.into();
                        Some(Left { since, reason })
                    }
                };
                Change::Presence { user, left }
            }
            9 => {
                let user = read_user(reader)?.into();
                let alias = reader.fixed()?;
                Change::Erase { user, alias, up_to: self.id()? }
            }
            _ => return Err(Malformed("unknown entry")),
        };
        Ok((LogEntry { id, prev, change }, repeats))
    }

    fn target(&mut self) -> Result<Target, Malformed> {
        let (id, m) = (self.id()?, self.reader.number()?);
        if m < END { Ok(Target { id, m }) } else { Err(Malformed("message number out of bounds")) }
    }

    /// What an edit repeats of a message; the message must exist. The message holds the same
    /// content, or that of a later edit: versions before the third repeated the content of every
    /// edit.
    fn content(&mut self, target: Target) -> Result<(), Malformed> {
        self.check_alive(target)?;
        self.reader.text(MAX_TEXT.max as usize)?;
        let meta = self.reader.option(OBJECT_MAX)?;
        if meta.is_none_or(json::is_object) {
            Ok(())
        } else {
            Err(Malformed("meta is no JSON object"))
        }
    }

    fn reacted(&mut self, target: Target) -> Result<ReactionDetail, Malformed> {
        self.check_alive(target)?;
        let user = read_actor(&mut self.reader)?.into();
        let emoji = self.reader.name(EMOJI_MAX)?;
        names::stored_emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
        Ok(ReactionDetail { user, emoji: emoji.into() })
    }

    fn check_alive(&self, target: Target) -> Result<(), Malformed> {
        let message = self.room.messages.get(target.m);
        let alive = message.is_some_and(|message| message.id == target.id && !message.is_deleted());
        if alive { Ok(()) } else { Err(Malformed("an event repeats a message that is gone")) }
    }
}
