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
//! Redis asks of the value), [`index`] and [`timers`] (rooms by activity and by deadline), `events`
//! (what Redis tells us), `gone` (rooms that are to be told), `config`, `info`, and [`redis`], where all the `unsafe` is.

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
mod error;
mod events;
mod gone;
mod index;
mod info;
mod redis;
mod room_type;
mod state;
mod timers;

#[cfg(not(test))]
mod module {
    //! What the macro of `redis-module` makes of us.

    use chat_room::limits::*;
    use redis_module::configuration::ConfigurationFlags;
    use redis_module::{Context, RedisString, Status, redis_module};

    use crate::config::*;
    use crate::redis::{
        Call, add_category, arm_timer, chance, handle_load_errors, log_warning, monotonic_us,
        now_us, on_info, subscribe,
    };
    use crate::room_type::CHAT_ROOM;
    use crate::{commands, redis, state, timers};

    fn start(context: &Context, arguments: &[RedisString]) -> Status {
        let call = Call::without_arguments(context.ctx);
        if let Err(complaint) = check_arguments(arguments) {
            log_warning(&complaint);
            return Status::Err;
        }
        handle_load_errors(&call);
        add_category(&call);
        let ready = commands::all().into_iter().all(|spec| redis::register(&call, spec))
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
        configurations: [
            i64: [
                ["history-max", &SETTINGS.history_max, HISTORY_MAX_DEFAULT as i64, HISTORY_MAX_MIN as i64, HISTORY_MAX_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["history-ttl", &SETTINGS.history_ttl, HISTORY_TTL_DEFAULT as i64, HISTORY_TTL_MIN as i64, HISTORY_TTL_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["journal-max", &SETTINGS.journal_max, JOURNAL_MAX_DEFAULT as i64, JOURNAL_MAX_MIN as i64, JOURNAL_MAX_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["max-text", &SETTINGS.max_text, MAX_TEXT_DEFAULT as i64, MAX_TEXT_MIN as i64, MAX_TEXT_MAX as i64, ConfigurationFlags::MEMORY, None],
                ["presence-ttl", &SETTINGS.presence_ttl, PRESENCE_TTL_DEFAULT as i64, PRESENCE_TTL_MIN as i64, PRESENCE_TTL_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["presence-grace", &SETTINGS.presence_grace, PRESENCE_GRACE_DEFAULT as i64, PRESENCE_GRACE_MIN as i64, PRESENCE_GRACE_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["presence-announce", &SETTINGS.presence_announce, PRESENCE_ANNOUNCE_DEFAULT as i64, PRESENCE_ANNOUNCE_MIN as i64, PRESENCE_ANNOUNCE_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["nonce-window", &SETTINGS.nonce_window, NONCE_WINDOW_DEFAULT as i64, NONCE_WINDOW_MIN as i64, NONCE_WINDOW_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["nonce-max", &SETTINGS.nonce_max, NONCES_DEFAULT as i64, NONCES_MIN as i64, NONCES_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["members-max", &SETTINGS.members_max, MEMBERS_MAX_DEFAULT as i64, MEMBERS_MAX_MIN as i64, MEMBERS_MAX_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["follows-max", &SETTINGS.follows_max, FOLLOWS_MAX_DEFAULT as i64, FOLLOWS_MAX_MIN as i64, FOLLOWS_MAX_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["edit-window", &SETTINGS.edit_window, EDIT_WINDOW_DEFAULT as i64, EDIT_WINDOW_MIN as i64, EDIT_WINDOW_MAX as i64, ConfigurationFlags::DEFAULT, None],
                ["receipts-max", &SETTINGS.receipts_max, RECEIPTS_MAX_DEFAULT as i64, RECEIPTS_MAX_MIN as i64, RECEIPTS_MAX_MAX as i64, ConfigurationFlags::DEFAULT, None],
            ],
            string: [
                ["rate-limit", &SETTINGS.rate_limit, "0", ConfigurationFlags::DEFAULT, None],
            ],
            bool: [],
            enum: [
                ["create", &SETTINGS.create, CreateSetting::any, ConfigurationFlags::DEFAULT, None],
            ],
            module_args_as_configuration: true,
        ]
    }
}
