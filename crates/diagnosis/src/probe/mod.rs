//! What is measured of a model: one function a statistic.

mod activation;
mod curvature;
mod minimum;
mod path;
mod residual;
mod runs;

use causes::LineFit;
use records::Dtype;
use records::evidence::{Baseline, Evidence};

pub(super) use activation::usual_start;
use problems::Draw;

use super::line::line_fit;
use super::run::{StopCriteria, Trajectory};
use super::setup::{Setup, own_way};
use super::spectrum::{dot, norm};
use config::diagnose::Case;
use engine::{LaneResult, Until};

/// Tells how far the work is.
pub(super) type Progress<'a> = &'a dyn Fn(&str);

/// What was measured, and what later steps need of it.
pub(super) struct Probes {
    pub evidence: Evidence,
    pub baseline: LaneResult,
    /// The author's way at other rates.
    pub sweep: Vec<(f64, LaneResult)>,
    pub noisy: bool,
    /// The author's steps in a line fit.
    pub line_fit: Option<LineFit>,
}

/// Points of a walk along a single parameter.
const WALK: usize = 200;

/// Measures everything that the rules judge.
pub(super) fn probe(case: &Case, setup: &Setup, progress: Progress) -> Probes {
    progress("the noise of single steps");
    let noisy = runs::is_noisy(&setup.model);
    progress("your own run");
    let path = own_way(case, setup);
    let rules = StopCriteria { budget: case.steps, tolerance: setup.tolerance, noisy, until: Until::Arrival };
    let (run, seen) = Trajectory::of(&setup.model, &path, case.lr, rules);
    progress("the way from the minimum to the start");
    let finish = path::finish(setup);
    // A minimum at infinity has an exponential tail, no curvature and no sides: then it is where the run may end
    // that counts.
    let far = finish >= 0.5;
    let paths = path::paths(setup, if far { 1.0 } else { finish });
    let non_finite = path::non_finite(case, setup, &run, &seen, &paths);
    progress("how far the loss falls");
    let fall = minimum::fall(setup, &run);
    let plateau = residual::plateau(setup, &paths);
    progress("curvatures");
    let end = along(setup, if far { finish } else { 0.0 });
    // Where the curvature at the end is unknown, none is large beside it.
    let scale = curvature::spectrum(&setup.exact, &end, setup.length_scale, None).map(|s| s.largest_size());
    let saddle = scale.and_then(|scale| curvature::saddle(setup, &seen, scale));
    progress("other learning rates");
    let sweep = runs::sweep(setup, &path, case.lr, rules, &run);
    let baseline = baseline(case, setup, &run, &seen);
    let evidence = Evidence {
        best_rate: runs::best(&sweep, case.lr),
        best_smaller: runs::best_smaller(setup, &path, case.lr, rules, &baseline),
        baseline,
        shapes: residual::shapes(setup),
        non_finite,
        no_gradient: setup.no_gradient.clone(),
        constant: minimum::is_constant(setup),
        single: setup.fit.is_some(),
        parameters: setup.predictions(),
        random: setup.random,
        noise: noisy.then(|| runs::noise(setup, &path, case.lr, rules, finish)),
        fall,
        bias: minimum::bias(setup),
        // Random numbers differ between number types.
        precision: (case.dtype == Dtype::Float32 && !setup.random)
            .then(|| path::precision(setup, finish))
            .flatten(),
        saddle,
        sides: (!far).then(|| residual::sides(setup)).flatten(),
        dead_layer: if setup.fit.is_some() { None } else { activation::dead_layer(&setup.exact) },
        plateau: Some(plateau),
        exponent: path::flatness(setup, finish),
        terms: residual::terms(setup),
        curvature: curvature::curvature(setup, &end, finish),
        paths,
    };
    let line_fit = setup.fit.as_ref().and_then(|fit| line_fit(setup, fit, &path, case.lr));
    Probes { evidence, baseline: run, sweep, noisy, line_fit }
}

fn baseline(case: &Case, setup: &Setup, run: &LaneResult, seen: &Trajectory) -> Baseline {
    Baseline {
        budget: case.steps,
        reached: run.reached(),
        diverged: run.diverged(),
        tolerance: setup.tolerance,
        start_error: setup.start_error,
        end_error: run.error.end,
        start_loss: setup.exact.at(&setup.exact.start, Draw::Frozen).0,
        update_cosine: seen.update_cosine,
        overshoot: seen.worst_error / setup.start_error,
        trapped: runs::trapped(setup, run),
    }
}

/// The point at a share of the way from the minimum to the start.
pub(super) fn along(setup: &Setup, share: f64) -> Vec<f64> {
    setup.star.point.iter().zip(&setup.exact.start).map(|(p, s)| p + share * (s - p)).collect()
}

fn displacement(setup: &Setup) -> Vec<f64> {
    setup.exact.start.iter().zip(&setup.star.point).map(|(s, p)| s - p).collect()
}

/// At most so many parameters, evenly among all.
fn sample(count: usize, most: usize) -> Vec<usize> {
    let most = most.min(count);
    (0..most).map(|k| k * count / most).collect()
}

/// The parameters that are looked at one by one; none in a model, where they mean nothing alone.
fn singles(setup: &Setup, evaluations: usize) -> Vec<usize> {
    let n = setup.predictions();
    // A loss with random numbers is evaluated point by point.
    let most = if setup.random { 4 } else { 16 };
    sample(n, (4_000_000 / (evaluations * n.max(1))).clamp(2, most))
}

fn with(point: &[f64], place: usize, value: f64) -> Vec<f64> {
    let mut point = point.to_vec();
    point[place] = value;
    point
}
