//! One call of a command: its arguments, its reply, and what it sends out.

use std::ffi::{CString, c_char, c_int, c_long};
use std::marker::PhantomData;

use redis_module::raw::{RedisModuleCtx, RedisModuleString};

use super::{api, guarded};
use crate::error_reply::ErrorReply;

/// What Redis calls.
pub(crate) type EntryPoint =
    extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int;

/// Runs a handler for Redis: an error becomes the reply, a panic an error.
pub(crate) fn enter(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
    handler: fn(&Call<'_>) -> Result<(), ErrorReply>,
) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: Redis hands over `argc` strings that outlive the call.
    let argv = unsafe { std::slice::from_raw_parts(argv, count) };
    let call = Call { ctx, argv, lifetime: PhantomData };
    let run = || {
        if let Err(error) = handler(&call) {
            call.reply_error(&error);
        }
    };
    if guarded("a command", run).is_none() {
        call.reply_error(&ErrorReply::Defect);
    }
    0
}

/// The arguments of a command and everything it may do to the world outside the room.
pub(crate) struct Call<'c> {
    ctx: *mut RedisModuleCtx,
    argv: &'c [*mut RedisModuleString],
    lifetime: PhantomData<&'c ()>,
}

impl<'c> Call<'c> {
    /// A call without arguments, as timers and server events make them.
    pub(crate) fn without_arguments(ctx: *mut RedisModuleCtx) -> Self {
        Call { ctx, argv: &[], lifetime: PhantomData }
    }

