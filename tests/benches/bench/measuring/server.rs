//! Measurements of a server and of the kernel.

use std::path::Path;

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;

use crate::load::pipe::{Batch, Pipe};
use crate::measuring::pairs::Pairs;

/// One half of a comparison: the commands sent, the counters of `INFO commandstats`, and the number
/// of things per batch.
pub(crate) struct Side<'a> {
    /// Batches sent in turns.
    batches: &'a [Batch],
    /// Names as in `commandstats`, lower case.
    commands: &'a [&'a str],
    /// Things done by one batch.
    things: f64,
    next: usize,
}

impl<'a> Side<'a> {
    /// `things`: how many things one batch does.
    pub(crate) fn new(batches: &'a [Batch], commands: &'a [&'a str], things: usize) -> Side<'a> {
        Side { batches, commands, things: things as f64, next: 0 }
    }
}

/// A server under measurement.
pub(crate) struct Meter {
    pipe: Pipe,
    wire: Wire,
    batches: usize,
}

impl Meter {
    /// Each half of a pair sends `batches` batches.
    pub(crate) fn new(redis: &Redis, batches: usize) -> Meter {
        Meter { pipe: Pipe::connect(redis), wire: redis.wire(), batches }
    }

    /// Microseconds of server time per thing, by `INFO commandstats`.
    pub(crate) fn server_time(&mut self, side: &mut Side<'_>) -> f64 {
        cmd!(self.wire, "CONFIG", "RESETSTAT").ok();
        for _ in 0..self.batches {
            self.pipe.run(&side.batches[side.next % side.batches.len()]);
            side.next += 1;
        }
        let info = cmd!(self.wire, "INFO", "commandstats");
        let total: f64 =
            side.commands.iter().map(|command| microseconds(info.text(), command)).sum();
        total / (side.things * self.batches as f64)
    }

    /// Both halves in turns.
    pub(crate) fn compare(
        &mut self,
        pairs: usize,
        mut ours: Side<'_>,
        mut baseline: Side<'_>,
    ) -> Pairs {
        let measured = (0..=pairs)
            .map(|_| (self.server_time(&mut ours), self.server_time(&mut baseline)))
            .skip(1);
        Pairs::of(measured.collect())
    }
}

/// The server time that a command has used; none of its calls may have failed.
fn microseconds(info: &str, command: &str) -> f64 {
    let prefix = format!("cmdstat_{command}:");
    let line = info.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
    let line = line.unwrap_or_else(|| panic!("{command} was not called: {info}"));
    let field = |name: &str| {
        let value = line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        value
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{name} in {line}"))
    };
    assert!(field("failed_calls") + field("rejected_calls") == 0.0, "{command}: {line}");
    field("usec")
}

/// Microseconds of CPU that all threads of a process have used.
pub(crate) fn process_cpu(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    // A thread may end meanwhile and its time would be lost; the few threads here do not end.
    threads.flatten().map(|thread| thread_time(&thread.path())).sum()
}

/// Microseconds of CPU that the main thread of a process has used.
pub(crate) fn main_thread_cpu(pid: u32) -> f64 {
    thread_time(Path::new(&format!("/proc/{pid}/task/{pid}")))
}

fn thread_time(thread: &Path) -> f64 {
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1000.0
}

/// Kilobytes of memory that a process has in use.
pub(crate) fn resident_kb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a measurement of the kernel")
}

/// The process of a server.
pub(crate) fn pid(redis: &Redis) -> u32 {
    redis.info("server", "process_id").parse().expect("a number")
}

/// A number of INFO.
pub(crate) fn number(redis: &Redis, section: &str, field: &str) -> f64 {
    redis.info(section, field).parse().expect("a number")
}
