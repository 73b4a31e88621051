//! The client of the h2 crate calls each layer with random requests and responses. Messages that
//! are not cancelled arrive unchanged, nothing hangs and nothing leaks.
//!
//! `JUDGE_SEEDS=1000` runs more plans, and `JUDGE_SEED=7` one of them.

mod call;
mod check;
mod client;
mod fields;
mod fixed;
mod handler;
mod limit;
mod linger;
mod plan;
mod random;
