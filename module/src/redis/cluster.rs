//! What a node of a cluster knows: whether a key is its own, and whether the cluster is well.

use std::ffi::c_int;
use std::io;

use redis_module::raw;

use super::api::api;
use super::call::{Call, Name};
use super::server::Flags;

/// Whether this node of a cluster refuses to serve this key, because the key's slot belongs to
/// another node, or is moving there and the key is not here. Costs nothing without a cluster.
pub(crate) fn is_elsewhere(call: &Call<'_>, key: &Name<'_>) -> bool {
    /// `EPERM`, by which `RM_Call` says that the node would answer with a redirection.
    const NOT_PERMITTED: i32 = 1;
    if !Flags::of(call).is_cluster() {
        return false;
    }
    let reply = api!(RedisModule_Call(call.ctx(), c"EXISTS".as_ptr(), c"s".as_ptr(), key.string()));
    if reply.is_null() {
        return io::Error::last_os_error().raw_os_error() == Some(NOT_PERMITTED);
    }
    api!(RedisModule_FreeCallReply(reply));
    false
}

/// Whether this server serves the keys of a slot. Redis 8.4 keeps the keys of a slot that has moved
/// away by an atomic migration until it has removed them one by one; other servers have none, and
/// `slot` is not asked for.
pub(crate) fn serves(slot: impl FnOnce() -> u16) -> bool {
    // SAFETY: reading the pointer; it is null before Redis 8.4.
    let Some(can_access) = (unsafe { raw::RedisModule_ClusterCanAccessKeysInSlot }) else {
        return true;
    };
    // SAFETY: it takes any number.
    unsafe { can_access(c_int::from(slot())) != 0 }
}

/// Whether the cluster is well, as far as this node knows. True without a cluster.
pub(crate) fn is_well(call: &Call<'_>) -> bool {
    if !Flags::of(call).is_cluster() {
        return true;
    }
    let reply =
        api!(RedisModule_Call(call.ctx(), c"CLUSTER".as_ptr(), c"c".as_ptr(), c"INFO".as_ptr()));
    if reply.is_null() {
        return true;
    }
    let mut length = 0_usize;
    let start = api!(RedisModule_CallReplyStringPtr(reply, &mut length));
    let well = start.is_null() || {
        // SAFETY: Redis returns the start and length of a text that lives until the reply is freed;
        // null for a reply that is no text.
        let text = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
        text.starts_with(b"cluster_state:ok")
    };
    api!(RedisModule_FreeCallReply(reply));
    well
}
