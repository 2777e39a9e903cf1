//! Clients that wait for a reply, and an alarm that wakes them.
//!
//! A client that waits ends in exactly one way: the module has it answered, another client ends its
//! waiting (CLIENT UNBLOCK), or it is gone (killed, disconnected, or refused because this server's role
//! changed). The module names a waiting client by its [`BlockedClient`].
//!
//! The module counts the time itself. Redis could: but a client whose time is up after the module has
//! had it answered, and before it was, gets no answer at all (Redis 7.0).

use std::ffi::{c_int, c_longlong, c_void};
use std::ptr;
use std::sync::OnceLock;

use redis_module::raw::{self, RedisModuleBlockedClient, RedisModuleCtx, RedisModuleString};

use super::api::api;
use super::call::Call;
use super::guard::guarded;
use super::main_thread::MainThread;
use super::time::monotonic_ms;

/// A client that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockedClient(usize);

/// What the module does with clients that wait.
#[derive(Clone, Copy)]
pub(crate) struct BlockingHandlers {
    /// Replies: it was woken, or another client ended its waiting.
    pub(crate) reply: fn(&Call<'_>, BlockedClient),
    /// It is gone, and needs no reply.
    pub(crate) gone: fn(BlockedClient),
    /// The alarm rings.
    pub(crate) alarm: fn(),
}

static HANDLERS: OnceLock<BlockingHandlers> = OnceLock::new();

/// A context of no client, in which the alarm is set.
static CONTEXT: MainThread<usize> = MainThread::new(0);

/// Whether the alarm is set: its timer, and when it is due by the monotonic clock.
static ALARM: MainThread<Option<(u64, u64)>> = MainThread::new(None);

/// Milliseconds after which an alarm counts as overdue.
const OVERDUE: u64 = 500;

/// Prepares for clients that wait.
pub(crate) fn handle_blocking(call: &Call<'_>, handlers: BlockingHandlers) {
    HANDLERS.get_or_init(|| handlers);
    let context = api!(RedisModule_GetDetachedThreadSafeContext(call.ctx()));
    CONTEXT.replace(context as usize);
}

/// Whether the client of this call must not wait: it is in a transaction or a script, or does not
/// support it.
pub(crate) fn may_not_block(call: &Call<'_>) -> bool {
    let flags = api!(RedisModule_GetContextFlags(call.ctx())) as u32;
    let denied = raw::REDISMODULE_CTX_FLAGS_MULTI
        | raw::REDISMODULE_CTX_FLAGS_LUA
        | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING;
    flags & denied != 0
}

/// Has the client of this call wait. The call must not reply.
pub(crate) fn block(call: &Call<'_>) -> BlockedClient {
    // With a handler for the end of its time, which never comes, CLIENT UNBLOCK is allowed.
    let client = api!(RedisModule_BlockClient(call.ctx(), Some(answer), Some(answer), None, 0));
    api!(RedisModule_SetDisconnectCallback(client, Some(disconnected)));
    BlockedClient(client as usize)
}

/// Has a client answered, which must not have been woken before.
pub(crate) fn wake(client: BlockedClient) {
    let client = client.0 as *mut RedisModuleBlockedClient;
    api!(RedisModule_UnblockClient(client, ptr::null_mut()));
}

/// Sets the alarm, if it is not set for an earlier time.
pub(crate) fn set_alarm(milliseconds: u64) {
    let due = monotonic_ms().saturating_add(milliseconds);
    let context = CONTEXT.with(|context| *context) as *mut RedisModuleCtx;
    match ALARM.with(|alarm| *alarm) {
        Some((_, earlier)) if earlier <= due => return,
        Some((timer, _)) => {
            api!(RedisModule_StopTimer(context, timer, ptr::null_mut()));
        }
        None => {}
    }
    let period = c_longlong::try_from(milliseconds).unwrap_or(c_longlong::MAX);
    let timer = api!(RedisModule_CreateTimer(context, period, Some(ring), ptr::null_mut()));
    ALARM.replace(Some((timer, due)));
}

/// Rings the alarm if it is overdue: Redis's timers use the wall clock, so setting that clock back
/// delays them by as much.
pub(super) fn ring_if_overdue() {
    let Some((timer, due)) = ALARM.with(|alarm| *alarm) else { return };
    if monotonic_ms() > due + OVERDUE {
        let context = CONTEXT.with(|context| *context) as *mut RedisModuleCtx;
        api!(RedisModule_StopTimer(context, timer, ptr::null_mut()));
        ring(context, ptr::null_mut());
    }
}

extern "C" fn ring(_: *mut RedisModuleCtx, _: *mut c_void) {
    ALARM.replace(None);
    let Some(handlers) = HANDLERS.get() else { return };
    guarded("an alarm", || (handlers.alarm)());
}

extern "C" fn answer(
    ctx: *mut RedisModuleCtx,
    _argv: *mut *mut RedisModuleString,
    _argc: c_int,
) -> c_int {
    let Some(handlers) = HANDLERS.get() else { return 0 };
    let call = Call::without_arguments(ctx);
    let client = BlockedClient(api!(RedisModule_GetBlockedClientHandle(ctx)) as usize);
    if guarded("a client that waits", || (handlers.reply)(&call, client)).is_none() {
        call.reply_error("ERR internal error, see the server's log");
    }
    0
}

extern "C" fn disconnected(_: *mut RedisModuleCtx, client: *mut RedisModuleBlockedClient) {
    let Some(handlers) = HANDLERS.get() else { return };
    guarded("a client that is gone", || (handlers.gone)(BlockedClient(client as usize)));
}
