//! What the relay serves over HTTP: the page, health, metrics, and the upgrade to a WebSocket.
//!
//! This file decides whether a socket is opened (origin, handshake, user, limits); the session
//! handles it afterwards. An error that clients should understand is sent as a close code after
//! the upgrade, because browsers hide the status of a failed upgrade. Only a wrong handshake, host
//! or origin is refused before.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::{any, get};
use bytes::Bytes;
use chat_protocol::close_code;
use hyper::upgrade::OnUpgrade;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span, debug};

use crate::client::connection::{Connection, End};
use crate::config::{Auth, Page};
use crate::hub::logins::user_connections::Counted;
use crate::hub::{Hub, Login};
use crate::metrics::{METRICS, render};
use crate::server::admission::{Admission, Admissions};
use crate::server::auth::{self, Credential};
use crate::server::client_address::{client_address, of_one_client};
use crate::server::first_frame;
use crate::server::handshake::{self, NoHandshake};
use crate::server::http_connections::{HttpConnections, WriteTimeout};
use crate::server::login;
use crate::server::observed::observed;
use crate::server::refused::Refused;
use crate::server::session::{self, Prepared};
use crate::server::static_files;
use crate::server::v1::{self, Streams};
use crate::trace::TraceId;

/// What the routes share.
pub(super) struct Site {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Admits WebSocket connections.
    pub admissions: Arc<Admissions>,
    /// Keeps a refused socket open until its client has read the close code.
    pub http_connections: Arc<HttpConnections>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// What the page may do.
    pub policy: static_files::Policy,
}

/// The routes of `--listen`.
pub(super) fn router(site: Arc<Site>) -> Router {
    let config = &site.hub.config;
    let mut routes = health().route("/ws", any(upgrade));
    if matches!(config.auth, Auth::None) && config.edge.listen_ops.is_none() {
        routes = routes.route("/metrics", get(metrics));
    }
    if config.edge.page == Page::On {
        let relays = get(async |State(site): State<Arc<Site>>| static_files::config(&site.policy));
        routes = routes.route("/config.json", relays).fallback(get(file));
    }
    let api = v1::router(Streams {
        hub: site.hub.clone(),
        admissions: site.admissions.clone(),
        user_connections: site.hub.user_connections.clone(),
    });
    routes
        .with_state(site.clone())
        .merge(api)
        .layer(middleware::from_fn_with_state(site, known_hosts))
        .layer(middleware::from_fn(one_per_turn))
        .layer(middleware::from_fn(observed))
}

/// The routes of `--listen-ops`. Its page and its API are for those who have an API key.
pub(super) fn ops_router(site: Arc<Site>) -> Router {
    let api = v1::operators_router(site.hub.clone());
    let routes = health().route("/metrics", get(metrics)).fallback(get(ops_file));
    let one_per_turn = middleware::from_fn(one_per_turn);
    let routes = routes.with_state(site).merge(api);
    routes.layer(one_per_turn).layer(middleware::from_fn(observed))
}

fn health() -> Router<Arc<Site>> {
    Router::new()
        .route("/healthz", get(|| async { static_files::plain(StatusCode::OK, "ok\n") }))
        .route("/readyz", get(ready))
}

/// Yields before each request, so that a connection with many requests answers one of them per turn
/// of the event loop, and others are served in between.
async fn one_per_turn(request: Request, next: Next) -> Response<Body> {
    tokio::task::yield_now().await;
    next.run(request).await
}

/// Refuses requests to a name of another machine if the relay trusts every client that reaches it.
async fn known_hosts(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    if site.hub.config.loopback_hosts_only && !handshake::host_is_loopback(request.headers()) {
        let why = "this relay serves loopback names only; --allowed-origin lets others in\n";
        return match request.uri().path().starts_with("/v1") {
            true => v1::wrong_host(why.trim_end()),
            false => static_files::plain(StatusCode::FORBIDDEN, why),
        };
    }
    next.run(request).await
}

