//! What became of one row.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::outcomes::{Fall, Successes};
use super::relabel::Chances;
use super::side::{Group, Run};
use super::{Measure, Options, Reported, RowChange, Verdict, size};
use crate::statistics::median;
use records::Outcome;

/// A row's change before it is known what the others say.
pub(super) struct Judged {
    pub(super) change: RowChange,
    /// The seeds that both sides report.
    pub(super) seeds: Vec<u64>,
    /// ln t, or ln error, of the left side's seeds, then of the right's, at the rates that the sides chose; none of runs
    /// that didn't arrive.
    pub(super) values: Vec<Option<f64>>,
    /// The same as they are tested: where the rates differ, at that of the left on both sides, and at that of the right.
    pub(super) tested: Vec<Vec<Option<f64>>>,
    /// Those that succeed, by what is least of a fall at these rates, and by what is least of a rise.
    pub(super) falls: Successes,
    pub(super) rises: Successes,
    /// The same convergence at the chosen rate, and another at other rates.
    elsewhere: bool,
}

/// What the whole comparison says of a row.
#[derive(Clone, Copy)]
pub(super) struct Evidence {
    /// Of the steps or errors; none where they are the same.
    pub(super) steps: Option<Chances>,
    /// Of fewer successes, and of more.
    pub(super) outcomes: [Option<Fall>; 2],
    /// Up to which chance steps count.
    pub(super) level: f64,
}

/// Runs of the same seed.
type Pairs<'a> = Vec<(&'a Run, &'a Run)>;

/// Compares a row that both sides have.
pub(super) fn judge(grid: &str, left: &Group, right: &Group) -> Judged {
    let all = Paired::new(&left.runs, &right.runs);
    let pairs = by_seed(&left.reported(left.lr), &right.reported(right.lr));
    let measure = measure(&pairs);
    let same_rate = left.lr.total_cmp(&right.lr).is_eq();
    let mut at_rates = vec![pairs.clone()];
    if !same_rate {
        let at = |lr| by_seed(&left.reported(lr), &right.reported(lr));
        at_rates.extend([at(left.lr), at(right.lr)].into_iter().filter(|other| other.len() == pairs.len()));
    }
    let mut tested: Vec<Vec<Option<f64>>> = at_rates.iter().map(|pairs| logarithms(pairs, measure)).collect();
    let values = if tested.len() > 1 { tested.remove(0) } else { tested[0].clone() };
    let steady = [left, right].map(|side| side.tuned().all(|run| amount(run, measure).is_some()));
    let successes = |pairs: &Pairs| {
        let (left, right): (Vec<&Run>, Vec<&Run>) = pairs.iter().copied().unzip();
        let count = |runs: &[&Run]| runs.iter().filter(|run| amount(run, measure).is_some()).count() as u64;
        Successes { seeds: pairs.len() as u64, left: count(&left), right: count(&right), steady }
    };
    let counts: Vec<Successes> = at_rates.iter().map(successes).collect();
    let least =
        |order: fn(&Successes) -> i64| *counts.iter().min_by_key(|one| order(one)).expect("there is one");
    let side = |runs: &[&Run], lr| Reported::new(runs, lr, measure);
    let sides: (Vec<&Run>, Vec<&Run>) = pairs.iter().copied().unzip();
    let (left_side, right_side) = (side(&sides.0, left.lr), side(&sides.1, right.lr));
    let elsewhere =
        same_rate && all.same_convergence < all.count && pairs.iter().all(|(a, b)| a.converged_as(b));
    let verdict = if all.identical() {
        Verdict::Identical
    } else if same_rate && all.same_convergence == all.count && all.unpaired == 0 {
        Verdict::Bits
    } else {
        Verdict::Drifted
    };
    let (ratio, interval) = size(&values);
    let change = RowChange {
        grid: grid.to_owned(),
        labels: left.labels.clone(),
        verdict,
        left: Some(left_side),
        right: Some(right_side),
        measure,
        pairs: pairs.len() as u64,
        ratio,
        interval,
        p: None,
        changed: all.count - all.same_bits,
        outcomes: all.outcomes.into_values().collect(),
    };
    Judged {
        change,
        seeds: pairs.iter().map(|(left, _)| left.seed).collect(),
        values,
        tested,
        falls: least(|one| one.left as i64 - one.right as i64),
        rises: least(|one| one.right as i64 - one.left as i64),
        elsewhere,
    }
}

impl Judged {
    /// Whether any seed has other steps, or another error.
    pub(super) fn moved(&self) -> bool {
        let (left, right) = self.values.split_at(self.seeds.len());
        left != right
    }

