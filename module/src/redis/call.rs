//! One call of a command: its arguments, its replies, what it replicates and publishes.

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::marker::PhantomData;

use redis_module::raw::{RedisModuleCtx, RedisModuleString};

use super::api::api;

/// The arguments of a command, and everything that it may do besides changing its key.
pub(crate) struct Call<'c> {
    ctx: *mut RedisModuleCtx,
    argv: &'c [*mut RedisModuleString],
    lifetime: PhantomData<&'c ()>,
}

impl<'c> Call<'c> {
    /// The call that Redis makes with these arguments.
    ///
    /// # Safety
    ///
    /// `argv` holds `argc` strings that outlive the call.
    pub(super) unsafe fn with_arguments(
        ctx: *mut RedisModuleCtx,
        argv: *mut *mut RedisModuleString,
        argc: c_int,
    ) -> Self {
        let count = usize::try_from(argc).unwrap_or(0);
        // SAFETY: as this function demands.
        let argv = unsafe { std::slice::from_raw_parts(argv, count) };
        Call { ctx, argv, lifetime: PhantomData }
    }

    /// A call without arguments, as timers and events make them.
    pub(crate) fn without_arguments(ctx: *mut RedisModuleCtx) -> Self {
        Call { ctx, argv: &[], lifetime: PhantomData }
    }

    /// All words, the name of the command included.
    pub(crate) fn words(&self) -> Words<'c> {
        Words(self.argv)
    }

    /// The bytes of word `at`; the name of the command is 0.
    pub(crate) fn word(&self, at: usize) -> Option<&'c [u8]> {
        self.argv.get(at).map(|word| string_bytes(*word))
    }

    /// Word `at` as a string of Redis.
    pub(super) fn string(&self, at: usize) -> Option<*mut RedisModuleString> {
        self.argv.get(at).copied()
    }

    pub(super) fn ctx(&self) -> *mut RedisModuleCtx {
        self.ctx
    }

    /// The selected database.
    pub(crate) fn database(&self) -> i32 {
        api!(RedisModule_GetSelectedDb(self.ctx))
    }

    /// Selects another database.
    pub(crate) fn select(&self, database: i32) {
        api!(RedisModule_SelectDb(self.ctx, database));
    }

    /// The name of a key in word `at`, ready for Redis.
    pub(crate) fn name(&self, at: usize) -> Name<'_> {
        let given = self.string(at).unwrap_or(std::ptr::null_mut());
        Name { string: given, made_in: None, lifetime: PhantomData }
    }

    /// A name that is not a word of the command, ready for Redis.
    pub(crate) fn make_name(&self, bytes: &[u8]) -> Name<'_> {
        let made = self.make_string(bytes);
        Name { string: made, made_in: Some(self.ctx), lifetime: PhantomData }
    }

    /// Sends `command key argument` to replicas and, if `target` says so, to the append-only file.
    pub(crate) fn replicate(
        &self,
        target: ReplicationTarget,
        command: &CStr,
        key: &Name<'_>,
        argument: &[u8],
    ) {
        let format = match target {
            ReplicationTarget::ReplicasAndFile => c"sb",
            ReplicationTarget::ReplicasOnly => c"Asb",
        };
        api!(RedisModule_Replicate(
            self.ctx,
            command.as_ptr(),
            format.as_ptr(),
            key.string,
            argument.as_ptr(),
            argument.len()
        ));
    }

    /// Sends the command as it came to replicas and to the append-only file.
    pub(crate) fn replicate_verbatim(&self) {
        api!(RedisModule_ReplicateVerbatim(self.ctx));
    }

    /// Publishes a message on a sharded channel.
    pub(crate) fn publish(&self, channel: &Name<'_>, message: &[u8]) {
        let message = self.make_string(message);
        api!(RedisModule_PublishMessageShard(self.ctx, channel.string, message));
        api!(RedisModule_FreeString(self.ctx, message));
    }

    /// Invalidates a key for WATCH and for client-side caches.
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

    /// Begins an array of `length` replies.
    pub(crate) fn reply_array(&self, length: usize) {
        api!(RedisModule_ReplyWithArray(self.ctx, c_long::try_from(length).unwrap_or(0)));
    }

    /// Begins a map of `pairs` pairs; a flat array in RESP2.
    pub(crate) fn reply_map(&self, pairs: usize) {
        api!(RedisModule_ReplyWithMap(self.ctx, c_long::try_from(pairs).unwrap_or(0)));
    }

    /// Replies with an error; its first word is the code.
    pub(crate) fn reply_error(&self, text: &str) {
        let text = CString::new(text).unwrap_or_default();
        api!(RedisModule_ReplyWithError(self.ctx, text.as_ptr()));
    }
}

/// The words of a command.
#[derive(Clone, Copy)]
pub(crate) struct Words<'c>(&'c [*mut RedisModuleString]);

impl<'c> Words<'c> {
    /// The bytes of word `at`.
    pub(crate) fn get(self, at: usize) -> Option<&'c [u8]> {
        self.0.get(at).map(|word| string_bytes(*word))
    }

    /// The number of words.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }
}

/// Who receives what is replicated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicationTarget {
    ReplicasAndFile,
    ReplicasOnly,
}

/// The name of a key or a channel as a string of Redis: a word of the command, or a string made for
/// the purpose and freed. (Making one costs 50 to 80 ns, and a send needs the name three times.)
pub(crate) struct Name<'c> {
    string: *mut RedisModuleString,
    /// The context it was made in, if it was made.
    made_in: Option<*mut RedisModuleCtx>,
    lifetime: PhantomData<&'c ()>,
}

impl Name<'_> {
    pub(super) fn string(&self) -> *mut RedisModuleString {
        self.string
    }
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if let Some(ctx) = self.made_in {
            api!(RedisModule_FreeString(ctx, self.string));
        }
    }
}

/// The bytes of a string of Redis.
pub(super) fn string_bytes<'s>(string: *const RedisModuleString) -> &'s [u8] {
    let mut length = 0_usize;
    let start = api!(RedisModule_StringPtrLen(string, &mut length));
    if start.is_null() {
        return &[];
    }
    // SAFETY: Redis returns the start and length of the string, which outlives its users here: an
    // argument lives as long as the call, the name of a key as long as the callback that gets it.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }
}
