//! An HTTP client for the API of a relay. Everything that it gets is compared with the description
//! that the relay serves.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::clients::answer::Answer;
use crate::clients::described::Description;

/// The longest time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Requests to one relay, with the headers that all of them have.
#[derive(Clone)]
pub struct Http {
    address: SocketAddr,
    headers: HeaderMap,
    query: String,
}

impl Http {
    /// Requests to the relay at this address.
    pub fn new(address: SocketAddr) -> Http {
        Http { address, headers: HeaderMap::new(), query: String::new() }
    }

    /// The same, with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Http {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// The same, with a token or an API key.
    #[must_use]
    pub fn bearer(self, token: &str) -> Http {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same, with a parameter of the query that needs no encoding.
    #[must_use]
    pub fn query(mut self, parameter: &str) -> Http {
        self.query = match self.query.is_empty() {
            true => parameter.to_owned(),
            false => format!("{}&{parameter}", self.query),
        };
        self
    }

    /// GET of a path.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, None)
    }

    /// A request with a JSON body, if there is one.
    #[track_caller]
    pub fn call(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        self.request(method, target, body.map(Value::to_string).as_deref())
    }

    /// A request with this body, if there is one, as JSON.
    #[track_caller]
    pub fn request(&self, method: &str, target: &str, body: Option<&str>) -> Answer {
        match body {
            None => self.clone().send(method, target, ""),
            Some(body) if self.headers.contains_key("content-type") => {
                self.clone().send(method, target, body)
            }
            Some(body) => {
                self.clone().with("content-type", "application/json").send(method, target, body)
            }
        }
    }

    /// The description of the API.
    pub fn description(&self) -> &'static Description {
        let plain = Http::new(self.address);
        Description::fetched(|| plain.send_unchecked("GET", "/v1/openapi.json", ""))
    }

    #[track_caller]
    fn send(self, method: &str, target: &str, body: &str) -> Answer {
        let description = self.description();
        let answer = self.send_unchecked(method, target, body);
        let path = target.split('?').next().unwrap_or_default();
        if path == "/v1" || path.starts_with("/v1/") {
            description.check(method, path, body, &answer);
        }
        answer
    }

    #[track_caller]
    fn send_unchecked(self, method: &str, target: &str, body: &str) -> Answer {
        let target = match (self.query.is_empty(), target.contains('?')) {
            (true, _) => target.to_owned(),
            (false, false) => format!("{target}?{}", self.query),
            (false, true) => format!("{target}&{}", self.query),
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(&target)
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .expect("a request");
        *request.headers_mut() = self.headers;
        if !request.headers().contains_key("host") {
            let host = HeaderValue::from_str(&self.address.to_string()).expect("a header");
            request.headers_mut().insert("host", host);
        }
        let answer = async {
            let socket = TcpStream::connect(self.address).await.expect("the relay listens");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
            let serving = tokio::spawn(connection);
            let response = sender.send_request(request).await.expect("a response");
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            serving.abort();
            Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: String::from_utf8(body.into()).expect("UTF-8"),
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let answer = runtime.block_on(async { tokio::time::timeout(ANSWER_WITHIN, answer).await });
        answer.unwrap_or_else(|_| panic!("no answer to {method} {target}"))
    }
}
