//! What a client can ask for: one table, each row mapping to the command of its name.
//!
//! The user of every command is the connection's, every read goes `AS` that user; no field of a
//! request can change that. What the relay does of its own for others (lists of rooms, notices,
//! presence of contacts) has a file each: `lists`, `notices`, `contacts`.

mod amend;
mod contacts;
mod inbox;
mod lists;
mod login;
mod moderate;
mod notices;
mod reads;
mod receive;
mod send;
mod tell;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use redis::Cmd;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::figures::FIGURES;
use crate::hub::Hub;
use crate::protocol::{self, Fields, Request};

pub use login::login;

/// Who asks, and what is kept for them between operations.
pub struct Context {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The connection that asks.
    pub connection: Arc<Connection>,
    lane: Mutex<send::Lane>,
    allowance: Mutex<Allowance>,
}

/// How an operation was answered.
enum Answer {
    /// With these members of `ok`.
    Ok(String),
    /// It has been sent, or will be.
    Sent,
}

type Outcome = Result<Answer, Failure>;
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

struct Operation {
    name: &'static str,
    /// How many operations it counts as.
    cost: fn(&Fields<'_>) -> usize,
    run: for<'a> fn(&'a Arc<Context>, Request<'a>) -> Running<'a>,
}

macro_rules! operations {
    ($($name:literal $cost:expr => $run:path;)*) => {
        const OPERATIONS: &[Operation] = &[$(Operation {
            name: $name,
            cost: $cost,
            run: |context, request| Box::pin($run(context, request)),
        }),*];
    };
}

const ONE: fn(&Fields<'_>) -> usize = |_| 1;
const TEN: fn(&Fields<'_>) -> usize = |_| 10;
const PER_ROOM: fn(&Fields<'_>) -> usize = |fields| fields.entries("rooms").max(1);
const PER_USER: fn(&Fields<'_>) -> usize = |fields| fields.entries("users").max(1);

operations! {
    "join" ONE => receive::join;
    "subscribe" ONE => receive::subscribe;
    "resume" PER_ROOM => receive::resume;
    "leave" ONE => receive::leave;
    "unsubscribe" ONE => receive::unsubscribe;
    "send" ONE => send::send;
    "edit" ONE => amend::edit;
    "delete" ONE => amend::delete;
    "react" ONE => amend::react;
    "read" ONE => inbox::read;
    "unread" PER_ROOM => inbox::unread;
    "inbox" TEN => inbox::inbox;
    "mod" ONE => moderate::moderate;
    "signal" ONE => tell::signal;
    "status" ONE => tell::status;
    "ping" ONE => tell::ping;
    "history" ONE => reads::history;
    "members" ONE => reads::members;
    "who" ONE => reads::who;
    "online" PER_ROOM => reads::online;
    "rooms" ONE => reads::rooms;
    "room" ONE => reads::room;
    "profiles" PER_USER => contacts::profiles;
}

impl Context {
    /// The context of a new connection.
    pub fn new(hub: Arc<Hub>, connection: Arc<Connection>) -> Arc<Context> {
        let allowance = Allowance::new(hub.config.operations_per_second, Instant::now());
        let allowance = Mutex::new(allowance);
        Arc::new(Context { hub, connection, lane: Mutex::default(), allowance })
    }

    fn user(&self) -> &str {
        &self.connection.user
    }

    /// Sends one command; its value.
    async fn ask(&self, command: Cmd) -> Result<redis::Value, Failure> {
        Ok(self.hub.upstream.call_one(command).await?)
    }
}

/// Carries out one text message and answers it. Dropping the future may leave it half done: the
/// commands it has sent are carried out, their replies lost.
pub async fn carry_out(context: Arc<Context>, text: impl AsRef<str>) {
    FIGURES.operations.increment(1);
    let (reference, outcome) = match Request::parse(text.as_ref()) {
        Ok(request) => (request.reference, run(&context, request).await),
        Err((reference, failure)) => (reference, Err(failure)),
    };
    match outcome {
        Ok(Answer::Ok(inside)) => context.connection.send_text(&protocol::ok(reference, &inside)),
        Ok(Answer::Sent) => {}
        Err(failure) => {
            FIGURES.operation_errors.increment(1);
            context.connection.send_text(&protocol::error(reference, &failure));
        }
    }
}

async fn run(context: &Arc<Context>, request: Request<'_>) -> Outcome {
    let operation = OPERATIONS.iter().find(|operation| operation.name == request.op);
    let operation = operation.ok_or_else(|| Failure::invalid("op", "no such operation"))?;
    let cost = (operation.cost)(&request.fields);
    let allowed = context.allowance.lock().take(cost, Instant::now());
    allowed.map_err(Failure::ratelimit)?;
    (operation.run)(context, request).await
}

/// Operations per second: as many at once as a second allows, refilled evenly.
struct Allowance {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(per_second: u32, now: Instant) -> Allowance {
        let per_second = f64::from(per_second);
        Allowance { per_second, left: per_second, at: now }
    }

    /// Takes `cost` operations, or says after how many milliseconds it could. A cost above a
    /// second's worth needs a full allowance.
    fn take(&mut self, cost: usize, now: Instant) -> Result<(), u64> {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + elapsed * self.per_second).min(self.per_second);
        self.at = now;
        let cost = cost as f64;
        let needed = cost.min(self.per_second);
        if self.left >= needed {
            self.left -= cost;
            return Ok(());
        }
        Err(((needed - self.left) / self.per_second * 1000.0).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_allowance_refills_evenly() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut allowance = Allowance::new(10, start);
        for _ in 0..10 {
            assert_eq!(allowance.take(1, at(0)), Ok(()));
        }
        assert_eq!(allowance.take(1, at(0)), Err(100));
        assert_eq!(allowance.take(1, at(100)), Ok(()));
        assert_eq!(allowance.take(5, at(100)), Err(500));
        assert_eq!(allowance.take(40, at(1_100)), Ok(()), "dear ones need a full allowance");
        assert_eq!(allowance.take(1, at(1_100)), Err(3_100), "and are paid for afterwards");
        assert_eq!(allowance.take(1, at(4_200)), Ok(()));
    }
}
