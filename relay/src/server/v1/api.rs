//! Serving one request to `/v1`: checks of HTTP, then one frame after the other to the operations.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use axum::routing::any;
use bytes::Bytes;
use chat_protocol::error_code::ErrorCode;
use serde_json::value::RawValue;
use tracing::debug;

use crate::client::error::Error;
use crate::client::reply;
use crate::client::request::Request as Frame;
use crate::hub::Hub;
use crate::metrics::METRICS;
use crate::operations;
use crate::server::handshake;
use crate::server::observed;
use crate::server::v1::cors::{self, Cors};
use crate::server::v1::door::Door;
use crate::server::v1::events::{self, Streams};
use crate::server::v1::idempotency::nonce;
use crate::server::v1::operators::{self, Question};
use crate::server::v1::problem::Problem;
use crate::server::v1::routes::{self, Found};
use crate::server::v1::target::parameter;
use crate::server::v1::who::Who;
use crate::server::v1::{body, openapi};

/// The description of sockets and streams.
const ASYNC_API: &str = include_str!("../../../../docs/asyncapi.yaml");
/// Its media type (RFC 9512).
const YAML: &str = "application/yaml";
/// Frames in one request.
const FRAMES_MAX: usize = 32;
/// Frames of an array that have not begun within this time are not executed: each of them may wait for
/// Redis.
const ARRAY_TIME: Duration = Duration::from_secs(8);

type Answer = Result<Response<Body>, Problem>;

/// Where requests come in.
#[derive(Clone)]
struct Entrance {
    hub: Arc<Hub>,
    door: Door,
}

/// The routes of `/v1`.
pub(in crate::server) fn router(streams: Streams) -> Router {
    let entrance = Entrance { hub: streams.hub.clone(), door: Door::Public };
    requests(entrance).merge(events::router(streams))
}

/// The routes of `/v1` for operators, without streams of events, and what only they may ask.
pub(in crate::server) fn operators_router(hub: Arc<Hub>) -> Router {
    let entrance = Entrance { hub, door: Door::Operators };
    let own = Router::new().route("/ops/{*path}", any(serve)).with_state(entrance.clone());
    requests(entrance).merge(own)
}

fn requests(entrance: Entrance) -> Router {
    Router::new()
        .route("/v1", any(serve))
        .route("/v1/", any(serve))
        .route("/v1/{*path}", any(serve))
        .with_state(entrance)
}

/// The answer to a request for another host, where only this machine's names are served.
pub(in crate::server) fn wrong_host(why: &'static str) -> Response<Body> {
    Problem::denied("host", why).response()
}

async fn serve(
    State(entrance): State<Entrance>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let cors = Cors::of(&entrance.hub.config, &parts.headers, entrance.door);
    let mut labels = ("none", String::new());
    let answer = match &cors {
        Ok(_) => answer(&entrance, &parts, peer, body, &mut labels).await,
        Err(_) => Err(Problem::denied("origin", "this origin may not use the relay")),
    };
    let mut response = answer.unwrap_or_else(Problem::response);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(cors) = cors {
        cors.expose(headers);
    }
    if let Some(pattern) = routes::pattern(parts.uri.path()) {
        response.extensions_mut().insert(observed::Route(format!("/v1/{pattern}")));
    }
    let (status, (caller, key)) = (response.status().as_u16(), labels);
    METRICS.api_request(caller, &key, status);
    debug!(source = "client", caller, key, status, method = %parts.method, "request");
    response
}

/// Answers a request of an allowed origin. `labels`: who it is, once that is known.
async fn answer(
    Entrance { hub, door }: &Entrance,
    parts: &Parts,
    peer: SocketAddr,
    body: Body,
    labels: &mut (&'static str, String),
) -> Answer {
    if !handshake::has_one_host(&parts.headers) {
        return Err(Problem::invalid("host", "a request has one Host"));
    }
    let path = parts.uri.path();
    let target = Target::of(*door, &parts.method, path)?;
    let (found, question) = match target {
        Target::Options(allow) => return Ok(cors::options(&parts.headers, &allow)),
        Target::OpenApi => return Ok(json(openapi::document())),
        Target::AsyncApi => return Ok(content(YAML, ASYNC_API)),
        Target::Frames => (None, None),
        Target::Route(found) => (Some(found), None),
        Target::Operators(question) => (None, Some(question)),
    };
    let who = match door {
        Door::Public => Who::of(hub, parts, peer).await?,
        Door::Operators => Who::operator(hub, parts, peer)?,
    };
    let (caller, key) = who.labels();
    *labels = (caller, key.to_owned());
    if let Some(question) = question {
        return Ok(json(operators::answer(hub, &who, question, parts).await?));
    }
    let body = match &found {
        Some(found) if !found.has_body() => String::new(),
        _ => {
            let (most, within) = (hub.config.max_frame, hub.config.handshake_timeout);
            match body::read(&parts.headers, body, most, within).await {
                Ok(body) => body,
                Err(problem) => {
                    who.count(hub, 0)?;
                    return Err(problem);
                }
            }
        }
    };
    match found {
        None => frames(hub, &who, parts, &body).await,
        Some(found) => route(hub, &who, &found, parts, &body).await,
    }
}

/// What a request is for.
enum Target<'p> {
    Frames,
    Route(Found<'p>),
    OpenApi,
    AsyncApi,
    Operators(Question),
    Options(Cow<'static, str>),
}

impl Target<'_> {
    fn of<'p>(door: Door, method: &Method, path: &'p str) -> Result<Target<'p>, Problem> {
        const READ: &str = "GET, HEAD, OPTIONS";
        let fixed = match (path, door) {
            ("/v1", _) => Some((Target::Frames, "POST", "POST, OPTIONS")),
            ("/v1/openapi.json", _) => Some((Target::OpenApi, "GET", READ)),
            ("/v1/asyncapi.yaml", _) => Some((Target::AsyncApi, "GET", READ)),
            ("/ops/relay", Door::Operators) => {
                Some((Target::Operators(Question::Relay), "GET", READ))
            }
            ("/ops/user", Door::Operators) => {
                Some((Target::Operators(Question::User), "GET", READ))
            }
            _ => None,
        };
        let is_options = method == Method::OPTIONS;
        match fixed {
            Some((_, _, allow)) if is_options => Ok(Target::Options(allow.into())),
            Some((target, own, _)) if method == own || (own == "GET" && method == Method::HEAD) => {
                Ok(target)
            }
            Some((_, _, allow)) => Err(Problem::method(allow.into())),
            None if is_options => routes::allowed(path)
                .map(|allow| Target::Options(allow.into()))
                .ok_or_else(Problem::no_path),
            None => routes::find(method.as_str(), path).map(Target::Route),
        }
    }
}