async fn ready(State(site): State<Arc<Site>>) -> Response<Body> {
    if site.admissions.is_stopping() {
        static_files::plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if site.hub.verification.as_ref().is_some_and(|keys| !keys.is_ready()) {
        static_files::plain(StatusCode::SERVICE_UNAVAILABLE, "no keys to verify tokens yet\n")
    } else {
        match site.hub.upstream.overview().readiness() {
            Ok(text) => static_files::plain(StatusCode::OK, format!("{text}\n")),
            Err(text) => static_files::plain(StatusCode::SERVICE_UNAVAILABLE, format!("{text}\n")),
        }
    }
}

async fn file(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    static_files::file(request.uri().path(), request.headers(), &site.policy)
}

async fn ops_file(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let file = static_files::ops_file(request.uri().path(), request.headers());
    if file.status() != StatusCode::NOT_FOUND && site.hub.api_keys.read().is_empty() {
        return static_files::plain(StatusCode::FORBIDDEN, format!("{}\n", v1::NO_KEYS));
    }
    file
}

async fn metrics(State(site): State<Arc<Site>>) -> Response<Body> {
    // It visits each connection and reads files.
    let rendering = tokio::task::spawn_blocking(move || {
        let connections = site.hub.connections();
        let waiting: usize = connections.iter().map(|connection| connection.count_sent()).sum();
        METRICS.outbox_bytes.set(waiting as f64);
        render(&site.metrics)
    });
    let Ok(text) = rendering.await else {
        return static_files::plain(StatusCode::INTERNAL_SERVER_ERROR, "no metrics\n");
    };
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn upgrade(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (mut request, _) = request.into_parts();
    let accept = match handshake::accept_key(&request) {
        Ok(accept) => accept,
        Err(NoHandshake::Wrong(why)) => return static_files::plain(StatusCode::BAD_REQUEST, why),
        Err(NoHandshake::Version) => return other_version(),
    };
    if !handshake::origin_is_allowed(&request.headers, &site.hub.config.allowed_origins) {
        return static_files::plain(StatusCode::FORBIDDEN, "this origin may not open sockets\n");
    }
    let Some(on_upgrade) = request.extensions.remove::<OnUpgrade>() else {
        return static_files::plain(
            StatusCode::BAD_REQUEST,
            "this connection cannot be upgraded\n",
        );
    };
    let proxies = &site.hub.config.edge.trusted_proxies;
    let peer = client_address(peer.ip(), &request.headers, proxies);
    let query = request.uri.query().unwrap_or("");
    let credential = auth::credential(&site.hub.config.auth, &request.headers, query);
    // Browsers add cookies by themselves, so the page must be known.
    if credential.is_cookie() && !request.headers.contains_key(header::ORIGIN) {
        let why = "a cookie counts only with an Origin that is allowed\n";
        return static_files::plain(StatusCode::FORBIDDEN, why);
    }
    let offers_subprotocol = auth::offers_subprotocol(&request.headers);
    // Boxed, so that everything about the upgrade is freed while the session runs.
    let admitted = Box::pin(admitted(site.clone(), on_upgrade, peer, credential));
    tokio::spawn(serve(admitted, peer));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offers_subprotocol {
        let subprotocol = HeaderValue::from_static(auth::SUBPROTOCOL);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

fn other_version() -> Response<Body> {
    let text = "this is a WebSocket of version 13\n";
    let mut response = static_files::plain(StatusCode::UPGRADE_REQUIRED, text);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

async fn serve(admitted: Pin<Box<impl Future<Output = Option<Admitted>>>>, peer: IpAddr) {
    let Some(mut admitted) = admitted.await else { return };
    let Admitted { hub, connection, session, .. } = &mut admitted;
    session::run(hub, session).await;
    // The store has refused the token, which counts as one that is wrong.
    if !connection.is_admitted() && connection.ended() == Some(End::Close(close_code::EXPIRED)) {
        hub.refusals.count(of_one_client(peer), Instant::now());
    }
}

/// A client that is let in.
struct Admitted {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    session: Prepared,
    /// What counts it until its end.
    _guards: (Admission, Option<Counted>, Option<OwnedSemaphorePermit>),
}

/// Lets a client in. `None`: it has gone, or was refused.
async fn admitted(
    site: Arc<Site>,
    upgrade: OnUpgrade,
    peer: IpAddr,
    credential: Credential,
) -> Option<Admitted> {
    let parts = upgrade.await.ok()?.downcast::<WriteTimeout>().ok()?;
    let (socket, early) = (parts.io.into_inner(), parts.read_buf);
    let refused = |socket, refused| {
        refuse(&site, socket, peer, refused);
        None
    };
    let admission = match admit(&site, peer, &credential) {
        Ok(admission) => admission,
        Err(why) => return refused(socket, why),
    };
    let (mut login, early) = match authenticate(&site, &socket, peer, credential, early).await {
        Ok(found) => found?,
        Err(why) => return refused(socket, why),
    };
    // Guests share an allowance with those of their address, not with all of them.
    let sharing = match &login.place {
        Some(_) => format!("{} {}", login.user, of_one_client(peer)).into(),
        None => login.user.clone(),
    };
    let Some(allowance) = site.hub.allowances.enter(&sharing, Instant::now()) else {
        return refused(socket, Refused::close(close_code::FLOOD));
    };
    let (open, place) = (login.session.take(), login.place.take());
    let connection = site.hub.connect(login, socket);
    // Guests are counted in all.
    let counted = match &place {
        Some(_) => None,
        None => site.hub.user_connections.count(&connection),
    };
    let (hub, _guards) = (site.hub.clone(), (admission, counted, place));
    let session = session::prepare(&hub, &connection, allowance, &early, open);
    Some(Admitted { hub, connection, session, _guards })
}

fn admit(site: &Site, peer: IpAddr, credential: &Credential) -> Result<Admission, Refused> {
    login::check_refusals(&site.hub, peer, credential.way())?;
    if let Credential::Refused { way, error } = credential {
        return Err(Refused::credential(way, *error));
    }
    site.admissions.admit(peer).map_err(Refused::close)
}

/// Finds out who the client is. Returns the bytes that came after its credential too. `None`: it has
/// gone.
async fn authenticate(
    site: &Site,
    socket: &TcpStream,
    peer: IpAddr,
    credential: Credential,
    early: Bytes,
) -> Result<Option<(Login, Bytes)>, Refused> {
    let config = &site.hub.config;
    match credential {
        Credential::FirstFrame => {
            let deadline = tokio::time::Instant::now() + config.handshake_timeout;
            let Some(frame) = Box::pin(first_frame::read(socket, &early, deadline)).await? else {
                return Ok(None);
            };
            let (span, reference) =
                (frame.trace.map_or_else(Span::none, TraceId::span), frame.reference);
            let login = async {
                match frame.token {
                    Some(token) => login(site, peer, "frame", &token, Some(reference)).await,
                    None => guest(site, Some(reference)),
                }
            };
            let login = login.instrument(span.clone()).await;
            // What is logged for every login is not within the trace.
            span.in_scope(|| match &login {
                _ if span.is_none() => {}
                Ok(login) => debug!(source = "client", user = &*login.user, "logged in"),
                Err(refused) => debug!(source = "client", reason = refused.close.name, "refused"),
            });
            let login = login?;
            Ok(Some((login, frame.rest.freeze())))
        }
        credential => Ok(Some((login::login(&site.hub, peer, credential).await?, early))),
    }
}

/// The login that this token gives.
async fn login(
    site: &Site,
    peer: IpAddr,
    way: &'static str,
    token: &str,
    answer_to: Option<Box<RawValue>>,
) -> Result<Login, Refused> {
    let identity = login::identity(&site.hub, peer, way, token).await?;
    let (user, identity) = (identity.user.clone(), Some(identity));
    Ok(Login { user, identity, way, answer_to, session: None, place: None })
}

/// The login of a guest.
fn guest(site: &Site, answer_to: Option<Box<RawValue>>) -> Result<Login, Refused> {
    let (identity, place) = login::guest(&site.hub)?;
    let (user, identity) = (identity.user.clone(), Some(identity));
    Ok(Login { user, identity, way: "guest", answer_to, session: None, place: Some(place) })
}

fn refuse(site: &Site, socket: TcpStream, peer: IpAddr, refused: Refused) {
    refused.note(&site.hub, peer);
    let connection = Connection::new(0, Arc::from(""), Arc::from(""), socket, 0);
    connection.refuse(refused.close, refused.what);
    site.http_connections.spawn(async move {
        // Time for the client to read the close code.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        drop(connection);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_request_is_answered_per_turn_however_many_arrive() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use hyper_util::service::TowerToHyperService;
        use tokio::io::AsyncWriteExt;
        const REQUESTS: usize = 500;
        let answered = Arc::new(AtomicUsize::new(0));
        let counted = answered.clone();
        let route = get(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            "ok"
        });
        let routes = Router::new().route("/", route).layer(middleware::from_fn(one_per_turn));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let far = TcpStream::connect(address);
        let (near, far) = tokio::join!(listener.accept(), far);
        let mut far = far.expect("connected");
        far.write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS).as_bytes())
            .await
            .expect("it fits");
        let connection = HttpConnections::new(1).enter();
        let within = std::time::Duration::from_secs(9);
        let near = WriteTimeout::new(near.expect("accepted").0, within, connection);
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(near, TowerToHyperService::new(routes));
        let served = tokio::spawn(served);
        let (mut before, mut most) = (0, 0);
        while before < REQUESTS {
            assert!(!served.is_finished(), "after {before}");
            tokio::task::yield_now().await;
            let now = answered.load(Ordering::Relaxed);
            most = most.max(now - before);
            before = now;
        }
        served.abort();
        assert!(most <= 2, "{most} requests in one turn of another");
    }
}
