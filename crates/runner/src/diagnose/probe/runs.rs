//! What training runs say.

use analysis::diagnosis::{Noise, Rate};

use super::along;
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

/// The best of rates from a thousandth to 100000 times the author's, and the best of the smaller ones.
pub(super) fn rates(setup: &Setup, lane: &Lane, rules: Rules, run: &Run) -> (Option<Rate>, Option<Rate>) {
    let cost = setup.exact.size() as u64;
    let most = if cost > 1000 { 300 } else { 1000 };
    let budget = run.reached.unwrap_or(rules.budget).min(most);
    let best = |factors: Vec<f64>| {
        let lanes: Vec<Lane> =
            factors.iter().map(|factor| Lane { lr: lane.lr * factor, ..lane.clone() }).collect();
        let runs = race(&setup.model, &lanes, Rules { budget, first_wins: true, keep: false, ..rules });
        let reached = factors.iter().zip(runs).filter_map(|(factor, run)| Some((*factor, run.reached?)));
        let best = reached
            .min_by(|a, b| a.1.cmp(&b.1).then(libm::log(a.0).abs().total_cmp(&libm::log(b.0).abs())))?;
        Some(Rate { factor: best.0, steps: best.1 })
    };
    let grid = |from: i32, to: i32| (from..=to).map(|k| libm::pow(10.0, f64::from(k) / 3.0)).collect();
    (best(grid(-9, 15)), best(grid(-9, -1)))
}
