//! What changed in convergence between two commits, builds or machines.
//!
//! A row (problem, loss, optimizer, schedule) is judged at the learning rate that each side chose on its
//! tuning seeds, as the [convergence table](crate::table) does, and on the reporting seeds, paired by
//! seed. What is compared is the step at which a run reached the hardest target that half of the runs of
//! either side reached; the error at the end, where none reached any.
//!
//! ```text
//! ratio = (Π t_i(right) / t_i(left))^(1/n)         > 1: the right side is slower
//! p     = the chance that any row of the comparison shows as much without a change: for steps by relabeling
//!         all rows at once, for successes by how much they vary from seed to seed over all rows
//! ```
//!
//! The ratio is of the runs that arrived, so that one with others is a bound: at least that where they are on the
//! right, at most where they are on the left.
//!
//! A regression is a new failure, a success rate that falls by half (by divergence or not), or a ratio above
//! 1 + threshold, of a row, or of all rows of an optimizer or a workload together; the last two where chance
//! would show one in at most α of all comparisons of equal code, all rows and kinds together. Where the sides
//! chose other rates, a change must show at both rates too: a choice is luck as well. A row that vanished can't
//! be judged, so that a comparison with one fails too ([`Comparison::failed`]), unless it is allowed.
//!
//! How often this is wrong was measured: docs/src/comparing.md.
//!
//! Sides that differ in budget, targets, learning rates, seeds, type or engine, or in what else their manifests say that
//! they ran under, are refused, with [`Mismatch`]es that say why.

mod comparable;
mod groups;
mod json;
mod outcomes;
mod relabel;
mod render;
mod row;
mod side;
mod stream;

pub use comparable::Mismatch;
pub use json::{ComparisonJson, GroupJson, InputJson, Number, OutcomeJson, ReportedJson, RowJson, SidesJson};
pub use render::{Format, Names};
pub use side::{Filter, Side};

use std::collections::HashMap;

use crate::places::Places;
use crate::statistics::bootstrap_interval;
use records::Outcome;
use relabel::Sample;
use side::Labels;

/// What became of a row, from the gravest to the most harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Reporting runs fail that didn't. A regression.
    Failed,
    /// At most half as many reach the target, and some diverge that didn't. A regression.
    Diverged,
    /// At most half as many reach the target. A regression.
    Lost,
    /// Significantly slower, by more than the threshold. A regression.
    Slower,
    /// The right side doesn't have the row. No regression, but a failure unless it is allowed.
    Vanished,
    /// At least twice as many reach the target.
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
    /// Right over left: above 1 is worse. A bound where runs didn't reach the target; infinite or 0 where no run of the
    /// right or left side did. NaN if nothing could be paired.
    pub ratio: f64,
    /// The 95 % bootstrap interval of the ratio.
    pub interval: Option<[f64; 2]>,
    /// The chance that any row of the comparison shows as much in this direction without a change; none if no pair
    /// differs.
    pub p: Option<f64>,
    /// Cells, at every learning rate and seed, that aren't the same to the bit.
    pub changed: u64,
    /// How cells, at every learning rate and seed, ended before and now, and how many did so; only
    /// changes.
    pub outcomes: Vec<(Outcome, Outcome, u64)>,
}

/// What rows that are judged together have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The update rule.
    Optimizer,
    /// Problem and loss.
    Workload,
}

/// Rows that changed alike: together they say what no row of them must say alone.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChange {
    /// The name of the results folder.
    pub grid: String,
    /// What they have in common.
    pub axis: Axis,
    /// Its label; of a workload problem and loss.
    pub name: String,
    /// [`Verdict::Slower`] or [`Verdict::Faster`].
    pub verdict: Verdict,
    /// How many rows of it have other steps.
    pub rows: u64,
    /// Right over left, the mean of the rows that is weighted by how little they vary.
    pub ratio: f64,
    /// The 95 % bootstrap interval of the ratio.
    pub interval: Option<[f64; 2]>,
    /// As [`RowChange::p`].
    pub p: f64,
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
    /// Optimizers and workloads that are slower or faster, the gravest first.
    pub groups: Vec<GroupChange>,
    /// How many rows are the same to the bit.
    pub identical: u64,
    /// How many cells each side has.
    pub cells: [u64; 2],
    /// How many rows have other steps, or another error.
    pub tested: u64,
    /// The chance of a false alarm by successes, as the rows suggest it; what is left of α goes to the steps.
    pub spent: f64,
    /// What would have been refused, had it not been forced.
    pub mismatches: Vec<Mismatch>,
    /// Files that the sides ran on and that differ; [`compare`] leaves it empty, as it sees cells only.
    pub inputs: Vec<InputChange>,
    /// When a change counted.
    pub options: Options,
}

