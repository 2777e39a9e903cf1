//! The one timer of the module.

use std::ffi::{c_longlong, c_void};
use std::ptr;
use std::sync::OnceLock;

use redis_module::raw::RedisModuleCtx;

use super::api::api;
use super::call::Call;
use super::guard::guarded;
use super::main_thread::MainThread;
use super::time::monotonic_ms;

/// Does the work that is due; returns after how many milliseconds it wants to run again.
pub(crate) type Tick = fn(&Call<'_>) -> u64;

static TICK: OnceLock<Tick> = OnceLock::new();

/// The armed timer, and when it should fire, in milliseconds of the monotonic clock.
static ARMED: MainThread<(u64, u64)> = MainThread::new((0, 0));

/// Milliseconds after which a timer counts as overdue.
const OVERDUE: u64 = 500;
/// Milliseconds until the next run after a panic.
const AFTER_PANIC: u64 = 1_000;

/// Runs `tick` in `milliseconds`, and from then on as often as it asks for.
pub(crate) fn start_timer(call: &Call<'_>, milliseconds: u64, tick: Tick) {
    TICK.get_or_init(|| tick);
    arm(call, milliseconds);
}

fn arm(call: &Call<'_>, milliseconds: u64) {
    extern "C" fn fire(ctx: *mut RedisModuleCtx, _data: *mut c_void) {
        let Some(tick) = TICK.get() else { return };
        let call = Call::without_arguments(ctx);
        let again = guarded("a timer", || tick(&call)).unwrap_or(AFTER_PANIC);
        arm(&call, again);
    }
    let period = c_longlong::try_from(milliseconds).unwrap_or(c_longlong::MAX);
    let id = api!(RedisModule_CreateTimer(call.ctx(), period, Some(fire), ptr::null_mut()));
    ARMED.replace((id, monotonic_ms() + milliseconds));
}

/// Arms the timer again if it is overdue: Redis's timers use the wall clock, so setting that clock
/// back delays them by as much.
pub(super) fn rearm_if_overdue(call: &Call<'_>) {
    let (id, due) = ARMED.with(|armed| *armed);
    if id != 0 && monotonic_ms() > due + OVERDUE {
        api!(RedisModule_StopTimer(call.ctx(), id, ptr::null_mut()));
        arm(call, 0);
    }
}
