//! See `chat_fuzz::arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::arguments(bytes));
