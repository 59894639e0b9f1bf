//! Running a remedy from the author's start to the author's tolerance.

use causes::Tried;
use tch::Kind;

use super::{Candidate, How, MOST, Outcome, Rates, Training, line_fit, round};
use crate::config::diagnose::Case;
use crate::diagnose::minimise::{Limits, lbfgs};
use crate::diagnose::model::{Draw, Model, kind_of};
use crate::diagnose::probe::{Probes, own_lane};
use crate::diagnose::race::{Lane, Rules, Run, race};
use crate::diagnose::setup::{Probed, Setup};

pub(super) fn run(case: &Case, setup: &Setup, probes: &Probes, candidate: &Candidate) -> Vec<Outcome> {
    let baseline = &probes.evidence.baseline;
    let budget = if let Some(steps) = baseline.reached {
        (2 * steps).max(100).min(baseline.budget)
    } else {
        // Of many parameters every step is dear, and of a loss with random numbers.
        let most = if setup.exact.is_random() { MOST / 5 } else { MOST };
        baseline.budget.min(most).min((50_000_000 / setup.exact.size() as u64).max(100))
    };
    let rules =
        Rules { budget, tolerance: setup.tolerance, noisy: probes.noisy, first_wins: false, keep: false };
    match &candidate.how {
        How::Lbfgs => vec![by_lbfgs(setup, probes, candidate, budget.min(2000))],
        How::Restarts(starts) => vec![restarted(case, setup, probes, candidate, starts, rules)],
        How::Train(training) => trained(case, setup, probes, candidate, training, rules),
    }
}

/// A row of the table.
fn outcome(probes: &Probes, candidate: &Candidate, run: Run, steps: Option<u64>) -> Outcome {
    let baseline = &probes.evidence.baseline;
    let counted = baseline.reached.unwrap_or(baseline.budget);
    let tried = Tried {
        name: candidate.name.clone(),
        change: candidate.change.clone(),
        steps,
        baseline_steps: baseline.reached,
        speedup: steps.map(|own| counted as f64 / own.max(1) as f64),
        reached: steps.is_some(),
        line_fit: None,
        mends: candidate.mends.clone(),
    };
    Outcome { tried, run: Some(run) }
}

fn by_lbfgs(setup: &Setup, probes: &Probes, candidate: &Candidate, budget: u64) -> Outcome {
    let exact = &setup.exact;
    let mut curve = Vec::new();
    let evaluate = |point: &[f64]| {
        let at = exact.at(point, Draw::Frozen);
        curve.push((curve.len() as u64, at.0, exact.error(point)));
        at
    };
    let until = |point: &[f64]| exact.error(point) <= setup.tolerance;
    let limits = Limits { evaluations: budget, unit: setup.unit * (exact.size() as f64).sqrt(), reach: 1e5 };
    let found = lbfgs(evaluate, until, &exact.start, limits);
    let steps = found.arrived.then_some(found.evaluations);
    outcome(probes, candidate, Run { curve, ..Run::default() }, steps)
}

fn restarted(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    candidate: &Candidate,
    starts: &[Vec<f64>],
    rules: Rules,
) -> Outcome {
    let mut spent = 0;
    for start in starts {
        let lane = Lane { start: start.clone(), ..own_lane(case, setup) };
        let each = Rules { budget: (rules.budget / starts.len() as u64).max(1), ..rules };
        let run = race(&setup.model, &[lane], each).swap_remove(0);
        spent += run.steps;
        if run.reached.is_some() {
            return outcome(probes, candidate, run, Some(spent));
        }
    }
    outcome(probes, candidate, Run::default(), None)
}

