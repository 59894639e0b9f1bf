//! The comparison for programs.

use documented::DocumentedFields;
use serde::{Serialize, Serializer};

use super::{Axis, Comparison, GroupChange, InputChange, Measure, Names, Reported, RowChange};

/// A number, or what JSON has not: `"inf"`, `"-inf"`; `null` is not defined.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            value => serializer.serialize_f64(value),
        }
    }
}

/// What `compare --format json` prints.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct ComparisonJson<'a> {
    /// The left side: a commit or a folder.
    left: &'a str,
    /// The right side.
    right: &'a str,
    /// The chance of a false alarm in the whole comparison.
    alpha: f64,
    /// The smallest change that counts: 0.05 is 5 %.
    threshold: f64,
    /// How many cells each side has.
    cells: SidesJson<u64>,
    /// How many rows are regressions, and how many optimizers and workloads.
    regressions: usize,
    /// How many rows only the left side has.
    vanished: usize,
    /// Whether a commit with this comparison should be refused; the exit code is 1 then.
    failed: bool,
    /// How many rows are the same to the bit; they are not in `rows`.
    identical: u64,
    /// How many rows have other steps, or another error.
    tested: u64,
    /// What is left of `alpha` for the steps, after the successes.
    alpha_steps: f64,
    /// The fewest paired seeds with which a row could be significantly slower.
    seeds_needed: u64,
    /// What would have been refused, had it not been forced: a sentence each.
    not_comparable: Vec<String>,
    /// Files that both configs name and that differ.
    inputs_changed: Vec<InputJson<'a>>,
    /// Optimizers and workloads whose rows changed alike, the gravest first.
    together: Vec<GroupJson<'a>>,
    /// The rows that changed, the gravest first.
    rows: Vec<RowJson<'a>>,
}

/// The same of both sides.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct SidesJson<T> {
    /// Of the left side.
    left: T,
    /// Of the right side.
    right: T,
}

/// A file that both configs name and that differs.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct InputJson<'a> {
    /// The name of the results folder.
    grid: &'a str,
    /// The file, as the config names it.
    name: &'a str,
    /// The SHA-256 of the left side's.
    left_sha256: &'a str,
    /// The SHA-256 of the right side's.
    right_sha256: &'a str,
}

/// Rows of an optimizer, or of a workload, that changed alike.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct GroupJson<'a> {
    /// The name of the results folder.
    grid: &'a str,
    /// What they have in common: `optimizer` or `workload`.
    axis: &'static str,
    /// Its label; of a workload problem and loss.
    name: &'a str,
    /// What became of them, in words: `slower` or `faster`.
    change: &'static str,
    /// Whether it is one that a commit should not bring.
    regression: bool,
    /// How many rows of it have other steps.
    rows: u64,
    /// Right over left: above 1 is slower now.
    ratio: Number,
    /// The 95 % bootstrap interval of the ratio; `null` where there is none.
    interval: Option<[Number; 2]>,
    /// The chance that any row of the comparison shows as much in this direction without a change.
    p: f64,
}

/// A row that changed.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct RowJson<'a> {
    /// The name of the results folder.
    grid: &'a str,
    /// What was trained.
    problem: &'a str,
    /// What was minimized.
    loss: &'a str,
    /// The update rule.
    optimizer: &'a str,
    /// How the learning rate changed over the steps.
    schedule: &'a str,
    /// What became of the row, in words, such as `slower` or `vanished`.
    change: &'static str,
    /// Whether it is one that a commit should not bring.
    regression: bool,
    /// By what it was compared: `steps_to_target` or `final_error`.
    measure: &'static str,
    /// The target whose steps were compared; `null` where it was the error at the end.
    target: Option<f64>,
    /// What it was; `null` if it appeared.
    left: Option<ReportedJson>,
    /// What it is; `null` if it vanished.
    right: Option<ReportedJson>,
    /// How many seeds could be paired.
    pairs: u64,
    /// Right over left: above 1 is worse; `"inf"` or 0 where no run of the right or left side arrived.
    ratio: Number,
    /// The 95 % bootstrap interval of the ratio; `null` where there is none.
    interval: Option<[Number; 2]>,
    /// The chance that any row of the comparison shows as much in this direction without a change; `null` if no pair
    /// differs.
    p: Option<f64>,
    /// Cells, at every learning rate and seed, that aren't the same to the bit.
    cells_changed: u64,
    /// How cells, at every learning rate and seed, ended before and now; only changes.
    outcomes_changed: Vec<OutcomeJson>,
}

