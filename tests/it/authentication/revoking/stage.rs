//! Two relays, users with tokens, and what the backend does to them.

use chat_protocol::close_code;
use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::frames::{Close, Frames, Peer};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::Proxy;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A lost socket would count as present for this long, so that a presence which ends at once shows.
const OPTIONS: [&str; 4] = ["--grace", "60s", "--operations-per-second", "10000"];
/// Two relays: one beside Redis, one behind a proxy.
pub(super) const RELAYS: usize = 2;

/// What the backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Revoke,
    Suspend,
}

pub(super) const ACTS: [Act; 2] = [Act::Revoke, Act::Suspend];

impl Act {
    /// Does it, and returns when it is acknowledged.
    #[track_caller]
    pub(super) fn on(self, wire: &mut Wire, user: &str) {
        let room = format!("@{user}");
        match self {
            Act::Revoke => cmd!(wire, "CHAT.ROOM", room, "SET", "tokens_after", "now").ok(),
            Act::Suspend => cmd!(wire, "CHAT.MOD", room, "*", "BAN", user).ok(),
        };
    }

    #[track_caller]
    pub(super) fn assert_is_told(self, close: &Close, context: &str) {
        let reason: Value = serde_json::from_str(&close.reason).unwrap_or_default();
        match self {
            Act::Revoke => {
                assert_eq!(close.code, close_code::EXPIRED.number, "{context}: {close:?}");
                assert_eq!(reason["what"], "revoked", "{context}: {close:?}");
            }
            Act::Suspend => {
                assert_eq!(close.code, close_code::SUSPENDED.number, "{context}: {close:?}");
                assert_eq!(reason["until_ms"], 0, "{context}: {close:?}");
            }
        }
    }
}

/// Two relays and a user who sees everything.
pub(super) struct Stage {
    pub(super) redis: Redis,
    pub(super) path: Proxy,
    pub(super) issuer: Issuer,
    pub(super) relays: [Relay; RELAYS],
    /// On each relay one who stays.
    pub(super) witnesses: [Client; RELAYS],
}

impl Stage {
    pub(super) fn new() -> Stage {
        Stage::of(Redis::durable())
    }

    pub(super) fn of(redis: Redis) -> Stage {
        let path = Proxy::to(redis.address());
        let issuer = Issuer::new();
        let behind = format!("redis://{}", path.address());
        let relays =
            [issuer.relay("r1", &redis, &OPTIONS), issuer.relay_at("r2", &behind, &OPTIONS)];
        let witnesses = [0, 1].map(|relay: usize| {
            let token = issuer.token_of("witness", json!({}));
            let witness = Client::connect_with_token(relays[relay].address(), "witness", &token);
            witness.ok(json!({"op": "join", "room": "lobby"}));
            witness
        });
        Stage { redis, path, issuer, relays, witnesses }
    }

    /// A token that was issued some seconds ago.
    pub(super) fn old_token(&self, user: &str) -> String {
        self.issuer.token_of(user, json!({"iat": now_s() - 5}))
    }

    /// A token that stays good: clocks may differ by as much.
    pub(super) fn fresh_token(&self, user: &str) -> String {
        self.issuer.token_of(user, json!({"iat": now_s() + 20}))
    }

    /// A socket that is not waited for, which enters the room and says this.
    pub(super) fn open(&self, relay: usize, user: &str, says: &str) -> Frames {
        let address = self.relays[relay].address();
        let mut request = format!("ws://{address}/ws").into_client_request().expect("an address");
        let bearer = format!("Bearer {}", self.old_token(user)).parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        let frames = Frames::open(address, request, Peer::Relay).expect("an upgrade");
        for op in [
            json!({"ref": 1, "op": "join", "room": "lobby"}),
            json!({"ref": 2, "op": "send", "room": "lobby", "text": says}),
        ] {
            frames.send(Message::text(op.to_string()));
        }
        frames
    }

    /// A client that is in the room, by an old token.
    #[track_caller]
    pub(super) fn enter(&self, relay: usize, user: &str) -> Client {
        let address = self.relays[relay].address();
        let client = Client::connect_with_token(address, user, &self.old_token(user));
        client.ok(json!({"op": "join", "room": "lobby"}));
        client
    }

    /// What is stored of this user, once Redis has had all that the relays have sent before.
    #[track_caller]
    pub(super) fn texts_of(&self, user: &str) -> usize {
        for witness in &self.witnesses {
            witness.ok(json!({"op": "room", "room": "lobby"}));
        }
        let page = history(&mut self.redis.wire(), "lobby", &["COUNT", "1000"]);
        page.events.iter().filter(|event| event.json["user"] == user).count()
    }

    /// Checks that none of them is present in the room or in a personal room, and that nothing more
    /// of theirs is stored than there was.
    #[track_caller]
    pub(super) fn assert_over(&self, users: &[(String, usize)]) {
        let mut wire = self.redis.wire();
        eventually("nobody of them to be present", SOON, || {
            let mut rooms: Vec<String> = users.iter().map(|(user, _)| format!("@{user}")).collect();
            rooms.push("lobby".to_owned());
            for room in rooms {
                let present = format!("{:?}", cmd!(wire, "CHAT.WHO", &room, "COUNT", "1000"));
                let is_there =
                    |(user, _): &&(String, usize)| present.contains(&format!("\"{user}\""));
                if let Some((user, _)) = users.iter().find(is_there) {
                    return Err(format!("{user} is present in {room}"));
                }
            }
            Ok(())
        });
        for (user, texts) in users {
            assert_eq!(self.texts_of(user), *texts, "of {user}");
        }
    }
}

#[track_caller]
pub(super) fn wait_closed(frames: &Frames) -> Close {
    eventually("the end", LATER, || {
        let inbox = frames.inbox();
        inbox.closed.clone().ok_or_else(|| format!("{:?}", inbox.frames.last()))
    })
}
