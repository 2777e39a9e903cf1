//! CHAT.ROOM: the description of a room, and changing its settings.

use chat_protocol::id::Id;
use chat_protocol::names::{Actor, RoomKind};

use crate::codec::record::Record;
use crate::codec::record_content::NewSettings;
use crate::command_error::CommandError;
use crate::decide::context::{Context, Creation, Judging};
use crate::decide::decision::Decision;
use crate::decide::trim::{Added, trim};
use crate::state::settings::kind::Access;
use crate::state::settings::table::{Rooms, Setting, Settings};
use crate::state::users::members::Role;

/// `CHAT.ROOM room SET field value … [BY actor] [NOCREATE]` with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Set<'s, 'a> {
    /// Fields with their values.
    pub fields: &'s [(&'a [u8], &'a [u8])],
    /// BY; absent: the backend.
    pub by: Option<Actor<'a>>,
    /// NOCREATE.
    pub creation: Creation,
    /// NOHOOK.
    pub judging: Judging,
}

/// Decides CHAT.ROOM … SET: all fields are set, or none.
///
/// Errors: `NOROOM`, `INVALID field`, `INVALID <field>`, `TOOBIG`, `NOTMEMBER`, `DENIED <role>`,
/// and `DENIED backend` for more than the server's own limit.
pub fn set<'a>(
    context: Context<'_, 'a>,
    set: Set<'_, 'a>,
    decision: &mut Decision<'a>,
) -> Result<(), CommandError> {
    let Set { fields, by, creation, judging } = set;
    let actor = by.unwrap_or(Actor::Backend);
    let mut changes: Vec<Setting<'a>> = Vec::with_capacity(fields.len());
    for (field, value) in fields {
        let change = Setting::parse(field, value, context.now.ms)?;
        if changes.iter().any(|other| other.field() == change.field()) {
            return Err(CommandError::invalid("field", "set twice"));
        }
        changes.push(change);
    }
    if !context.is_ordinary() && changes.iter().any(|change| change.rooms() == Rooms::Ordinary) {
        let hint = "only ordinary rooms have access, slow, frozen";
        return Err(CommandError::invalid("field", hint));
    }
    let personal = matches!(context.name.kind, RoomKind::Personal(_));
    if !personal && changes.iter().any(Setting::is_personal) {
        let hint = "only personal rooms have name, avatar, status, tokens_after";
        return Err(CommandError::invalid("field", hint));
    }
    if let Actor::User(user) = actor {
        allowed(context, user, &changes)?;
    }
    if changes.iter().any(Setting::is_text) {
        context.check_judged(judging)?;
    }
    context.create_room(actor, creation, decision)?;
    changes.retain(|change| !change.is_in(context.room.settings()));
    if changes.is_empty() {
        return Ok(());
    }
    let id = decision.next_id(context.now);
    let mut settings = context.room.settings().clone();
    changes.iter().for_each(|change| change.put_in(&mut settings));
    decision.record(Record::Settings(NewSettings { id, by: actor.as_str(), changes }));
    trim(context, &settings, Added::default(), decision);
    Ok(())
}

/// Whether the backend only restricts the room with this. Then the command is not refused when
/// memory is full.
pub fn takes_away(context: Context<'_, '_>, set: &Set<'_, '_>) -> bool {
    let personal = matches!(context.name.kind, RoomKind::Personal(_));
    if !matches!(set.by, None | Some(Actor::Backend)) || context.room.is_blank() && !personal {
        return false;
    }
    let (settings, limits) = (context.room.settings(), context.limits);
    set.fields.iter().all(|(field, value)| {
        let setting = Setting::parse(field, value, context.now.ms);
        setting.is_ok_and(|setting| setting.takes_away(settings, limits))
    })
}

fn allowed(
    context: Context<'_, '_>,
    user: &str,
    changes: &[Setting<'_>],
) -> Result<(), CommandError> {
    context.check_admission(user)?;
    if changes.iter().any(|change| change.is_of_backend() || change.exceeds(context.limits)) {
        return Err(CommandError::Denied("backend"));
    }
    if !context.is_ordinary() {
        let own = changes.iter().all(|change| change.rooms() == Rooms::Profile);
        return if own { Ok(()) } else { Err(CommandError::Denied("backend")) };
    }
    if context.room.is_blank() {
        return Ok(());
    }
    let role = context.room.role(user).ok_or(CommandError::NotMember)?;
    let needed = changes.iter().map(Setting::needed_role).max().unwrap_or(Role::Member);
    if role < needed { Err(CommandError::Denied(needed.as_str())) } else { Ok(()) }
}

/// Answers CHAT.ROOM_RO ... SETTINGS: the settings that differ from those of a new room, with the
/// words that CHAT.ROOM ... SET takes. Errors: those of reading.
pub fn changed_settings<'a>(
    context: Context<'a, 'a>,
) -> Result<Vec<(&'static str, String)>, CommandError> {
    let changed = context.readable(None)?.settings().changed();
    Ok(changed.iter().map(|setting| (setting.field(), setting.word().into_owned())).collect())
}