impl Comparison {
    /// How many rows are regressions, and how many optimizers and workloads.
    #[must_use]
    pub fn regressions(&self) -> usize {
        let verdicts =
            self.rows.iter().map(|row| row.verdict).chain(self.groups.iter().map(|group| group.verdict));
        verdicts.filter(|verdict| verdict.is_regression()).count()
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

    /// The fewest paired seeds with which a row could be significantly slower.
    #[must_use]
    pub fn seeds_needed(&self) -> u64 {
        relabel::seeds_needed(self.options.alpha - self.spent) as u64
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
                let sides = [&grid.left, &grid.right].map(Option::as_ref);
                let extends = sides.map(|side| side.is_some_and(|side| side.extends));
                let [left, right] = side::Group::at_common_rates([left, right], extends);
                let name = row_name(&grid.name, &right.labels);
                mismatches.check(&left, &right, &name);
                if let [Some(before), Some(now)] = sides {
                    mismatches.check_facts([&before.facts, &now.facts], &right.labels, &name);
                }
                judged.push(row::judge(&grid.name, &left, &right));
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
    let Settled { mut rows, groups, tested, spent } = settle(judged, options);
    rows.extend(alone);
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
    let inputs = Vec::new();
    Ok(Comparison { rows, groups, identical, cells, tested, spent, mismatches, inputs, options: *options })
}

/// Rows and groups with their verdicts.
struct Settled {
    rows: Vec<RowChange>,
    groups: Vec<GroupChange>,
    tested: u64,
    spent: f64,
}

/// Judges all rows at once: first whether fewer runs succeed, then, with what that leaves of α, the steps.
fn settle(judged: Vec<row::Judged>, options: &Options) -> Settled {
    let [falls, rises] = [
        outcomes::test(&judged.iter().map(|row| row.falls).collect::<Vec<_>>(), options.alpha),
        outcomes::test(&judged.iter().map(|row| row.rises.swapped()).collect::<Vec<_>>(), options.alpha),
    ];
    let alpha = options.alpha - falls.spent;
    // Sets of seeds, and the rows that moved.
    let mut sets: Places<&[u64]> = Places::default();
    let mut moved: Vec<usize> = Vec::new();
    let mut samples: Vec<Sample> = Vec::new();
    for (at, row) in judged.iter().enumerate().filter(|(_, row)| row.moved()) {
        // The variance of one seed isn't known.
        if row.seeds.len() > 1 {
            moved.push(at);
            samples.push(Sample::new(sets.of(&row.seeds), &row.tested));
        }
    }
    let rows: Vec<(&row::Judged, &Sample)> = moved.iter().map(|at| &judged[*at]).zip(&samples).collect();
    let groups = [Axis::Optimizer, Axis::Workload].map(|axis| groups::of(axis, &rows));
    let of_groups = groups.iter().map(|groups| groups.iter().map(|group| group.sample.clone()).collect());
    let families: Vec<Vec<Sample>> = std::iter::once(samples.clone()).chain(of_groups).collect();
    let sizes: Vec<usize> = sets.names.iter().map(|seeds| seeds.len()).collect();
    let mut chances = relabel::test(&families, &sizes, alpha).into_iter();
    let mut steps = vec![None; judged.len()];
    for (at, chances) in moved.into_iter().zip(chances.next().unwrap_or_default()) {
        steps[at] = Some(chances);
    }
    let tested = steps.iter().flatten().count() as u64;
    let groups = groups.into_iter().flatten().zip(chances.flatten());
    let mut groups: Vec<GroupChange> = groups
        .filter_map(|(group, chances)| group_change(group, chances, alpha, options.threshold))
        .collect();
    groups.sort_by(|a, b| {
        a.verdict.cmp(&b.verdict).then_with(|| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()))
    });
    let outcomes = falls.falls.into_iter().zip(rises.falls);
    let evidence = steps.into_iter().zip(outcomes);
    let evidence =
        evidence.map(|(steps, (fell, rose))| row::Evidence { steps, outcomes: [fell, rose], level: alpha });
    let rows = evidence.collect::<Vec<_>>().into_iter().zip(judged);
    let rows = rows.map(|(evidence, row)| row.settle(evidence, options)).collect();
    Settled { rows, groups, tested, spent: falls.spent }
}

/// None where chance could have made it, or where it is small.
fn group_change(
    group: groups::Group,
    chances: relabel::Chances,
    alpha: f64,
    threshold: f64,
) -> Option<GroupChange> {
    let groups::Group { grid, axis, name, rows, ratio, interval, .. } = group;
    let (verdict, p) = match ratio {
        _ if ratio > 1.0 + threshold => (Verdict::Slower, chances.slower),
        _ if ratio < 1.0 / (1.0 + threshold) => (Verdict::Faster, chances.faster),
        _ => return None,
    };
    (p <= alpha).then_some(GroupChange { grid, axis, name, verdict, rows, ratio, interval, p })
}

/// The ratio of the geometric means of the runs that arrived, right over left, and its 95 % bootstrap interval, of
/// logarithms: n of the left side and n of the right, in pairs. Infinite or 0 where none of the right or left side did.
fn size(logarithms: &[Option<f64>]) -> (f64, Option<[f64; 2]>) {
    const RESAMPLES: usize = 1000;
    let (left, right) = logarithms.split_at(logarithms.len() / 2);
    let mut pairs: Vec<(Option<f64>, Option<f64>)> =
        left.iter().copied().zip(right.iter().copied()).collect();
    let ratio = |pairs: &mut [(Option<f64>, Option<f64>)]| {
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            (count > 0.0).then(|| sum / count)
        };
        let left = mean(&mut pairs.iter().filter_map(|pair| pair.0));
        match (left, mean(&mut pairs.iter().filter_map(|pair| pair.1))) {
            (Some(left), Some(right)) => (right - left).exp(),
            (Some(_), None) => f64::INFINITY,
            (None, Some(_)) => 0.0,
            (None, None) => 1.0,
        }
    };
    if pairs.is_empty() {
        return (f64::NAN, None);
    }
    let interval = (pairs.len() > 1).then(|| {
        let (low, high) = bootstrap_interval(&pairs, ratio, 0.95, RESAMPLES, 0);
        [low, high]
    });
    (ratio(&mut pairs), interval)
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
        changed: 0,
        outcomes: Vec::new(),
    }
}
