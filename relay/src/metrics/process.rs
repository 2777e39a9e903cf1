//! What Prometheus' client libraries tell of their process, by the names that dashboards know.
//!
//! Read from procfs when metrics are rendered. What cannot be read, as on other systems, is left
//! out.

use std::fmt::Write;
use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Appends the metrics of this process in Prometheus' text form.
pub(super) fn render(out: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::parse);
    let ticks = clock_ticks_per_second() as f64;
    if let Some(stat) = &stat {
        let seconds = stat.cpu_ticks as f64 / ticks;
        let text = "CPU time of the process, of user and system";
        write(out, "process_cpu_seconds_total", "counter", text, seconds);
        let bytes = stat.resident_pages as f64 * page_size() as f64;
        write(out, "process_resident_memory_bytes", "gauge", "Memory that is resident", bytes);
        let text = "Virtual memory";
        write(out, "process_virtual_memory_bytes", "gauge", text, stat.virtual_bytes as f64);
    }
    let booted = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time);
    if let (Some(stat), Some(booted)) = (&stat, booted) {
        let at = booted as f64 + stat.started_ticks as f64 / ticks;
        let text = "When the process started, since the Unix epoch";
        write(out, "process_start_time_seconds", "gauge", text, at);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them reads the folder.
        let open = open.count().saturating_sub(1) as f64;
        write(out, "process_open_fds", "gauge", "Open file descriptors", open);
    }
    let most = getrlimit(Resource::Nofile).current;
    let most = most.map_or(f64::INFINITY, |most| most as f64);
    write(out, "process_max_fds", "gauge", "Most open file descriptors", most);
}

fn write(out: &mut String, name: &str, kind: &str, text: &str, value: f64) {
    let value = if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() };
    let _ = writeln!(out, "# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n");
}

/// Fields of `/proc/self/stat` (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Stat> {
        // The name of the program, in brackets, can hold anything. Field 3 follows it.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            cpu_ticks: field(14)? + field(15)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine started, in seconds since the Unix epoch.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let numbers = (4..=30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let text = format!("17 (a) b) S {numbers}\n");
        let expected =
            Stat { cpu_ticks: 29, started_ticks: 22, virtual_bytes: 23, resident_pages: 24 };
        assert_eq!(Stat::parse(&text), Some(expected));
        assert_eq!(Stat::parse("17 (a) S 4 5"), None);
        assert_eq!(Stat::parse(""), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000));
    }
}
