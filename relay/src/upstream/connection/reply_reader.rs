//! Bytes of a server in, replies and pushes out (RESP, protocol version 3).
//!
//! The one idea: find the end first, then read. `ReplyReader` walks over the lengths until
//! one item is complete, and continues there when more bytes arrive. Only a complete item is read,
//! so nothing is allocated for what a length promises, and a message of a channel is handed out as
//! it lies in the buffer.
//!
//! The server is not trusted: what is too long, too deep or not of this form is an error, after
//! which the connection is of no use. Which reply belongs to which command: see `in_flight.rs`.

use bytes::{Buf, BytesMut};
use redis::Value;

/// Longest item. The relay's own questions are bounded far below by `COUNT` and `BYTES`.
const ITEM_MAX: usize = 64 << 20;
/// Longest line: a simple string, an error, a number.
const LINE_MAX: usize = 16 << 10;
/// Most values in one item.
const VALUES_MAX: usize = 1 << 20;
/// Deepest nesting; `HELLO` and `CLUSTER SLOTS` need four levels.
const DEPTH_MAX: usize = 16;
/// Free space offered to a read.
const READ_MIN: usize = 32 << 10;
/// A larger buffer is given back once it is empty.
const KEEP_MAX: usize = 256 << 10;

/// What a server sends.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    /// The reply to a command.
    Reply(Value),
    /// Something on its own, or the confirmation of a subscription.
    Push(Push<'a>),
}

/// What a server sends besides replies.
#[derive(Debug, PartialEq)]
pub enum Push<'a> {
    /// A message on a channel.
    Message {
        /// The channel.
        channel: &'a str,
        /// The message.
        payload: &'a [u8],
    },
    /// The subscription to this channel has begun.
    Subscribed(&'a str),
    /// The subscription to this channel has ended, asked for or not.
    Unsubscribed(&'a str),
    /// Of no use here.
    Other,
}

/// These bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sends what cannot be read: {0}")]
pub struct Unreadable(&'static str);

/// The reader of one connection.
#[derive(Default)]
pub struct ReplyReader {
    buffer: BytesMut,
    /// Where the item that is not yet handed out begins.
    start: usize,
    /// Up to here its end has been searched.
    at: usize,
    /// How many values are missing, per level of nesting.
    missing: [usize; DEPTH_MAX],
    depth: usize,
    /// Values seen in this item.
    values: usize,
}

impl ReplyReader {
    /// Where the next bytes are to be put: it has free space.
    pub fn space(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_MIN);
        &mut self.buffer
    }

    /// The next item. None: it is not complete.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, Unreadable> {
        if !self.find_end()? {
            self.release();
            return Ok(None);
        }
        let (start, end) = (self.start, self.at);
        (self.start, self.values) = (end, 0);
        let mut bytes = Bytes { left: &self.buffer[start..end] };
        if bytes.left.first() == Some(&b'>') {
            return Ok(Some(Item::Push(bytes.push()?)));
        }
        Ok(Some(Item::Reply(bytes.value()?)))
    }

    /// Gives back the space of what was handed out.
    fn release(&mut self) {
        if self.start < self.buffer.len() {
            self.buffer.advance(self.start);
        } else if self.buffer.capacity() > KEEP_MAX {
            self.buffer = BytesMut::new();
        } else {
            self.buffer.clear();
        }
        self.at -= self.start;
        self.start = 0;
    }

    /// Moves `at` to the end of the item. False: more bytes are needed.
    fn find_end(&mut self) -> Result<bool, Unreadable> {
        loop {
            let Some((head, line)) = Head::read(&self.buffer[self.at..])? else {
                return Ok(false);
            };
            let end = self.at + line;
            match head {
                Head::Line => self.at = end,
                Head::Blob(length) => {
                    if end - self.start + length > ITEM_MAX {
                        return Err(Unreadable("an item is too long"));
                    }
                    let end = end + length + 2;
                    if self.buffer.len() < end {
                        return Ok(false);
                    }
                    if &self.buffer[end - 2..end] != b"\r\n" {
                        return Err(Unreadable("a string is longer than its length"));
                    }
                    self.at = end;
                }
                Head::Values { count, is_push } => {
                    if is_push && self.depth > 0 {
                        return Err(Unreadable("a push inside of a reply"));
                    }
                    self.values += count;
                    if self.values > VALUES_MAX {
                        return Err(Unreadable("an item has too many values"));
                    }
                    self.at = end;
                    if count > 0 {
                        let missing = self.missing.get_mut(self.depth);
                        *missing.ok_or(Unreadable("an item is too deep"))? = count;
                        self.depth += 1;
                        continue;
                    }
                }
            }
            if self.at - self.start > ITEM_MAX {
                return Err(Unreadable("an item is too long"));
            }
            // A value is complete, and with it perhaps those around it.
            loop {
                let Some(level) = self.depth.checked_sub(1) else { return Ok(true) };
                self.missing[level] -= 1;
                if self.missing[level] > 0 {
                    break;
                }
                self.depth = level;
            }
        }
    }
}

