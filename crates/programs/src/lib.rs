//! PyTorch programs: what `torch.export` writes into a `.pt2` file, read, typed and evaluated on libtorch, in lanes.
//!
//! A program is a function: parameters, buffers and inputs in, values and new buffers out. It can do arithmetic with
//! the operators of a fixed table, and nothing else; no Python is needed to evaluate it. Code that can't be exported is
//! evaluated by a process of Python, behind the same interface ([`Code`]).

mod arg;
mod call;
mod digest;
mod draws;
mod export;
mod file;
mod gradient;
mod graph;
mod instance;
mod lanes;
mod lower;
mod operators;
mod program;
mod python;
mod run;
mod schema;
mod value;

pub use draws::{Distribution, Draws, Streams};
pub use file::{File, Files};
pub use instance::{Instance, Shared};
pub use lanes::Lanes;
pub use program::{Elementwise, Evaluated, Mode, Program, Sample, Variable};
pub use python::{
    Closure, Code, NO_PYTHON, Python, Session, Steps, Wanted, first_derivatives_only, is_source,
};

/// An operator that a program may use.
#[derive(Clone, Copy, Debug)]
pub struct OperatorInfo {
    /// Its name, such as `aten.add.Tensor`.
    pub name: &'static str,
    /// The file that it is in, such as `elementwise`.
    pub family: &'static str,
    /// Whether it may be called for each lane by itself, rather than once for all.
    pub is_looped: bool,
}

/// The operators that a program may use, by family.
#[must_use]
pub fn operators() -> Vec<OperatorInfo> {
    let info = |(family, operator): (&'static str, &'static operators::Operator)| OperatorInfo {
        name: operator.name(),
        family,
        is_looped: matches!(operator.rule, operators::Rule::Looped),
    };
    operators::all().map(info).collect()
}
