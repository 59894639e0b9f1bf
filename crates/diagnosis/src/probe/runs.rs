//! What training runs say.

use causes::thresholds;
use records::evidence::{Baseline, Noise, Rate};

use problems::Draw;

use super::along;
use crate::run::{DescentPath, StopCriteria, round, search, train};
use crate::setup::{Setup, most_in_a_grid};
use engine::{Evaluator, LaneResult, Until};

/// Whether steps differ at one point.
pub(super) fn is_noisy(model: &Evaluator) -> bool {
    let mut draws = (0..4).map(|step| model.at(&model.start, Draw::Step(step)).1);
    let first = draws.next().expect("there are four");
    draws.any(|gradient| gradient.iter().zip(&first).any(|(a, b)| a != b && !(a.is_nan() && b.is_nan())))
}

/// tr Σ / ‖ḡ‖² over the gradients of single steps.
fn noise_at(model: &Evaluator, point: &[f64]) -> f64 {
    const REPEATS: u64 = 32;
    let gradients: Vec<Vec<f64>> = (0..REPEATS).map(|step| model.at(point, Draw::Step(step)).1).collect();
    let n = REPEATS as f64;
    let (mut variance, mut power) = (0.0, 0.0);
    for i in 0..point.len() {
        let mean = gradients.iter().map(|g| g[i]).sum::<f64>() / n;
        let own = gradients.iter().map(|g| (g[i] - mean) * (g[i] - mean)).sum::<f64>() / (n - 1.0);
        variance += own;
        // The square of a mean of n draws is too large by a share of the variance.
        power += mean * mean - own / n;
    }
    if power > 0.0 { variance / power } else { f64::INFINITY }
}

pub(super) fn noise(setup: &Setup, path: &DescentPath, lr: f64, rules: StopCriteria, finish: f64) -> Noise {
    let frozen = StopCriteria { noisy: false, ..rules };
    Noise {
        at_start: noise_at(&setup.model, &setup.model.start),
        at_finish: noise_at(&setup.model, &along(setup, finish)),
        frozen_reached: train(&setup.model, path, &[lr], frozen, None)[0].reached(),
    }
}

/// How far the minimum next to a run's end is above the best one, over the fall from the start.
pub(super) fn trapped(setup: &Setup, run: &LaneResult) -> f64 {
    if run.reached().is_some() || setup.fit.is_some() || run.end.is_empty() {
        return 0.0;
    }
    let start = setup.exact.at(&setup.exact.start, Draw::Frozen).0;
    let found = search(&setup.exact, &run.end, setup.length_scale, 100);
    found.map_or(0.0, |found| (found.value - setup.star.value) / (start - setup.star.value))
}

/// Runs at rates from a thousandth to 100000 times the author's, with everything else as it is.
pub(super) fn sweep(
    setup: &Setup,
    path: &DescentPath,
    lr: f64,
    rules: StopCriteria,
    run: &LaneResult,
) -> Vec<(f64, LaneResult)> {
    at_multiples(
        setup,
        path,
        lr,
        setup.grid(&setup.model, -3, 5),
        StopCriteria { budget: run.reached().unwrap_or(rules.budget), ..rules },
    )
}

/// Runs at other rates than the author's, in so many times it.
fn at_multiples(
    setup: &Setup,
    path: &DescentPath,
    lr: f64,
    factors: Vec<f64>,
    rules: StopCriteria,
) -> Vec<(f64, LaneResult)> {
    let mut rates: Vec<f64> = factors.into_iter().map(|factor| round(lr * factor)).collect();
    rates.retain(|rate| *rate != lr);
    let budget = rules.budget.min(most_in_a_grid(&setup.model));
    let runs = train(&setup.model, path, &rates, StopCriteria { budget, until: Until::First, ..rules }, None);
    rates.into_iter().zip(runs).collect()
}

/// The best of a sweep, over the author's rate; the nearest of equals.
pub(super) fn best(sweep: &[(f64, LaneResult)], lr: f64) -> Option<Rate> {
    let reached = sweep.iter().filter_map(|(rate, run)| Some((rate / lr, run.reached()?)));
    let best =
        reached.min_by(|a, b| a.1.cmp(&b.1).then(libm::log(a.0).abs().total_cmp(&libm::log(b.0).abs())))?;
    Some(Rate { factor: best.0, steps: best.1 })
}

/// The best of smaller rates, where the run looks as if its own were too large.
pub(super) fn best_smaller(
    setup: &Setup,
    path: &DescentPath,
    lr: f64,
    rules: StopCriteria,
    baseline: &Baseline,
) -> Option<Rate> {
    if !thresholds::overshoots(baseline) {
        return None;
    }
    let mut factors = setup.grid(&setup.model, -3, 0);
    factors.retain(|factor| round(lr * factor) < lr);
    let budget = baseline.reached.unwrap_or(rules.budget);
    best(&at_multiples(setup, path, lr, factors, StopCriteria { budget, ..rules }), lr)
}
