//! Moves allocations to where Redis wants them.

use std::mem::{forget, replace};
use std::ptr;

use redis_module::raw::RedisModuleDefragCtx;

use super::api::api;

/// One run of the defragmenter over one value.
pub(crate) struct Defragmenter(*mut RedisModuleDefragCtx);

impl Defragmenter {
    pub(super) fn new(ctx: *mut RedisModuleDefragCtx) -> Defragmenter {
        Defragmenter(ctx)
    }

    /// The new place of an allocation: Redis has copied it there and freed the old place. `None`:
    /// it stays.
    pub(super) fn relocate<T>(&self, start: *mut T) -> Option<*mut T> {
        let moved: *mut T = api!(RedisModule_DefragAlloc(self.0, start.cast())).cast();
        (!moved.is_null()).then_some(moved)
    }

    /// Moves the allocation of a list.
    pub(crate) fn move_list<T>(&mut self, list: &mut Vec<T>) {
        let (length, capacity) = (list.len(), list.capacity());
        if capacity == 0 || size_of::<T>() == 0 {
            return;
        }
        if let Some(moved) = self.relocate(list.as_mut_ptr()) {
            // SAFETY: the entries are at `moved` now, in an allocation of the same size.
            let new = unsafe { Vec::from_raw_parts(moved, length, capacity) };
            // The old allocation is freed already, so the old list must not be dropped.
            forget(replace(list, new));
        }
    }

    /// Moves the allocation of a text.
    pub(crate) fn move_text(&mut self, text: &mut Box<str>) {
        let length = text.len();
        if length == 0 {
            return;
        }
        if let Some(moved) = self.relocate(text.as_mut_ptr()) {
            // SAFETY: as for a list. The bytes are the same, so they are UTF-8.
            let new = unsafe {
                let bytes = ptr::slice_from_raw_parts_mut(moved, length);
                Box::from_raw(bytes as *mut str)
            };
            forget(replace(text, new));
        }
    }

    /// Moves the allocation of a value.
    pub(crate) fn move_value<T>(&mut self, value: &mut Box<T>) {
        if size_of::<T>() == 0 {
            return;
        }
        if let Some(moved) = self.relocate(ptr::from_mut::<T>(value)) {
            // SAFETY: as for a list.
            forget(replace(value, unsafe { Box::from_raw(moved) }));
        }
    }

    /// Whether Redis wants the run to end, to go on with later.
    pub(crate) fn should_stop(&self) -> bool {
        api!(RedisModule_DefragShouldStop(self.0)) != 0
    }
}
