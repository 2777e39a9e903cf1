//! Who is online: counted per user, announced once, ended in time whatever fails.

mod beats;
mod clock;
mod contacts;
mod crash;
mod keys;
mod leftovers;
mod model;
mod occupancy;
mod restart;
mod scale;
mod status;
mod users;
