//! See `chat_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::frames(bytes));
