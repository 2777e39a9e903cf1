//! What everything costs: `make bench`, or `BENCH=send,fanout make bench` for some groups.
//!
//! No figure stands alone. Each is taken beside a baseline that does the same work by the plainest
//! means there are (Redis's own types, a loop of `write`), on the same machine, in the same run, in
//! turns: ours, baseline, ours, baseline, … The median of the ratios of these pairs is what
//! counts ([`measuring::pairs`]); a machine that is slow or busy is so for both halves of a pair. Microseconds
//! and bytes stand beside it for orientation.
//!
//! - *Server time* is what `INFO commandstats` says of many pipelined calls, reset before each
//!   half. What a command propagates is not in it for Redis's own commands, but is for those of a
//!   module: so with an append-only file and a replica the CPU of the whole server process is
//!   compared.
//! - *CPU* of a process or thread is what the kernel says (`schedstat`, nanoseconds).
//! - Whoever makes the load is cheap, as it shares the processor: bytes made before ([`load::pipe`]),
//!   sockets read by one thread that counts frames ([`load::swarm`]).
//! - The baseline of fan-out and of sockets is this program itself, started once more as the barest
//!   server there can be ([`load::bare`]).
//!
//! Nothing here fails for being slow: the table says `pass` or `MISS` beside each budget, and
//! nobody else is to draw conclusions. Refusals do fail: what was not done is not fast. No promise
//! is loosened for a figure: checks, order and durability are as in service.
//!
//! `BENCH_QUICK=1` only tries whether all of it works, `BENCH_FULL=1` uses the largest sizes,
//! `BENCH_JSON=path` says where the figures go as JSON.

#![forbid(unsafe_code)]

mod groups;
mod load;
mod measuring;

use std::process::ExitCode;
use std::time::Instant;

use groups::{cross, fanout, growth, idle, memory, persistence, presence, send, storm, sync};
use load::bare;
use measuring::figure::Report;
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
];

/// Lets this process and its children open as many files as they may: sockets are files.
fn open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the large groups say that a socket cannot be opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(bare::MODE) {
        bare::serve(words.next().and_then(|word| word.parse().ok()).unwrap_or(0));
        return ExitCode::SUCCESS;
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
