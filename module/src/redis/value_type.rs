//! A value type of the module: the callbacks that Redis calls, as one safe trait.
//!
//! Redis owns a value as a pointer to a box. Every callback turns the pointer into a reference,
//! catches panics and leaves the work to [`ModuleValue`].

use std::ffi::{c_int, c_ulong, c_void};
use std::ptr;

use redis_module::native_types::RedisType;
use redis_module::raw::{
    self, RedisModuleCtx, RedisModuleDefragCtx, RedisModuleDigest, RedisModuleIO,
    RedisModuleKeyOptCtx, RedisModuleString, RedisModuleType, RedisModuleTypeMethods,
};

use super::api::api;
use super::call::string_bytes;
use super::defrag::Defragmenter;
use super::guard::guarded;
use super::value_io::{AofOutput, DigestOutput, RdbInput, RdbOutput};

/// What Redis asks of the value of a key.
pub(crate) trait ModuleValue: Sized + 'static {
    /// The type as registered with Redis.
    fn value_type() -> &'static ValueType;

    /// Reads a value that a module saved with this version of the encoding, or restores one from a
    /// payload. `None`: it was refused or ended early.
    fn load(input: &mut RdbInput, encoding: i32) -> Option<Self>;

    /// Saves the value to an RDB file or a payload.
    fn save(&self, output: &mut RdbOutput);

    /// Writes the commands that make the value anew.
    fn rewrite(&self, output: &mut AofOutput);

    /// Adds what `DEBUG DIGEST` compares.
    fn digest(&self, output: &mut DigestOutput);

    /// Bytes that the value of this key takes.
    fn memory(&self, key: KeyContext) -> usize;

    /// How many allocations freeing it takes, for Redis to free the larger ones in the background.
    fn free_effort(&self) -> usize;

    /// The value has been removed from its key; it may still live until a background thread drops
    /// it.
    fn unlinked(&self, key: KeyContext);

    /// A copy for another key.
    fn copy(&self) -> Self;

    /// Moves allocations, from step `from` on. Returns the step to go on with, or `None` at the
    /// end.
    fn defragment(&mut self, from: u64, defragmenter: &mut Defragmenter) -> Option<u64>;
}

/// A type as registered with Redis.
pub(crate) struct ValueType(RedisType);

impl ValueType {
    /// A type of this nine-letter name. `encoding`: the version of the form in RDB files.
    pub(crate) const fn new<V: ModuleValue>(name: &'static str, encoding: i32) -> ValueType {
        ValueType(RedisType::new(name, encoding, methods::<V>()))
    }

    /// Redis's pointer to the type.
    pub(super) fn raw(&self) -> *mut RedisModuleType {
        *self.0.raw_type.borrow()
    }

    /// Registers the type. The macro of the crate `redis-module` calls this at load.
    pub(crate) fn create_data_type(&self, ctx: *mut RedisModuleCtx) -> Result<(), &str> {
        self.0.create_data_type(ctx)
    }
}

/// The key of a value, as the callbacks get it.
#[derive(Clone, Copy)]
pub(crate) struct KeyContext(*mut RedisModuleKeyOptCtx);

impl KeyContext {
    /// The database of the key.
    pub(crate) fn database(&self) -> i32 {
        api!(RedisModule_GetDbIdFromOptCtx(self.0))
    }

    /// The name of the key.
    pub(crate) fn name(&self) -> &[u8] {
        string_bytes(api!(RedisModule_GetKeyNameFromOptCtx(self.0)))
    }
}

const fn methods<V: ModuleValue>() -> RedisModuleTypeMethods {
    RedisModuleTypeMethods {
        version: raw::REDISMODULE_TYPE_METHOD_VERSION as u64,
        rdb_load: Some(rdb_load::<V>),
        rdb_save: Some(rdb_save::<V>),
        aof_rewrite: Some(aof_rewrite::<V>),
        free: Some(free::<V>),
        mem_usage: None,
        digest: Some(digest::<V>),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag::<V>),
        mem_usage2: Some(mem_usage::<V>),
        free_effort2: Some(free_effort::<V>),
        unlink2: Some(unlink::<V>),
        copy2: Some(copy::<V>),
        aux_save2: None,
    }
}

