//! Floods: traffic that costs a server more than its peer. Memory and work must stay bounded.
//!
//! Each flood has an honest twin: traffic of the same shape that must not end the connection.
//! The rules are in [`rules`], with the list of the rules that a layer breaks.

mod after_the_end;
mod client;
mod continuation;
mod control;
mod data_frames;
mod frames;
mod header_bombs;
mod identifiers;
mod ignored_frames;
mod outcome;
mod provoked_resets;
mod rapid_reset;
mod rules;
mod run;
mod seen;
mod slow;
mod unread;
mod windows;
mod work;