/// A row at the author's rate, and one at the best of others where that is twice as fast.
fn trained(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    candidate: &Candidate,
    training: &Training,
    rules: Rules,
) -> Vec<Outcome> {
    let kind = if training.double { Kind::Double } else { kind_of(case.dtype) };
    let other = match &training.fit {
        Some(fit) => Model::fit(fit, kind).ok(),
        None if training.double => setup.subject.model(kind).ok(),
        None => None,
    };
    if let Some(other) = &other {
        other.draw_like(&setup.model);
    }
    let model = other.as_ref().unwrap_or(&setup.model);
    let Training { optimizer, schedule, .. } = training;
    let lane = |lr: f64| Lane {
        optimizer: optimizer.clone(),
        schedule: schedule.clone(),
        lr,
        start: model.start.clone(),
    };
    let fit = match (&training.fit, &setup.subject) {
        (Some(fit), _) => Some(fit),
        (None, Probed::Fit(fit)) => Some(&**fit),
        _ => None,
    };
    let row = |run: Run, lane: &Lane, tuned: bool| {
        let steps = run.reached;
        let mut row = outcome(probes, candidate, run, steps);
        if tuned {
            row.tried.name = format!("{}, lr {}", candidate.name, lane.lr);
        }
        row.tried.change = format!("{}, lr {}", candidate.change, lane.lr);
        row.tried.line_fit = steps.and_then(|_| fit.and_then(|fit| line_fit(setup, fit, lane, probes.noisy)));
        row
    };
    let mut rows = Vec::new();
    let mut own_steps = None;
    if training.rates != Rates::Others {
        let own = lane(case.lr);
        // A step of many draws is dear, and one that takes longer than this mends nothing.
        let dear = training.rates == Rates::Smaller;
        let rules = Rules { budget: if dear { (rules.budget / 5).max(1) } else { rules.budget }, ..rules };
        let run = race(model, std::slice::from_ref(&own), rules).swap_remove(0);
        own_steps = run.reached;
        rows.push(row(run, &own, false));
    }
    let most = own_steps.map_or(rules.budget, |steps| steps / 2).min(model.most_in_a_grid());
    let tuned: Vec<(Lane, Run)> = if training.rates == Rates::Others {
        probes.sweep.clone()
    } else {
        let lanes: Vec<Lane> =
            grid(model, training.rates, case.lr, setup.unit).into_iter().map(lane).collect();
        let budget = if lanes.is_empty() { 0 } else { most };
        let runs = race(model, &lanes, Rules { budget, first_wins: true, ..rules });
        lanes.into_iter().zip(runs).collect()
    };
    if let Some(k) = steady(&tuned).filter(|_| most > 0) {
        let (lane, run) = &tuned[k];
        rows.push(row(run.clone(), lane, true));
    }
    if rows.is_empty() {
        rows.push(outcome(probes, candidate, Run::default(), None));
    }
    rows
}

fn grid(model: &Model, rates: Rates, lr: f64, unit: f64) -> Vec<f64> {
    let (base, factors) = match rates {
        Rates::Own | Rates::Others => return Vec::new(),
        Rates::Multiples => (lr, model.grid(-3, 5)),
        Rates::Smaller => (lr, model.grid(-3, 0)),
        Rates::Lengths => (unit, model.grid(-3, 1)),
    };
    factors.into_iter().map(|factor| round(base * factor)).filter(|rate| *rate != lr).collect()
}

/// The run that arrives first and doesn't owe it to luck: with it, the next smaller and larger rates arrive, too.
/// Without such a run, the first.
fn steady(runs: &[(Lane, Run)]) -> Option<usize> {
    let steps = |k: usize| runs.get(k).and_then(|(_, run)| run.reached).unwrap_or(u64::MAX);
    let with_neighbours =
        |k: usize| (k.saturating_sub(1)..=k + 1).filter(|i| *i < runs.len()).map(steps).max();
    let arrived = || (0..runs.len()).filter(|k| steps(*k) < u64::MAX);
    arrived()
        .filter(|k| with_neighbours(*k).is_some_and(|worst| worst < u64::MAX))
        .min_by_key(|k| steps(*k))
        .or_else(|| arrived().min_by_key(|k| steps(*k)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_is_no_rate() {
        let lane = Lane {
            optimizer: optimizers::Optimizer::named("sgd").unwrap(),
            schedule: optimizers::Schedule::named("constant").unwrap(),
            lr: 0.1,
            start: Vec::new(),
        };
        let runs = |steps: &[Option<u64>]| -> Vec<(Lane, Run)> {
            steps.iter().map(|reached| (lane.clone(), Run { reached: *reached, ..Run::default() })).collect()
        };
        assert_eq!(steady(&runs(&[Some(90), Some(30), Some(12), None, Some(1), None])), Some(1));
        assert_eq!(steady(&runs(&[None, Some(7), None, Some(5)])), Some(3));
        assert_eq!(steady(&runs(&[None, None])), None);
        assert_eq!(steady(&runs(&[Some(9), Some(5)])), Some(1));
    }
}