/// What the first line of a value says about its length.
enum Head {
    /// The line is the value.
    Line,
    /// So many bytes follow, and the end of a line.
    Blob(usize),
    /// So many values follow.
    Values { count: usize, is_push: bool },
}

impl Head {
    /// Also returns the length of the line with its end. None: the line is not complete.
    fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unreadable> {
        let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
        if let Some((size, length)) = short_size(rest) {
            let head = match kind {
                b'$' => Some(Head::Blob(size)),
                b'*' => Some(Head::Values { count: size, is_push: false }),
                b'>' => Some(Head::Values { count: size, is_push: true }),
                _ => None,
            };
            if let Some(head) = head {
                return Ok(Some((head, 1 + length + 2)));
            }
        }
        if !matches!(
            kind,
            b'+' | b'-'
                | b':'
                | b'_'
                | b'#'
                | b','
                | b'('
                | b'$'
                | b'*'
                | b'='
                | b'!'
                | b'~'
                | b'%'
                | b'>'
        ) {
            return Err(UNKNOWN_KIND);
        }
        let Some(length) = line_length(rest)? else { return Ok(None) };
        let line = &rest[..length];
        let head = match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Head::Line,
            // Nothing, as the older protocol says it.
            b'$' | b'*' if line == b"-1" => Head::Line,
            b'$' | b'=' | b'!' => Head::Blob(size(line)?),
            b'*' | b'~' => Head::Values { count: size(line)?, is_push: false },
            b'%' => Head::Values { count: 2 * size(line)?, is_push: false },
            b'>' => Head::Values { count: size(line)?, is_push: true },
            _ => return Err(UNKNOWN_KIND),
        };
        Ok(Some((head, 1 + length + 2)))
    }
}

/// The length of the line at the beginning, without its end. None: it is not complete.
fn line_length(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    match bytes.iter().position(|byte| *byte == b'\r') {
        Some(length) if length > LINE_MAX => Err(Unreadable("a line is too long")),
        Some(length) => match bytes.get(length + 1) {
            Some(b'\n') => Ok(Some(length)),
            Some(_) => Err(Unreadable("a line has no end")),
            None => Ok(None),
        },
        None if bytes.len() > LINE_MAX => Err(Unreadable("a line is too long")),
        None => Ok(None),
    }
}

/// A length or a count that is a whole line, as nearly all are, and the length of the line without
/// its end. None: it may be something else.
fn short_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut size, mut length) = (0, 0);
    loop {
        match bytes.get(length)? {
            digit @ b'0'..=b'9' if length < 9 => size = 10 * size + usize::from(digit - b'0'),
            b'\r' if length > 0 && bytes.get(length + 1) == Some(&b'\n') => {
                return Some((size, length));
            }
            _ => return None,
        }
        length += 1;
    }
}

/// A length or a count: decimal digits.
fn size(digits: &[u8]) -> Result<usize, Unreadable> {
    // No length of ten digits is allowed, so nothing overflows.
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unreadable("a length is no number"));
    }
    Ok(digits.iter().fold(0, |number, digit| 10 * number + usize::from(digit - b'0')))
}

