//! The file: one JSON object a line. The last line has the digest of all before it.
//!
//! Export writes one; a program that brings in the history of another product may write one too.
//! docs/transfer.md describes every line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::transfer::failure::Failure;

/// Bytes of the longest line: a text of a megabyte whose bytes are all escaped, its meta and names.
const LINE_MAX: u64 = 8 * 1024 * 1024;
/// The only version of the file so far.
const VERSION: u32 = 1;

/// A line of the file. What follows a room is of this room.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first line.
    Export { version: u32 },
    /// A room, with the settings that were set for it.
    Room {
        name: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        settings: BTreeMap<String, String>,
    },
    /// A member of the room.
    Member { user: String, role: String },
    /// A user who is banned or muted until a time, in milliseconds; 0: for ever.
    Sanction {
        user: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ban: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mute: Option<u64>,
    },
    /// Rooms in the list of a personal room's user.
    Follows { rooms: Vec<String> },
    /// A message of the room.
    Message(Box<Message>),
    /// The last line.
    End { sha256: String },
}

/// A message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// What replies in this room call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) user: String,
    /// Milliseconds since the epoch.
    pub(super) ts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<Box<RawValue>>,
    /// The `id` of the message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
}

/// Writes a file. It gets its name when it is whole.
pub(super) struct Writer {
    out: BufWriter<File>,
    digest: Context,
    path: PathBuf,
    unfinished: PathBuf,
}

impl Writer {
    /// Begins a file that only its owner may read. Errors: it exists already, or cannot be made.
    pub(super) fn create(path: &Path) -> Result<Writer, Failure> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        if path.exists() {
            return Err(said(&"it exists already, and is not overwritten").into());
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let out = options.open(&unfinished).map_err(|error| said(&error))?;
        let out = BufWriter::with_capacity(1 << 18, out);
        let (digest, path) = (Context::new(&SHA256), path.to_owned());
        let mut writer = Writer { out, digest, path, unfinished: unfinished.into() };
        writer.line(&Line::Export { version: VERSION })?;
        Ok(writer)
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &Line) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.digest.update(&bytes);
        Ok(self.out.write_all(&bytes)?)
    }

    /// Writes the last line, and gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let sha256 = hex(self.digest.clone());
        self.line(&Line::End { sha256 })?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(std::fs::rename(&self.unfinished, &self.path)?)
    }
}

fn hex(digest: Context) -> String {
    digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines of a file between the first and the last.
pub(super) struct Lines {
    file: BufReader<File>,
    digest: Context,
    bytes: Vec<u8>,
    number: u64,
    read: u64,
    size: u64,
    name: String,
}

impl Lines {
    /// Opens a file and reads its first line.
    pub(super) fn open(path: &Path) -> Result<Lines, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        let size = file.metadata().map_or(0, |about| about.len());
        let (file, digest) = (BufReader::with_capacity(1 << 18, file), Context::new(&SHA256));
        let mut lines = Lines { file, digest, bytes: Vec::new(), number: 0, read: 0, size, name };
        match lines.parse()? {
            Line::Export { version: VERSION } => Ok(lines),
            _ => Err(lines.wrong("not a file of this version of chat-relay export")),
        }
    }

    /// The next line; `None` after the last one, if the digest is right.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        match self.parse()? {
            Line::Export { .. } => Err(self.wrong("a first line in the middle")),
            Line::End { sha256 } => {
                // The digest is of the lines before this one, which is not in it yet.
                if sha256 != hex(self.digest.clone()) {
                    return Err(self.wrong("the digest differs: the file was changed"));
                }
                match self.file.fill_buf()?.is_empty() {
                    true => Ok(None),
                    false => Err(self.wrong("lines after the last one")),
                }
            }
            line => {
                self.digest.update(&self.bytes);
                Ok(Some(line))
            }
        }
    }

    /// How much of the file is read, in percent.
    pub(super) fn percent(&self) -> u64 {
        (self.read.saturating_mul(100)).checked_div(self.size).unwrap_or(0)
    }

    /// What is wrong with the line that was read last.
    pub(super) fn wrong(&self, why: &str) -> Failure {
        Failure::Other(format!("{} line {}: {why}", self.name, self.number))
    }

    fn parse(&mut self) -> Result<Line, Failure> {
        self.bytes.clear();
        self.number += 1;
        (&mut self.file).take(LINE_MAX).read_until(b'\n', &mut self.bytes)?;
        self.read += self.bytes.len() as u64;
        if self.bytes.last() != Some(&b'\n') {
            return Err(self.wrong("the file ends early, or the line is too long"));
        }
        let line: Line = serde_json::from_slice(&self.bytes)
            // What serde says may quote the line, but names and texts are not for logs.
            .map_err(|error| self.wrong(&format!("not a line of such a file: {}", kind(&error))))?;
        if matches!(line, Line::Export { .. }) {
            self.digest.update(&self.bytes);
        }
        Ok(line)
    }
}

fn kind(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "a field is missing, unknown or wrong" } else { "no JSON" };
    format!("{what} (column {})", error.column())
}
