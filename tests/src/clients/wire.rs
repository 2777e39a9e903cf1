//! A client of Redis that adds nothing to the socket.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::clients::reply::{Reply, write_command};

/// No reply of a healthy server takes longer, however loaded the machine is.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command as its arguments.
pub type Command = Vec<Vec<u8>>;

/// One connection to a server.
pub struct Wire {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Wire {
    /// Connects.
    pub fn connect(address: SocketAddr) -> io::Result<Wire> {
        let writer = TcpStream::connect(address)?;
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(TIMEOUT))?;
        Ok(Wire { reader: BufReader::with_capacity(1 << 16, writer.try_clone()?), writer })
    }

    /// Sends a command and waits for its reply; an error is a reply.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Reply {
        self.try_call(args).unwrap_or_else(|error| {
            let first = args.first().map(|arg| String::from_utf8_lossy(arg.as_ref()).into_owned());
            panic!("{}: {error}", first.unwrap_or_default())
        })
    }

    /// As [`Wire::call`], for scenarios in which the server may go away.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        self.send(args)?;
        self.receive()
    }

    /// Sends a command without waiting.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        let mut out = Vec::new();
        write_command(&mut out, args);
        self.writer.write_all(&out)
    }

    /// The next reply.
    pub fn receive(&mut self) -> io::Result<Reply> {
        Reply::read(&mut self.reader)
    }

    /// Sends all commands, then reads all replies. Pass at most a few thousand at a time: it reads
    /// nothing while it writes.
    #[track_caller]
    pub fn pipeline(&mut self, commands: &[Command]) -> Vec<Reply> {
        let mut out = Vec::new();
        for command in commands {
            write_command(&mut out, command);
        }
        self.writer.write_all(&out).expect("the server reads");
        let reply = |command: &Command| {
            self.receive().unwrap_or_else(|error| {
                let shown: Vec<_> = command.iter().map(|a| String::from_utf8_lossy(a)).collect();
                panic!("no reply to {shown:?}: {error}")
            })
        };
        commands.iter().map(reply).collect()
    }

    /// The socket, for setting timeouts or shutting it down.
    pub fn socket(&self) -> &TcpStream {
        &self.writer
    }
}

/// What [`cmd!`](crate::cmd) takes as an argument.
pub trait Arg {
    /// Its bytes on the wire.
    fn arg(&self) -> Vec<u8>;
}

impl<T: Arg + ?Sized> Arg for &T {
    fn arg(&self) -> Vec<u8> {
        (**self).arg()
    }
}

macro_rules! arg {
    (bytes: $($bytes:ty),*; shown: $($shown:ty),*) => {
        $(impl Arg for $bytes {
            fn arg(&self) -> Vec<u8> {
                AsRef::<[u8]>::as_ref(self).to_vec()
            }
        })*
        $(impl Arg for $shown {
            fn arg(&self) -> Vec<u8> {
                self.to_string().into_bytes()
            }
        })*
    };
}

arg!(bytes: str, String, [u8], Vec<u8>; shown: i32, i64, u16, u64, usize);

/// `cmd!(wire, "CHAT.SEND", "lobby", "alice", 1)`: sends the command, returns its reply.
#[macro_export]
macro_rules! cmd {
    ($wire:expr, $($arg:expr),+ $(,)?) => {
        $wire.call(&[$($crate::clients::wire::Arg::arg(&$arg)),+])
    };
}

/// `args!["CHAT.SEND", "lobby", 1]`: a [`Command`] for a pipeline.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => {
        vec![$($crate::clients::wire::Arg::arg(&$arg)),*]
    };
}