fn value_of<'a, V: ModuleValue>(value: *const c_void) -> &'a V {
    // SAFETY: Redis passes to the callbacks of a type only values that `Key::fill`, `rdb_load` or
    // `copy` made for that type, and keeps them for the length of the callback.
    unsafe { &*value.cast::<V>() }
}

fn into_value<V: ModuleValue>(value: Option<V>) -> *mut c_void {
    value.map_or(ptr::null_mut(), |value| Box::into_raw(Box::new(value)).cast())
}

unsafe extern "C" fn rdb_load<V: ModuleValue>(
    rdb: *mut RedisModuleIO,
    encoding: c_int,
) -> *mut c_void {
    let load = || into_value(V::load(&mut RdbInput::new(rdb), encoding));
    guarded("loading a value", load).unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn rdb_save<V: ModuleValue>(rdb: *mut RedisModuleIO, value: *mut c_void) {
    guarded("saving a value", || value_of::<V>(value).save(&mut RdbOutput::new(rdb)));
}

unsafe extern "C" fn aof_rewrite<V: ModuleValue>(
    aof: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guarded("rewriting a value", || value_of::<V>(value).rewrite(&mut AofOutput::new(aof, key)));
}

/// May run in a thread of Redis that frees in the background: dropping a value must touch nothing
/// but the value.
unsafe extern "C" fn free<V: ModuleValue>(value: *mut c_void) {
    guarded("freeing a value", || {
        // SAFETY: the value was made as a box, and Redis gives up its only pointer here.
        drop(unsafe { Box::from_raw(value.cast::<V>()) });
    });
}

unsafe extern "C" fn digest<V: ModuleValue>(digest: *mut RedisModuleDigest, value: *mut c_void) {
    guarded("the digest of a value", || {
        value_of::<V>(value).digest(&mut DigestOutput::new(digest));
        api!(RedisModule_DigestEndSequence(digest));
    });
}

unsafe extern "C" fn mem_usage<V: ModuleValue>(
    key: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
    _samples: usize,
) -> usize {
    let size = || value_of::<V>(value).memory(KeyContext(key));
    guarded("the size of a value", size).unwrap_or(0)
}

unsafe extern "C" fn free_effort<V: ModuleValue>(
    _key: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
) -> usize {
    guarded("the effort to free a value", || value_of::<V>(value).free_effort()).unwrap_or(1)
}

unsafe extern "C" fn unlink<V: ModuleValue>(key: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guarded("unlinking a value", || value_of::<V>(value).unlinked(KeyContext(key)));
}

unsafe extern "C" fn copy<V: ModuleValue>(
    _key: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
    let copy = || into_value(Some(value_of::<V>(value).copy()));
    guarded("copying a value", copy).unwrap_or(ptr::null_mut())
}

/// Returns 1 while there is more to move.
unsafe extern "C" fn defrag<V: ModuleValue>(
    ctx: *mut RedisModuleDefragCtx,
    _key: *mut RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    let mut from: c_ulong = 0;
    api!(RedisModule_DefragCursorGet(ctx, &mut from));
    let mut defragmenter = Defragmenter::new(ctx);
    // SAFETY: Redis passes the place where it keeps its pointer to the value.
    let place = unsafe { &mut *value.cast::<*mut V>() };
    if from == 0
        && let Some(moved) = defragmenter.relocate(*place)
    {
        *place = moved;
    }
    // SAFETY: as in `value_of`; nothing else runs on the main thread meanwhile.
    let value = unsafe { &mut **place };
    let next = guarded("moving a value", || value.defragment(from, &mut defragmenter)).flatten();
    if let Some(next) = next {
        api!(RedisModule_DefragCursorSet(ctx, next as c_ulong));
    }
    c_int::from(next.is_some())
}
