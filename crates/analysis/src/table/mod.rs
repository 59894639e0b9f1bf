//! The convergence table: one row for each problem, loss, optimizer and schedule.
//!
//! The learning rate of a row is chosen on its tuning seeds, and the row reports the reporting seeds
//! at that rate:
//!
//! ```text
//! headline target T = the smallest target of the row's runs
//! t_i = the step at which run i reached T; ∞ if it didn't, diverged or failed
//! B_i = the budget of run i, also where it diverged or failed before
//! e_i = its error at the end; ∞ if it diverged, failed or ended on no finite number
//! ERT = Σ_i min(t_i, B_i) / #{i : t_i < ∞}          ∞ without a success
//! lr  = argmin over the grid of (ERT, median e, lr), compared in this order
//! ```
//!
//! So a rate with a finite ERT is chosen wherever there is one, the one that ends nearest to the
//! solution where there is none, and the smallest where every run diverged. A run that was not asked
//! for the headline target counts as not reaching it. Quantiles are those of
//! [`quantile`](crate::statistics::quantile). The sums are of whole numbers and the values are
//! sorted, so the order of the runs changes no value.
//!
//! `table.csv` has a column for each field of [`Row`], by the same name and in the same order; a
//! target that isn't known is empty, and `inf` stands for what was never reached.

mod build;
mod choose;
mod columns;
mod file;
mod mixed;
mod render;
mod trouble;

pub use build::{Builder, Names, Tuned};
pub(crate) use choose::choose;
pub use choose::{Rate, basin};
pub(crate) use columns::printable;
pub(crate) use file::{Line, write_row};
pub use mixed::Mixed;
pub(crate) use mixed::workload;
pub use render::RenderOptions;
pub use trouble::Trouble;

use std::cmp::Ordering;

use documented::DocumentedFields;
use records::Role;
use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

/// Where the chosen learning rate lies in its grid of at least two rates.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Edge {
    /// Between others, or alone.
    #[serde(rename = "")]
    #[strum(serialize = "")]
    Inside,
    /// It is the smallest.
    Low,
    /// It is the largest.
    High,
}

/// A row of the convergence table.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct Row {
    /// What was trained, as in `cells.csv`.
    pub problem: String,
    /// What was minimized, as in `cells.csv`.
    pub loss: String,
    /// The update rule, as in `cells.csv`.
    pub optimizer: String,
    /// How the learning rate changed over the steps, as in `cells.csv`.
    pub schedule: String,
    /// The hardest target of these runs: the error to be reached; empty where it isn't known.
    pub target: Option<f64>,
    /// The steps that a run was allowed; the most, where they differ.
    pub budget: u64,
    /// The chosen learning rate: of the runs in `cells.csv` those with this rate are reported.
    pub lr: f64,
    /// Whether the rate is the first (`low`) or last (`high`) of its grid, so that a better one may lie beyond; else empty.
    pub edge: Edge,
    /// How many learning rates this one was chosen from.
    pub rates: u64,
    /// The seeds that the rate was chosen on: `tuning`, or `reporting` where there are no others.
    pub tuned_on: Role,
    /// The gradient evaluations of all tuning runs.
    pub tuning_evaluations: u64,
    /// How many reporting runs there are at the chosen rate, which the following columns are about.
    pub seeds: u64,
    /// The share that reached the target without diverging; NaN without runs.
    pub success_rate: f64,
    /// Lower quartile of the steps to the target.
    pub steps_q25: f64,
    /// Median of the steps to the target; NaN without runs, as its quartiles.
    pub steps_median: f64,
    /// Upper quartile of the steps to the target.
    pub steps_q75: f64,
    /// Median of the gradient evaluations to the target: the steps, unless the optimizer needs more than
    /// one a step; NaN without runs.
    pub evaluations_median: f64,
    /// The expected running time: steps spent for each success, where a run without one costs its budget.
    pub ert: f64,
    /// Median of the error at the end; NaN without runs.
    pub final_error_median: f64,
    /// The share that diverged; NaN without runs.
    pub diverged_rate: f64,
    /// How many failed.
    pub failed: u64,
    /// The width of the basin of good rates in decades: log10 of the largest over the smallest in the
    /// unbroken run of grid rates around the one with the lowest median error whose median error is
    /// at most twice as large. 0 for one rate, or if every rate diverged. By the seeds that the rate
    /// was chosen on.
    pub basin_decades: f64,
    /// What kept most of the reporting runs from the target: `stalls`, `oscillates`, `drifts`, `diverges` or `not finite at
    /// start`; empty where they reached it.
    pub trouble: Trouble,
    /// It has the lowest ERT of its problem, then the lowest final error; equal rows share the mark,
    /// and no row has it where none reached the target or ended on a finite error.
    pub best: bool,
}

impl Row {
    /// How it compares to a row with this ERT and final error: lower is better.
    #[must_use]
    pub fn order(&self, ert: f64, final_error: f64) -> Ordering {
        self.ert.total_cmp(&ert).then(self.final_error_median.total_cmp(&final_error))
    }
}

/// The convergence table, its rows in the order in which the runs named them.
///
/// ```
/// # use records::{Cell, Dtype, Engine, Hit, Key, Outcome, Role};
/// # let cell = Cell {
/// #     key: Key(1), problem: "fit".into(), loss: "mse".into(), optimizer: "sgd".into(),
/// #     schedule: "constant".into(), lr: 0.1, seed: 1, role: Role::Tuning, engine: Engine::Fused,
/// #     dtype: Dtype::Float64, outcome: Outcome::Reached, budget: 100, steps: 36, evaluations: 36,
/// #     start_loss: 1.0, final_loss: 0.0, best_loss: 0.0, start_error: 1.0, final_error: 0.01,
/// #     best_error: 0.01, hits: vec![Hit { target: 0.01, step: Some(36), evaluations: Some(36) }], message: String::new(),
/// # };
/// use analysis::table::Builder;
///
/// let mut builder = Builder::new();
/// builder.add(&cell); // a tuning run that reached its target at step 36
/// builder.add(&Cell { role: Role::Reporting, ..cell });
/// let table = builder.finish();
/// assert_eq!(table.rows[0].ert, 36.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// The rows.
    pub rows: Vec<Row>,
    /// Workloads whose runs differ in budget or targets, as far as the runs are known: none in a table that was read
    /// from its file.
    pub mixed: Vec<Mixed>,
}
