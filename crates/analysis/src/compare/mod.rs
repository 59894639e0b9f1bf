//! What changed in convergence between two commits, builds or machines.
//!
//! A row (problem, loss, optimizer, schedule) is judged at the learning rate that each side chose on its
//! tuning seeds, as the [convergence table](crate::table) does, and on the reporting seeds, paired by
//! seed. What is compared is the step at which a run reached the hardest target that any of these runs
//! reached; the error at the end, where none reached any.
//!
//! ```text
//! ratio = (Π t_i(right) / t_i(left))^(1/n)    every run reached the target
//!       = ERT(right) / ERT(left)              some run didn't           > 1: the right side is slower
//! p     = sign-flip permutation test of the paired differences: of ln t, or of Gehan's scores where
//!         runs were cut off; Holm's correction over all rows in which a difference isn't 0
//! ```
//!
//! A regression is a new failure or divergence among these runs; a target that at least half of the seeds
//! reached and none does any more; or p ≤ α with a ratio above 1 + threshold. Correcting over the rows
//! that moved is sound: the test is exact given the sizes of the differences, and only these decide
//! which rows have moved. A row that vanished can't be judged, so that a comparison with one fails too
//! ([`Comparison::failed`]), unless it is allowed.
//!
//! Dolan & Moré 2002 on ratios; Holm 1979, *A simple sequentially rejective multiple test procedure*.
//!
//! Sides that differ in budget, targets, learning rates, seeds, type or engine, or in what else their manifests say that
//! they ran under, are refused, with [`Mismatch`]es that say why.

mod comparable;
mod paired;
mod ratio;
mod render;
mod row;
mod side;
mod stream;

pub use comparable::Mismatch;
pub use render::{Format, Names};
pub use side::{Filter, Side};

use std::collections::HashMap;

use crate::records::Outcome;

/// What became of a row, from the gravest to the most harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Reporting runs fail that didn't. A regression.
    Failed,
    /// Reporting runs diverge that didn't. A regression.
    Diverged,
    /// A target that at least half of the seeds reached is reached by none. A regression.
    Lost,
    /// Significantly slower, by more than the threshold. A regression.
    Slower,
    /// The right side doesn't have the row. No regression, but a failure unless it is allowed.
    Vanished,
    /// A target that none reached is reached by at least half of the seeds.
    Gained,
    /// Significantly faster, by more than the threshold.
    Faster,
    /// Other numbers of runs reach the target, diverge or fail.
    Outcome,
    /// Other steps or errors, but not significantly, or by less than the threshold.
    Drifted,
    /// The same convergence at the chosen rate; another at other rates.
    OtherRates,
    /// The left side doesn't have the row.
    Appeared,
    /// Every step and outcome is the same; losses or errors differ in some bit.
    Bits,
    /// The same to the bit.
    Identical,
}

impl Verdict {
    /// It as words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "new failure",
            Self::Diverged => "new divergence",
            Self::Lost => "target lost",
            Self::Slower => "slower",
            Self::Vanished => "vanished",
            Self::Gained => "target gained",
            Self::Faster => "faster",
            Self::Outcome => "outcomes changed",
            Self::Drifted => "no clear change",
            Self::OtherRates => "other rates only",
            Self::Appeared => "appeared",
            Self::Bits => "bits only",
            Self::Identical => "identical",
        }
    }

    /// Whether it is one that a commit should not bring.
    #[must_use]
    pub const fn is_regression(self) -> bool {
        matches!(self, Self::Failed | Self::Diverged | Self::Lost | Self::Slower)
    }
}

/// By what a row was compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// The step at which this target was reached.
    Steps(f64),
    /// The error at the end: no run reached any target.
    FinalError,
}

/// The runs of one side that a row is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The learning rate that was chosen.
    pub lr: f64,
    /// How many there are.
    pub seeds: u64,
    /// How many reached the target.
    pub reached: Option<u64>,
    /// The median of the steps or of the error; infinite if most have none.
    pub typical: f64,
    /// How many diverged.
    pub diverged: u64,
    /// How many failed.
    pub failed: u64,
}

/// A row of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The name of the results folder.
    pub grid: String,
    /// Problem, loss, optimizer and schedule.
    pub labels: [String; 4],
    /// What became of it.
    pub verdict: Verdict,
    /// What it was; nothing if it appeared.
    pub left: Option<Reported>,
    /// What it is; nothing if it vanished.
    pub right: Option<Reported>,
    /// By what it was compared.
    pub measure: Measure,
    /// How many seeds could be paired.
    pub pairs: u64,
    /// Right over left: above 1 is worse. NaN if nothing could be paired.
    pub ratio: f64,
    /// The 95 % bootstrap interval of the ratio.
    pub interval: Option<[f64; 2]>,
    /// The two-sided p-value of the row alone; none if no pair differs.
    pub p: Option<f64>,
    /// The same after Holm's correction.
    pub p_holm: Option<f64>,
    /// Cells, at every learning rate and seed, that aren't the same to the bit.
    pub changed: u64,
    /// How cells, at every learning rate and seed, ended before and now, and how many did so; only
    /// changes.
    pub outcomes: Vec<(Outcome, Outcome, u64)>,
}

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The chance of a false alarm in the whole comparison.
    pub alpha: f64,
    /// The smallest change that counts: 0.05 is 5 %.
    pub threshold: f64,
    /// Compares what can be paired even if the sides aren't comparable.
    pub force: bool,
    /// Rows that the right side doesn't have are no failure.
    pub allow_vanished: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 0.05, threshold: 0.05, force: false, allow_vanished: false }
    }
}

