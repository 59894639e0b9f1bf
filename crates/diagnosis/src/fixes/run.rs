//! Running a remedy from the author's start to the author's tolerance.

use causes::FixResult;
use tch::Kind;

use super::{Candidate, How, Outcome, Rates, Training};
use crate::line::line_fit;
use crate::probe::Probes;
use crate::run::{DescentPath, MOST, StopCriteria, by_lbfgs, round, train};
use crate::setup::{Setup, most_in_a_grid, own_way};
use config::diagnose::Case;
use engine::{Evaluator, LaneResult, Until};

pub(super) fn run(case: &Case, setup: &Setup, probes: &Probes, candidate: &Candidate) -> Vec<Outcome> {
    let baseline = &probes.evidence.baseline;
    let budget = if let Some(steps) = baseline.reached {
        (2 * steps).max(100).min(baseline.budget)
    } else {
        // Steps are expensive with many parameters, and with a loss that draws random numbers.
        let most = if setup.random { MOST / 5 } else { MOST };
        baseline.budget.min(most).min((50_000_000 / setup.exact.size() as u64).max(100))
    };
    let rules =
        StopCriteria { budget, tolerance: setup.tolerance, noisy: probes.noisy, until: Until::Arrival };
    match &candidate.how {
        How::Lbfgs => vec![searched(setup, probes, candidate, rules)],
        How::Restarts(starts) => vec![restarted(case, setup, probes, candidate, starts, rules)],
        How::Train(training) => trained(case, setup, probes, candidate, training, rules),
    }
}

/// A row of the table.
fn outcome(probes: &Probes, candidate: &Candidate, run: Option<LaneResult>, steps: Option<u64>) -> Outcome {
    let baseline = &probes.evidence.baseline;
    let counted = baseline.reached.unwrap_or(baseline.budget);
    let tried = FixResult {
        name: candidate.name.clone(),
        change: candidate.change.clone(),
        steps,
        baseline_steps: baseline.reached,
        speedup: steps.map(|own| counted as f64 / own.max(1) as f64),
        reached: steps.is_some(),
        line_fit: None,
        addresses: candidate.addresses.clone(),
    };
    Outcome { tried, run }
}

fn searched(setup: &Setup, probes: &Probes, candidate: &Candidate, rules: StopCriteria) -> Outcome {
    let budget = rules.budget.min(2000);
    let mut run = by_lbfgs(&setup.exact, setup.length_scale, StopCriteria { budget, noisy: false, ..rules });
    // What it is compared with takes one evaluation a step.
    run.curve.iter_mut().for_each(|moment| moment.step = moment.evaluations);
    let steps = run.hit_evaluations[0].filter(|evaluations| *evaluations <= budget);
    outcome(probes, candidate, Some(run), steps)
}

fn restarted(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    candidate: &Candidate,
    starts: &[Vec<f64>],
    rules: StopCriteria,
) -> Outcome {
    let mut spent = 0;
    for start in starts {
        let path = DescentPath { start: start.clone(), ..own_way(case, setup) };
        let each = StopCriteria { budget: (rules.budget / starts.len() as u64).max(1), ..rules };
        let run = train(&setup.model, &path, &[case.lr], each, None).swap_remove(0);
        spent += run.steps;
        if run.reached().is_some() {
            return outcome(probes, candidate, Some(run), Some(spent));
        }
    }
    outcome(probes, candidate, None, None)
}

