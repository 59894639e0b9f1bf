//! Code of the user's that is named by its source file: exported, or evaluated in Python where that can't be.

mod evaluate;
#[cfg(unix)]
mod frame;
#[cfg_attr(not(unix), path = "link_elsewhere.rs")]
pub(crate) mod link;
pub(crate) mod sources;

pub(crate) use evaluate::{Call, not_here};
pub use evaluate::{Closure, Session, Steps, first_derivatives_only};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A variable of the environment that says, with 1, that no Python is started.
pub const NO_PYTHON: &str = "OPTBENCH_NO_PYTHON";

/// Whether Python may be started for what a config names, and who is told of it. By default it may not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Python(Option<fn(&str)>);

impl Python {
    /// It may be started: the user has named the config, and wants it run. What it is started for is told. It may not where
    /// the environment has [`NO_PYTHON`].
    #[must_use]
    pub fn may_start(told: fn(&str)) -> Self {
        let forbidden = std::env::var_os(NO_PYTHON).is_some_and(|value| !value.is_empty() && value != "0");
        Self((!forbidden).then_some(told))
    }

    pub(crate) fn told(self) -> Option<fn(&str)> {
        self.0
    }
}

/// What a source file is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `loss`, `model`, `objective` or `optimizer`.
    pub role: &'static str,
    /// Types of inputs, as the exporter takes them: `prediction=float[n,10]`.
    pub inputs: &'a [String],
    /// The name of the file of data, or nothing.
    pub data: &'a str,
}

impl Wanted<'_> {
    /// Something of a role, of which no more is known.
    #[must_use]
    pub fn of_role(role: &'static str) -> Self {
        Self { role, inputs: &[], data: "" }
    }
}

/// Whether a name is that of code, `my_code.py:Name` or `notebook:Name`, and not of a file.
#[must_use]
pub fn is_source(name: &str) -> bool {
    name.contains(".py:") || name.starts_with("notebook:")
}

/// What is known of code that is evaluated in Python, as the worker describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub role: String,
    pub inputs: Vec<String>,
    pub kinds: Vec<String>,
    pub arguments: Option<Vec<String>>,
    pub outputs: Vec<String>,
    pub rank: usize,
    pub vmap: bool,
    pub parameters: Vec<Variable>,
    pub buffers: Vec<Variable>,
    pub optimizer_options: BTreeMap<String, f64>,
}

/// A parameter or a buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variable {
    pub name: String,
    pub shape: Vec<i64>,
    pub trained: bool,
}

/// Code that is evaluated in Python.
#[derive(Debug)]
pub struct Code {
    /// As the protocol names it.
    pub(crate) request: Value,
    pub(crate) about: About,
    /// Whether this command may start Python.
    pub(crate) python: Python,
    pub(crate) place: link::Place,
}
