//! The pure core of redis-chat.
