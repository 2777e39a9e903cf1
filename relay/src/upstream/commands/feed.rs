//! Which rooms have changed, and the commands for the stream or the state that `chat-relay forward`
//! writes. A relay's own user need not be allowed to run these: it asks only for `CHAT.CHANGES`, and
//! only while somebody watches patterns of rooms.

use chat_protocol::id::Id;
use redis::Cmd;

use super::{Command, Options, keyed, keyless};

/// `CHAT.CHANGES cursor COUNT n [MATCH glob] [KINDS kinds]`
pub(crate) fn changes(
    cursor: &str,
    count: u64,
    pattern: Option<&str>,
    kinds: Option<&str>,
) -> Command {
    let mut command = redis::cmd("CHAT.CHANGES");
    command.arg(cursor).option("COUNT", Some(count));
    command.option("MATCH", pattern).option("KINDS", kinds);
    keyless(command)
}

/// `TYPE key`
pub(crate) fn kind_of(key: &str) -> Command {
    on("TYPE", key)
}

/// `SET key value NX PX ms`
pub(crate) fn take(key: &str, value: &str, ms: u64) -> Command {
    let mut command = about("SET", key);
    command.arg(value).arg("NX").arg("PX").arg(ms);
    keyed(command)
}

/// `PEXPIRE key ms`
pub(crate) fn keep(key: &str, ms: u64) -> Command {
    let mut command = about("PEXPIRE", key);
    command.arg(ms);
    keyed(command)
}

/// `GET key`
pub(crate) fn get(key: &str) -> Command {
    on("GET", key)
}

/// `DEL key`
pub(crate) fn remove(key: &str) -> Command {
    on("DEL", key)
}

/// `WATCH key`
pub(crate) fn watch(key: &str) -> Command {
    on("WATCH", key)
}

/// `UNWATCH`
pub(crate) fn unwatch() -> Command {
    keyless(redis::cmd("UNWATCH"))
}

/// `MULTI`
pub(crate) fn multi() -> Command {
    keyless(redis::cmd("MULTI"))
}

/// `EXEC`
pub(crate) fn exec() -> Command {
    keyless(redis::cmd("EXEC"))
}

/// `HSET key field value …`
pub(crate) fn set_fields<'a>(
    key: &str,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> Command {
    let mut command = about("HSET", key);
    for (field, value) in fields {
        command.arg(field).arg(value);
    }
    keyed(command)
}

/// `HDEL key field …`
pub(crate) fn remove_fields<'a>(key: &str, fields: impl Iterator<Item = &'a str>) -> Command {
    let mut command = about("HDEL", key);
    for field in fields {
        command.arg(field);
    }
    keyed(command)
}

/// `HSCAN key cursor COUNT n`
pub(crate) fn scan_fields(key: &str, cursor: &str, count: u64) -> Command {
    let mut command = about("HSCAN", key);
    command.arg(cursor).arg("COUNT").arg(count);
    keyed(command)
}

/// `XADD key * field value …`
pub(crate) fn append(key: &str, fields: &[(&str, &[u8])]) -> Command {
    let mut command = about("XADD", key);
    command.arg("*");
    for (field, value) in fields {
        command.arg(field).arg(value);
    }
    keyed(command)
}

/// `XLEN key`
pub(crate) fn length(key: &str) -> Command {
    on("XLEN", key)
}

/// `XTRIM key MINID id`
pub(crate) fn trim_before(key: &str, id: &str) -> Command {
    let mut command = about("XTRIM", key);
    command.arg("MINID").arg(id);
    keyed(command)
}

/// `XTRIM key MAXLEN n`
pub(crate) fn trim_to(key: &str, length: u64) -> Command {
    let mut command = about("XTRIM", key);
    command.arg("MAXLEN").arg(length);
    keyed(command)
}

/// `XINFO GROUPS key`
pub(crate) fn groups(key: &str) -> Command {
    let mut command = redis::cmd("XINFO");
    command.arg("GROUPS").arg(key);
    keyless(command)
}

/// `XPENDING key group`
pub(crate) fn pending(key: &str, group: &[u8]) -> Command {
    let mut command = about("XPENDING", key);
    command.arg(group);
    keyed(command)
}

/// `XRANGE key (id + COUNT 100`
pub(crate) fn entries(key: &str, after: Id) -> Command {
    let mut command = about("XRANGE", key);
    command.arg(format!("({after}")).arg("+").option("COUNT", Some(100));
    keyed(command)
}

/// `XDEL key id`
pub(crate) fn remove_entry(key: &str, id: Id) -> Command {
    let mut command = about("XDEL", key);
    command.arg(id.to_string());
    keyed(command)
}

fn about(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}

fn on(name: &str, key: &str) -> Command {
    keyed(about(name, key))
}