/// A grid that one of the sides, or both, have results of.
#[derive(Debug)]
pub struct Grid {
    /// The name of the results folder.
    pub name: String,
    /// Its runs on the left side.
    pub left: Option<Side>,
    /// Its runs on the right side.
    pub right: Option<Side>,
}

/// A file that the configs of both sides name, and whose contents differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputChange {
    /// The name of the results folder.
    pub grid: String,
    /// The file, as the config names it.
    pub name: String,
    /// The SHA-256 on the left and on the right side, in hexadecimal digits.
    pub digests: [String; 2],
}

impl std::fmt::Display for InputChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        let [left, right] = self.digests.each_ref().map(|digest| digest.get(..8).unwrap_or(digest));
        write!(formatter, "{}: the file `{}` differs (SHA-256 {left}… → {right}…)", self.grid, self.name)
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The rows that changed, the gravest first.
    pub rows: Vec<RowChange>,
    /// How many rows are the same to the bit.
    pub identical: u64,
    /// How many cells each side has.
    pub cells: [u64; 2],
    /// Over how many rows p-values were corrected.
    pub tested: u64,
    /// What would have been refused, had it not been forced.
    pub mismatches: Vec<Mismatch>,
    /// Files that the sides ran on and that differ; [`compare`] leaves it empty, as it sees cells only.
    pub inputs: Vec<InputChange>,
    /// When a change counted.
    pub options: Options,
}

impl Comparison {
    /// How many rows are regressions.
    #[must_use]
    pub fn regressions(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict.is_regression()).count()
    }

    /// How many rows only the left side has.
    #[must_use]
    pub fn vanished(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Vanished).count()
    }

    /// Whether a commit with this comparison should be refused: there is a regression, or a row has vanished and
    /// may not.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.regressions() > 0 || self.vanished() > 0 && !self.options.allow_vanished
    }

    /// The fewest paired seeds with which a row could be significant after the correction.
    #[must_use]
    pub fn seeds_needed(&self) -> u32 {
        let smallest = self.options.alpha / self.tested.max(1) as f64;
        (1..=64).find(|seeds| 2.0_f64.powi(1 - seeds) <= smallest).unwrap_or(64) as u32
    }
}

/// Compares the sides, row by row.
///
/// # Errors
/// The sides differ in what they ran, and it isn't forced.
pub fn compare(grids: &[Grid], options: &Options) -> Result<Comparison, Vec<Mismatch>> {
    let mut mismatches = comparable::Mismatches::default();
    let mut judged = Vec::new();
    let mut alone = Vec::new();
    for grid in grids {
        let groups = |side: &'_ Option<Side>| side.as_ref().map_or(0, |side| side.groups.len());
        let mut matched = vec![false; groups(&grid.left)];
        let left = grid.left.iter().flat_map(|side| &side.groups);
        let places: HashMap<_, _> =
            left.clone().enumerate().map(|(at, group)| (&group.labels, (at, group))).collect();
        for right in grid.right.iter().flat_map(|side| &side.groups) {
            if let Some(&(at, left)) = places.get(&right.labels) {
                matched[at] = true;
                let name = row_name(&grid.name, &right.labels);
                mismatches.check(left, right, &name);
                if let (Some(before), Some(now)) = (&grid.left, &grid.right) {
                    mismatches.check_facts([&before.facts, &now.facts], &right.labels, &name);
                }
                judged.push(row::judge(&grid.name, left, right));
            } else {
                alone.push(one_sided(&grid.name, &right.labels, Verdict::Appeared));
            }
        }
        let gone = left.zip(&matched).filter(|(_, matched)| !**matched);
        alone.extend(gone.map(|(group, _)| one_sided(&grid.name, &group.labels, Verdict::Vanished)));
    }
    let mismatches = mismatches.into_vec();
    if !mismatches.is_empty() && !options.force {
        return Err(mismatches);
    }
    let p_values: Vec<f64> = judged.iter().filter_map(|row| row.change.p).collect();
    let tested = p_values.len() as u64;
    let mut corrected = crate::statistics::holm(&p_values).into_iter();
    let mut rows: Vec<RowChange> = judged
        .into_iter()
        .map(|row| {
            let p_holm = row.change.p.and_then(|_| corrected.next());
            row.settle(p_holm, options)
        })
        .chain(alone)
        .collect();
    let all = rows.len();
    rows.retain(|row| row.verdict != Verdict::Identical);
    let identical = (all - rows.len()) as u64;
    let effect = |row: &RowChange| if row.ratio.is_nan() { 0.0 } else { row.ratio.ln().abs() };
    // Within a verdict the largest effect first; the sort is stable, so equal ones stay in the file's order.
    rows.sort_by(|a, b| a.verdict.cmp(&b.verdict).then_with(|| effect(b).total_cmp(&effect(a))));
    let cells = [
        |grid: &Grid| grid.left.as_ref().map_or(0, Side::cells),
        |grid: &Grid| grid.right.as_ref().map_or(0, Side::cells),
    ]
    .map(|count| grids.iter().map(count).sum());
    Ok(Comparison { rows, identical, cells, tested, mismatches, inputs: Vec::new(), options: *options })
}

/// A row as a message names it.
fn row_name(grid: &str, labels: &[String; 4]) -> String {
    let [problem, loss, optimizer, schedule] = labels;
    format!("{grid}: {problem}, {loss}, {optimizer}, {schedule}")
}

fn one_sided(grid: &str, labels: &[String; 4], verdict: Verdict) -> RowChange {
    RowChange {
        grid: grid.to_owned(),
        labels: labels.clone(),
        verdict,
        left: None,
        right: None,
        measure: Measure::FinalError,
        pairs: 0,
        ratio: f64::NAN,
        interval: None,
        p: None,
        p_holm: None,
        changed: 0,
        outcomes: Vec::new(),
    }
}