/// The bytes of one complete item. All lengths in it have been checked.
struct Bytes<'a> {
    left: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Takes the first line and what it says. Also returns the line without its kind and end.
    fn head(&mut self) -> Result<(u8, Head, &'a [u8]), Unreadable> {
        let (head, length) = Head::read(self.left)?.ok_or(SHORT)?;
        let line = self.take(length)?;
        Ok((line[0], head, &line[1..length - 2]))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, left) = self.left.split_at_checked(length).ok_or(SHORT)?;
        self.left = left;
        Ok(taken)
    }

    fn push(&mut self) -> Result<Push<'a>, Unreadable> {
        let (_, head, _) = self.head()?;
        let Head::Values { count, .. } = head else { return Ok(Push::Other) };
        if count < 3 {
            return Ok(Push::Other);
        }
        let (kind, channel) = (self.text()?, self.text()?);
        let (Some(kind), Some(channel)) = (kind, channel) else { return Ok(Push::Other) };
        let Ok(channel) = std::str::from_utf8(channel) else { return Ok(Push::Other) };
        Ok(match kind {
            b"smessage" | b"message" => match self.text()? {
                Some(payload) => Push::Message { channel, payload },
                None => Push::Other,
            },
            b"ssubscribe" | b"subscribe" => Push::Subscribed(channel),
            b"sunsubscribe" | b"unsubscribe" => Push::Unsubscribed(channel),
            _ => Push::Other,
        })
    }

    /// The next value, a string. None: it is of another kind.
    fn text(&mut self) -> Result<Option<&'a [u8]>, Unreadable> {
        match self.head()? {
            (b'$', Head::Blob(length), _) => Ok(Some(&self.take(length + 2)?[..length])),
            (b'+', _, line) => Ok(Some(line)),
            _ => Ok(None),
        }
    }

    fn value(&mut self) -> Result<Value, Unreadable> {
        let whole = self.left;
        let (kind, head, line) = self.head()?;
        match (kind, head) {
            (b'$', Head::Blob(length)) => {
                Ok(Value::BulkString(self.take(length + 2)?[..length].to_vec()))
            }
            (b':', _) => number(line).map(Value::Int),
            (b'+', _) if line == b"OK" => Ok(Value::Okay),
            (b'+', _) => Ok(Value::SimpleString(String::from_utf8_lossy(line).into_owned())),
            (b'_' | b'$' | b'*', Head::Line) => Ok(Value::Nil),
            (b'#', _) if line == b"t" => Ok(Value::Boolean(true)),
            (b'#', _) if line == b"f" => Ok(Value::Boolean(false)),
            (b'%', Head::Values { count, .. }) => {
                let mut pairs = Vec::with_capacity(count / 2);
                for _ in 0..count / 2 {
                    pairs.push((self.value()?, self.value()?));
                }
                Ok(Value::Map(pairs))
            }
            (b'*', Head::Values { count, .. }) => self.values(count).map(Value::Array),
            (b'~', Head::Values { count, .. }) => self.values(count).map(Value::Set),
            // Errors, and what is rare: the redis crate knows them. One complete value each.
            (b'-' | b',' | b'(', _) => leaf(&whole[..line.len() + 3]),
            (b'=' | b'!', Head::Blob(length)) => {
                self.take(length + 2)?;
                leaf(&whole[..whole.len() - self.left.len()])
            }
            _ => Err(UNKNOWN_KIND),
        }
    }

    fn values(&mut self, count: usize) -> Result<Vec<Value>, Unreadable> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.value()?);
        }
        Ok(values)
    }
}

const UNKNOWN_KIND: Unreadable = Unreadable("a value of an unknown kind");
const SHORT: Unreadable = Unreadable("an item ends too early");

fn leaf(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    redis::parse_redis_value(text.as_bytes()).map_err(|_| Unreadable("a value is not of its kind"))
}

fn number(line: &[u8]) -> Result<i64, Unreadable> {
    let text = std::str::from_utf8(line).ok();
    text.and_then(|text| text.parse().ok()).ok_or(Unreadable("a number is none"))
}
