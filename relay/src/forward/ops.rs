//! `/healthz`, `/readyz` and `/metrics` of a forwarder.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::forward::status::Status;

/// Serves in the background. Errors: the address cannot be used, and why.
pub(super) async fn serve(address: SocketAddr, status: Arc<Status>) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(address).await.map_err(|why| format!("{address}: {why}"))?;
    let address = listener.local_addr().map_err(|why| why.to_string())?;
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(status);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

async fn ready(State(status): State<Arc<Status>>) -> impl IntoResponse {
    match status.problem() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(status): State<Arc<Status>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], status.render())
}
