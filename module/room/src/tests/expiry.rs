//! Expiry of connections under random traffic, against a simple model.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::presence::connection::Connection;
use crate::{Record, Room};

#[test]
fn expiry_finds_exactly_the_due_connections_under_random_traffic() {
    let mut room = Room::default();
    let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut random = 7_u64;
    for now in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (dice, ttl) = (random >> 33, 1 + (random >> 50) % 900);
        let kind = if dice % 3 == 0 { "c" } else { "a-relay-of-a-long-name" };
        let name = format!("{kind}-{}", dice / 10 % 300);
        let user = model.get(&name).map_or(format!("u{}", dice % 97), |known| known.0.clone());
        match dice % 10 {
            0..4 => {
                let (connection, user) = (&*name, &*user);
                room.apply(&Record::Present { connection, user, ttl, now, status: None }, now);
                model.insert(name.clone(), (user.into(), now + ttl));
            }
            4..8 => {
                room.apply(&Record::Beat { ttl, connections: vec![&name] }, now);
                model.entry(name.clone()).and_modify(|known| known.1 = now + ttl);
            }
            8 => {
                room.apply(&Record::Absent { connections: vec![name.as_str().into()] }, now);
                model.remove(&name);
            }
            _ => {
                room.presence.requeue_beaten(now, 1000);
                let due = room.presence.due(now, 1000).map(|c| (*c.name).to_owned().into());
                room.apply(&Record::Absent { connections: due.collect() }, now);
                model.retain(|_, (_, deadline)| *deadline > now);
            }
        }
        let presence = &room.presence;
        let deadline = presence.find(&name).map(Connection::deadline);
        assert_eq!(deadline, model.get(&name).map(|known| known.1));
        assert_eq!(presence.connections(), model.len());
        assert!(presence.next_deadline() <= model.values().map(|known| known.1).min());
        let here = model.values().filter(|known| known.0 == user).count();
        let online = room.presence_of(&user).map_or(0, |online| online.statuses.connections());
        assert_eq!(online as usize, here);
        let own = room.presence_of(&user).into_iter().flat_map(|online| presence.of(online));
        let own: BTreeSet<&str> = own.map(|connection| &*connection.name).collect();
        let of_user = model.iter().filter(|(_, known)| known.0 == user);
        assert_eq!(own, of_user.map(|(name, _)| name.as_str()).collect());
    }
    let users: BTreeSet<_> = model.values().map(|(user, _)| user.clone()).collect();
    assert_eq!((room.presence.users(), room.users.len()), (users.len(), users.len()));
}
