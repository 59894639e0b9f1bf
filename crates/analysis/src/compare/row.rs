//! What became of one row.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::paired::{Time, differences, sign_flip};
use super::ratio::{Ratio, of_logarithms, of_medians, of_running_times};
use super::side::{Group, Run};
use super::{Measure, Options, Reported, RowChange, Verdict};
use crate::records::Outcome;
use crate::statistics::median;

/// A row's change before it is known how many others were tested.
pub(super) struct Judged {
    pub(super) change: RowChange,
    /// The same convergence at the chosen rate, and another at other rates.
    elsewhere: bool,
}

/// Compares a row that both sides have.
pub(super) fn judge(grid: &str, left: &Group, right: &Group) -> Judged {
    let all = Paired::new(&left.runs, &right.runs);
    let pairs = by_seed(&left.reported(), &right.reported());
    let measure = measure(&pairs);
    let (p, ratio) = match measure {
        _ if pairs.is_empty() => (None, Ratio { value: f64::NAN, interval: None }),
        Measure::Steps(target) => test_steps(&pairs, target),
        Measure::FinalError => test_errors(&pairs),
    };
    let side = |runs: &[&Run], lr| Reported::new(runs, lr, measure);
    let sides: (Vec<&Run>, Vec<&Run>) = pairs.iter().copied().unzip();
    let (left_side, right_side) = (side(&sides.0, left.lr), side(&sides.1, right.lr));
    let same_rate = left.lr.total_cmp(&right.lr).is_eq();
    let elsewhere =
        same_rate && all.same_convergence < all.count && pairs.iter().all(|(a, b)| a.converged_as(b));
    let verdict = if all.identical() {
        Verdict::Identical
    } else if same_rate && all.same_convergence == all.count && all.unpaired == 0 {
        Verdict::Bits
    } else {
        Verdict::Drifted
    };
    let change = RowChange {
        grid: grid.to_owned(),
        labels: left.labels.clone(),
        verdict,
        left: Some(left_side),
        right: Some(right_side),
        measure,
        pairs: pairs.len() as u64,
        ratio: ratio.value,
        interval: ratio.interval,
        p,
        p_holm: None,
        changed: all.count - all.same_bits,
        outcomes: all.outcomes.into_values().collect(),
    };
    Judged { change, elsewhere }
}

impl Judged {
    /// The verdict, now that p is corrected.
    pub(super) fn settle(mut self, p_holm: Option<f64>, options: &Options) -> RowChange {
        let change = &mut self.change;
        change.p_holm = p_holm;
        let (Some(left), Some(right)) = (&change.left, &change.right) else { return self.change };
        let (worse, better) = (1.0 + options.threshold, 1.0 / (1.0 + options.threshold));
        // The same steps say little where no target was reached, and an error differs in its last bits from
        // machine to machine.
        let alike = matches!(change.measure, Measure::Steps(_)) || (better..=worse).contains(&change.ratio);
        if change.verdict == Verdict::Identical || change.verdict == Verdict::Bits && alike {
            return self.change;
        }
        let significant = change.p_holm.is_some_and(|p| p <= options.alpha);
        change.verdict = if right.failed > left.failed {
            Verdict::Failed
        } else if right.diverged > left.diverged {
            Verdict::Diverged
        } else if left.alone(right) {
            Verdict::Lost
        } else if significant && change.ratio > worse {
            Verdict::Slower
        } else if right.alone(left) {
            Verdict::Gained
        } else if significant && change.ratio < better {
            Verdict::Faster
        } else if left.ends() != right.ends() {
            Verdict::Outcome
        } else if self.elsewhere && alike {
            Verdict::OtherRates
        } else {
            Verdict::Drifted
        };
        self.change
    }
}

impl Reported {
    fn new(runs: &[&Run], lr: f64, measure: Measure) -> Self {
        let count = |outcome| runs.iter().filter(|run| run.outcome == outcome).count() as u64;
        let Measure::Steps(target) = measure else {
            let mut errors: Vec<f64> = runs.iter().map(|run| error(run)).collect();
            let (typical, seeds) = (median(&mut errors), runs.len() as u64);
            let (diverged, failed) = (count(Outcome::Diverged), count(Outcome::Failed));
            return Self { lr, seeds, reached: None, typical, diverged, failed };
        };
        let steps = |run: &&Run| run.reached(target).map_or(f64::INFINITY, |step| step as f64);
        let mut steps: Vec<f64> = runs.iter().map(steps).collect();
        Self {
            lr,
            seeds: runs.len() as u64,
            reached: Some(steps.iter().filter(|steps| steps.is_finite()).count() as u64),
            typical: median(&mut steps),
            diverged: count(Outcome::Diverged),
            failed: count(Outcome::Failed),
        }
    }

