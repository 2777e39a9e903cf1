//! The flags of `chat-relay tail`, and what they mean.

use std::collections::BTreeSet;

use chat_protocol::id::Id;
use chat_protocol::limits::COUNT_MAX;
use chat_protocol::names::room_kind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::cli::printable::printable;
use crate::cli::tail::line::Form;
use crate::config::{Args, Config};

pub(in crate::cli) const NAME: &str = "tail";
/// Rooms of one process.
const ROOMS_MAX: usize = 100;
/// What is logged unless `--log` says otherwise: lines about nothing wrong would stand between events.
const LOG: &str = "warn";

/// The subcommand: the flags of the relay that name Redis, and its own.
pub(in crate::cli) fn command() -> Command {
    let about = "Prints the events of rooms as they come, one a line";
    let rooms = Arg::new("rooms").value_name("ROOM").required(true).num_args(1..=ROOMS_MAX);
    let since = Arg::new("since").long("since").value_name("ID").conflicts_with("last");
    let last = Arg::new("last").long("last").value_name("N");
    let count = Arg::new("count").long("count").value_name("N");
    let format = Arg::new("format").long("format").value_name("json|text");
    Args::for_process()
        .name(NAME)
        .about(about)
        .long_about(about)
        .arg(rooms.help("A room, or several"))
        .arg(since.help("Begin with what follows this event of the room"))
        .arg(
            last.value_parser(value_parser!(u64).range(1..=COUNT_MAX as u64))
                .help("Begin with the newest N messages of each room"),
        )
        .arg(count.value_parser(value_parser!(u64).range(1..)).help("End after N lines"))
        .arg(
            format
                .value_parser(["json", "text"])
                .help("One JSON object a line, or text; text is the default on a terminal"),
        )
}

/// What was given.
pub(in crate::cli) struct TailArgs {
    relay: Box<Args>,
    rooms: Vec<String>,
    since: Option<String>,
    last: Option<u64>,
    count: Option<u64>,
    form: Form,
    /// What to log, if the command line says it. What a file or a variable says is for the relay.
    log: Option<String>,
}

/// Where a room begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With what comes from now on.
    Now,
    /// After this event.
    After(Id),
    /// With so many messages.
    Last(u64),
}

/// What was asked for, checked.
pub(super) struct Settings {
    pub(super) rooms: BTreeSet<String>,
    pub(super) begin: Begin,
    /// Lines after which it ends.
    pub(super) count: Option<u64>,
    pub(super) form: Form,
}

impl TailArgs {
    pub(in crate::cli) fn from_matches(flags: &ArgMatches, relay: Box<Args>) -> TailArgs {
        let text = |name: &str| flags.get_one::<String>(name).cloned();
        let is_given = flags.value_source("log") == Some(ValueSource::CommandLine);
        TailArgs {
            relay,
            rooms: flags.get_many("rooms").into_iter().flatten().cloned().collect(),
            since: text("since"),
            last: flags.get_one("last").copied(),
            count: flags.get_one("count").copied(),
            form: Form::of(text("format").as_deref()),
            log: text("log").filter(|_| is_given),
        }
    }

    /// Checks everything. Errors: every mistake.
    pub(super) fn check(self) -> Result<(Config, Settings), Vec<String>> {
        let mut mistakes = Vec::new();
        for room in self.rooms.iter().filter(|room| room_kind(room).is_none()) {
            mistakes.push(format!("ROOM: no room can have the name {}", printable(room)));
        }
        let rooms: BTreeSet<String> = self.rooms.into_iter().collect();
        let begin = match (self.since, self.last) {
            (Some(_), _) if rooms.len() > 1 => {
                mistakes.push("--since: an event is of one room: name no other".to_owned());
                Begin::Now
            }
            (Some(id), _) => Id::parse(id.as_bytes()).map(Begin::After).unwrap_or_else(|| {
                mistakes.push("--since: not an id like 1795731718830-1".to_owned());
                Begin::Now
            }),
            (None, Some(count)) => Begin::Last(count),
            (None, None) => Begin::Now,
        };
        let config = self.relay.check();
        match (config, mistakes.is_empty()) {
            (Ok(mut config), true) => {
                config.log = self.log.unwrap_or_else(|| LOG.to_owned());
                Ok((config, Settings { rooms, begin, count: self.count, form: self.form }))
            }
            (config, _) => {
                Err(mistakes.into_iter().chain(config.err().into_iter().flatten()).collect())
            }
        }
    }
}
