//! Saving a room needs no memory for a second room: it is written and loaded in pieces.

use std::fs;
use std::io::Write;

use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// Bytes of the room, at least.
const ROOM: u64 = 100_000_000;

/// Fills a room with messages of many users until it has [`ROOM`] bytes; returns their number.
fn fill(wire: &mut Wire) -> u64 {
    let text = "It is a truth universally acknowledged, that a text is saved once. ".repeat(15);
    for batch in 0.. {
        let sends: Vec<_> = (0..1000)
            .map(|n| args!["CHAT.SEND", "lobby", format!("user{}", n % 700), format!("{n}{text}")])
            .collect();
        wire.pipeline(&sends);
        let size = cmd!(wire, "MEMORY", "USAGE", "lobby").int() as u64;
        if size >= ROOM {
            return size;
        }
        assert!(batch < 200, "it does not grow: {size} bytes");
    }
    0
}

/// A field of a file of /proc in bytes; `None`: the process is gone.
fn proc_bytes(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The child that `pid` has forked.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// The largest growth of the server's memory, in bytes, while `work` runs.
fn peak(redis: &Redis, work: impl FnOnce()) -> u64 {
    let pid = redis.process().id();
    // Resets the kernel's high-water mark.
    let mut mark = fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/clear_refs"))
        .expect("a file of /proc");
    mark.write_all(b"5").expect("written");
    let before = proc_bytes(pid, "status", "VmRSS").expect("it runs");
    work();
    proc_bytes(pid, "status", "VmHWM").expect("it runs").saturating_sub(before)
}

#[test]
fn neither_a_snapshot_nor_a_rewrite_takes_a_second_room() {
    let settings =
        ["chat.history-max 1000000", "aof-use-rdb-preamble no", "rdb-key-save-delay 500000"];
    let redis = Redis::with(&settings);
    let mut wire = redis.wire();
    let size = fill(&mut wire);
    let server = redis.process().id();
    for command in ["BGSAVE", "BGREWRITEAOF"] {
        let before = proc_bytes(server, "status", "VmRSS").expect("it runs");
        cmd!(wire, command).ok();
        // The last reading is of a child that has written the room: it waits a little then.
        let (mut private, mut peak) = (0, 0);
        eventually("the end of the child", LATER, || {
            if let Some(child) = child_of(server) {
                let dirty = proc_bytes(child, "smaps_rollup", "Private_Dirty").unwrap_or_default();
                let mark = proc_bytes(child, "status", "VmHWM").unwrap_or_default();
                private = private.max(dirty);
                peak = peak.max(mark.saturating_sub(before));
            }
            let fields = ["rdb_bgsave_in_progress", "aof_rewrite_in_progress"];
            let running = fields.iter().any(|field| redis.info("persistence", field) == "1");
            if running { Err("it runs".into()) } else { Ok(()) }
        });
        assert!(private > 0, "{command}: the child was not seen");
        println!("{command}: {private} private, {peak} more than before, of {size}");
        assert!(private <= size / 10, "{command}: {private} bytes of its own for {size}");
        assert!(peak <= size / 10, "{command}: {peak} bytes more for {size}");
    }
}

#[test]
fn a_digest_takes_no_memory_and_a_dump_only_what_it_answers() {
    let redis = Redis::with(&["chat.history-max 1000000"]);
    let mut wire = redis.wire();
    let size = fill(&mut wire);
    let more = peak(&redis, || drop(redis.digest()));
    assert!(more <= size / 50, "DEBUG DIGEST: {more} bytes more for {size}");
    let mut length = 0;
    let more = peak(&redis, || length = cmd!(wire, "DUMP", "lobby").bytes().len() as u64);
    // The payload, once as it is built and once in the reply.
    assert!(more <= 2 * length + size / 10, "DUMP: {more} bytes more for {length} of {size}");
}

/// What identifies a room's content.
fn value(redis: &Redis, room: &str) -> String {
    cmd!(redis, "DEBUG", "DIGEST-VALUE", room).list()[0].text().to_owned()
}

#[test]
fn an_append_only_file_cut_anywhere_loads_no_half_room() {
    let settings = ["appendonly yes", "aof-use-rdb-preamble no", "appendfilename appendonly.aof"];
    let mut redis = Redis::with(&settings);
    let mut wire = redis.wire();
    let (rooms, text) = (["a", "b", "c"], "some text ".repeat(100));
    for (room, count) in rooms.iter().zip([10, 500, 1000]) {
        let send = |n| args!["CHAT.SEND", room, format!("user{}", n % 90), format!("{n}: {text}")];
        wire.pipeline(&(0..count).map(send).collect::<Vec<_>>());
    }
    cmd!(wire, "BGREWRITEAOF").ok();
    redis.wait_rewritten();
    let values = rooms.map(|room| value(&redis, room));
    redis.stop();
    let base = fs::read_dir(redis.dir().join("appendonlydir"))
        .expect("the files")
        .map(|entry| entry.expect("a file").path())
        .find(|path| path.to_string_lossy().ends_with(".base.aof"))
        .expect("the rewritten file");
    let whole = fs::read(base).expect("readable");
    let commands = whole.windows(10).filter(|window| *window == b"CHAT.APPLY").count();
    assert!(commands > 15, "{commands} commands");
    let mut seen = [0; 3];
    for part in 0..=12 {
        // An append-only file in one part, as servers before 7.0 wrote it, may be cut.
        fs::remove_dir_all(redis.dir().join("appendonlydir")).expect("removed");
        let cut = &whole[..whole.len() * part / 12];
        fs::write(redis.dir().join("appendonly.aof"), cut).expect("written");
        redis.restart();
        for (at, room) in rooms.iter().enumerate() {
            if cmd!(redis, "EXISTS", room).int() == 1 {
                assert_eq!(value(&redis, room), values[at], "{room} of {part} twelfths");
                seen[at] += 1;
            }
        }
        redis.stop();
    }
    assert!(seen.iter().all(|times| (1..=13).contains(times)), "{seen:?}");
    assert!(seen.iter().sum::<i32>() < 3 * 13, "{seen:?}");
}
