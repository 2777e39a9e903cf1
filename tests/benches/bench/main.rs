//! What everything costs: `make bench`, or `BENCH=send,fanout make bench` for some groups.
//!
//! Every measurement is compared with a baseline that does the same work by the plainest means
//! (Redis's own types, a loop of `write`), on the same machine, in the same run, in turns: ours, baseline,
//! ours, baseline, … The result is the median of the ratios of these pairs ([`measuring::pairs`]),
//! because a slow or busy machine affects both halves of a pair. Microseconds and bytes are printed
//! for orientation.
//!
//! - *Server time* is the time of many pipelined calls in `INFO commandstats`, reset before each
//!   half. It includes the propagation of a module's commands but not that of Redis's own commands:
//!   so with an append-only file and a replica the CPU of the whole server process is compared.
//! - *CPU* of a process or thread is the kernel's measurement (`schedstat`, nanoseconds).
//! - The load must be cheap, because it shares the processor: bytes are encoded in advance
//!   ([`load::pipe`]), sockets are read by one thread that counts frames ([`load::swarm`]).
//! - The baseline of fan-out and of sockets is this program itself, started once more as the barest
//!   possible server ([`load::bare`]), or as the barest chat over Redis ([`load::bare_chat`]).
//!
//! A benchmark never fails for being slow: the table prints `pass` or `MISS` beside each budget. A
//! refused command does fail, because work that was not done is not fast. No guarantee is loosened
//! for a measurement: checks, order and durability are as in production.
//!
//! `BENCH_QUICK=1` only checks that everything works, `BENCH_FULL=1` uses the largest sizes,
//! `BENCH_JSON=path` names the file for the measurements as JSON.

#![forbid(unsafe_code)]

mod groups;
mod load;
mod measuring;

use std::process::ExitCode;
use std::time::Instant;

use groups::{
    cross, direct, fanout, forward, growth, idle, memory, page, persistence, presence, send, small,
    storm, sync, versions,
};
use load::{bare, bare_chat};
use measuring::measurement::Report;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The groups, in the order of the table.
const GROUPS: &[(&str, fn(&mut Report))] = &[
    ("send", send::run),
    ("sync", sync::run),
    ("presence", presence::run),
    ("memory", memory::run),
    ("persistence", persistence::run),
    ("growth", growth::run),
    ("fanout", fanout::run),
    ("idle", idle::run),
    ("storm", storm::run),
    ("cross", cross::run),
    ("small", small::run),
    ("direct", direct::run),
    ("forward", forward::run),
    ("page", page::run),
    ("versions", versions::run),
];

/// Raises the limit of open files for this process and its children: sockets are files.
fn open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If this is refused, the large groups report that a socket cannot be opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mode, number) = (words.next(), words.next());
    match mode.as_deref() {
        Some(bare::MODE) => {
            bare::serve(number.and_then(|word| word.parse().ok()).unwrap_or(0));
            return ExitCode::SUCCESS;
        }
        Some(bare_chat::MODE) => {
            bare_chat::serve(number.and_then(|word| word.parse().ok()).unwrap_or(0));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    open_files();
    let wanted = std::env::var("BENCH").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let names: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        println!("BENCH: no group {unknown}; there are {}", names.join(","));
        return ExitCode::FAILURE;
    }
    let mut report = Report::default();
    for (name, run) in GROUPS {
        if wanted.is_empty() || wanted.contains(name) {
            let start = Instant::now();
            println!("{name}");
            report.begin(name);
            run(&mut report);
            println!("  took {:.0} s", start.elapsed().as_secs_f64());
        }
    }
    println!("\n{}", report.table());
    match report.save() {
        Ok(path) => println!("as JSON: {}", path.display()),
        Err(error) => println!("not saved as JSON: {error}"),
    }
    ExitCode::SUCCESS
}
