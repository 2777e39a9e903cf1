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

/// The route of a request, where one pattern of the router stands for a table: an extension of the
/// response.
#[derive(Clone, Debug)]
pub(super) struct Route(pub(super) String);

/// Answers a request within the span of its trace, and counts it.
pub(super) async fn observed(request: Request, next: Next) -> Response<Body> {
    // By the route's pattern: paths are the client's to choose.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match TraceId::of_headers(request.headers()) {
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
    let of_table = response.extensions_mut().remove::<Route>();
    let of_table = of_table.as_ref().map(|Route(pattern)| pattern.as_str());
    let route = of_table.or(route.as_ref().map(MatchedPath::as_str)).unwrap_or(NO_ROUTE);
    METRICS.http_request(route, class);
    response
}