    /// All words, the command's name among them.
    pub(crate) fn words(&self) -> Words<'c> {
        Words(self.argv)
    }

    /// The bytes of word `at`; the name of the command is 0.
    pub(crate) fn word(&self, at: usize) -> Option<&'c [u8]> {
        self.argv.get(at).map(|word| bytes(*word))
    }

    /// Word `at` as Redis's own string.
    pub(super) fn string(&self, at: usize) -> Option<*mut RedisModuleString> {
        self.argv.get(at).copied()
    }

    pub(super) fn ctx(&self) -> *mut RedisModuleCtx {
        self.ctx
    }

    /// The database of the caller.
    pub(crate) fn database(&self) -> i32 {
        api!(RedisModule_GetSelectedDb(self.ctx))
    }

    /// Goes to another database.
    pub(crate) fn select(&self, database: i32) {
        api!(RedisModule_SelectDb(self.ctx, database));
    }

    /// The name of the room in word `at`, ready for Redis.
    pub(crate) fn name(&self, at: usize) -> Name<'_> {
        let given = self.string(at).unwrap_or(std::ptr::null_mut());
        Name { string: given, made_in: None, lifetime: PhantomData }
    }

    /// A name that is no word of the command, ready for Redis.
    pub(crate) fn make_name(&self, bytes: &[u8]) -> Name<'_> {
        let made = self.make_string(bytes);
        Name { string: made, made_in: Some(self.ctx), lifetime: PhantomData }
    }

    /// Sends records to replicas and, unless they are of presence, to the append-only file.
    pub(crate) fn replicate(&self, room: &Name<'_>, records: &[u8], to_file: bool) {
        let format = if to_file { c"sb" } else { c"Asb" };
        api!(RedisModule_Replicate(
            self.ctx,
            c"CHAT.APPLY".as_ptr(),
            format.as_ptr(),
            room.string,
            records.as_ptr(),
            records.len()
        ));
    }

    /// Passes the command on as it came, to our own replicas and append-only file.
    pub(crate) fn replicate_verbatim(&self) {
        api!(RedisModule_ReplicateVerbatim(self.ctx));
    }

    /// Publishes on the sharded channel of the same name as the room.
    pub(crate) fn publish(&self, channel: &Name<'_>, event: &[u8]) {
        let event = self.make_string(event);
        api!(RedisModule_PublishMessageShard(self.ctx, channel.string, event));
        api!(RedisModule_FreeString(self.ctx, event));
    }

    /// Tells WATCH and client-side caches that a key has changed.
    pub(crate) fn signal_modified(&self, key: &Name<'_>) {
        api!(RedisModule_SignalModifiedKey(self.ctx, key.string));
    }

    pub(super) fn make_string(&self, bytes: &[u8]) -> *mut RedisModuleString {
        api!(RedisModule_CreateString(self.ctx, bytes.as_ptr().cast::<c_char>(), bytes.len()))
    }

    /// Replies with a bulk string.
    pub(crate) fn reply_bytes(&self, bytes: &[u8]) {
        let start = bytes.as_ptr().cast::<c_char>();
        api!(RedisModule_ReplyWithStringBuffer(self.ctx, start, bytes.len()));
    }

    /// Replies with a bulk string.
    pub(crate) fn reply_text(&self, text: &str) {
        self.reply_bytes(text.as_bytes());
    }

    /// Replies with a bulk string or nil.
    pub(crate) fn reply_option(&self, text: Option<&str>) {
        match text {
            Some(text) => self.reply_text(text),
            None => self.reply_nil(),
        }
    }

    /// Replies with an integer.
    pub(crate) fn reply_number(&self, number: impl TryInto<i64>) {
        let number = number.try_into().unwrap_or(i64::MAX);
        api!(RedisModule_ReplyWithLongLong(self.ctx, number));
    }

    /// Replies with nil.
    pub(crate) fn reply_nil(&self) {
        api!(RedisModule_ReplyWithNull(self.ctx));
    }

    /// Replies with +OK.
    pub(crate) fn reply_ok(&self) {
        api!(RedisModule_ReplyWithSimpleString(self.ctx, c"OK".as_ptr()));
    }

    /// Begins an array of so many replies.
    pub(crate) fn reply_array(&self, length: usize) {
        api!(RedisModule_ReplyWithArray(self.ctx, c_long::try_from(length).unwrap_or(0)));
    }

    /// Begins a map of so many pairs; a flat array in RESP2.
    pub(crate) fn reply_map(&self, pairs: usize) {
        api!(RedisModule_ReplyWithMap(self.ctx, c_long::try_from(pairs).unwrap_or(0)));
    }

    fn reply_error(&self, error: &ErrorReply) {
        crate::info::count_refusal(error);
        let text = CString::new(error.message().into_owned()).unwrap_or_default();
        api!(RedisModule_ReplyWithError(self.ctx, text.as_ptr()));
    }
}

/// The words of a command, as Redis holds them.
#[derive(Clone, Copy)]
pub(crate) struct Words<'c>(&'c [*mut RedisModuleString]);

impl<'c> Words<'c> {
    /// The bytes of word `at`.
    pub(crate) fn get(self, at: usize) -> Option<&'c [u8]> {
        self.0.get(at).map(|word| bytes(*word))
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }
}

/// The name of a room as a string of Redis's: a word of the command as it stands, or made for the
/// purpose and freed. (Making one costs 50 to 80 ns, and a send needs it three times.)
pub(crate) struct Name<'c> {
    string: *mut RedisModuleString,
    /// The context it was made in, if it was.
    made_in: Option<*mut RedisModuleCtx>,
    lifetime: PhantomData<&'c ()>,
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if let Some(ctx) = self.made_in {
            api!(RedisModule_FreeString(ctx, self.string));
        }
    }
}

/// The bytes of one of Redis's strings.
pub(crate) fn bytes<'s>(string: *const RedisModuleString) -> &'s [u8] {
    let mut length = 0_usize;
    let start = api!(RedisModule_StringPtrLen(string, &mut length));
    if start.is_null() {
        return &[];
    }
    // SAFETY: Redis answers the start and length of the string, which outlives its users here: an
    // argument lives as long as the call, a key's name as long as the callback it was handed to.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }
}
