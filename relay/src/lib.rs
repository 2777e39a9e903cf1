//! The relay of redis-chat.
