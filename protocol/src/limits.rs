//! Fixed bounds of names, texts, lists and times, as docs/ states them.
//!
//! These bounds are the same on every server. Bounds that an operator sets are settings of the
//! module (`chat.*`) or options of the relay, and stand there.

/// Bytes of a room's name.
pub const ROOM_NAME_MAX: usize = 200;
/// Bytes of a user's name.
pub const USER_NAME_MAX: usize = 96;
/// Bytes of a connection's name.
pub const CONNECTION_NAME_MAX: usize = 64;
/// Bytes of a relay's name: a connection's name holds it, a random number and a counter.
pub const RELAY_NAME_MAX: usize = 32;
/// Bytes of a nonce.
pub const NONCE_MAX: usize = 64;
/// Bytes of a message's kind or a signal's name.
pub const WORD_MAX: usize = 32;
/// Bytes of a connection's status.
pub const STATUS_MAX: usize = 64;
/// Different statuses, besides `online`, that the connections of one user may have in one room.
pub const STATUSES_MAX: usize = 16;
/// Bytes of a reason.
pub const REASON_MAX: usize = 256;
/// Bytes of a room's topic.
pub const TOPIC_MAX: usize = 256;
/// Bytes of a room's description, the longest setting of a room.
pub const DESCRIPTION_MAX: usize = 4096;
/// Bytes of the JSON object `meta` or `data`.
pub const OBJECT_MAX: usize = 16 * 1024;
/// Levels of nesting in the JSON object `meta` or `data`.
pub const OBJECT_DEPTH_MAX: usize = 32;
/// Users that one message may mention.
pub const MENTIONS_MAX: usize = 50;
/// Bytes of an emoji. The longest that Unicode recommends has 35: a kiss of two people, each with
/// a tone of skin.
pub const EMOJI_MAX: usize = 64;
/// Different emoji on one message.
pub const EMOJIS_MAX: usize = 20;
/// Users that `CHAT.HISTORY` names for each reaction: the first ones.
pub const REACTORS_SHOWN: usize = 10;
/// Bytes of a user's display name.
pub const PROFILE_NAME_MAX: usize = 128;
/// Bytes of the address of a user's avatar.
pub const AVATAR_MAX: usize = 1024;
/// Bytes of the status in a user's profile.
pub const PROFILE_STATUS_MAX: usize = 128;
/// Milliseconds that a room may require between two messages of one user: a day.
pub const SLOW_MAX: u64 = 86_400_000;
/// Milliseconds of the longest ban or mute that ends by itself: ten years.
pub const SANCTION_MAX: u64 = 315_360_000_000;
/// Bytes of a glob pattern for room names.
pub const PATTERN_MAX: usize = 200;
/// The earliest `tokens_after`, in milliseconds since the Unix epoch (2001): a value below is a
/// time in seconds.
pub const TOKENS_AFTER_MIN: u64 = 1_000_000_000_000;
/// The latest `tokens_after`, in milliseconds since the Unix epoch: a value above is a time in
/// microseconds.
pub const TOKENS_AFTER_MAX: u64 = (1 << 47) - 1;
/// Connections, users or rooms that one command may name.
pub const WORDS_MAX: usize = 1000;
/// Fields that one `CHAT.ROOM … SET` may name, more than there are.
pub const FIELDS_MAX: usize = 32;
/// The largest `COUNT`.
pub const COUNT_MAX: usize = 1000;
/// Messages on a page without `COUNT`.
pub const PAGE_DEFAULT: usize = 50;
/// Members, users or followed rooms on a page without `COUNT`.
pub const LIST_DEFAULT: usize = 100;
/// Bytes of events in one reply; a page that would exceed it ends early and says `more`.
pub const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The shortest time, in milliseconds, that a connection may live without a beat.
pub const TTL_MIN: u64 = 1_000;
/// The longest time, in milliseconds, that a connection may live without a beat.
pub const TTL_MAX: u64 = 3_600_000;

/// The version that the module gives itself. A relay needs this one or a later one.
pub const MODULE_VERSION: i32 = 1;
/// Durable events of presence that a personal room keeps: logins are personal data.
pub const PRESENCE_ENTRIES_MAX: usize = 64;
