//! Where a value is read from and written to: RDB files and payloads, rewritten append-only files,
//! digests.

use std::ffi::CStr;

use redis_module::raw::{RedisModuleDigest, RedisModuleIO, RedisModuleString};

use super::api::api;
use super::call::string_bytes;

/// An RDB file or a payload that is being read.
pub(crate) struct RdbInput(*mut RedisModuleIO);

impl RdbInput {
    pub(super) fn new(rdb: *mut RedisModuleIO) -> RdbInput {
        RdbInput(rdb)
    }

    /// Passes the next piece to `read`. `None`: the input ends early.
    pub(crate) fn piece<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut length = 0_usize;
        let start = api!(RedisModule_LoadStringBuffer(self.0, &mut length));
        if start.is_null() {
            return None;
        }
        // SAFETY: Redis returns a buffer of that length, which the module has to free.
        let piece = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
        let result = read(piece);
        api!(RedisModule_Free(start.cast()));
        Some(result)
    }

    /// Database and name of the key that will hold the value, as far as Redis knows them.
    pub(crate) fn key(&self) -> Option<(i32, &[u8])> {
        let name: *const RedisModuleString = api!(RedisModule_GetKeyNameFromIO(self.0));
        let database = api!(RedisModule_GetDbIdFromIO(self.0));
        (!name.is_null() && database >= 0).then(|| (database, string_bytes(name)))
    }
}

/// An RDB file or a payload that is being written.
pub(crate) struct RdbOutput(*mut RedisModuleIO);

impl RdbOutput {
    pub(super) fn new(rdb: *mut RedisModuleIO) -> RdbOutput {
        RdbOutput(rdb)
    }

    /// Writes one piece, which is read back as one.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        api!(RedisModule_SaveStringBuffer(self.0, piece.as_ptr().cast(), piece.len()));
    }
}

/// An append-only file that is being rewritten, at one key.
pub(crate) struct AofOutput {
    aof: *mut RedisModuleIO,
    key: *mut RedisModuleString,
}

impl AofOutput {
    pub(super) fn new(aof: *mut RedisModuleIO, key: *mut RedisModuleString) -> AofOutput {
        AofOutput { aof, key }
    }

    /// Writes `command key argument`.
    pub(crate) fn command(&mut self, command: &CStr, argument: &[u8]) {
        api!(RedisModule_EmitAOF(
            self.aof,
            command.as_ptr(),
            c"sb".as_ptr(),
            self.key,
            argument.as_ptr(),
            argument.len()
        ));
    }
}

/// The digest of one value.
pub(crate) struct DigestOutput(*mut RedisModuleDigest);

impl DigestOutput {
    pub(super) fn new(digest: *mut RedisModuleDigest) -> DigestOutput {
        DigestOutput(digest)
    }

    /// Adds bytes; their order counts.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        let start = piece.as_ptr().cast_mut().cast();
        api!(RedisModule_DigestAddStringBuffer(self.0, start, piece.len()));
    }
}
