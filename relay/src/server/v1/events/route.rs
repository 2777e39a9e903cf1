//! Opening a stream: the request is checked as that of a socket, but refused by a status.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use chat_protocol::close_code::{self, CloseCode};
use chat_protocol::error_code::ErrorCode;
use chat_protocol::id::Id;
use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::auth::Scope;
use crate::client::error::Error;
use crate::hub::standing::gate;
use crate::hub::{Hub, Login};
use crate::server::admission::Admissions;
use crate::server::client_address::client_address;
use crate::server::handshake;
use crate::server::http_connections::HttpConnection;
use crate::server::refused::Refused;
use crate::server::user_connections::UserConnections;
use crate::server::v1::cors::{self, Cors};
use crate::server::v1::door::Door;
use crate::server::v1::events::parameters::{self, Rooms};
use crate::server::v1::events::pending::{Asked, Pending};
use crate::server::v1::events::positions;
use crate::server::v1::events::stream;
use crate::server::v1::problem::Problem;
use crate::server::v1::{body, who};

/// After the end of a stream, what its client has not taken is dropped after this time.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// The methods of the path.
const METHODS: &str = "GET, POST, OPTIONS";

/// What streams share with sockets.
pub(in crate::server) struct Streams {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Admits connections.
    pub admissions: Arc<Admissions>,
    /// Bounds the connections of each user.
    pub user_connections: Arc<UserConnections>,
}

/// The route `/v1/events`.
pub(in crate::server::v1) fn router(streams: Streams) -> Router {
    Router::new().route("/v1/events", any(events)).with_state(Arc::new(streams))
}

async fn events(
    State(streams): State<Arc<Streams>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(http): Extension<Arc<HttpConnection>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let cors = Cors::of(&streams.hub.config, &parts.headers, Door::Public);
    let answer = match &cors {
        Ok(_) if parts.method == Method::OPTIONS => Ok(cors::options(&parts.headers, METHODS)),
        Ok(_) => open(&streams, peer, http, &parts, body).await,
        Err(_) => Err(Problem::denied("origin", "this origin may not read events")),
    };
    let mut response = answer.unwrap_or_else(Problem::response);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(cors) = cors {
        cors.expose(headers);
    }
    response
}

async fn open(
    streams: &Streams,
    peer: SocketAddr,
    http: Arc<HttpConnection>,
    request: &Parts,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (hub, config) = (&streams.hub, &streams.hub.config);
    let (headers, query) = (&request.headers, request.uri.query().unwrap_or(""));
    let is_post = request.method == Method::POST;
    if !is_post && request.method != Method::GET {
        return Err(Problem::method(METHODS.to_owned()));
    }
    if !handshake::has_one_host(headers) {
        return Err(Problem::invalid("host", "a request has one Host"));
    }
    let credential = who::credential(hub, request);
    if credential.is_cookie() && !headers.contains_key(header::ORIGIN) {
        return Err(Problem::denied("origin", "a cookie counts only with an Origin"));
    }
    let asked = if is_post { None } else { Some(parameters::of_query(query)?) };
    let back = parameters::last_event_id(headers)?;
    let address = client_address(peer.ip(), headers, &config.edge.trusted_proxies);
    let admission = streams.admissions.admit(address).map_err(closed)?;
    let mut login = who::login_of_stream(hub, request, peer).await?;
    let asked = match asked {
        Some(rooms) => rooms,
        None => {
            let body = body::read(headers, body, config.max_frame, config.handshake_timeout).await;
            parameters::of_body(&body?)?
        }
    };
    let own = format!("@{}", login.user);
    let pending = pending(streams, &own, asked, back, !is_post)?;
    let identity = login.identity.as_ref();
    if identity.is_some_and(|identity| !identity.scopes.has(Scope::Read)) {
        return Err(Problem::denied("scope", "the credential does not allow this"));
    }
    check_standing(hub, address, &login).await?;
    let allowance = hub.allowances.enter(&login.user, Instant::now());
    let allowance = allowance.ok_or_else(|| closed(close_code::FLOOD))?;
    // None: the connection is being closed for others.
    let handle = http.become_stream().await.ok_or_else(|| closed(close_code::FULL))?;
    let (body, mut pieces) = mpsc::channel::<Bytes>(1);
    let session = login.session.take();
    let connection = streams.hub.connect_detached(login);
    let counted = streams.user_connections.count(&connection);
    let hub = streams.hub.clone();
    tokio::spawn(async move {
        let _counted = counted;
        let _admission = admission;
        stream::run(hub, connection, allowance, session, pending, body).await;
        end(&http, &handle).await;
    });
    let pieces = poll_fn(move |context| pieces.poll_recv(context));
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    Ok(response(body))
}

/// Before the stream does anything, the store is asked about its user, and about that of a token by
/// which the backend acts. A revoked token counts as a wrong one.
async fn check_standing(hub: &Hub, address: IpAddr, login: &Login) -> Result<(), Problem> {
    for (user, identity) in gate::subjects(Some(&login.user), login.identity.as_deref()) {
        gate::may_act(hub, user, identity).await.map_err(|refusal| {
            if let Some(error) = refusal.login_error() {
                Refused::credential(login.way, error).note(hub, address);
            }
            Problem::from(refusal.error())
        })?;
    }
    Ok(())
}

/// What closes a socket with this code.
fn closed(close: CloseCode) -> Problem {
    match close.retry_ms {
        Some((least, most)) if close == close_code::FLOOD => {
            Problem::too_many(rand::rng().random_range(least..=most))
        }
        None => {
            let error = Error::new("RATELIMIT", "too many connections from this address");
            Problem::with_status(StatusCode::TOO_MANY_REQUESTS, error)
        }
        Some(_) => {
            let message = "no further connections now".into();
            Problem::from(Error { message, ..Error::unavailable() })
        }
    }
}

/// The rooms to resume: those asked for, one's own, and those of `--auto-join` in which the client
/// was before.
fn pending(
    streams: &Streams,
    own: &str,
    asked: Rooms,
    back: BTreeMap<String, Id>,
    must_fit: bool,
) -> Result<Pending, Problem> {
    let config = &streams.hub.config;
    let auto = config.auto_join.iter().map(String::as_str);
    let others = auto.filter(|room| !asked.contains_key(*room));
    let unnamed = (!asked.contains_key(own)).then_some(own);
    if asked.len() + others.clone().count() + usize::from(unnamed.is_some()) > config.max_rooms {
        return Err(Error::new(ErrorCode::Denied, "too many rooms on this connection").into());
    }
    let all = asked.keys().map(String::as_str).chain(others.clone()).chain(unnamed);
    if must_fit && !positions::fit(all) {
        return Err(Problem::invalid(
            "rooms",
            "their positions take more than 4096 bytes; use POST",
        ));
    }
    let mut pending = Pending::default();
    for (room, cursor) in &asked {
        let cursor = back.get(room).copied().or(*cursor);
        pending.add(room, Asked { cursor, is_unnamed: false });
    }
    if let Some(own) = unnamed {
        pending.add(own, Asked { cursor: back.get(own).copied(), is_unnamed: true });
    }
    for room in others {
        if let Some(cursor) = back.get(room) {
            pending.add(room, Asked { cursor: Some(*cursor), is_unnamed: true });
        }
    }
    Ok(pending)
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // nginx would collect the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The stream has ended: so does its TCP connection, whether the client has taken everything or not.
async fn end(http: &HttpConnection, handle: &AbortHandle) {
    let _ = timeout(TAKEN_WITHIN, http.closed()).await;
    handle.abort();
}
