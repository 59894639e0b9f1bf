//! Optimizers and schedules, in one binary: each links libtorch, which takes longer than most tests.

mod agreement;
mod clip;
mod common;
mod contract;
#[path = "../../../../scripts/golden/entries.rs"]
mod entries;
mod golden;
mod line_search;
mod program;
mod schedules;
