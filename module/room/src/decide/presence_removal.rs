//! Removing connections: the rule that CHAT.PRESENCE OFF, a timeout and CHAT.MOD share, and which
//! changes of presence are published.

use std::borrow::Cow;

use chat_protocol::names::RoomKind;

use crate::codec::event_ephemeral::Ephemeral;
use crate::codec::record::Record;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::state::numbers::UserNumber;
use crate::state::presence::connection::Connection;
use crate::state::room::OCCUPANCY_INTERVAL;

impl<'r, 'a> Context<'r, 'a> {
    /// Adds the steps that remove connections of one user and publish the change. `users` is the
    /// number of users online before; returns the number afterwards.
    pub(super) fn remove(
        &self,
        user: UserNumber,
        connections: &[&Connection],
        reason: &'a str,
        users: usize,
        decision: &mut Decision<'a>,
    ) -> usize {
        let Some(entry) = self.room.users.get(user) else { return users };
        let Some(online) = self.room.presence.online(user, entry) else { return users };
        let name = || Cow::Owned(entry.name.to_string());
        let mut statuses = online.statuses.clone();
        connections.iter().for_each(|connection| statuses.remove(connection.status));
        let mut names: Vec<&str> = connections.iter().map(|connection| &*connection.name).collect();
        names.sort_unstable();
        let connections = names.into_iter().map(|name| Cow::Owned(name.to_owned())).collect();
        decision.record(Record::Absent { connections });
        if statuses.connections() > 0 {
            if statuses.shown() != online.statuses.shown() {
                self.publish_presence(users, Ephemeral::Status { user: name() }, decision);
            }
            return users;
        }
        self.record_seen(decision);
        self.log_offline(online.since(), reason, decision);
        let users = users.saturating_sub(1);
        self.publish_presence(users, Ephemeral::Offline { user: name(), reason }, decision);
        users
    }

    /// Adds the step that stores when the user was last seen, in a personal room.
    pub(super) fn record_seen(&self, decision: &mut Decision<'a>) {
        if matches!(self.name.kind, RoomKind::Personal(_)) {
            decision.record(Record::Seen { ms: self.now.ms });
        }
    }

    /// Adds the step that stores that the user of a personal room came online, unless the newest
    /// such event says so already. The decision must be trimmed then.
    #[inline(never)]
    pub(super) fn log_online(&self, decision: &mut Decision<'a>) {
        if let (RoomKind::Personal(user), false) = (self.name.kind, self.room.logged_online) {
            let id = decision.next_id(self.now);
            decision.record(Record::LogOnline { id, user });
            decision.presence_entries += 1;
        }
    }

    /// Adds the step that stores that the user of a personal room, online since `since`, went
    /// offline, if the newest such event says otherwise. The decision must be trimmed then.
    pub(super) fn log_offline(&self, since: u64, reason: &'a str, decision: &mut Decision<'a>) {
        if !self.room.logged_online {
            return;
        }
        let RoomKind::Personal(user) = self.name.kind else {
            return decision.record(Record::ForgetOnline);
        };
        if self.room.is_full() {
            // Such a room assigns no more ids.
            return decision.record(Record::ForgetOnline);
        }
        let id = decision.next_id(self.now);
        decision.record(Record::LogOffline { id, since, user, reason });
        decision.presence_entries += 1;
    }

    /// Adds the steps for a user who was logged as online and whose connections are lost: the leave
    /// of that join. The decision must be trimmed then.
    pub(super) fn log_lost(&self, decision: &mut Decision<'a>) {
        const REASON: &str = "restart";
        self.log_offline(self.room.last_seen, REASON, decision);
        if let RoomKind::Personal(user) = self.name.kind {
            let event = Ephemeral::Offline { user: user.into(), reason: REASON };
            self.publish_presence(self.room.online(), event, decision);
        }
    }

    /// Publishes the presence of one user. With more `users` online than
    /// `chat.presence-announce`, only their number is published.
    pub(super) fn publish_presence(
        &self,
        users: usize,
        event: Ephemeral<'a>,
        decision: &mut Decision<'a>,
    ) {
        if !self.room.announces_by_count(users, self.limits) {
            decision.event(event);
        }
    }

    /// Publishes the number of users online, if only the number is published, it changed, and the
    /// last such event is old enough.
    pub(super) fn publish_occupancy(&self, users: usize, decision: &mut Decision<'a>) {
        let (room, published) = (self.room, self.room.presence.published);
        let due =
            published.occupancy_at.saturating_add(OCCUPANCY_INTERVAL) <= self.now.monotonic_ms;
        if room.announces_by_count(users, self.limits) && published.users != users && due {
            decision.event(Ephemeral::Occupancy);
        }
    }
}
