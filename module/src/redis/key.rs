//! A key that may hold a room. It is opened for reading until something is to be changed, because
//! opening for writing alone disturbs WATCH and client-side caching.

use redis_module::raw::{self, RedisModuleKey, RedisModuleString};

use super::{Call, api};
use crate::error_reply::ErrorReply;
use crate::room_type::{CHAT_ROOM, StoredRoom};

/// An open key. Closes itself.
pub(crate) struct RoomKey {
    key: *mut RedisModuleKey,
    room: *mut StoredRoom,
}

impl RoomKey {
    /// Opens the key named by word `at`. Errors: `WRONGTYPE`.
    pub(crate) fn open(call: &Call<'_>, at: usize) -> Result<RoomKey, ErrorReply> {
        let Some(name) = call.string(at) else { return Err(ErrorReply::Defect) };
        RoomKey::open_string(call, name, raw::REDISMODULE_READ)
    }

    /// Opens a key by name, without counting it as used: nobody asked for this room. Errors:
    /// `WRONGTYPE`.
    pub(crate) fn open_named(call: &Call<'_>, name: &[u8]) -> Result<RoomKey, ErrorReply> {
        let name = call.make_string(name);
        let mode = raw::REDISMODULE_READ | raw::REDISMODULE_OPEN_KEY_NOTOUCH;
        let opened = RoomKey::open_string(call, name, mode);
        // The open key holds a reference of its own to its name.
        api!(RedisModule_FreeString(call.ctx(), name));
        opened
    }

    fn open_string(
        call: &Call<'_>,
        name: *mut RedisModuleString,
        mode: u32,
    ) -> Result<RoomKey, ErrorReply> {
        let mode = mode as std::ffi::c_int;
        let key: *mut RedisModuleKey = api!(RedisModule_OpenKey(call.ctx(), name, mode)).cast();
        let mut open = RoomKey { key, room: std::ptr::null_mut() };
        if key.is_null() {
            return Ok(open);
        }
        let kind = api!(RedisModule_KeyType(key)) as u32;
        if kind == raw::REDISMODULE_KEYTYPE_EMPTY as u32 {
            return Ok(open);
        }
        let of_module = kind == raw::REDISMODULE_KEYTYPE_MODULE as u32;
        if !of_module || api!(RedisModule_ModuleTypeGetType(key)) != CHAT_ROOM.raw() {
            return Err(ErrorReply::WrongType);
        }
        open.room = api!(RedisModule_ModuleTypeGetValue(key)).cast();
        Ok(open)
    }

    /// The room, if there is one.
    pub(crate) fn stored(&self) -> Option<&StoredRoom> {
        // SAFETY: the value of an open key of our type is the box that `fill` or the loader put
        // there; nobody frees it while the key is open.
        unsafe { self.room.as_ref() }
    }

    /// The room, to be changed.
    pub(crate) fn stored_mut(&mut self) -> Option<&mut StoredRoom> {
        // SAFETY: as above; Redis runs one command at a time, and `self` is borrowed for as long.
        unsafe { self.room.as_mut() }
    }

    /// Puts a new room into the key named by word `at`, which is empty.
    pub(crate) fn fill(&mut self, call: &Call<'_>, at: usize, room: StoredRoom) {
        let Some(name) = call.string(at) else { return };
        self.close();
        let mode = (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as std::ffi::c_int;
        self.key = api!(RedisModule_OpenKey(call.ctx(), name, mode)).cast();
        let room = Box::into_raw(Box::new(room));
        api!(RedisModule_ModuleTypeSetValue(self.key, CHAT_ROOM.raw(), room.cast()));
        self.room = room;
    }

    fn close(&mut self) {
        if !self.key.is_null() {
            api!(RedisModule_CloseKey(self.key));
            self.key = std::ptr::null_mut();
        }
    }
}

impl Drop for RoomKey {
    fn drop(&mut self) {
        self.close();
    }
}