/// The reply of CHAT.ROOM.
#[derive(Clone, Debug, PartialEq)]
pub struct Description<'a> {
    /// Its name.
    pub room: &'a str,
    /// `room`, `personal` or `direct`.
    pub kind: &'static str,
    /// When it was created, milliseconds since the epoch.
    pub created: u64,
    /// The id of its newest durable event.
    pub last: Id,
    /// The number of its newest message.
    pub m: u64,
    /// Members.
    pub members: usize,
    /// Users online.
    pub online: usize,
    /// Connections online.
    pub connections: usize,
    /// Who may read and join.
    pub access: Access,
    /// Topic.
    pub topic: &'a str,
    /// Description.
    pub description: &'a str,
    /// Bytes of a text.
    pub max_text: u64,
    /// Messages kept.
    pub history_max: u64,
    /// Milliseconds a message is kept; 0: no limit.
    pub history_ttl: u64,
    /// Bytes that messages and events may take.
    pub room_bytes: u64,
    /// Whether joins are durable events.
    pub log_joins: bool,
    /// Whether a service judges what users write before it is stored.
    pub hook: bool,
    /// Whether only owner and moderators send.
    pub frozen: bool,
    /// Milliseconds between two messages of a user; 0: no slow mode.
    pub slow: u64,
    /// Personal rooms: the profile of the user.
    pub profile: Option<Profile<'a>>,
    /// Personal rooms: tokens issued before this are refused, milliseconds since the epoch; 0: none
    /// is.
    pub tokens_after: Option<u64>,
    /// When the mute of the reader expires, milliseconds since the epoch, 0: never. `None`: not
    /// muted.
    pub muted_until: Option<u64>,
    /// Personal rooms: when the user last went offline, or came online if still online; 0: never.
    pub last_seen: Option<u64>,
    /// The role of the reader, if the command named one. `Some(None)`: not a member.
    pub role: Option<Option<Role>>,
}

/// The profile of a user. A field that was never set is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile<'a> {
    /// The name to show.
    pub name: &'a str,
    /// The address of a picture.
    pub avatar: &'a str,
    /// A line about what the user is doing.
    pub status: &'a str,
}

/// Answers CHAT.ROOM for `reader`. Errors: those of reading.
pub fn answer<'a>(
    context: Context<'a, 'a>,
    reader: Option<&str>,
) -> Result<Description<'a>, CommandError> {
    let room = context.readable(reader)?;
    let settings = room.settings();
    let limits = context.limits;
    Ok(Description {
        room: context.name.as_str(),
        kind: context.name.kind.word(),
        created: room.created,
        last: room.last,
        m: room.messages.last(),
        members: room.member_count(),
        online: room.online(),
        connections: room.connections(),
        access: settings.access,
        topic: &settings.topic,
        description: &settings.description,
        max_text: settings.max_text(limits),
        history_max: settings.history_max(limits),
        history_ttl: settings.history_ttl(limits),
        room_bytes: settings.room_bytes(limits),
        log_joins: settings.log_joins,
        hook: settings.hook,
        frozen: settings.frozen,
        slow: settings.slow.unwrap_or(0),
        profile: matches!(context.name.kind, RoomKind::Personal(_)).then(|| {
            let Settings { name, avatar, status, .. } = settings;
            Profile { name, avatar, status }
        }),
        // Only the backend and the room's user get here: `readable` refuses all other users.
        tokens_after: matches!(context.name.kind, RoomKind::Personal(_))
            .then_some(settings.tokens_after.unwrap_or(0)),
        muted_until: reader.and_then(|user| room.sanctions.mute(user, context.now.ms)),
        last_seen: matches!(context.name.kind, RoomKind::Personal(_)).then_some(room.last_seen),
        role: reader.map(|user| room.role(user)),
    })
}
