//! See `chat_fuzz::stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::stored(bytes));
