//! The relay of redis-chat: WebSocket frames to `CHAT.*` commands, room channels to frames.
//!
//! **A message comes in.** [`server`] accepts a socket, [`http`] upgrades it and [`auth`] says whose
//! it is; from then on a [`session`] takes its frames as they are [`incoming`], each within the user's
//! [`allowance`]. [`protocol`] parses one request,
//! [`operations`] turn it into commands for the [`upstream`], and the reply goes into the
//! connection's [`outbox`].
//!
//! **An event goes out.** The upstream hears it on the room's channel. The [`hub`] finds the
//! [`room`] and keeps the event in its [`inbox`] until it has heard what came together with it. Then
//! it reads its head ([`event`]), and the room's [`delivery`] rule says whether it joins up with
//! what was delivered last. If so it is encoded once ([`frame`]) and queued, in one [`burst`] with
//! its neighbours, for every receiver ([`connection`]) among the [`receivers`]; if not, one [`sync`]
//! closes the gap first. [`fetch`] brings newcomers up to date, [`presence`] tells Redis who is
//! here, [`access`] asks it who may stay.
//!
//! The relay holds no truth: everything here can be lost at any moment without losing a message.
#![forbid(unsafe_code)]

pub mod access;
pub mod allowance;
pub mod auth;
pub mod burst;
pub mod close;
pub mod config;
pub mod connection;
pub mod defect;
pub mod delivery;
pub mod event;
pub mod failure;
pub mod fetch;
pub mod figures;
pub mod followed;
pub mod frame;
pub mod http;
pub mod hub;
pub mod inbox;
pub mod incoming;
pub mod names;
pub mod operations;
pub mod outbox;
pub mod presence;
pub mod profile;
pub mod profile_news;
pub mod protocol;
pub mod receivers;
pub mod replies;
pub mod room;
pub mod server;
pub mod session;
pub mod sync;
pub mod tail;
pub mod throttle;
pub mod upstream;
pub mod visitors;
pub mod web;
