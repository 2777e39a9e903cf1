//! The first frame of a socket whose handshake carried no credential: it must be
//! `{"op":"auth","token":…}`, or `{"op":"auth"}` of a guest.
//!
//! Nothing is known of the client yet, so it gets nothing and may send little: one message of at most
//! 16 KiB, within the time of a handshake. Anything else is refused.

use std::borrow::Cow;

use bytes::BytesMut;
use chat_protocol::close_code;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::auth::LoginError;
use crate::client::frame_reader::{Found, FrameReader, ReadError};
use crate::client::request::Request;
use crate::operations;
use crate::server::refused::Refused;
use crate::trace::TraceId;

/// Bytes of the first message.
const FIRST_MAX: usize = 16 << 10;
/// Frames that it may consist of.
const PARTS_MAX: usize = 16;

/// The credential in a first frame.
pub(super) struct FirstFrame {
    /// The member `ref`, for the reply.
    pub(super) reference: Box<RawValue>,
    /// The token. `None`: the client is a guest.
    pub(super) token: Option<String>,
    /// The trace that it belongs to. A malformed field `trace` keeps nobody out.
    pub(super) trace: Option<TraceId>,
    /// Bytes that came after it.
    pub(super) rest: BytesMut,
}

/// Waits for the first frame until `deadline`. `None`: the client has gone.
pub(super) async fn read(
    socket: &TcpStream,
    early: &[u8],
    deadline: Instant,
) -> Result<Option<FirstFrame>, Refused> {
    let missing = Refused::credential("frame", LoginError::Missing);
    timeout_at(deadline, message(socket, early)).await.unwrap_or(Err(missing))
}

async fn message(socket: &TcpStream, early: &[u8]) -> Result<Option<FirstFrame>, Refused> {
    let mut reader = FrameReader::new(FIRST_MAX, early);
    let mut parts = 0;
    loop {
        let step = reader.step(|space| socket.try_read(space));
        let found = match step {
            Ok(step) => step.found,
            Err(ReadError::Close(close)) => return Err(Refused::close(close)),
            Err(ReadError::Socket(_)) => return Ok(None),
        };
        match found {
            Found::Text(text) => return credential(&text, reader.into_rest()).map(Some),
            Found::Nothing => {
                if socket.readable().await.is_err() {
                    return Ok(None);
                }
            }
            Found::Bytes => {}
            Found::Part if parts < PARTS_MAX => parts += 1,
            Found::End => return Err(Refused::close(close_code::EOF)),
            Found::Close(_) => return Ok(None),
            _ => return Err(Refused::credential("frame", LoginError::Missing)),
        }
        // Others have their turn, however small the pieces are.
        yield_now().await;
    }
}

fn credential(text: &str, rest: BytesMut) -> Result<FirstFrame, Refused> {
    let missing = Refused::credential("frame", LoginError::Missing);
    let Ok(request) = Request::parse(text) else { return Err(missing) };
    let token = match request.fields.optional_text("token") {
        Ok(token) if request.op == "auth" => token.map(Cow::into_owned),
        _ => return Err(missing),
    };
    let trace = operations::trace_of(&request.fields).ok().flatten();
    Ok(FirstFrame { reference: request.reference.to_owned(), token, trace, rest })
}
