//! The log of the server.

use std::ffi::CString;
use std::ptr;

use redis_module::raw;

/// Writes a warning to the server's log.
pub(crate) fn log_warning(message: &str) {
    let Ok(message) = CString::new(message) else { return };
    // SAFETY: the format `%s` takes the one C string that follows.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(ptr::null_mut(), c"warning".as_ptr(), c"%s".as_ptr(), message.as_ptr());
        }
    }
}
