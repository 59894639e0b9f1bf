//! The engine, in one binary: each links libtorch, which takes longer than most tests.

mod build;
mod objectives;
