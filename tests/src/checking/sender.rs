//! A sender: repeats each message with its nonce until it is acknowledged, through any relay. Now
//! and then it gives up after its connection broke, or sends an acknowledged message once more.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::json;

use crate::checking::effects::{Refusals, Slowest};
use crate::checking::relays::Relays;
use crate::clients::client::Client;
use crate::wait::eventually;

/// A message that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    pub(super) room: String,
    pub(super) text: String,
    pub(super) id: String,
}

/// What came of all its messages.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) acknowledged: Vec<Acknowledged>,
    /// How many it began.
    pub(super) begun: usize,
    pub(super) refusals: Refusals,
    pub(super) slowest: Slowest,
}

/// A sender.
pub(super) struct Sender<'a> {
    pub(super) user: String,
    pub(super) rooms: &'a [String],
    pub(super) relays: &'a Relays,
    pub(super) random: SmallRng,
    /// For each message.
    pub(super) deadline: Duration,
    /// Whether a message that is sent once more must have its first id: nothing may be lost.
    pub(super) repeats: bool,
}

impl Sender<'_> {
    /// Sends while `goes_on` says so of the number of messages so far; calls `acknowledged` for each.
    #[track_caller]
    pub(super) fn run(mut self, goes_on: impl Fn(usize) -> bool, acknowledged: impl Fn()) -> Sent {
        let mut sent = Sent::default();
        let mut client: Option<Client> = None;
        while goes_on(sent.begun) {
            let room = self.rooms.choose(&mut self.random).expect("a room").clone();
            let text = format!("{}:{}", self.user, sent.begun);
            sent.begun += 1;
            let may_give_up = self.random.random_ratio(1, 10);
            let Some(id) = self.send(&mut client, &room, &text, may_give_up, &mut sent) else {
                continue;
            };
            acknowledged();
            if self.repeats && self.random.random_ratio(1, 20) {
                let again = self.send(&mut client, &room, &text, true, &mut sent);
                assert!(again.as_ref().is_none_or(|again| *again == id), "{text}: {id}, {again:?}");
            }
            sent.acknowledged.push(Acknowledged { room, text, id });
        }
        sent
    }

    /// The id of one message, or none if its connection broke and it `may_give_up`.
    #[track_caller]
    fn send(
        &mut self,
        client: &mut Option<Client>,
        room: &str,
        text: &str,
        may_give_up: bool,
        sent: &mut Sent,
    ) -> Option<String> {
        let op = json!({"op": "send", "room": room, "text": text, "nonce": text});
        let mut asked: Option<u64> = None;
        let begun = Instant::now();
        let id = eventually(&format!("the end of {text}"), self.deadline, || {
            let Some(open) = client.as_ref().filter(|client| client.closed().is_none()) else {
                let broke = client.take().is_some() && asked.take().is_some();
                if broke && may_give_up {
                    return Ok(None);
                }
                let relay = self.relays.any(&mut self.random).ok_or("no relay")?;
                let new = Client::try_connect(relay, &self.user)
                    .map_err(|status| format!("HTTP {status}"))?;
                *client = Some(new);
                return Err("connecting".into());
            };
            let Some(reference) = asked else {
                asked = Some(open.ask(op.clone()));
                return Err("asked".into());
            };
            match open.reply(reference) {
                None => Err(format!("no answer; {}", open.arrived())),
                Some(Ok(ok)) => Ok(Some(ok["id"].as_str().unwrap_or_default().to_owned())),
                Some(Err(error)) => {
                    let code = error["code"].as_str().unwrap_or_default();
                    assert!(["UNAVAILABLE", "RATELIMIT"].contains(&code), "{text}: {error}");
                    sent.refusals.0.push(format!("send to {room}: {error}"));
                    asked = None;
                    Err(error.to_string())
                }
            }
        });
        if id.is_some() {
            sent.slowest.count(room, begun.elapsed());
        }
        id
    }
}
