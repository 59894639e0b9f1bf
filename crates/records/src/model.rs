//! What a result file holds, as types.

use std::fmt;

use thiserror::Error;

use crate::words;

/// Why targets can't be the columns of a result file.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TargetError {
    /// A target that no error can be compared to.
    #[error("the target {0} is not a finite number from 0 up")]
    Value(f64),
    /// A run was asked for a target that has no column, for one twice, or in another order.
    #[error("the run {key} has the target {target} where no column is left for it")]
    Column {
        /// The run.
        key: Key,
        /// The target.
        target: f64,
    },
}

words! {
    /// What a run is for: the learning rate is chosen on tuning seeds and reported on others.
    Role: "tuning" Tuning "The learning rate may be chosen by it.", "reporting" Reporting "It is reported."
}
words! {
    /// What ran it.
    Engine: "fused" Fused "Formulas compiled into loops.", "libtorch" Libtorch "Tensors with autograd."
}
words! {
    /// The type of its numbers.
    Dtype: "float32" Float32 "Single precision.", "float64" Float64 "Double precision."
}
words! {
    /// How it ended.
    Outcome: "reached" Reached "It reached its hardest target.", "budget" Budget "It spent its budget.",
        "diverged" Diverged "Its loss or parameters left the finite numbers, or its bounds.",
        "failed" Failed "It could not run on; the message says why."
}

/// The name of a run, the same in every file and on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// When a run reached one of its targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The error to be reached.
    pub target: f64,
    /// The first step at which it was, or `None` if it was not within the budget.
    pub step: Option<u64>,
    /// The gradient evaluations that had been spent by then: as many as steps, unless the optimizer
    /// needs more than one a step.
    pub evaluations: Option<u64>,
}

/// One training run: a row of `cells.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name.
    pub key: Key,
    /// What was trained.
    pub problem: String,
    /// What was minimised.
    pub loss: String,
    /// The update rule with its options, such as `adam(beta1=0.95, eps=1e-6)`.
    pub optimizer: String,
    /// How the learning rate changed over the steps.
    pub schedule: String,
    /// The learning rate.
    pub lr: f64,
    /// The seed of its start, minibatches and noise.
    pub seed: u64,
    /// What it is for.
    pub role: Role,
    /// What ran it.
    pub engine: Engine,
    /// The type of its numbers; losses and errors are written as numbers of this type.
    pub dtype: Dtype,
    /// How it ended.
    pub outcome: Outcome,
    /// Optimizer steps that it was allowed.
    pub budget: u64,
    /// Optimizer steps that it ran.
    pub steps: u64,
    /// Gradient evaluations that it needed.
    pub evaluations: u64,
    /// The loss at the start.
    pub start_loss: f64,
    /// The loss at the end.
    pub final_loss: f64,
    /// The lowest loss on the way.
    pub best_loss: f64,
    /// The error at the start.
    pub start_error: f64,
    /// The error at the end.
    pub final_error: f64,
    /// The lowest error on the way.
    pub best_error: f64,
    /// The targets it was asked for, from the largest to the smallest.
    pub hits: Vec<Hit>,
    /// Why it failed, or empty.
    pub message: String,
}

/// One point of a curve: a row of `curves.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The run.
    pub key: Key,
    /// The step, 0 at the start.
    pub step: u64,
    /// The loss before the step.
    pub loss: f64,
    /// The error before the step.
    pub error: f64,
    /// The Euclidean norm of the gradient.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub lr: f64,
}

/// One term of a loss at a point of a curve: a row of `terms.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term<'a> {
    /// The run.
    pub key: Key,
    /// The step.
    pub step: u64,
    /// The term: a loss, or the number of a TorchScript module's.
    pub name: &'a str,
    /// What it adds to the loss; in a product, to the loss's logarithm.
    pub value: f64,
    /// The Euclidean norm of its gradient.
    pub gradient_norm: f64,
    /// The cosine between its gradient and that of all other terms together.
    pub cosine: f64,
}

/// The targets of a run of the grid, from the largest to the smallest, each once: the
/// `steps_to_<target>` columns.
///
/// ```
/// use records::Targets;
///
/// let targets = Targets::new([0.01, 1.0, 0.01])?;
/// assert_eq!(targets.values(), [1.0, 0.01]);
/// # Ok::<(), records::TargetError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets(Vec<f64>);

impl Targets {
    /// Sorts the targets and drops repeated ones.
    ///
    /// # Errors
    /// A target that is negative or not finite.
    pub fn new(targets: impl IntoIterator<Item = f64>) -> Result<Self, TargetError> {
        let mut values = Vec::new();
        for target in targets {
            if !(target.is_finite() && target >= 0.0) {
                return Err(TargetError::Value(target));
            }
            values.push(target.abs());
        }
        values.sort_unstable_by(|a, b| b.total_cmp(a));
        values.dedup();
        Ok(Self(values))
    }

    /// The targets, from the largest to the smallest.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    #[test]
    fn targets_are_errors() {
        for wrong in [-1.0, f64::INFINITY, f64::NAN] {
            assert!(matches!(Targets::new([0.1, wrong]), Err(TargetError::Value(_))), "{wrong}");
        }
        assert_eq!(Targets::new([0.0, -0.0]).unwrap().values(), [0.0]);
    }

    #[test]
    fn words_are_shown() {
        assert_eq!(format!("{:>9}", Role::Tuning), "   tuning");
        assert_eq!(Outcome::EXPECTED, "one of `reached`, `budget`, `diverged`, `failed`");
        assert_eq!(Key(0xab).to_string(), "00000000000000ab");
    }
}
