//! The machine, and what bounds a process on it.

use std::env::consts::{ARCH, OS};
use std::fs::File;
use std::io::Read;

use rustix::process::{Resource, getrlimit};

use crate::cli::doctor::page::{Page, pair};

/// Bytes of a file of the system.
const FILE_MAX: u64 = 64 << 10;

/// Adds the machine and the limits of this process.
pub(super) fn describe(page: &mut Page) {
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = read("/proc/sys/kernel/osrelease");
    let name = name.unwrap_or("unknown").trim_matches('"');
    page.line(&format!("{OS} {ARCH}, kernel {}, {name}", kernel.trim()));
    page.heading("limits of this process; those of a relay are among its own metrics");
    let files = getrlimit(Resource::Nofile);
    let number = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let mut words = vec![
        pair("open_files", &number(files.current)),
        pair("open_files_hard", &number(files.maximum)),
        pair("cpus", &cpus.to_string()),
    ];
    let memory = read("/proc/meminfo");
    for (field, name) in [("MemTotal:", "memory"), ("MemAvailable:", "memory_available")] {
        let value = memory.lines().find_map(|line| line.strip_prefix(field));
        words.extend(value.map(|value| pair(name, &value.replace(' ', ""))));
    }
    let backlog = read("/proc/sys/net/core/somaxconn");
    words.push(pair("somaxconn", backlog.trim()));
    page.words("machine", words);
    page.words("cgroup", cgroup());
}

/// The limits of the control group, version 2, and what is used.
fn cgroup() -> Vec<String> {
    let groups = read("/proc/self/cgroup");
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let files = ["memory.max", "memory.high", "memory.current", "cpu.max", "pids.max"];
    let value = |file: &&str| {
        let own = format!("/sys/fs/cgroup{path}/{file}");
        // Within a container the own group is the top.
        let found = [own, format!("/sys/fs/cgroup/{file}")].map(|path| read(&path));
        let value = found.into_iter().find(|text| !text.is_empty())?;
        Some(pair(file, value.trim()))
    };
    files.iter().filter_map(value).collect()
}

/// A file of the system; empty if it cannot be read.
fn read(path: &str) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
    if read.is_ok() { text } else { String::new() }
}
