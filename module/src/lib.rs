//! The Redis module of redis-chat: the value type `chat-room` and the `CHAT.*` commands.
//!
//! ```text
//! argv --parse--> command --decide(room, command, now)--> error reply | steps
//!                          steps --apply--> the room, in place
//!                            |--> CHAT.APPLY to replicas and the append-only file
//!                            |--> event bytes to the room's sharded channel
//!                            |--> the index of rooms
//! ```
//!
//! The rules are in the crate `chat-room`; this is the thin shell around them. A command opens one
//! key for reading, lets the core decide, and changes the key only if the decision has steps. What
//! is replicated is the decision, never the command.
//!
//! Layers, lowest first; a file imports only from lines above its own:
//!
//! - `redis/`: a wrapper of Redis's module interface, with all the `unsafe`; it knows nothing of
//!   rooms
//! - `clock`: time and the milliseconds of ids; `args`: the words of a command; `error_reply`: why
//!   a command fails; `loading`: rooms that arrive in pieces; `index`: all rooms by newest
//!   change and by deadline; `slot_imports`: rooms of slots that this node does not own yet; `config`: the
//!   settings
//! - `info`: counters and `INFO chat`; `presence_grace`: when no connection times out
//! - `outgoing`: replicate and publish; `stored_room`: the value of a key
//! - `dropped`: `drop` events of rooms that are gone
//! - `indexing`: keeps the index in step with the rooms; `changes/`: which rooms have changed, and
//!   who waits for that
//! - `room_type`: what Redis asks of the value; `serving/`: what all commands share
//! - `commands/`: one file per command
//! - `server_events`: what happens on events of Redis; `timers/`: work that no command asks for
//! - `lib`: starts the module

#![deny(unsafe_code, reason = "all of it is in `redis/`")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic in a handler costs the command, and one across C frames the server"
)]
#![cfg_attr(
    test,
    allow(dead_code, unused_imports, reason = "the module's entry points exist only inside Redis")
)]

mod args;
mod changes;
mod clock;
mod commands;
mod config;
mod dropped;
mod error_reply;
mod index;
mod indexing;
mod info;
mod loading;
mod outgoing;
mod presence_grace;
#[allow(unsafe_code, reason = "the C interface of Redis")]
mod redis;
mod room_type;
mod server_events;
mod serving;
mod slot_imports;
mod stored_room;
mod timers;

#[cfg(not(test))]
mod module {
    //! Loading the module.

    use redis_module::{Context, RedisString, Status, redis_module};

    use crate::redis::{
        Call, EventHandlers, add_category, handle_blocking, load_settings, log_warning,
        register_command, register_info, set_options, subscribe,
    };
    use crate::room_type::CHAT_ROOM;
    use crate::{changes, clock, commands, config, info, server_events, timers};

    /// The version of the module since which it has each of its commands.
    const SINCE: &str = "0.1.0";

    /// Starts the timer last, after everything that Redis can refuse: a server whose module failed
    /// to load must not call it any more.
    fn start(context: &Context, arguments: &[RedisString]) -> Status {
        let call = Call::without_arguments(context.ctx);
        if let Err(complaint) = config::register(context, arguments) {
            log_warning(&format!("module argument {complaint}"));
            return Status::Err;
        }
        if !load_settings(&call) {
            log_warning("a chat.* setting is wrong: the module is not loaded");
            return Status::Err;
        }
        set_options(&call);
        let category = add_category(&call, "chat");
        let handlers =
            EventHandlers { on_key: server_events::on_key, on_server: server_events::on_server };
        let ready =
            commands::all().into_iter().all(|spec| register_command(&call, spec, SINCE, category))
                && subscribe(&call, handlers)
                && register_info(&call, info::write);
        if !ready {
            return Status::Err;
        }
        handle_blocking(&call, changes::HANDLERS);
        clock::start();
        timers::start(&call);
        Status::Ok
    }

    redis_module! {
        name: "chat",
        version: chat_protocol::limits::MODULE_VERSION,
        allocator: (redis_module::alloc::RedisAlloc, redis_module::alloc::RedisAlloc),
        data_types: [CHAT_ROOM],
        init: start,
        commands: [],
    }
}
