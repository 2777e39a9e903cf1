//! `/v1`: the operations of the socket over HTTP, for an application's servers, scripts and pages.
//!
//! `POST /v1` takes request frames and answers reply frames. Every other route is a row of a table
//! (`routes`) that makes one frame of a request; the operation of that frame decides. This folder
//! adds what HTTP has beside it: credentials (`who`), pages of other origins (`cors`), bodies
//! (`body`), messages that are stored once (`idempotency`), statuses (`problem`) and the description of all of it (`openapi`). Streams of events are something else
//! (`events`): connections, as sockets are. At `--listen-ops` the same API is for operators (`door`),
//! with what only they may ask (`operators`).

mod api;
mod body;
mod cors;
mod door;
mod events;
mod idempotency;
mod openapi;
mod operators;
mod problem;
mod routes;
mod schemas;
mod target;
mod who;

pub(super) use api::{operators_router, router, wrong_host};
pub(super) use events::Streams;
pub(super) use who::NO_KEYS;

/// The frame that this request becomes, for the fuzz targets. Error: the status.
#[doc(hidden)]
pub fn frame_of(method: &str, path: &str, query: &str, body: &str) -> Result<String, u16> {
    let frame =
        routes::find(method, path).and_then(|found| found.frame(query, body, "alice", None));
    frame.map_err(|problem| problem.status.as_u16())
}