/// A row at the author's rate, and one at the best of others where that is twice as fast.
fn trained(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    candidate: &Candidate,
    training: &Training,
    rules: StopCriteria,
) -> Vec<Outcome> {
    let kind = if training.double { Kind::Double } else { setup.model.kind };
    let other = match &training.fit {
        Some(fit) => setup.evaluator(fit, kind).ok(),
        None if training.double => Evaluator::new(setup.model.objective.clone(), case.seed, kind).ok(),
        None => None,
    };
    let model = other.as_ref().unwrap_or(&setup.model);
    let Training { optimizer, schedule, .. } = training;
    let path =
        DescentPath { optimizer: optimizer.clone(), schedule: schedule.clone(), start: model.start.clone() };
    let fit = training.fit.as_ref().or(setup.fit.as_ref());
    let row = |run: LaneResult, lr: f64, tuned: bool| {
        let steps = run.reached();
        let mut row = outcome(probes, candidate, Some(run), steps);
        if tuned {
            row.tried.name = format!("{}, lr {lr}", candidate.name);
        }
        row.tried.change = format!("{}, lr {lr}", candidate.change);
        row.tried.line_fit = steps.and_then(|_| fit.and_then(|fit| line_fit(setup, fit, &path, lr)));
        row
    };
    let mut rows = Vec::new();
    let mut own_steps = None;
    if training.rates != Rates::Others {
        // A step of many draws is expensive, and a run that takes longer than this is no fix.
        let expensive = training.rates == Rates::Smaller;
        let rules = StopCriteria {
            budget: if expensive { (rules.budget / 5).max(1) } else { rules.budget },
            ..rules
        };
        let run = train(model, &path, &[case.lr], rules, None).swap_remove(0);
        own_steps = run.reached();
        rows.push(row(run, case.lr, false));
    }
    let most = own_steps.map_or(rules.budget, |steps| steps / 2).min(most_in_a_grid(model));
    let tuned: Vec<(f64, LaneResult)> = if training.rates == Rates::Others {
        probes.sweep.clone()
    } else {
        let rates = grid(setup, model, training.rates, case.lr);
        let budget = if rates.is_empty() { 0 } else { most };
        let runs = train(model, &path, &rates, StopCriteria { budget, until: Until::First, ..rules }, None);
        rates.into_iter().zip(runs).collect()
    };
    if let Some(k) = steady(&tuned).filter(|_| most > 0) {
        let (lr, run) = &tuned[k];
        rows.push(row(run.clone(), *lr, true));
    }
    if rows.is_empty() {
        rows.push(outcome(probes, candidate, None, None));
    }
    rows
}

fn grid(setup: &Setup, model: &Evaluator, rates: Rates, lr: f64) -> Vec<f64> {
    let (base, factors) = match rates {
        Rates::Own | Rates::Others => return Vec::new(),
        Rates::Multiples => (lr, setup.grid(model, -3, 5)),
        Rates::Smaller => (lr, setup.grid(model, -3, 0)),
        Rates::Lengths => (setup.length_scale, setup.grid(model, -3, 1)),
    };
    factors.into_iter().map(|factor| round(base * factor)).filter(|rate| *rate != lr).collect()
}

/// The run that arrives first and doesn't owe it to luck: with it, the next smaller and larger rates arrive, too.
/// Without such a run, the first.
fn steady(runs: &[(f64, LaneResult)]) -> Option<usize> {
    let steps = |k: usize| runs.get(k).and_then(|(_, run)| run.reached()).unwrap_or(u64::MAX);
    let with_neighbors =
        |k: usize| (k.saturating_sub(1)..=k + 1).filter(|i| *i < runs.len()).map(steps).max();
    let arrived = || (0..runs.len()).filter(|k| steps(*k) < u64::MAX);
    arrived()
        .filter(|k| with_neighbors(*k).is_some_and(|worst| worst < u64::MAX))
        .min_by_key(|k| steps(*k))
        .or_else(|| arrived().min_by_key(|k| steps(*k)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_is_no_rate() {
        let runs = |steps: &[Option<u64>]| -> Vec<(f64, LaneResult)> {
            let run = |hit: &Option<u64>| LaneResult { hits: vec![*hit], ..LaneResult::default() };
            steps.iter().map(|hit| (0.1, run(hit))).collect()
        };
        assert_eq!(steady(&runs(&[Some(90), Some(30), Some(12), None, Some(1), None])), Some(1));
        assert_eq!(steady(&runs(&[None, Some(7), None, Some(5)])), Some(3));
        assert_eq!(steady(&runs(&[None, None])), None);
        assert_eq!(steady(&runs(&[Some(9), Some(5)])), Some(1));
    }
}
