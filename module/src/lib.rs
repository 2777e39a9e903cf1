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
        Call, add_category, arm_timer, chance, load_settings, log_warning, monotonic_us, now_us,
        on_info, set_options, subscribe,
    };
    use crate::room_type::CHAT_ROOM;
    use crate::{commands, config, redis, state, timers};

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
        let category = add_category(&call);
        let ready = commands::all().into_iter().all(|spec| redis::register(&call, spec, category))
            && subscribe(&call)
            && on_info(&call);
        if !ready {
            return Status::Err;
        }
        let (us, monotonic, chance) = (now_us(), monotonic_us(), chance());
        state::with(|state| {
            state.clock.steady_from(us, monotonic);
            state.clock.start(us / 1000, chance);
        });
        timers::start();
        arm_timer(&call, timers::INTERVAL);
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
