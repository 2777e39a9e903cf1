//! What others hear of a changed profile: name, avatar and status of a user who is present where
//! they are.
//!
//! The change itself is an event of the user's personal room, which nobody else may read. Every
//! relay with a socket of this user publishes it on one channel of all relays, with the rooms in
//! which its sockets are; every relay tells its own connections in these rooms. Two relays may
//! publish the same change, and a connection may be in several of the rooms: the newest id of the
//! personal room says what is known already, so everybody is told once. Contacts are told by their
//! own relay, which hears the personal room. Changes in quick succession are told as one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::connection::Connection;
use crate::client::frame;
use crate::client::json;
use crate::client::outbox::Class;
use crate::event::Id;
use crate::hub::Hub;
use crate::hub::profile::{Detail, Profile};
use crate::names::{RoomKind, room_kind};
use crate::room::Room;
use crate::room::subscribers::{PendingFlush, queue};
use crate::upstream::{CommandError, PROFILE_CHANNEL, Unavailable, commands};

/// One user's changes are told at most once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// What was told is remembered for this long, against what others say of the same change.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How often Redis is asked for a profile that it does not answer for.
const ATTEMPTS: usize = 10;

/// What is on its way and what was told lately.
#[derive(Default)]
pub(crate) struct ProfileUpdates {
    /// When a user's changes may be told again, and whether that will be done.
    passing: Mutex<HashMap<Box<str>, Passing>>,
    told: Mutex<HashMap<Box<str>, Known>>,
}

struct Passing {
    not_before: Instant,
    is_due: bool,
}

/// The news of one user that this relay's connections have.
struct Known {
    id: Id,
    data: Box<str>,
    rooms: BTreeSet<Box<str>>,
    at: Instant,
}

/// What relays publish.
#[derive(Deserialize)]
struct News<'a> {
    user: String,
    id: String,
    #[serde(borrow)]
    data: &'a RawValue,
    rooms: Vec<String>,
}

impl ProfileUpdates {
    /// When to tell of a change of this user; None: that is under way already.
    fn due(&self, user: &str, now: Instant) -> Option<Instant> {
        let mut passing = self.passing.lock();
        let passing =
            passing.entry(user.into()).or_insert(Passing { not_before: now, is_due: false });
        if std::mem::replace(&mut passing.is_due, true) {
            return None;
        }
        Some(passing.not_before.max(now))
    }

    /// It is being told now: what changes from here on is for the next time.
    fn begin(&self, user: &str, now: Instant) {
        let next = Passing { not_before: now + TOLD_EVERY, is_due: false };
        self.passing.lock().insert(user.into(), next);
    }

    /// Notes that these rooms are told this of a user. Returns those that have yet to be, and those
    /// that know it; None: something newer is known.
    fn note(
        &self,
        (user, id, data): (&str, Id, &str),
        rooms: &[String],
        now: Instant,
    ) -> Option<(Vec<String>, Vec<Box<str>>)> {
        let mut told = self.told.lock();
        let known = told.entry(user.into()).or_insert_with(|| Known {
            id,
            data: data.into(),
            rooms: BTreeSet::new(),
            at: now,
        });
        if id < known.id {
            return None;
        }
        if *known.data != *data {
            known.data = data.into();
            known.rooms.clear();
        }
        (known.id, known.at) = (id, now);
        let before: Vec<Box<str>> = known.rooms.iter().cloned().collect();
        let mut new = rooms.to_vec();
        new.retain(|room| known.rooms.insert(room.as_str().into()));
        Some((new, before))
    }

    /// Forgets what is old.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut told = self.told.lock();
        told.retain(|_, known| now.saturating_duration_since(known.at) < REMEMBERED);
        if told.is_empty() {
            *told = HashMap::new();
        }
        let mut passing = self.passing.lock();
        passing.retain(|_, passing| passing.is_due || passing.not_before > now);
        if passing.is_empty() {
            *passing = HashMap::new();
        }
    }
}

/// Looks whether the profile in this room has changed, and if so sees to it that others hear of it.
pub(crate) fn look(hub: &Arc<Hub>, room: &Arc<Room>) {
    if !room.take_profile_change() {
        return;
    }
    let Some(RoomKind::Personal(user)) = room_kind(&room.name) else { return };
    let Some(at) = hub.profile_updates.due(user, Instant::now()) else { return };
    let (hub, room, user) = (hub.clone(), room.clone(), user.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep_until(at.into()).await;
        hub.profile_updates.begin(&user, Instant::now());
        pass_on(&hub, &room, &user).await;
    });
}