/// Cells that ended otherwise.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct OutcomeJson {
    /// How they ended on the left side.
    left: &'static str,
    /// How they ended on the right side.
    right: &'static str,
    /// How many.
    cells: u64,
}

/// The runs of one side that a row is judged by.
#[derive(Debug, Serialize, DocumentedFields)]
pub struct ReportedJson {
    /// The learning rate that was chosen.
    lr: f64,
    /// How many runs there are.
    seeds: u64,
    /// How many reached the target; `null` where the error at the end was compared.
    reached: Option<u64>,
    /// The median of the steps or of the error; `"inf"` if most have none.
    median: Number,
    /// How many diverged.
    diverged: u64,
    /// How many failed.
    failed: u64,
}

impl Comparison {
    /// The comparison for programs: one object, see [`ComparisonJson`].
    ///
    /// # Panics
    /// Never: it is plain data.
    #[must_use]
    pub fn json(&self, names: &Names) -> String {
        let whole = ComparisonJson {
            left: &names.left,
            right: &names.right,
            alpha: self.options.alpha,
            threshold: self.options.threshold,
            cells: SidesJson { left: self.cells[0], right: self.cells[1] },
            regressions: self.regressions(),
            vanished: self.vanished(),
            failed: self.failed(),
            identical: self.identical,
            tested: self.tested,
            alpha_steps: self.options.alpha - self.spent,
            seeds_needed: self.seeds_needed(),
            not_comparable: self.mismatches.iter().map(ToString::to_string).collect(),
            inputs_changed: self.inputs.iter().map(input).collect(),
            together: self.groups.iter().map(group).collect(),
            rows: self.rows.iter().map(row).collect(),
        };
        // The fields in the order of their names.
        let sorted = serde_json::to_value(whole).expect("it is plain data");
        serde_json::to_string_pretty(&sorted).expect("it is plain data") + "\n"
    }
}

fn input(change: &InputChange) -> InputJson<'_> {
    let InputChange { grid, name, digests: [left_sha256, right_sha256] } = change;
    InputJson { grid, name, left_sha256, right_sha256 }
}

fn group(group: &GroupChange) -> GroupJson<'_> {
    GroupJson {
        grid: &group.grid,
        axis: match group.axis {
            Axis::Optimizer => "optimizer",
            Axis::Workload => "workload",
        },
        name: &group.name,
        change: group.verdict.as_str(),
        regression: group.verdict.is_regression(),
        rows: group.rows,
        ratio: Number(group.ratio),
        interval: group.interval.map(|ends| ends.map(Number)),
        p: group.p,
    }
}

fn row(row: &RowChange) -> RowJson<'_> {
    let [problem, loss, optimizer, schedule] = &row.labels;
    let (measure, target) = match row.measure {
        Measure::Steps(target) => ("steps_to_target", Some(target)),
        Measure::FinalError => ("final_error", None),
    };
    let outcome = |&(left, right, cells): &(records::Outcome, records::Outcome, u64)| OutcomeJson {
        left: left.into(),
        right: right.into(),
        cells,
    };
    RowJson {
        grid: &row.grid,
        problem,
        loss,
        optimizer,
        schedule,
        change: row.verdict.as_str(),
        regression: row.verdict.is_regression(),
        measure,
        target,
        left: row.left.as_ref().map(reported),
        right: row.right.as_ref().map(reported),
        pairs: row.pairs,
        ratio: Number(row.ratio),
        interval: row.interval.map(|ends| ends.map(Number)),
        p: row.p,
        cells_changed: row.changed,
        outcomes_changed: row.outcomes.iter().map(outcome).collect(),
    }
}

fn reported(reported: &Reported) -> ReportedJson {
    ReportedJson {
        lr: reported.lr,
        seeds: reported.seeds,
        reached: reported.reached,
        median: Number(reported.typical),
        diverged: reported.diverged,
        failed: reported.failed,
    }
}
