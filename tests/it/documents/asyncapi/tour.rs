//! What the parts of the tour ask, and what they meet.

use std::collections::BTreeSet;

use chat_tests::asyncapi::{Channel, Contract};
use chat_tests::clients::client::Client;
use chat_tests::clients::event_stream::EventStream;
use chat_tests::clients::frames::Close;
use serde_json::Value;

/// A trace of no request in particular.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A tour through operations and frames notes the schemas that it meets, and their members.
#[derive(Default)]
pub(super) struct Tour {
    pub(super) met: BTreeSet<String>,
}

impl Tour {
    /// Sends a request that is as described, with a trace, and waits for its reply.
    #[track_caller]
    pub(super) fn ask(&mut self, client: &Client, mut request: Value) -> Result<Value, Value> {
        request["ref"] = 0.into();
        request["trace"] = TRACE.into();
        let op = request["op"].as_str().expect("an operation");
        let name = format!("{}{}Request", op[..1].to_uppercase(), &op[1..]);
        let parts = Contract::of(Channel::Socket).parts(&name, &request);
        assert!(!parts.is_empty(), "{request} is no {name}");
        self.met.extend(parts);
        client.call(request)
    }

    /// As [`Tour::ask`], for what is carried out.
    #[track_caller]
    pub(super) fn ok(&mut self, client: &Client, request: Value) -> Value {
        let answer = self.ask(client, request.clone());
        answer.unwrap_or_else(|error| panic!("{request} is refused: {error}"))
    }

    /// As [`Tour::ask`], for what is refused with this code.
    #[track_caller]
    pub(super) fn refused(&mut self, client: &Client, request: Value, code: &str) {
        let error = self.ask(client, request.clone()).expect_err("it is refused");
        assert_eq!(error["code"], code, "{request}");
    }

    /// Notes what a client has received.
    pub(super) fn note_all(&mut self, clients: &[&Client]) {
        let contract = Contract::of(Channel::Socket);
        for frame in clients.iter().flat_map(|client| client.frames_from(0)) {
            self.met.extend(contract.parts(frame.schema, &frame.json));
        }
    }

    /// Notes why a connection was closed.
    pub(super) fn note_close(&mut self, close: &Close) {
        let reason = serde_json::from_str(&close.reason).unwrap_or_default();
        self.met.extend(Contract::of(Channel::Socket).parts("CloseReason", &reason));
    }

    /// Notes the blocks of a stream.
    pub(super) fn note_stream(&mut self, stream: &EventStream) {
        let contract = Contract::of(Channel::Stream);
        for block in stream.blocks_from(0) {
            let name = match &*block.event {
                "close" => Ok("StreamClose"),
                _ => contract.describe(&block.json),
            };
            self.met.extend(name.map(|name| contract.parts(name, &block.json)).unwrap_or_default());
        }
    }
}
