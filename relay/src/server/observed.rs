//! What is recorded of every HTTP request: its route, its status, and the trace that it belongs to.

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::Response;
use axum::middleware::Next;
use tracing::Instrument;

use crate::metrics::METRICS;
use crate::trace::TraceId;

/// The label of a request for no route: a file of the page, or nothing.
const NO_ROUTE: &str = "other";

/// Answers a request within the span of its trace, and counts it.
pub(super) async fn observed(request: Request, next: Next) -> Response<Body> {
    // By the route's pattern: paths are the client's to choose.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match TraceId::of_headers(request.headers()) {
        Some(trace) => Box::pin(next.run(request).instrument(trace.span())).await,
        None => next.run(request).await,
    };
    let class = match response.status().as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    METRICS.http_request(route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str), class);
    response
}
