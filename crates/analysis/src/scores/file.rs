//! `scores.csv`: the rows of the table with what the scores add to them.

use std::io::{self, Write};

use documented::DocumentedFields;

use super::Scores;
use crate::table::{Line, Row, Table, write_row};

/// The columns between those of the table and the expected best of 1, 2, 4, … random rates, and what they hold.
pub const ADDED: [(&str, &str); 11] = [
    ("success_low", "Lower end of Wilson's 95 % interval of the success rate."),
    ("success_high", "Upper end of that interval."),
    (
        "steps_low",
        "Lower end of the 95 % bootstrap interval of the median steps to the target; NaN without runs.",
    ),
    ("steps_high", "Upper end of that interval."),
    ("steps_iqm", "Interquartile mean of the steps to the target."),
    ("ert_low", "Lower end of the 95 % bootstrap interval of the ERT."),
    ("ert_high", "Upper end of that interval."),
    ("ratio", "Median steps to the target over those of the fastest solver on the workload."),
    ("sensitivity", "The learning-rate sensitivity; NaN for one rate."),
    ("solver_score", "AlgoPerf's score of the optimizer with its schedule, over its workloads."),
    ("solver_mean_rank", "Its mean rank among the solvers of each workload."),
];

/// What the name of the expected steps with the best of so many random rates begins with.
pub const BEST_OF: &str = "best_of_";

impl Scores {
    /// Writes `scores.csv`: the columns of `table.csv` and those of the scores, in the order of
    /// `table`, which is the one that they were made with. Intervals are of 95 %; `inf`
    /// is never, NaN not defined; `best_of_<k>` is empty where the grid has no such k.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_csv(&self, table: &Table, mut out: impl Write) -> io::Result<()> {
        let all = self.rows.iter().flat_map(|row| row.best_of.iter().map(|&(k, _)| k));
        let mut trials: Vec<usize> = all.collect();
        trials.sort_unstable();
        trials.dedup();
        let best_of = trials.iter().map(|k| format!("{BEST_OF}{k}"));
        let added = ADDED.iter().map(|(name, _)| name);
        let names: Vec<String> =
            Row::FIELD_NAMES.iter().chain(added).map(|&name| name.to_owned()).chain(best_of).collect();
        let mut bytes = names.join(",").into_bytes();
        bytes.push(b'\n');
        for (row, score) in table.rows.iter().zip(&self.rows) {
            let solver = &self.solvers[score.solver];
            write_row(&mut bytes, row);
            if let Some(end) = bytes.last_mut() {
                *end = b',';
            }
            let mut line = Line(&mut bytes);
            for (low, high) in [score.success, score.steps] {
                line.float(low);
                line.float(high);
            }
            let rest = [score.steps_iqm, score.ert.0, score.ert.1, score.ratio, score.sensitivity];
            for value in rest.into_iter().chain([solver.score, solver.mean_rank]) {
                line.float(value);
            }
            for k in &trials {
                match score.best_of.iter().find(|(trials, _)| trials == k) {
                    Some(&(_, steps)) => line.float(steps),
                    None => line.text(""),
                }
            }
            // Each value is followed by a comma, and the last by the end of the line.
            if let Some(last) = bytes.last_mut() {
                *last = b'\n';
            }
        }
        out.write_all(&bytes)
    }
}
