//! A server's reply, and its bytes on the wire.
//!
//! A parser of its own, because scenarios compare what was sent: the unchanged error line, maps in
//! their order, RESP2 distinguished from RESP3.

use std::fmt;
use std::io::{self, BufRead};

/// A reply of Redis.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Nil.
    Nil,
    /// An integer (or a RESP3 boolean).
    Int(i64),
    /// A bulk or simple string, or any other scalar.
    Text(Vec<u8>),
    /// An array, set or push.
    List(Vec<Reply>),
    /// A RESP3 map in the order sent.
    Map(Vec<(Reply, Reply)>),
    /// The error line without its minus sign.
    Error(String),
}

impl Reply {
    /// The integer. Panics on anything else, as do all accessors below.
    #[track_caller]
    pub fn int(&self) -> i64 {
        let Reply::Int(number) = self else { panic!("no integer: {self:?}") };
        *number
    }

    /// The string's bytes.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        let Reply::Text(bytes) = self else { panic!("no string: {self:?}") };
        bytes
    }

    /// The string.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_else(|_| panic!("not UTF-8: {self:?}"))
    }

    /// The members of an array.
    #[track_caller]
    pub fn list(&self) -> &[Reply] {
        let Reply::List(list) = self else { panic!("no array: {self:?}") };
        list
    }

    /// The strings of an array.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        self.list().iter().map(|reply| reply.text().to_owned()).collect()
    }

    /// The value of `key` in a map, or in the flat array that RESP2 sends instead.
    pub fn get(&self, key: &str) -> Option<&Reply> {
        let named = |reply: &Reply| *reply == Reply::Text(key.into());
        match self {
            Reply::Map(pairs) => pairs.iter().find(|(name, _)| named(name)).map(|(_, value)| value),
            Reply::List(flat) => {
                flat.chunks_exact(2).find(|pair| named(&pair[0])).map(|pair| &pair[1])
            }
            _ => None,
        }
    }

    /// The error line.
    #[track_caller]
    pub fn error(&self) -> &str {
        let Reply::Error(line) = self else { panic!("no error: {self:?}") };
        line
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    /// The reply; panics if it is an error.
    #[track_caller]
    pub fn ok(self) -> Reply {
        assert!(!self.is_error(), "refused: {self:?}");
        self
    }

    /// Reads one reply.
    pub fn read(from: &mut impl BufRead) -> io::Result<Reply> {
        let line = line(from)?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| malformed(&line))?;
        Ok(match kind {
            "+" | "," | "(" => Reply::Text(rest.into()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Int(number(rest)?),
            "#" => Reply::Int((rest == "t").into()),
            "_" => Reply::Nil,
            "$" | "=" => match number(rest)? {
                -1 => Reply::Nil,
                length => Reply::Text(bulk(from, length, kind)?),
            },
            "*" | "~" | ">" => match number(rest)? {
                -1 => Reply::Nil,
                length => {
                    Reply::List((0..length).map(|_| Self::read(from)).collect::<Result<_, _>>()?)
                }
            },
            "%" => {
                let pair = |_| Ok((Self::read(from)?, Self::read(from)?));
                Reply::Map((0..number(rest)?).map(pair).collect::<io::Result<_>>()?)
            }
            _ => return Err(malformed(&line)),
        })
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Nil => f.write_str("nil"),
            Reply::Int(number) => write!(f, "{number}"),
            Reply::Text(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Reply::List(list) => f.debug_list().entries(list).finish(),
            Reply::Map(pairs) => {
                f.debug_map().entries(pairs.iter().map(|(name, value)| (name, value))).finish()
            }
            Reply::Error(line) => write!(f, "-{line}"),
        }
    }
}

/// Appends a command as Redis clients send it.
pub fn write_command<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)?;
    if !bytes.ends_with(b"\r\n") {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed"));
    }
    bytes.truncate(bytes.len() - 2);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn bulk(from: &mut impl BufRead, length: i64, kind: &str) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| malformed("negative length"))?;
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes)?;
    bytes.truncate(length);
    // A verbatim string begins with its format: `txt:`.
    Ok(if kind == "=" { bytes.split_off(4.min(length)) } else { bytes })
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| malformed(text))
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP: {text:?}"))
}
