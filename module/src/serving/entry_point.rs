//! The entry point of a command: runs its handler and replies with the error, if any.

use std::ffi::c_int;

use redis_module::raw::{RedisModuleCtx, RedisModuleString};

use crate::error_reply::ErrorReply;
use crate::info;
use crate::redis::{Call, enter};

/// The entry point that runs a handler, `fn(&Call<'_>) -> Result<(), ErrorReply>`.
macro_rules! entry {
    ($handler:ident) => {{
        extern "C" fn entry(
            ctx: *mut redis_module::raw::RedisModuleCtx,
            argv: *mut *mut redis_module::raw::RedisModuleString,
            argc: std::ffi::c_int,
        ) -> std::ffi::c_int {
            crate::serving::entry_point::serve(ctx, argv, argc, $handler)
        }
        entry
    }};
}
pub(crate) use entry;

/// Runs a handler for Redis; an error becomes the reply.
pub(crate) fn serve(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
    handler: fn(&Call<'_>) -> Result<(), ErrorReply>,
) -> c_int {
    let run = |call: &Call<'_>| {
        if let Err(error) = handler(call) {
            reply_error(call, &error);
        }
    };
    enter(ctx, argv, argc, run, |call| reply_error(call, &ErrorReply::Defect))
}

fn reply_error(call: &Call<'_>, error: &ErrorReply) {
    info::count_error(error);
    call.reply_error(&error.message());
}
