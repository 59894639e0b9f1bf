//! Situations that version 0.1.0 fell over: hostile folders, files that change, absurd sizes, closed streams.
//!
//! `OPTBENCH_PROGRAM=target/old/optbench cargo test --test all attack` shows what another build makes of them.

mod endings;
mod folder;
mod kills;
mod limits;
mod modules;
mod sharing;
