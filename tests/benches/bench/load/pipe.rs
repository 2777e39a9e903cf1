//! A client of Redis that costs as little as possible: commands are encoded in advance, replies are
//! counted and dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chat_tests::clients::reply::write_command;
use chat_tests::servers::redis::Redis;

/// No operation of a healthy server takes longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Commands to be sent together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// How many commands.
    pub(crate) commands: usize,
}

impl Batch {
    /// Adds a command.
    pub(crate) fn push(&mut self, command: impl AsRef<[Vec<u8>]>) {
        write_command(&mut self.bytes, command.as_ref());
        self.commands += 1;
    }

    /// `count` times the same command.
    pub(crate) fn repeat(count: usize, command: impl AsRef<[Vec<u8>]>) -> Batch {
        let command = command.as_ref();
        let mut batch = Batch::default();
        (0..count).for_each(|_| batch.push(command));
        batch
    }

    /// Batches of at most `size` commands.
    pub(crate) fn chunks(size: usize, commands: impl Iterator<Item = Vec<Vec<u8>>>) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for command in commands {
            match batches.last_mut() {
                Some(batch) if batch.commands < size => batch.push(&command),
                _ => batches.push(Batch::repeat(1, &command)),
            }
        }
        batches
    }
}

/// One connection.
pub(crate) struct Pipe {
    stream: TcpStream,
    buffer: Box<[u8]>,
    replies: Replies,
}

impl Pipe {
    /// Connects.
    pub(crate) fn connect(redis: &Redis) -> Pipe {
        Pipe::connect_to(redis.address())
    }

    /// Connects to a server by its address.
    pub(crate) fn connect_to(address: SocketAddr) -> Pipe {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a socket option");
        Pipe { stream, buffer: vec![0; 1 << 17].into(), replies: Replies::default() }
    }

    /// Sends a batch and waits for all its replies.
    ///
    /// # Panics
    /// If a reply is an error: a refused command costs little and would look fast.
    pub(crate) fn run(&mut self, batch: &Batch) {
        self.stream.write_all(&batch.bytes).expect("the server reads");
        let goal = self.replies.whole + batch.commands as u64;
        while self.replies.whole < goal {
            let count = self.stream.read(&mut self.buffer).expect("the server answers");
            assert!(count > 0, "the server closed");
            self.replies.take(&self.buffer[..count]);
        }
    }

    /// Sends all batches, one after the other.
    pub(crate) fn run_all(&mut self, batches: &[Batch]) {
        batches.iter().for_each(|batch| self.run(batch));
    }
}

/// Counts complete replies in a stream of bytes.
#[derive(Default)]
struct Replies {
    whole: u64,
    /// Parts of the current reply that are still missing.
    open: u64,
    /// Bytes of a bulk string, line end included, that are still missing.
    skip: usize,
    line: Vec<u8>,
}

impl Replies {
    fn take(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(bytes);
                return;
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.line();
            self.line.clear();
        }
    }

    fn line(&mut self) {
        let text = std::str::from_utf8(&self.line).unwrap_or_default().trim_end();
        let (kind, rest) = text.split_at_checked(1).unwrap_or(("", ""));
        let number = || rest.parse::<i64>().unwrap_or_else(|_| panic!("no RESP: {text:?}"));
        self.open = self.open.saturating_sub(1);
        match kind {
            "-" => panic!("refused: {rest}"),
            "$" => self.skip = usize::try_from(number() + 2).unwrap_or(0),
            "*" => self.open += u64::try_from(number()).unwrap_or(0),
            "+" | ":" => {}
            _ => panic!("no RESP: {text:?}"),
        }
        if kind == "$" && rest == "-1" {
            self.skip = 0;
        }
        self.whole += u64::from(self.open == 0);
    }
}
