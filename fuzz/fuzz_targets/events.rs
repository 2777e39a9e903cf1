//! See `chat_fuzz::events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::events(bytes));
