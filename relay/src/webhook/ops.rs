//! `/healthz`, `/readyz` and `/metrics` of a forwarder, on `--listen-ops`.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::webhook::servers::Failure;
use crate::webhook::status::Status;

/// Serves from now on. Errors: the address cannot be used.
pub(super) async fn serve(address: SocketAddr, status: Arc<Status>) -> Result<(), Failure> {
    let why = |error: std::io::Error| Failure::Other(format!("--listen-ops: {error}"));
    let listener = TcpListener::bind(address).await.map_err(why)?;
    let address = listener.local_addr().map_err(why)?;
    // An error: nobody reads it any more.
    let _ = writeln!(std::io::stdout(), "metrics and health on {address}");
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|State(status): State<Arc<Status>>| async move { status.render() }))
        .with_state(status);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

async fn ready(State(status): State<Arc<Status>>) -> (StatusCode, String) {
    match status.readiness() {
        Ok(how) => (StatusCode::OK, format!("{how}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