    /// At least half of its seeds reached the target, and none of the other's.
    fn alone(&self, other: &Self) -> bool {
        let reached = self.reached.unwrap_or(0);
        reached > 0 && 2 * reached >= self.seeds && other.reached == Some(0)
    }

    fn ends(&self) -> (Option<u64>, u64, u64) {
        (self.reached, self.diverged, self.failed)
    }
}

/// The cells of both sides, by key.
#[derive(Default)]
struct Paired {
    count: u64,
    unpaired: u64,
    same_bits: u64,
    same_convergence: u64,
    outcomes: BTreeMap<[&'static str; 2], (Outcome, Outcome, u64)>,
}

impl Paired {
    fn new(left: &[Run], right: &[Run]) -> Self {
        let mut paired = Self::default();
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            match a.key.cmp(&b.key) {
                Ordering::Less => drop(left.next()),
                Ordering::Greater => drop(right.next()),
                Ordering::Equal => {
                    paired.add(a, b);
                    left.next();
                    right.next();
                    continue;
                }
            }
            paired.unpaired += 1;
        }
        paired.unpaired += left.count() as u64 + right.count() as u64;
        paired
    }

    fn add(&mut self, left: &Run, right: &Run) {
        self.count += 1;
        self.same_bits += u64::from(left.content == right.content);
        self.same_convergence += u64::from(left.converged_as(right));
        if left.outcome != right.outcome {
            let words = [left.outcome.as_str(), right.outcome.as_str()];
            self.outcomes.entry(words).or_insert((left.outcome, right.outcome, 0)).2 += 1;
        }
    }

    fn identical(&self) -> bool {
        self.unpaired == 0 && self.same_bits == self.count
    }
}

/// Runs of the same seed; both lists are sorted by seed.
fn by_seed<'a>(left: &[&'a Run], right: &[&'a Run]) -> Vec<(&'a Run, &'a Run)> {
    let partner = |run: &&'a Run| right.binary_search_by_key(&run.seed, |other| other.seed).ok();
    left.iter().filter_map(|run| partner(run).map(|place| (*run, right[place]))).collect()
}

/// The hardest target that a run of either side reached; the error at the end where none was. Swapping
/// the sides doesn't change it, so that the test stays exact.
fn measure(pairs: &[(&Run, &Run)]) -> Measure {
    let runs = pairs.iter().flat_map(|(left, right)| [*left, *right]);
    let reached = runs.flat_map(|run| run.hits.iter().filter(|hit| run.reached(hit.target).is_some()));
    let hardest = reached.map(|hit| hit.target).min_by(f64::total_cmp);
    hardest.map_or(Measure::FinalError, Measure::Steps)
}

/// None where no pair differs: whether one does depends on the sizes of the differences alone, so that
/// Holm's correction needs only the other rows.
fn p_value(differences: &[f64]) -> Option<f64> {
    differences.iter().any(|difference| *difference != 0.0).then(|| sign_flip(differences))
}

fn test_steps(pairs: &[(&Run, &Run)], target: f64) -> (Option<f64>, Ratio) {
    // A run that begins at its target counts as one step, so that it has a logarithm.
    let time = |run: &Run| match run.reached(target) {
        Some(step) => Time { value: step.max(1) as f64, censored: false },
        None if run.ended_well() => Time { value: run.budget as f64, censored: true },
        // It would not have come there in any number of steps.
        None => Time { value: f64::INFINITY, censored: true },
    };
    let times: Vec<_> = pairs.iter().map(|(left, right)| (time(left), time(right))).collect();
    let (differences, logarithms) = differences(&times);
    let p = p_value(&differences);
    if logarithms {
        return (p, of_logarithms(&differences));
    }
    let spent = |run: &Run| (run.reached(target).map(|step| step as f64), run.steps as f64);
    let spent: Vec<_> = pairs.iter().map(|(left, right)| (spent(left), spent(right))).collect();
    (p, of_running_times(&spent))
}

fn test_errors(pairs: &[(&Run, &Run)]) -> (Option<f64>, Ratio) {
    let errors: Vec<_> = pairs.iter().map(|(left, right)| (error(left), error(right))).collect();
    let known = |value| Time { value, censored: value == f64::INFINITY };
    let times: Vec<_> = errors.iter().map(|(left, right)| (known(*left), known(*right))).collect();
    let (differences, logarithms) = differences(&times);
    let ratio = if logarithms { of_logarithms(&differences) } else { of_medians(&errors) };
    (p_value(&differences), ratio)
}

/// The error at the end; infinite where there is none.
fn error(run: &Run) -> f64 {
    if run.ended_well() && run.error.is_finite() { run.error } else { f64::INFINITY }
}
