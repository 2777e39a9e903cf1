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
//! key for reading, lets the core decide, and only if something is to be done touches the key. What
//! is replicated is what was decided, never the command.
//!
//! To read it: [`commands`] (one file per command, and what they share), `args`, `room_type` (what
//! Redis asks of the value), [`index`] and [`timers`] (rooms by activity and by deadline), `server_events`
//! (what Redis tells us), `dropped` (rooms that are to be told), `config`, `info`, and [`redis`], where all the `unsafe` is.

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
mod commands;
mod config;
mod dropped;
mod error_reply;
mod index;
mod info;
mod redis;
mod room_type;
mod server_events;
mod state;
mod timers;

#[cfg(not(test))]
mod module {
    //! What the macro of `redis-module` makes of us.

    use redis_module::{Context, RedisString, Status, redis_module};

    use crate::redis::{
        Call, EventHandlers, add_category, load_settings, log_warning, monotonic_us, now_us,
        random_number, register_command, register_info, set_options, start_timer, subscribe,
    };
    use crate::room_type::CHAT_ROOM;
    use crate::{commands, config, info, server_events, state, timers};

    /// The version of the module since which it has each of its commands.
    const SINCE: &str = "0.1.0";

    /// Everything that can be refused comes before the timer: a server whose module has failed to
    /// load must not call it any more.
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
        let (us, monotonic, random) = (now_us(), monotonic_us(), random_number());
        state::with(|state| {
            state.clock.steady_from(us, monotonic);
            state.clock.start(us / 1000, random);
        });
        timers::start();
        start_timer(&call, timers::INTERVAL, timers::tick);
        Status::Ok
    }

    redis_module! {
        name: "chat",
        version: 1,
        allocator: (redis_module::alloc::RedisAlloc, redis_module::alloc::RedisAlloc),
        data_types: [CHAT_ROOM],
        init: start,
        commands: [],
    }
}
