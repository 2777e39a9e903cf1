//! `/v1`: the operations of the socket over HTTP, for an application's servers, scripts and pages.
//!
//! `POST /v1` takes request frames and answers reply frames. Every other route is a row of a table
//! (`routes`) that makes one frame of a request; the operation of that frame decides. This folder
//! adds what HTTP has beside it: credentials (`who`), pages of other origins (`cors`), bodies
//! (`body`), statuses (`problem`) and the description of all of it (`openapi`). Streams of events are something else
//! (`events`): connections, as sockets are.

mod api;
mod body;
mod cors;
mod events;
mod openapi;
mod problem;
mod routes;
mod schemas;
mod target;
mod who;

pub(super) use api::{router, wrong_host};
pub(super) use events::Streams;

/// The frame that this request becomes, for the fuzz targets. Error: the status.
#[doc(hidden)]
pub fn frame_of(method: &str, path: &str, query: &str, body: &str) -> Result<String, u16> {
    let frame =
        routes::find(method, path).and_then(|found| found.frame(query, body, "alice", None));
    frame.map_err(|problem| problem.status.as_u16())
}
