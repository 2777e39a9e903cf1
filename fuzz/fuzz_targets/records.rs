//! See `chat_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::records(bytes));
