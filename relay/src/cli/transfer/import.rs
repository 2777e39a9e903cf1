//! Import: checks the whole file and the rooms that it would change, then brings in room by room.
//!
//! The messages of a room get the numbers 1, 2, … of their lines, and what is there already stays as
//! it is. So an import that was cut off is run again, and nothing is stored twice.

use std::path::Path;

use chat_protocol::glob::Pattern;

use crate::cli::transfer::failure::Failure;
use crate::cli::transfer::file::{Line, Lines};
use crate::cli::transfer::importer::Importer;
use crate::cli::transfer::progress::Progress;
use crate::cli::transfer::room_check::RoomCheck;
use crate::cli::transfer::room_set::RoomSet;
use crate::cli::transfer::servers::Servers;
use crate::cli::transfer::summary::Summary;

/// Brings in the rooms of a file whose names match.
pub(super) async fn run(servers: &Servers, file: &Path, glob: &str) -> Result<Summary, Failure> {
    let pattern = Pattern::parse(glob.as_bytes());
    let pattern = pattern.map_err(|_| "--match: a pattern has at most 200 bytes".to_owned())?;
    let mut progress = Progress::on_terminal();
    check(servers, file, &pattern, &mut progress).await?;
    let mut lines = Lines::open(file)?;
    let mut importer = Importer::new(servers);
    let mut is_wanted = false;
    while let Some(line) = lines.next()? {
        match line {
            Line::Room { name, settings } => {
                is_wanted = pattern.matches(name.as_bytes());
                if is_wanted {
                    importer.room(&name, settings).await?;
                }
            }
            _ if !is_wanted => {}
            Line::Member { user, role } => importer.member(&user, &role).await?,
            Line::Sanction { user, ban, mute } => importer.sanction(&user, [ban, mute]).await?,
            Line::Follows { rooms } => importer.follows(&rooms).await?,
            Line::Message(message) => importer.message(*message).await?,
            Line::Export { .. } | Line::End { .. } => return Err(lines.wrong("out of place")),
        }
        let (percent, messages) = (lines.percent(), importer.summary.messages);
        progress.show(|| format!("importing: {percent} %, {messages} messages"));
    }
    importer.end().await
}

/// Reads the file to its end, before anything is changed. Errors: it is not what export has written,
/// whole and unchanged; a room of Redis has other messages.
async fn check(
    servers: &Servers,
    file: &Path,
    pattern: &Pattern,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut lines = Lines::open(file)?;
    let mut names = RoomSet::default();
    let mut room: Option<RoomCheck> = None;
    while let Some(line) = lines.next()? {
        match line {
            Line::Room { name, .. } => {
                if let Some(room) = room.take() {
                    room.finish(servers).await?;
                }
                if !names.insert(&name) {
                    return Err(lines.wrong("the room is in the file twice"));
                }
                if pattern.matches(name.as_bytes()) {
                    room = Some(RoomCheck::begin(servers, name).await?);
                }
            }
            _ if names.len() == 0 => return Err(lines.wrong("before the first room")),
            Line::Message(message) => {
                if let Some(room) = &mut room {
                    let checked = room.message(servers, *message).await;
                    checked.map_err(|why| lines.wrong(&why.to_string()))?;
                }
            }
            _ => {}
        }
        progress.show(|| format!("checking: {} %", lines.percent()));
    }
    match room {
        Some(room) => room.finish(servers).await,
        None => Ok(()),
    }
}
