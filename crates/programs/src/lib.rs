//! PyTorch programs: what `torch.export` writes into a `.pt2` file, read, typed and evaluated on libtorch, in lanes.
//!
//! A program is a function: parameters, buffers and inputs in, values and new buffers out. It can do arithmetic with
//! the operators of a fixed table, and nothing else; no Python is needed to evaluate it.

mod arg;
mod call;
mod draws;
mod file;
mod graph;
mod instance;
mod lanes;
mod lower;
mod operators;
mod program;
mod run;
mod schema;
mod value;

pub use draws::{Distribution, Draws, Streams};
pub use file::{File, Files};
pub use instance::{Instance, Shared};
pub use lanes::Lanes;
pub use program::{Evaluated, Mode, Program, Sample, Variable};

/// The names of the operators that a program may use, sorted.
#[must_use]
pub fn operator_names() -> Vec<&'static str> {
    operators::names()
}