/// Tells those who are where this user is.
async fn pass_on(hub: &Hub, room: &Room, user: &str) {
    let Some(profile) = ask(hub, user).await else { return };
    let data = format!("{{{}}}", profile.json(Detail::Texts));
    tell(hub, (user, profile.last, &data), &[room.name.to_string()]);
    let theirs = room.everybody().into_iter().flat_map(|connection| connection.rooms());
    let rooms: BTreeSet<Arc<str>> = theirs
        .filter(|name| !matches!(room_kind(name), Some(RoomKind::Personal(_)) | None))
        .collect();
    if rooms.is_empty() {
        return;
    }
    let mut news = String::from("{\"user\":");
    json::string(&mut news, user);
    news.push_str(&format!(",\"id\":\"{}\",\"data\":{data},\"rooms\":[", profile.last));
    for (index, room) in rooms.iter().enumerate() {
        if index > 0 {
            news.push(',');
        }
        json::string(&mut news, room);
    }
    news.push_str("]}");
    // If it is lost, others see the change when they ask for the profile.
    let _ = hub.upstream.call_one(commands::publish(PROFILE_CHANNEL, &news)).await;
}

async fn ask(hub: &Hub, user: &str) -> Option<Profile> {
    for _ in 0..ATTEMPTS {
        hub.upstream.wait_readable().await;
        let [what, _who] = Profile::commands(user);
        match hub.upstream.call_one(what).await {
            Err(CommandError::Unavailable(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
            // Whether they are here is not what this tells of.
            what => return Profile::read(what, Err(Unavailable::NotServing.into())).ok()?,
        }
    }
    None
}

/// Another relay, or this one, has published news: tells whom it concerns here.
pub(crate) fn heard(hub: &Hub, payload: &[u8]) {
    let Ok(News { user, id, data, rooms }) = serde_json::from_slice::<News<'_>>(payload) else {
        return;
    };
    let Some(id) = Id::parse(id.as_bytes()) else { return };
    tell(hub, (&user, id, data.get()), &rooms);
}

/// Tells the connections in these rooms, each once, and not those who know it from another room.
fn tell(hub: &Hub, news: (&str, Id, &str), rooms: &[String]) {
    let Some((new, before)) = hub.profile_updates.note(news, rooms, Instant::now()) else { return };
    let audience = |name: &str| hub.room(name).map(|room| room.audience()).unwrap_or_default();
    let mut whom: Vec<Arc<Connection>> = new.iter().flat_map(|name| audience(name)).collect();
    if whom.is_empty() {
        return;
    }
    let (user, id, data) = news;
    let mut know: Vec<u64> =
        before.iter().flat_map(|name| audience(name)).map(|connection| connection.number).collect();
    know.sort_unstable();
    whom.sort_unstable_by_key(|connection| connection.number);
    whom.dedup_by_key(|connection| connection.number);
    whom.retain(|connection| {
        *connection.user != *user && know.binary_search(&connection.number).is_err()
    });
    let mut text = String::from("{\"type\":\"profile\",\"user\":");
    json::string(&mut text, user);
    text.push_str(&format!(",\"ref\":\"{id}\",\"data\":{data}}}"));
    let frame = frame::text(text.as_bytes());
    let mut pending_flush = PendingFlush::new();
    for connection in &whom {
        queue(connection, &frame, Class::Ephemeral, &mut pending_flush);
    }
    hub.flush(pending_flush);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Id {
        Id { ms: n, n }
    }

    #[test]
    fn each_room_is_told_each_change_once_and_nothing_older() {
        let (news, now) = (ProfileUpdates::default(), Instant::now());
        let told = |n, data, rooms: &[&str]| {
            let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
            news.note(("bob", id(n), data), &rooms, now).map(|(new, before)| (new, before.len()))
        };
        let rooms = |rooms: &[&str]| rooms.iter().map(|&room| room.to_owned()).collect::<Vec<_>>();
        assert_eq!(told(5, "A", &["a", "b"]), Some((rooms(&["a", "b"]), 0)));
        assert_eq!(told(5, "A", &["b", "c"]), Some((rooms(&["c"]), 2)), "another relay's word");
        assert_eq!(told(6, "A", &["a"]), Some((rooms(&[]), 3)), "something else has changed");
        assert_eq!(told(7, "B", &["a"]), Some((rooms(&["a"]), 0)));
        assert_eq!(told(6, "A", &["c"]), None, "late");
        assert_eq!(told(8, "A", &["a"]), Some((rooms(&["a"]), 0)), "back to what it was");
        news.tidy(now + REMEMBERED);
        assert!(news.told.lock().is_empty());
    }

    #[test]
    fn quick_changes_are_told_together() {
        let (news, now) = (ProfileUpdates::default(), Instant::now());
        assert_eq!(news.due("bob", now), Some(now), "the first at once");
        assert_eq!(news.due("bob", now), None, "it is under way");
        news.begin("bob", now);
        assert_eq!(news.due("bob", now), Some(now + TOLD_EVERY), "the last of the others later");
        assert_eq!(news.due("bob", now), None);
        news.tidy(now + 2 * TOLD_EVERY);
        assert_eq!(news.due("bob", now), None, "nothing due is forgotten");
        news.begin("bob", now);
        news.tidy(now + TOLD_EVERY);
        assert!(news.passing.lock().is_empty());
    }
}