/// `POST /v1`: one frame, or several in an array.
async fn frames(hub: &Arc<Hub>, who: &Who, parts: &Parts, body: &str) -> Answer {
    if parameter(parts.uri.query().unwrap_or(""), "as")?.is_some() {
        who.count(hub, body.len())?;
        return Err(Problem::invalid("as", "each frame names the user by its member as"));
    }
    if !body.trim_start().starts_with('[') {
        return Ok(json(reply_to(hub, who, body, body.len()).await));
    }
    let Ok(frames) = serde_json::from_str::<Vec<&RawValue>>(body) else {
        let broken = Error::invalid("json", "not a JSON array");
        who.count(hub, body.len())?;
        return Ok(json(reply::error(RawValue::NULL, &broken)));
    };
    if frames.len() > FRAMES_MAX {
        who.count(hub, body.len())?;
        return Err(Problem::invalid("frames", "at most 32"));
    }
    if frames.is_empty() {
        who.count(hub, body.len())?;
    }
    let begun = Instant::now();
    let mut replies = String::from("[");
    for frame in frames {
        if replies.len() > 1 {
            replies.push(',');
        }
        let (frame, most) = (frame.get(), hub.config.outbox);
        // As on a socket, what waits for one client is bounded.
        let reply = if replies.len() >= most {
            let error = Error::too_big(most, "the replies before are too long together");
            reply::error(reference(frame), &error)
        } else if begun.elapsed() >= ARRAY_TIME {
            reply::error(reference(frame), &Error::unavailable())
        } else {
            reply_to(hub, who, frame, frame.len()).await
        };
        replies.push_str(&reply);
    }
    replies.push(']');
    Ok(json(replies))
}

/// The reply frame to one frame.
async fn reply_to(hub: &Arc<Hub>, who: &Who, frame: &str, bytes: usize) -> String {
    let named = match Frame::parse(frame) {
        Ok(request) => match request.fields.optional_text("as") {
            Ok(named) => named,
            Err(error) => return reply::error(request.reference, &error),
        },
        // For the operations to answer.
        Err(_) => None,
    };
    let context = who.acting(named.as_deref()).and_then(|acting| who.context(hub, acting, bytes));
    let error = match context {
        Ok(context) => match operations::reply(&context, frame).await {
            Some(reply) => return reply,
            None => Error::unavailable(),
        },
        Err(error) => error,
    };
    reply::error(reference(frame), &error)
}

fn reference(frame: &str) -> &RawValue {
    Frame::parse(frame).map_or(RawValue::NULL, |request| request.reference)
}

/// Any other route: one frame, whose result becomes the body or the problem.
async fn route(hub: &Arc<Hub>, who: &Who, found: &Found<'_>, parts: &Parts, body: &str) -> Answer {
    let query = parts.uri.query().unwrap_or("");
    let bytes = parts.uri.path().len() + query.len() + body.len();
    let asked = match Asked::of(who, found, parts, body) {
        Ok(asked) => asked,
        Err(problem) => {
            who.count(hub, bytes)?;
            return Err(problem);
        }
    };
    let context = who.context(hub, &asked.acting, bytes)?;
    match operations::outcome(&context, &asked.frame).await {
        Ok(object) => Ok(json(object)),
        Err(error) => {
            let is_away = error.is(ErrorCode::Unavailable);
            let problem = Problem::from(error);
            Err(match asked.nonce.filter(|_| is_away) {
                Some(nonce) => problem.with_nonce(nonce),
                None => problem,
            })
        }
    }
}

/// What a request by a route asks for.
struct Asked {
    frame: String,
    /// The user as whom it acts.
    acting: String,
    /// That of a message.
    nonce: Option<String>,
}

impl Asked {
    fn of(who: &Who, found: &Found<'_>, parts: &Parts, body: &str) -> Result<Asked, Problem> {
        let query = parts.uri.query().unwrap_or("");
        let named = parameter(query, "as")?;
        let acting = who.acting(named.as_deref())?.to_owned();
        let nonce = match found.sends() {
            true => Some(nonce(&parts.headers, body)?),
            false => None,
        };
        let frame = found.frame(query, body, &acting, nonce.as_deref())?;
        Ok(Asked { frame, acting, nonce })
    }
}

fn json(text: impl Into<Bytes>) -> Response<Body> {
    content("application/json", text)
}

fn content(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
