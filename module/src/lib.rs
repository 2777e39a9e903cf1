//! The Redis module of redis-chat.
