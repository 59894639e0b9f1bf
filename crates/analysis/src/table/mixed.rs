//! Workloads whose runs were asked for unlike things.

use serde::Serialize;

use records::number::short;

/// A problem and a loss whose runs differ in budget, or in the targets that they were asked for: their steps to the
/// hardest target, and ranks by these, compare unlike things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mixed {
    /// The problem.
    pub problem: String,
    /// The loss.
    pub loss: String,
    /// Whether the runs of a single row differ already.
    pub within_rows: bool,
    /// The budgets, ascending.
    pub budgets: Vec<u64>,
    /// The sets of targets, each with the easiest first.
    pub targets: Vec<Vec<f64>>,
}

/// So many values are named.
const NAMED: usize = 4;

impl Mixed {
    /// In a sentence: `rows of fit with mse differ in budget (100, 200): their ranks compare unlike things`.
    #[must_use]
    pub fn note(&self) -> String {
        let mut what = Vec::new();
        if self.budgets.len() > 1 {
            what.push(format!("budget ({})", list(self.budgets.iter().map(u64::to_string))));
        }
        if self.targets.len() > 1 {
            let set = |set: &Vec<f64>| {
                if set.is_empty() { "none".to_owned() } else { list(set.iter().map(|target| short(*target))) }
            };
            let sets: Vec<String> = self.targets.iter().take(NAMED).map(set).collect();
            let more = if self.targets.len() > NAMED { " or others" } else { "" };
            what.push(format!("targets ({}{more})", sets.join(" or ")));
        }
        let rows = if self.within_rows { "runs" } else { "rows" };
        let workload = workload(&self.problem, &self.loss);
        format!("{rows} of {workload} differ in {}: their ranks compare unlike things", what.join(" and "))
    }
}

/// `fit with mse`, or the problem alone where it is its own loss.
pub(crate) fn workload(problem: &str, loss: &str) -> String {
    if loss == "-" { problem.to_owned() } else { format!("{problem} with {loss}") }
}

fn list(values: impl ExactSizeIterator<Item = String>) -> String {
    let more = if values.len() > NAMED { ", …" } else { "" };
    values.take(NAMED).collect::<Vec<_>>().join(", ") + more
}
