//! Formulas of one prediction and one target: parsed or built once, compiled once, evaluated in fused loops or on libtorch.
//!
//! ```
//! let huber = formulas::compile("where(abs(d) <= 1, 0.5*d**2, abs(d) - 0.5)", &[].into()).unwrap();
//! let (mut slope, mut value) = ([[0.0; 16]], [[0.0; 16]]);
//! huber.loops::<f64>().mean(1, &[[-3.0; 16]], &[[0.0; 16]], &mut slope, &mut value);
//! assert_eq!((value[0][0], slope[0][0]), (2.5, -1.0));
//!
//! let message = formulas::compile("abz(d)", &[].into()).unwrap_err().to_string();
//! assert!(message.starts_with("unknown name `abz` at character 1: did you mean `abs`?"));
//! ```

mod adjoint;
mod error;
mod functions;
mod graph;
mod instruction;
mod lexer;
mod loops;
mod parser;
mod program;
mod slope;
mod tensor;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use numeric::Float;
use registry::range;
use tch::Tensor;

pub use error::Error;
use functions::is_known;
pub use graph::{Binary, Graph, Id, Unary};
use parser::Parsed;
pub use parser::{MOST_BYTES, MOST_DEPTH};
pub use program::Loops;
use program::Program;
use tensor::Traceable;
pub use update::{Steps, Update};

/// A formula that can be evaluated.
#[derive(Debug)]
pub struct Compiled {
    program: Arc<Program>,
    traceable: Traceable,
}

/// What becomes of the values of a formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// They are the result; a mean is taken of them where a number is needed.
    #[default]
    None,
    /// Their mean is.
    Mean,
    /// Their sum is.
    Sum,
}

/// Reads a formula and compiles it; `constants` are the numbers that it has names for.
///
/// # Errors
/// If it can't be read, or doesn't depend on the prediction: what is wrong, where, and what would be right. If a
/// constant isn't finite, or its name can't be one.
pub fn compile(text: &str, constants: &BTreeMap<String, f64>) -> Result<Arc<Compiled>, Error> {
    for (name, value) in constants {
        check_constant(name, *value).map_err(Error::new)?;
    }
    let Parsed { mut graph, root } =
        parser::parse(text, constants).map_err(|mistake| Error::new(mistake.show(text)))?;
    let traceable = Traceable::new(graph.clone(), root);
    let slope = slope::slope(&mut graph, root);
    let program = Arc::new(Program::new(&graph, [root, slope], Reduction::None));
    Ok(Arc::new(Compiled { program, traceable }))
}

fn check_constant(name: &str, value: f64) -> Result<(), String> {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain {
        let name = name.escape_debug();
        return Err(format!("`constants` has the name `{name}`: use letters, digits and _"));
    }
    if is_known(name) {
        return Err(format!("`constants` has `{name}`, which means something already: choose another name"));
    }
    range::check(name, value, &..)
}

impl Compiled {
    /// Compiles what was built of prediction and target, with the slopes that autograd gives it: where an infinite slope
    /// stands in a branch that isn't taken, it is NaN.
    ///
    /// `None` where the slope by the prediction is 0 everywhere.
    #[must_use]
    pub fn new(mut graph: Graph, value: Id, reduction: Reduction) -> Option<Self> {
        let mut traceable = Traceable::new(graph.clone(), value);
        // Else both ways come to the same, and that by branches takes fewer operations.
        let slope = if traceable.unguard() {
            adjoint::slope(&mut graph, value)
        } else {
            slope::slope(&mut graph, value)
        };
        let program = Arc::new(Program::new(&graph, [value, slope], reduction));
        (!graph.is(slope, 0.0)).then_some(Self { program, traceable })
    }

    /// Fused loops in one float type. Those of two calls share no memory that they write to.
    #[must_use]
    pub fn loops<F: Float>(&self) -> Loops<F> {
        Loops::new(self.program.clone())
    }

    /// The values on libtorch, recorded by autograd; their shape is that of both tensors broadcast together.
    ///
    /// # Panics
    /// If libtorch refuses the shapes.
    pub fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.traceable.evaluate(prediction, target)
    }
}
