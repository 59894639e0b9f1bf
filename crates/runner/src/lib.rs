//! Runs grids of optimizers and losses.
//!
//! Data flow one way: a config file ([`config`]) becomes a plan of batches ([`plan`]), an engine runs
//! each batch ([`engine`]), what it came to is a part file ([`records::parts`]), and the parts in the plan's order
//! are the result files ([`run`]).

// What is printed goes through `terminal`: these would panic where a stream can't be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
pub mod cli;
mod commands;
mod cpu;
mod estimate;
mod exit;
mod list;
pub mod map;
mod owner;
pub mod run;
mod running;
pub mod shard;
mod signals;
mod source;
mod sparkline;
mod summary;
mod terminal;
pub mod threads;

pub use config::{self, plan};
pub use engine::{self, BUILD};
