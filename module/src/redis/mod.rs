//! A small wrapper of Redis's module interface, and the only place with `unsafe`.
//!
//! One to one: a call and its arguments, a key that closes itself, replies, replication,
//! publishing, a timer, events, a value type. It decides nothing and knows nothing of rooms:
//! another module could use it. The module's own functions are passed in when it is loaded. Every
//! entry from Redis goes through [`guard::guarded`], because a panic across C frames would abort
//! the server.

mod api;
mod blocking;
mod call;
mod cluster;
mod command;
mod defrag;
mod events;
mod guard;
mod info;
mod key;
mod log;
mod main_thread;
mod migration;
mod server;
mod time;
mod timer;
mod value_io;
mod value_type;

pub(crate) use blocking::{
    BlockedClient, BlockingHandlers, block, handle_blocking, may_not_block, set_alarm, wake,
};
pub(crate) use call::{Call, Name, ReplicationTarget, Words};
pub(crate) use cluster::{is_elsewhere, is_well, serves};
pub(crate) use command::{Arg, CommandSpec, Keys, add_category, enter, register_command};
pub(crate) use defrag::Defragmenter;
pub(crate) use events::{EventHandlers, ServerEvent, subscribe};
pub(crate) use info::{InfoThread, InfoWriter, register_info};
pub(crate) use key::{Key, OpenError};
pub(crate) use log::log_warning;
pub(crate) use main_thread::MainThread;
pub(crate) use migration::{SlotImport, SlotRanges};
pub(crate) use server::{Flags, end, has_no_copies, load_settings, set_options, writes_are_paused};
pub(crate) use time::{monotonic_ms, monotonic_us, now_ms, now_us, random_number};
pub(crate) use timer::start_timer;
pub(crate) use value_io::{AofOutput, DigestOutput, RdbInput, RdbOutput};
pub(crate) use value_type::{KeyContext, ModuleValue, ValueType};
