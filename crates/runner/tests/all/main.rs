//! The program, its library and its files, in one binary: each links libtorch, which takes longer than most tests.

mod agreement;
mod attack;
mod cli;
mod compare;
mod evaluations;
mod examples;
mod figures;
mod formula;
mod fuzz;
mod hold;
mod limit;
mod loaded;
mod models;
mod npy;
mod planted;
mod program_losses;
mod programs;
mod python;
#[path = "../readers/mod.rs"]
mod readers;
mod sandbox;
mod values;
