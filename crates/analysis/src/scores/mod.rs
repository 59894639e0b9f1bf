//! Scores of optimizers over many workloads, from the records alone.
//!
//! A *workload* is a problem with a loss; a *solver* is an optimizer with a schedule, at the learning
//! rate that its tuning seeds chose. t is the median over the reporting seeds of the steps to the
//! headline target; `inf` if the median run never got there. A solver is scored on the workloads that
//! it was run on: [`Solver::workloads`] says how many, and solvers that ran on different ones can't be
//! compared. A workload whose runs differ in budget or targets ([`Mixed`](crate::table::Mixed)) scores nobody.
//! Profiles, scores and ranks are relative, so that another solver can reorder them: the raw
//! t of each row stands in the table.
//!
//! ```text
//! cells ─ first pass ─▶ table::Builder ─▶ Tuned ─▶ scores::Builder ◀─ second pass ─ cells
//! ```
//!
//! Two passes keep memory small: the second keeps 24 bytes for each reported run and 8 for each target
//! that it reached, and nothing of the others.

mod build;
mod file;
mod profile;
mod render;
mod sheet;
mod tuning;

pub use build::Builder;
pub use file::{ADDED, BEST_OF};
pub use profile::{Ecdf, Profile, ratios};
pub use render::{Format, RenderOptions};
pub use tuning::{expected_best, sensitivity};

use documented::DocumentedFields;
use serde::Serialize;

/// `AlgoPerf`'s bound of the profile.
pub const R_MAX: f64 = 4.0;

/// Everything that is scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, DocumentedFields)]
pub struct Scores {
    /// One for each row of the table, in its order.
    pub rows: Vec<RowScore>,
    /// Problems with their losses, in the order of the table.
    pub workloads: Vec<Workload>,
    /// Optimizers with their schedules, in the order of the table.
    pub solvers: Vec<Solver>,
    /// Solvers against each other.
    pub pairs: Vec<Pair>,
    /// Workloads that solvers aren't scored on, since their runs differ in budget or targets.
    pub left_out: Vec<usize>,
}

/// What is trained.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, DocumentedFields)]
pub struct Workload {
    /// The problem.
    pub problem: String,
    /// The loss.
    pub loss: String,
}

/// How sure a row of the table is, and what its learning rate cost. Intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct RowScore {
    /// Its place in `scores.workloads`, from 0.
    pub workload: usize,
    /// Its place in `scores.solvers`, from 0.
    pub solver: usize,
    /// Wilson's interval of the success rate, of 95 % as all.
    pub success: (f64, f64),
    /// Bootstrap interval of the median steps to the target; NaN without runs, like the next two.
    pub steps: (f64, f64),
    /// Interquartile mean of the steps to the target.
    pub steps_iqm: f64,
    /// Bootstrap interval of the ERT.
    pub ert: (f64, f64),
    /// t, the median steps to the target, over that of the fastest solver on the workload.
    pub ratio: f64,
    /// The learning-rate sensitivity; NaN for one rate.
    pub sensitivity: f64,
    /// The expected steps, capped at the budget, with the best of k random rates, for some k.
    pub best_of: Vec<(usize, f64)>,
}

/// A solver over its workloads.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct Solver {
    /// The update rule.
    pub optimizer: String,
    /// How the learning rate changed over the steps.
    pub schedule: String,
    /// The workloads that it has reported runs on.
    pub workloads: u64,
    /// Those on which the median run reached the target.
    pub solved: u64,
    /// `AlgoPerf`'s score, with `r_max` = 4.
    pub score: f64,
    /// Its mean rank among the solvers of each workload.
    pub mean_rank: f64,
    /// Its performance profile: t over that of the fastest solver on each workload, ascending.
    #[serde(serialize_with = "serialize_ratios")]
    pub profile: Profile,
    /// The share of (run, target) pairs reached within shares of the budget.
    #[serde(skip)]
    pub ecdf: Ecdf,
    /// The share of (run, target) pairs reached within 1 %, 3 %, 10 %, 30 % and 100 % of the budget.
    pub ecdf_at: Vec<(f64, f64)>,
}

fn serialize_ratios<S: serde::Serializer>(profile: &Profile, serializer: S) -> Result<S::Ok, S::Error> {
    profile.ratios().serialize(serializer)
}

impl Solver {
    /// Its name: the schedule is left out where it is constant.
    #[must_use]
    pub fn name(&self) -> String {
        if self.schedule == "constant" {
            self.optimizer.clone()
        } else {
            format!("{}, {}", self.optimizer, self.schedule)
        }
    }
}

/// Two solvers on the workloads that both were run on.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct Pair {
    /// The one that is faster more often: its place in `scores.solvers`, from 0.
    pub faster: usize,
    /// The other, as its place too.
    pub slower: usize,
    /// Workloads that both were run on.
    pub workloads: u64,
    /// Workloads on which the first is faster.
    pub wins: u64,
    /// Workloads on which the second is faster.
    pub losses: u64,
    /// p of the Wilcoxon signed-rank test on ln t.
    pub p: f64,
    /// The same corrected by Holm over all pairs.
    pub p_holm: f64,
}
