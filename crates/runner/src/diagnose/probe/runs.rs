//! What training runs say.

use causes::thresholds;
use records::evidence::{Baseline, Noise, Rate};

use super::along;
use crate::diagnose::fixes::round;
use crate::diagnose::model::{Draw, Model};
use crate::diagnose::race::{Lane, Rules, Run, race};
use crate::diagnose::setup::{Setup, search};

/// Whether steps differ at one point.
pub(super) fn is_noisy(model: &Model) -> bool {
    let mut draws = (0..4).map(|step| model.at(&model.start, Draw::Step(step)).1);
    let first = draws.next().expect("there are four");
    draws.any(|gradient| gradient.iter().zip(&first).any(|(a, b)| a != b && !(a.is_nan() && b.is_nan())))
}

/// tr Σ / ‖ḡ‖² over the gradients of single steps.
fn noise_at(model: &Model, point: &[f64]) -> f64 {
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

pub(super) fn noise(setup: &Setup, lane: &Lane, rules: Rules, finish: f64) -> Noise {
    let frozen = Rules { noisy: false, keep: false, ..rules };
    Noise {
        at_start: noise_at(&setup.model, &setup.model.start),
        at_finish: noise_at(&setup.model, &along(setup, finish)),
        frozen_reached: race(&setup.model, std::slice::from_ref(lane), frozen)[0].reached,
    }
}

/// How far the minimum next to a run's end is above the best one, over the fall from the start.
pub(super) fn trapped(setup: &Setup, run: &Run) -> f64 {
    if run.reached.is_some() || setup.exact.as_fit().is_some() {
        return 0.0;
    }
    let start = setup.exact.at(&setup.exact.start, Draw::Frozen).0;
    let found = search(&setup.exact, &run.end, setup.unit, 200);
    found.map_or(0.0, |found| (found.value - setup.star.value) / (start - setup.star.value))
}

/// Runs at rates from a thousandth to 100000 times the author's, with everything else as it is.
pub(super) fn sweep(setup: &Setup, lane: &Lane, rules: Rules, run: &Run) -> Vec<(Lane, Run)> {
    let budget = run.reached.unwrap_or(rules.budget).min(setup.model.most_in_a_grid());
    let lanes: Vec<Lane> = setup
        .model
        .grid(-3, 5)
        .into_iter()
        .map(|factor| Lane { lr: round(lane.lr * factor), ..lane.clone() })
        .filter(|other| other.lr != lane.lr)
        .collect();
    let runs = race(&setup.model, &lanes, Rules { budget, first_wins: true, keep: false, ..rules });
    lanes.into_iter().zip(runs).collect()
}

/// The best of a sweep, over the author's rate; the nearest of equals.
pub(super) fn best(sweep: &[(Lane, Run)], lr: f64) -> Option<Rate> {
    let reached = sweep.iter().filter_map(|(lane, run)| Some((lane.lr / lr, run.reached?)));
    let best =
        reached.min_by(|a, b| a.1.cmp(&b.1).then(libm::log(a.0).abs().total_cmp(&libm::log(b.0).abs())))?;
    Some(Rate { factor: best.0, steps: best.1 })
}

/// The best of smaller rates, where the run looks as if its own were too large.
pub(super) fn best_smaller(setup: &Setup, lane: &Lane, rules: Rules, baseline: &Baseline) -> Option<Rate> {
    if !thresholds::overshoots(baseline) {
        return None;
    }
    let budget = baseline.reached.unwrap_or(rules.budget).min(setup.model.most_in_a_grid());
    let lanes: Vec<Lane> = setup
        .model
        .grid(-3, 0)
        .into_iter()
        .map(|factor| Lane { lr: round(lane.lr * factor), ..lane.clone() })
        .filter(|other| other.lr < lane.lr)
        .collect();
    let runs = race(&setup.model, &lanes, Rules { budget, first_wins: true, keep: false, ..rules });
    best(&lanes.into_iter().zip(runs).collect::<Vec<_>>(), lane.lr)
}