    /// The verdict, now that the others are known.
    pub(super) fn settle(mut self, evidence: Evidence, options: &Options) -> RowChange {
        let change = &mut self.change;
        let (Some(left), Some(right)) = (&change.left, &change.right) else { return self.change };
        let (worse, better) = (1.0 + options.threshold, 1.0 / (1.0 + options.threshold));
        // The same steps say little where no target was reached, and an error differs in its last bits from
        // machine to machine.
        let alike = matches!(change.measure, Measure::Steps(_)) || (better..=worse).contains(&change.ratio);
        if change.verdict == Verdict::Identical || change.verdict == Verdict::Bits && alike {
            return self.change;
        }
        let [fell, rose] = evidence.outcomes;
        let steps = evidence.steps.map(|steps| if change.ratio > 1.0 { steps.slower } else { steps.faster });
        let moved = steps.is_some_and(|p| p <= evidence.level);
        // A single seed has nothing to be judged by: what it loses counts at once.
        let single = |counts: Successes| counts.seeds == 1 && counts.left > counts.right;
        let falls = fell.is_some_and(|fall| fall.counts) || single(self.falls);
        let rises = rose.is_some_and(|rise| rise.counts) || single(self.rises.swapped());
        let outcome = fell.or(rose).map(|fall| fall.chance);
        change.p = [outcome, steps].into_iter().flatten().min_by(f64::total_cmp);
        change.verdict = if right.failed > left.failed {
            Verdict::Failed
        } else if falls && right.diverged > left.diverged {
            Verdict::Diverged
        } else if falls {
            Verdict::Lost
        } else if moved && change.ratio > worse {
            Verdict::Slower
        } else if rises {
            Verdict::Gained
        } else if moved && change.ratio < better {
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
        let amount = |run: &&Run| amount(run, measure).unwrap_or(f64::INFINITY);
        let mut amounts: Vec<f64> = runs.iter().map(amount).collect();
        let reached = matches!(measure, Measure::Steps(_))
            .then(|| amounts.iter().filter(|amount| amount.is_finite()).count() as u64);
        Self {
            lr,
            seeds: runs.len() as u64,
            reached,
            typical: median(&mut amounts),
            diverged: count(Outcome::Diverged),
            failed: count(Outcome::Failed),
        }
    }

    fn ends(&self) -> (Option<u64>, u64, u64) {
        (self.reached, self.diverged, self.failed)
    }
}

/// The cells of both sides, by rate and seed.
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
            match a.order(b) {
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
            let words: [&'static str; 2] = [left.outcome.into(), right.outcome.into()];
            self.outcomes.entry(words).or_insert((left.outcome, right.outcome, 0)).2 += 1;
        }
    }

    fn identical(&self) -> bool {
        self.unpaired == 0 && self.same_bits == self.count
    }
}

/// Runs of the same seed; both lists are sorted by seed.
fn by_seed<'a>(left: &[&'a Run], right: &[&'a Run]) -> Pairs<'a> {
    let partner = |run: &&'a Run| right.binary_search_by_key(&run.seed, |other| other.seed).ok();
    left.iter().filter_map(|run| partner(run).map(|place| (*run, right[place]))).collect()
}

/// The hardest target that half of the runs of either side reached; where there is none, that which most runs reached;
/// the error at the end where none reached any. Swapping the sides doesn't change it, and no lucky seed decides it.
fn measure(pairs: &[(&Run, &Run)]) -> Measure {
    let mut reached: BTreeMap<u64, [usize; 2]> = BTreeMap::new();
    for (left, right) in pairs {
        for (side, run) in [left, right].into_iter().enumerate() {
            for hit in run.hits.iter().filter(|hit| run.reached(hit.target).is_some()) {
                // The bits of numbers from 0 up are ordered as they are.
                reached.entry(hit.target.to_bits()).or_default()[side] += 1;
            }
        }
    }
    let half = reached.iter().find(|(_, counts)| counts.iter().any(|count| 2 * count >= pairs.len()));
    let most = || reached.iter().rev().max_by_key(|(_, [left, right])| left + right);
    half.or_else(most).map_or(Measure::FinalError, |(target, _)| Measure::Steps(f64::from_bits(*target)))
}

/// The steps to the target, or the error at the end; none of a run that didn't get there, or ended badly.
fn amount(run: &Run, measure: Measure) -> Option<f64> {
    match measure {
        // A run that begins at its target counts as one step, so that it has a logarithm.
        Measure::Steps(target) => run.reached(target).map(|step| step.max(1) as f64),
        Measure::FinalError => Some(run.error).filter(|error| run.ended_well() && error.is_finite()),
    }
}

/// The logarithms of the left side, then of the right. An error of 0 takes the smallest other one.
fn logarithms(pairs: &[(&Run, &Run)], measure: Measure) -> Vec<Option<f64>> {
    let runs = pairs.iter().map(|pair| pair.0).chain(pairs.iter().map(|pair| pair.1));
    let amounts: Vec<Option<f64>> = runs.map(|run| amount(run, measure)).collect();
    let positive = amounts.iter().flatten().copied().filter(|amount| *amount > 0.0);
    let smallest = positive.fold(f64::INFINITY, f64::min);
    // Where all are 0 they are alike.
    let smallest = if smallest == f64::INFINITY { 1.0 } else { smallest };
    amounts.into_iter().map(|amount| amount.map(|amount| amount.max(smallest).ln())).collect()
}
