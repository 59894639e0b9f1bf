//! What a result file holds, as types.

use std::fmt;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};
use thiserror::Error;

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

/// What a run is for: the learning rate is chosen on tuning seeds and reported on others.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// The learning rate may be chosen by it.
    Tuning,
    /// It is reported.
    Reporting,
}

/// What ran it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Engine {
    /// Formulas compiled into loops.
    Fused,
    /// Tensors with autograd.
    Libtorch,
}

/// The type of its numbers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Dtype {
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
}

/// How it ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It reached its hardest target.
    Reached,
    /// It spent its budget.
    Budget,
    /// Its loss or parameters left the finite numbers, or its bounds.
    Diverged,
    /// It could not run on; the message says why.
    Failed,
}

/// How numbers are spaced along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisScale {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly in the logarithm.
    Log,
    /// Evenly in the logarithm of the distance from 1, for momentum and its like.
    Complement,
}

/// The name of a run, the same in every file and on every machine: `k` and 16 hexadecimal digits, which no program
/// takes for a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "k{:016x}", self.0)
    }
}

/// When a run reached one of its targets.
#[derive(Clone, Copy, Debug, PartialEq, DocumentedFields)]
pub struct Hit {
    /// The error to be reached.
    pub target: f64,
    /// The first step at which the error was at this target; `inf`: not within the budget; empty: the run wasn't asked for
    /// this target.
    pub step: Option<u64>,
    /// The gradient evaluations that had been spent by then: as many as steps, unless the optimizer
    /// needs more than one a step; `inf` and empty as above.
    pub evaluations: Option<u64>,
}

/// One training run: a row of `cells.csv`, whose columns are these fields in this order.
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct Cell {
    /// The name of the run: `k` and 16 hexadecimal digits, the same in every file, build and machine.
    pub key: Key,
    /// What was trained, with the options that differ from their defaults.
    pub problem: String,
    /// What was minimized; `-` for a landscape, which has no loss of its own.
    pub loss: String,
    /// The update rule with its options, such as `adam(beta1=0.95, eps=1e-6)`.
    pub optimizer: String,
    /// How the learning rate changed over the steps.
    pub schedule: String,
    /// The learning rate, before the schedule.
    pub lr: f64,
    /// The seed of its start, minibatches and noise.
    pub seed: u64,
    /// What it is for: `tuning` (the learning rate may be chosen by it) or `reporting`.
    pub role: Role,
    /// What ran it: `fused` (formulas compiled into loops) or `libtorch` (tensors with autograd).
    pub engine: Engine,
    /// The type of its numbers, `float32` or `float64`; losses and errors are written as numbers of this type.
    pub dtype: Dtype,
    /// How it ended: `reached` (its hardest target), `budget` (spent), `diverged` (loss or parameters left the finite
    /// numbers, or its bounds) or `failed`.
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
    /// The error at the start; the error doesn't depend on the loss, and is 0 at the true solution.
    pub start_error: f64,
    /// The error at the end.
    pub final_error: f64,
    /// The lowest error on the way.
    pub best_error: f64,
    /// The targets it was asked for, from the largest to the smallest: two columns each, see [`Hit`].
    pub hits: Vec<Hit>,
    /// Why it failed; else empty.
    pub message: String,
}

/// One point of a curve: a row of `curves.csv`, whose columns are these fields in this order.
#[derive(Clone, Copy, Debug, PartialEq, DocumentedFields)]
pub struct Point {
    /// The run, as in `cells.csv`.
    pub key: Key,
    /// The step, 0 at the start.
    pub step: u64,
    /// The value of the loss before the step.
    pub loss_value: f64,
    /// The error before the step.
    pub error: f64,
    /// The Euclidean norm of the gradient of the loss.
    pub gradient_norm: f64,
    /// The learning rate of the step, as the schedule makes it.
    pub step_lr: f64,
}

/// One term of a loss at a point of a curve: a row of `terms.csv`, whose columns are these fields in this order.
#[derive(Clone, Copy, Debug, PartialEq, DocumentedFields)]
pub struct Term<'a> {
    /// The run, as in `cells.csv`.
    pub key: Key,
    /// The step, as in `curves.csv`.
    pub step: u64,
    /// The term: a loss, or the number of a program's.
    pub term: &'a str,
    /// What it adds to the loss; in a product, to the loss's logarithm.
    pub term_value: f64,
    /// The Euclidean norm of its gradient.
    pub term_gradient_norm: f64,
    /// The cosine between its gradient and that of all other terms together.
    pub term_cosine: f64,
}

/// Where and how long a run ran: a row of `timings.csv`, whose columns are these fields in this order. It is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct RunTiming<'a> {
    /// The run, as in `cells.csv`.
    pub key: Key,
    /// The file in `parts/` that holds the run and those that ran side by side with it.
    pub part: &'a str,
    /// How many runs that part has.
    pub part_cells: u64,
    /// The time that one worker took for the part, in microseconds.
    pub part_wall_us: u64,
    /// The name of the machine.
    pub host: &'a str,
    /// On libtorch's engine the kind of CPU, on which its bits depend; else empty.
    pub cpu: &'a str,
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
        assert_eq!(Outcome::VARIANTS, ["reached", "budget", "diverged", "failed"]);
        assert_eq!(Key(0xab).to_string(), "k00000000000000ab");
    }
}
