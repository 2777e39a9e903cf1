//! A key that may hold a value of the module's type. It is opened for reading until a value is put
//! into it, because opening for writing alone disturbs WATCH and client-side caching.

use std::ffi::c_int;
use std::ptr;

use redis_module::raw::{self, RedisModuleKey, RedisModuleString};

use super::api::api;
use super::call::Call;
use super::value_type::ModuleValue;

/// Why a key cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The key holds a value of another type.
    WrongType,
    /// The command has no such word, which its arity should have prevented.
    NoSuchWord,
}

/// An open key. Closes itself.
pub(crate) struct Key<V: ModuleValue> {
    key: *mut RedisModuleKey,
    value: *mut V,
}

impl<V: ModuleValue> Key<V> {
    /// Opens the key named by word `at` of the command.
    pub(crate) fn open(call: &Call<'_>, at: usize) -> Result<Key<V>, OpenError> {
        let name = call.string(at).ok_or(OpenError::NoSuchWord)?;
        Key::open_string(call, name, raw::REDISMODULE_READ)
    }

    /// Opens the key of this name, without counting it as used: no client asked for it.
    pub(crate) fn open_named(call: &Call<'_>, name: &[u8]) -> Result<Key<V>, OpenError> {
        let name = call.make_string(name);
        let mode = raw::REDISMODULE_READ | raw::REDISMODULE_OPEN_KEY_NOTOUCH;
        let opened = Key::open_string(call, name, mode);
        // The open key holds its own reference to its name.
        api!(RedisModule_FreeString(call.ctx(), name));
        opened
    }

    fn open_string(
        call: &Call<'_>,
        name: *mut RedisModuleString,
        mode: u32,
    ) -> Result<Key<V>, OpenError> {
        let key: *mut RedisModuleKey =
            api!(RedisModule_OpenKey(call.ctx(), name, mode as c_int)).cast();
        let mut open = Key { key, value: ptr::null_mut() };
        if key.is_null() {
            return Ok(open);
        }
        let kind = api!(RedisModule_KeyType(key)) as u32;
        if kind == raw::REDISMODULE_KEYTYPE_EMPTY as u32 {
            return Ok(open);
        }
        let of_module = kind == raw::REDISMODULE_KEYTYPE_MODULE as u32;
        if !of_module || api!(RedisModule_ModuleTypeGetType(key)) != V::value_type().raw() {
            return Err(OpenError::WrongType);
        }
        open.value = api!(RedisModule_ModuleTypeGetValue(key)).cast();
        Ok(open)
    }

    /// The value, if there is one.
    pub(crate) fn value(&self) -> Option<&V> {
        // SAFETY: the value of an open key of our type is the box that `fill` or a callback of the
        // type made; Redis does not free it while the key is open.
        unsafe { self.value.as_ref() }
    }

    /// The value, to be changed.
    pub(crate) fn value_mut(&mut self) -> Option<&mut V> {
        // SAFETY: as above; Redis runs one command at a time, and `self` is borrowed for as long.
        unsafe { self.value.as_mut() }
    }

    /// Puts a value into the key named by word `at`, which is empty.
    pub(crate) fn fill(&mut self, call: &Call<'_>, at: usize, value: V) {
        let Some(name) = call.string(at) else { return };
        self.close();
        let mode = (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int;
        self.key = api!(RedisModule_OpenKey(call.ctx(), name, mode)).cast();
        let value = Box::into_raw(Box::new(value));
        api!(RedisModule_ModuleTypeSetValue(self.key, V::value_type().raw(), value.cast()));
        self.value = value;
    }

    fn close(&mut self) {
        if !self.key.is_null() {
            api!(RedisModule_CloseKey(self.key));
            self.key = ptr::null_mut();
        }
    }
}

impl<V: ModuleValue> Drop for Key<V> {
    fn drop(&mut self) {
        self.close();
    }
}
