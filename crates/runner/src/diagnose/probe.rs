//! What is measured of a model: one function a statistic.

use analysis::diagnosis::{
    Baseline, Bias, Curvature, Evidence, Fall, Noise, NonFinite, Path, Plateau, Precision, Rate, Saddle,
    Shapes, Sides, Spectrum, Term, exponent, gamma, lanczos,
};
use analysis::records::Dtype;
use numeric::Stream;
use tch::Kind;

use super::model::{Draw, FitModel, Model, kind_of};
use super::numbers::Array;
use super::race::{Lane, Rules, Run, race};
use super::setup::{Probed, Setup, has_exact_solution, rms, search, unbiased};
use crate::config::diagnose::{Case, Readout};

/// Tells how far the work is.
pub(super) type Progress<'a> = &'a dyn Fn(&str);

/// What was measured, and what later steps need of it.
pub(super) struct Probes {
    pub evidence: Evidence,
    pub baseline: Run,
    pub noisy: bool,
    /// The share of the way from the minimum to the start that is within the tolerance.
    pub finish: f64,
    /// The author's steps in a line fit.
    pub line_fit: Option<Option<u64>>,
}

/// Points of a walk along a single parameter.
const WALK: usize = 200;

pub(super) fn probe(case: &Case, setup: &Setup, progress: Progress) -> Probes {
    let mut evidence = Evidence::default();
    evidence.no_gradient = setup.exact.failure.borrow().clone();
    evidence.shapes = shapes(setup);
    progress("the noise of single steps");
    let noisy = is_noisy(&setup.model);
    progress("your own run");
    let lane = own_lane(case, setup);
    let rules =
        Rules { budget: case.steps, tolerance: setup.tolerance, noisy, first_wins: false, keep: true };
    let baseline = race(&setup.model, std::slice::from_ref(&lane), rules).swap_remove(0);
    evidence.baseline = Baseline {
        optimizer: case.optimizer.label(),
        lr: case.lr,
        budget: case.steps,
        reached: baseline.reached,
        diverged: baseline.diverged,
        tolerance: setup.tolerance,
        start_error: setup.start_error,
        end_error: baseline.end_error,
        start_loss: setup.exact.at(&setup.exact.start, Draw::Frozen).0,
        end_loss: baseline.end_loss,
        turning: baseline.turning,
        overshoot: baseline.worst_error / setup.start_error,
        trapped: trapped(setup, &baseline),
    };
    let finish = finish(setup);
    progress("the way from the minimum to the start");
    evidence.paths = paths(setup, finish);
    evidence.single = setup.exact.as_fit().is_some();
    evidence.non_finite = non_finite(case, setup, &baseline, &evidence.paths);
    if noisy {
        evidence.noise = Some(noise(setup, &lane, rules, finish));
    }
    progress("how far the loss falls");
    evidence.fall = fall(setup, &baseline);
    evidence.bias = bias(setup);
    if case.dtype == Dtype::Float32 {
        evidence.precision = precision(setup, finish);
    }
    evidence.plateau = plateau(setup, &evidence.paths);
    evidence.exponent = flatness(setup, finish);
    // A minimum at infinity has no sides.
    evidence.sides = if finish < 0.5 { sides(setup) } else { None };
    evidence.terms = terms(setup);
    progress("curvatures");
    // A minimum at infinity has no curvature: then it is where the run may end that counts.
    let at_finish = along(setup, if finish < 0.5 { 0.0 } else { finish });
    let scale = spectrum(&setup.exact, &at_finish, setup.unit, None).map_or(0.0, |s| s.largest_size());
    evidence.saddle = saddle(setup, &baseline, scale);
    evidence.curvature = curvature(setup, &at_finish, finish);
    progress("other learning rates");
    (evidence.best_rate, evidence.best_smaller) = rates(setup, &lane, rules, &baseline);
    let line_fit = match &setup.subject {
        Probed::Fit(fit) => super::fixes::line_fit(setup, fit, &lane, noisy).map(|run| run.reached),
        Probed::Problem(_) => None,
    };
    Probes { evidence, baseline, noisy, finish, line_fit }
}

/// How far the minimum next to a run's end is above the best one, over the fall from the start.
fn trapped(setup: &Setup, run: &Run) -> f64 {
    if run.reached.is_some() || setup.exact.as_fit().is_some() {
        return 0.0;
    }
    let start = setup.exact.at(&setup.exact.start, Draw::Frozen).0;
    let found = search(&setup.exact, &run.end, setup.unit, 200);
    found.map_or(0.0, |found| (found.value - setup.star.value) / (start - setup.star.value))
}

/// The author's own way to train.
pub(super) fn own_lane(case: &Case, setup: &Setup) -> Lane {
    Lane {
        optimizer: case.optimizer.clone(),
        schedule: case.schedule.clone(),
        lr: case.lr,
        start: setup.model.start.clone(),
    }
}

/// The point at a share of the way from the minimum to the start.
pub(super) fn along(setup: &Setup, share: f64) -> Vec<f64> {
    setup.star.point.iter().zip(&setup.exact.start).map(|(p, s)| p + share * (s - p)).collect()
}

fn displacement(setup: &Setup) -> Vec<f64> {
    setup.exact.start.iter().zip(&setup.star.point).map(|(s, p)| s - p).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// At most so many parameters, evenly among all.
fn sample(count: usize, most: usize) -> Vec<usize> {
    let most = most.min(count);
    (0..most).map(|k| k * count / most).collect()
}

/// The parameters that are looked at one by one; none in a model, where they mean nothing alone.
fn singles(setup: &Setup, evaluations: usize) -> Vec<usize> {
    let n = setup.exact.size();
    match setup.exact.as_fit() {
        Some(_) => sample(n, (4_000_000 / (evaluations * n)).clamp(2, 16)),
        None => Vec::new(),
    }
}

fn with(point: &[f64], place: usize, value: f64) -> Vec<f64> {
    let mut point = point.to_vec();
    point[place] = value;
    point
}

fn shapes(setup: &Setup) -> Option<Shapes> {
    let Probed::Fit(fit) = &setup.subject else { return None };
    let (prediction, target) = (fit.seen_shape(), fit.target.shape.clone());
    let count = |shape: &[i64]| shape.iter().product::<i64>();
    if prediction == target || count(&prediction) != count(&target) {
        return None;
    }
    let same = FitModel { target: Array { shape: prediction.clone(), ..fit.target.clone() }, ..fit.clone() };
    let same = Model::fit(&same, Kind::Double).ok()?;
    let (a, b) = (setup.exact.at(&setup.exact.start, Draw::Frozen), same.at(&same.start, Draw::Frozen));
    let matters = norm(&a.1.iter().zip(&b.1).map(|(a, b)| a - b).collect::<Vec<_>>()) > 1e-9 * norm(&b.1);
    Some(Shapes { prediction, target, matters })
}

/// Whether steps differ at one point.
fn is_noisy(model: &Model) -> bool {
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

fn noise(setup: &Setup, lane: &Lane, rules: Rules, finish: f64) -> Noise {
    let frozen = Rules { noisy: false, keep: false, ..rules };
    Noise {
        at_start: noise_at(&setup.model, &setup.model.start),
        at_finish: noise_at(&setup.model, &along(setup, finish)),
        frozen_reached: race(&setup.model, std::slice::from_ref(lane), frozen)[0].reached,
    }
}

/// The largest share of the way that is within the tolerance, seen from the minimum; 0 if the minimum isn't.
fn finish(setup: &Setup) -> f64 {
    if setup.star.error.is_nan() || setup.star.error > setup.tolerance {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if setup.exact.error(&along(setup, middle)) <= setup.tolerance { low = middle } else { high = middle }
    }
    low
}

/// Value and slope along a straight line.
fn walk(model: &Model, from: &[f64], to: &[f64], points: impl Iterator<Item = f64>) -> (Vec<f64>, Vec<f64>) {
    let direction: Vec<f64> = to.iter().zip(from).map(|(a, b)| a - b).collect();
    let all: Vec<f64> = points
        .flat_map(|t| from.iter().zip(&direction).map(move |(p, d)| p + t * d).collect::<Vec<_>>())
        .collect();
    let evaluated = model.evaluate(&all, Draw::Frozen);
    let slopes = evaluated.gradients.chunks(from.len()).map(|g| dot(g, &direction)).collect();
    (evaluated.values, slopes)
}

fn path(model: &Model, from: &[f64], to: &[f64], segments: usize) -> Path {
    let share = |k: usize| k as f64 / segments as f64;
    let (values, slopes) = walk(model, from, to, (0..=segments).map(share));
    let mut path = Path { values, slopes, stays: 1.0, finish: 0.0 };
    if path.fit().is_some_and(|fit| fit.mismatch > analysis::diagnosis::thresholds::MISMATCH) {
        path.stays = stays(model, from, to, &path);
    }
    path
}

/// How much of a path's worst mismatch is left when its segment is divided by 64, twice.
fn stays(model: &Model, from: &[f64], to: &[f64], path: &Path) -> f64 {
    let (Some(worst), n) = (path.worst(), path.segments() as f64) else { return 1.0 };
    let before = path.mismatches()[worst];
    let (mut start, mut length) = (worst as f64 / n, 1.0 / n);
    let mut left = before;
    for _ in 0..2 {
        let (values, slopes) = walk(model, from, to, (0..=64).map(|k| start + length * f64::from(k) / 64.0));
        let slopes = slopes.into_iter().map(|slope| slope * length).collect();
        let part = Path { values, slopes, stays: 1.0, finish: 0.0 };
        let Some(worst) = part.worst() else { return 0.0 };
        left = part.mismatches()[worst];
        start += length * worst as f64 / 64.0;
        length /= 64.0;
    }
    left / before
}

fn paths(setup: &Setup, finish: f64) -> Vec<Path> {
    let (model, star) = (&setup.exact, &setup.star.point);
    let singles = singles(setup, WALK);
    if singles.is_empty() {
        let segments = (20_000_000 / model.size()).clamp(100, 1000);
        return vec![Path { finish, ..path(model, star, &model.start, segments) }];
    }
    let single = |i: usize| Path { finish, ..path(model, star, &with(star, i, model.start[i]), WALK) };
    moved(setup, singles).into_iter().map(single).collect()
}

/// Those of the parameters whose way has a part in the descent.
fn moved(setup: &Setup, singles: Vec<usize>) -> Vec<usize> {
    let (model, star) = (&setup.exact, &setup.star);
    let far = |i: &usize| (model.start[*i] - star.point[*i]).abs() > 0.02 * setup.unit;
    let total = (model.at(&model.start, Draw::Frozen).0 - star.value).abs();
    let matters = |i: &usize| {
        let ends = with(&star.point, *i, model.start[*i]);
        let above = (model.at(&ends, Draw::Frozen).0 - star.value).abs();
        !above.is_finite() || !total.is_finite() || above * model.size() as f64 > 1e-4 * total
    };
    singles.into_iter().filter(far).filter(matters).collect()
}

fn non_finite(case: &Case, setup: &Setup, run: &Run, paths: &[Path]) -> Option<NonFinite> {
    let what = |value: f64| if value.is_finite() { "the gradient" } else { "the loss" };
    let broken = |model: &Model, point: &[f64]| {
        let (value, gradient) = model.at(point, Draw::Frozen);
        (!value.is_finite() || gradient.iter().any(|g| !g.is_finite())).then(|| what(value))
    };
    if setup.exact.failure.borrow().is_some() {
        return None;
    }
    if let Some(what) = broken(&setup.model, &setup.model.start) {
        return Some(NonFinite { place: "at the start".into(), in_run: true, what });
    }
    if let Some(point) = &run.broke_at {
        let far = |a: &[f64]| a.iter().zip(&setup.star.point).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if far(point) <= 3.0 * far(&setup.model.start) {
            let step = run.diverged.unwrap_or(0);
            let what = broken(&setup.model, point).unwrap_or("the loss");
            return Some(NonFinite { place: format!("at step {step} of your run"), in_run: true, what });
        }
    }
    if let Some(what) = broken(&setup.model, &setup.star.point) {
        let place = if setup.star.error == 0.0 { "at the target itself" } else { "at the minimum" };
        return Some(NonFinite { place: place.into(), in_run: false, what });
    }
    for path in paths {
        let bad =
            (1..path.values.len()).find(|k| !path.values[*k].is_finite() || !path.slopes[*k].is_finite());
        if let Some(k) = bad {
            let place =
                format!("at {} % of the way from the minimum to the start", 100 * k / path.segments());
            return Some(NonFinite { place, in_run: false, what: what(path.values[k]) });
        }
    }
    if kind_of(case.dtype) == Kind::Float {
        let bad = (1..64).find_map(|k| broken(&setup.model, &along(setup, f64::from(k) / 64.0)));
        return bad.map(|what| NonFinite { place: "on the way, in float32".into(), in_run: false, what });
    }
    None
}

/// Looks along descent directions for a fall without end.
fn fall(setup: &Setup, run: &Run) -> Option<Fall> {
    let model = &setup.exact;
    let n = model.size();
    let whole = setup.unit * (n as f64).sqrt();
    let mut directions: Vec<(Vec<f64>, Vec<f64>, String)> = Vec::new();
    let finite = |point: &[f64]| point.iter().all(|p| p.is_finite());
    let mut points = vec![(model.start.clone(), "from the start")];
    if finite(&run.end) && run.diverged.is_none() {
        points.push((run.end.clone(), "from where your run ends"));
    }
    points.push((setup.star.point.clone(), "from the target"));
    for (point, from) in &points {
        let gradient = model.at(point, Draw::Frozen).1;
        let size = norm(&gradient);
        if size > 0.0 && size.is_finite() {
            let direction = gradient.iter().map(|g| -g / size * whole).collect();
            directions.push((point.clone(), direction, format!("{from} along the gradient")));
        }
        for i in singles(setup, 64) {
            for sign in [1.0, -1.0] {
                let direction = with(&vec![0.0; n], i, sign * setup.unit);
                let way = if sign > 0.0 { "upwards" } else { "downwards" };
                directions.push((
                    point.clone(),
                    direction,
                    format!("{from}, with a single prediction going {way}"),
                ));
            }
        }
    }
    if let Some((end, _)) = points.iter().find(|(_, from)| *from == "from where your run ends") {
        let direction: Vec<f64> = end.iter().zip(&model.start).map(|(a, b)| a - b).collect();
        directions.push((end.clone(), direction, "on from where your run ends".into()));
    }
    // A fall that stays above the minimum is a long slope into a far valley.
    let (start, star) = (model.at(&model.start, Draw::Frozen).0, setup.star.value);
    let below = start.min(star) - 0.1 * (start - star).abs();
    directions.into_iter().find_map(|(point, direction, words)| {
        let all: Vec<f64> = (0..6)
            .flat_map(|k| {
                let far = libm::pow(10.0, f64::from(k));
                point.iter().zip(&direction).map(move |(p, d)| p + far * d).collect::<Vec<_>>()
            })
            .collect();
        let values = model.evaluate(&all, Draw::Frozen).values;
        (values[5] < below && is_endless(&values)).then_some(Fall { direction: words, values })
    })
}

/// Whether values at 10⁰ … 10⁵ fall by as much a decade as in the one before, or more.
fn is_endless(values: &[f64]) -> bool {
    if values.iter().any(|value| value.is_nan() || *value == f64::INFINITY) {
        return false;
    }
    if values.contains(&f64::NEG_INFINITY) {
        return true;
    }
    let falls: Vec<f64> = values.windows(2).map(|pair| pair[0] - pair[1]).collect();
    let rounding = 1e-9 * values[0].abs();
    let last = &falls[falls.len() - 3..];
    falls.iter().all(|fall| *fall > rounding)
        && last.windows(2).all(|pair| pair[1] >= analysis::diagnosis::thresholds::ENDLESS * pair[0])
}

fn bias(setup: &Setup) -> Option<Bias> {
    let star = &setup.star;
    let at_target = star.solution.as_ref().map(|(_, value)| *value);
    match &setup.subject {
        Probed::Fit(fit) => {
            let shift = (fit.readout == Readout::Identity).then(|| {
                let (point, target) = (&star.point, &fit.target.values);
                let sum: f64 = point.iter().enumerate().map(|(i, p)| p - target[i % target.len()]).sum();
                sum / point.len() as f64
            });
            Some(Bias { error: star.error, unavoidable: 0.0, least: star.value, at_target, shift })
        }
        Probed::Problem(problem) if has_exact_solution(&problem.problem) => {
            Some(Bias { error: star.error, unavoidable: 0.0, least: star.value, at_target, shift: None })
        }
        Probed::Problem(problem) => {
            let other = Model::problem(&unbiased(problem)?, Kind::Double);
            let found = search(&other, &other.start, setup.unit, 200)?;
            let unavoidable = other.error(&found.point);
            Some(Bias { error: star.error, unavoidable, least: star.value, at_target, shift: None })
        }
    }
}

fn precision(setup: &Setup, finish: f64) -> Option<Precision> {
    // Both see the same numbers: those that float32 has.
    let rounded = |values: &[f64]| values.iter().map(|v| f64::from(*v as f32)).collect::<Vec<f64>>();
    let exact = match &setup.subject {
        Probed::Fit(fit) => {
            let target = Array { values: rounded(&fit.target.values), shape: fit.target.shape.clone() };
            Model::fit(&FitModel { target, ..fit.clone() }, Kind::Double).ok()?
        }
        Probed::Problem(_) => return None,
    };
    let mut worst = Precision::default();
    let nearest = finish.max(1e-6);
    for k in 0..=12 {
        let share = nearest * libm::pow(1.0 / nearest, f64::from(k) / 12.0);
        let point = rounded(&along(setup, share));
        let error = setup.exact.error(&point);
        let (single, double) = (setup.model.at(&point, Draw::Frozen).1, exact.at(&point, Draw::Frozen).1);
        let part: Vec<f64> = single.iter().zip(&double).map(|(a, b)| a - b).collect();
        let parting = norm(&part) / norm(&double);
        if error >= 0.9 * setup.tolerance && parting.is_finite() && parting > worst.parting {
            (worst.parting, worst.at_error) = (parting, error);
        }
    }
    if setup.star.error < setup.tolerance {
        worst.resolution = setup.exact.error(&rounded(&setup.star.point));
    }
    Some(worst)
}

fn plateau(setup: &Setup, paths: &[Path]) -> Option<Plateau> {
    let (model, star) = (&setup.exact, &setup.star);
    let (value, gradient) = model.at(&model.start, Draw::Frozen);
    let joint = gamma(dot(&gradient, &displacement(setup)), value - star.value);
    let singles = match model.as_fit() {
        Some(_) => sample(model.size(), (20_000_000 / model.size()).clamp(4, 256)),
        None => Vec::new(),
    };
    let singles: Vec<usize> = singles
        .into_iter()
        .filter(|i| {
            (model.start[*i] - star.point[*i]).abs() > 1.5 * setup.tolerance / setup.start_error * setup.unit
        })
        .collect();
    let replaced: Vec<f64> = singles.iter().flat_map(|i| with(&model.start, *i, star.point[*i])).collect();
    let values = model.evaluate(&replaced, Draw::Frozen).values;
    let elements: Vec<f64> = singles
        .iter()
        .zip(values)
        .map(|(i, without)| {
            let distance = model.start[*i] - star.point[*i];
            gamma(
                gradient[*i] * distance,
                if value - without > 1e-13 * value.abs() { value - without } else { 0.0 },
            )
        })
        .collect();
    let flat: Vec<usize> =
        singles.iter().zip(&elements).filter(|(_, g)| g.abs() < 0.1).map(|(i, _)| *i).collect();
    let known: Vec<f64> = elements.into_iter().filter(|gamma| gamma.is_finite()).collect();
    let ways: Vec<f64> = paths
        .iter()
        .map(|path| {
            let gammas = path.gammas();
            let outer = &gammas[gammas.len() / 10..];
            outer.iter().filter(|gamma| gamma.abs() < 0.1).count() as f64 / outer.len().max(1) as f64
        })
        .collect();
    let way = ways.iter().sum::<f64>() / ways.len().max(1) as f64;
    Some(Plateau {
        joint,
        elements: known,
        way,
        edge: edge(setup, paths),
        whatever_target: whatever_target(setup, &flat, paths),
    })
}

/// The residual beyond which slopes are at least ten times smaller than nearer the minimum, and how many times.
fn edge(setup: &Setup, paths: &[Path]) -> Option<(f64, f64)> {
    let Probed::Fit(fit) = &setup.subject else { return None };
    if fit.readout != Readout::Identity {
        return None;
    }
    let singles = moved(setup, singles(setup, WALK)).into_iter();
    let lengths = singles.map(|i| ((setup.exact.start[i] - setup.star.point[i]).abs(), i));
    let ((length, place), path) = lengths.zip(paths).max_by(|a, b| a.0.0.total_cmp(&b.0.0))?;
    let sizes: Vec<f64> = path.slopes.iter().map(|slope| slope.abs()).collect();
    let steepest = sizes.iter().copied().fold(0.0, f64::max);
    let last = (0..sizes.len()).rev().find(|k| sizes[*k] >= 0.1 * steepest)?;
    let (outer, n) = (sizes.get(last + 1..)?, path.segments() as f64);
    let typical = outer.iter().sum::<f64>() / outer.len() as f64;
    if outer.is_empty() || typical == 0.0 {
        return None;
    }
    // The place between two points of the walk, by bisection.
    let i = place;
    let slope = |t: f64| {
        let point = with(
            &setup.star.point,
            i,
            setup.star.point[i] + t * (setup.exact.start[i] - setup.star.point[i]),
        );
        (setup.exact.at(&point, Draw::Frozen).1[i] * length).abs()
    };
    let (mut low, mut high) = (last as f64 / n, (last + 1) as f64 / n);
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if slope(middle) >= 0.1 * steepest { low = middle } else { high = middle }
    }
    Some((length * low, steepest / typical))
}

/// The largest slope at flat predictions, whatever the target, over the largest on their way to the minimum.
fn whatever_target(setup: &Setup, flat: &[usize], paths: &[Path]) -> Option<f64> {
    let Probed::Fit(fit) = &setup.subject else { return None };
    let steepest = paths.iter().flat_map(|path| &path.slopes).fold(0.0_f64, |m, slope| m.max(slope.abs()));
    if flat.is_empty() || fit.seen_shape() != fit.target.shape && fit.readout_shape() != fit.target.shape {
        return None;
    }
    let here = fit.read_out_numbers(&fit.start.values);
    if here.len() != fit.target.values.len() {
        return None;
    }
    let reach = setup.start_error;
    let mut largest = 0.0_f64;
    for shift in [-1.0, -0.3, -0.1, 0.1, 0.3, 1.0] {
        let values = here.iter().map(|value| value + shift * reach).collect();
        let target = Array { values, shape: fit.target.shape.clone() };
        let moved = Model::fit(&FitModel { target, ..fit.clone() }, Kind::Double).ok()?;
        let gradient = moved.at(&moved.start, Draw::Frozen).1;
        for i in flat.iter().filter(|i| gradient[**i].is_finite()) {
            largest = largest.max((gradient[*i] * (setup.exact.start[*i] - setup.star.point[*i])).abs());
        }
    }
    let ratio = largest / steepest;
    ratio.is_finite().then_some(ratio)
}

/// The exponent of the loss in the error, from the tolerance to a third of the way.
fn flatness(setup: &Setup, finish: f64) -> Option<f64> {
    if finish <= 0.0 || finish > 0.15 || setup.star.error > 0.1 * setup.tolerance {
        return None;
    }
    let shares: Vec<f64> = (0..=12).map(|k| finish * libm::pow(0.3 / finish, f64::from(k) / 12.0)).collect();
    let points: Vec<f64> = shares.iter().flat_map(|share| along(setup, *share)).collect();
    let errors = setup.exact.errors(&points);
    let values = setup.exact.evaluate(&points, Draw::Frozen).values;
    let rounding = 1e-14 * setup.star.value.abs();
    let above: Vec<f64> = values
        .iter()
        .map(
            |value| if (value - setup.star.value).abs() <= rounding { 0.0 } else { value - setup.star.value },
        )
        .collect();
    exponent(&errors, &above)
}

/// Slopes at equal distances on both sides of the minimum.
fn sides(setup: &Setup) -> Option<Sides> {
    let Probed::Fit(fit) = &setup.subject else { return None };
    // Where the prediction isn't in the target's units, distances only compare near the minimum.
    let share = if fit.readout == Readout::Identity { 1.0 } else { 0.25 };
    let furthest = displacement(setup).into_iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    let at = [share * setup.unit, share * furthest].map(|distance| ratio_of_sides(setup, distance));
    let furthest_from_1 =
        |a: &(f64, f64), b: &(f64, f64)| libm::log(a.1).abs().total_cmp(&libm::log(b.1).abs());
    let (distance, ratio) = at.into_iter().flatten().max_by(furthest_from_1)?;
    Some(Sides { distance, ratio, bias: population_bias(setup, fit) })
}

/// The typical slope at a distance above the minimum over that below it.
fn ratio_of_sides(setup: &Setup, distance: f64) -> Option<(f64, f64)> {
    let (model, star) = (&setup.exact, &setup.star.point);
    let mut logs: Vec<f64> = singles(setup, 64)
        .into_iter()
        .filter_map(|i| {
            let slope = |offset: f64| model.at(&with(star, i, star[i] + offset), Draw::Frozen).1[i].abs();
            let (above, below) = (slope(distance), slope(-distance));
            let ratio = (above / below).clamp(1e-6, 1e6);
            (above > 0.0 || below > 0.0).then_some(libm::log(ratio)).filter(|log| log.is_finite())
        })
        .collect();
    logs.sort_by(f64::total_cmp);
    Some((distance, libm::exp(*logs.get(logs.len() / 2)?)))
}

/// The bias of the best constant under Gaussian noise of the start's size, in standard deviations.
fn population_bias(setup: &Setup, fit: &FitModel) -> Option<f64> {
    const QUANTILES: usize = 2001;
    if fit.readout != Readout::Identity || fit.seen_shape() != fit.target.shape {
        return None;
    }
    let mut sorted = fit.target.values.clone();
    sorted.sort_by(f64::total_cmp);
    let (centre, sigma) = (sorted[sorted.len() / 2], setup.unit);
    let values =
        (0..QUANTILES).map(|k| centre + sigma * normal_quantile((k as f64 + 0.5) / QUANTILES as f64));
    let shape = vec![QUANTILES as i64];
    let target = Array { values: values.collect(), shape: shape.clone() };
    let start = Array { values: vec![centre; QUANTILES], shape };
    let model = Model::fit(&FitModel { start, target, noise: 0.0, ..fit.clone() }, Kind::Double).ok()?;
    let slope = |b: f64| model.at(&vec![centre + b * sigma; QUANTILES], Draw::Frozen).1.iter().sum::<f64>();
    let (mut low, mut high) = (-4.0, 4.0);
    if !(slope(low) < 0.0 && slope(high) > 0.0) {
        return None;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

/// The standard normal quantile, by bisection.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

fn terms(setup: &Setup) -> Vec<Term> {
    let shares = [0.0, 1.0, 0.25, 0.5, 0.75];
    let points: Vec<f64> = shares.iter().flat_map(|share| along(setup, *share)).collect();
    let of = |(k, name): (usize, String)| {
        let gradients = setup.exact.evaluate_term(&points, Draw::Frozen, Some(k)).gradients;
        let norms: Vec<f64> = gradients.chunks(setup.exact.size()).map(norm).collect();
        Term { name, at_minimum: norms[0], at_start: norms[1], on_path: norms[1..].to_vec() }
    };
    setup.exact.term_names().into_iter().enumerate().map(of).collect()
}

/// The Hessian times a vector: exactly, or by differences of gradients where that is 0 or can't be had.
fn hessian_times(model: &Model, point: &[f64], vector: &[f64], unit: f64) -> Option<Vec<f64>> {
    let exact = model.hessian_times(point, vector);
    if let Some(product) =
        exact.filter(|product| norm(product) > 0.0 && product.iter().all(|x| x.is_finite()))
    {
        return Some(product);
    }
    let size = norm(vector);
    let h = 1e-3 * unit * (point.len() as f64).sqrt() / size;
    let at = |sign: f64| {
        let moved: Vec<f64> = point.iter().zip(vector).map(|(p, v)| p + sign * h * v).collect();
        model.at(&moved, Draw::Frozen).1
    };
    let (ahead, behind) = (at(1.0), at(-1.0));
    Some(ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * h)).collect())
}

/// Curvatures at a point, as seen from a start vector or from a random one.
fn spectrum(model: &Model, point: &[f64], unit: f64, start: Option<&[f64]>) -> Option<Spectrum> {
    let steps = if model.size() <= 64 { model.size() } else { 40 };
    let random: Vec<f64> = {
        let mut stream = Stream::new("diagnose: Lanczos", &[point.len() as u64]);
        (0..point.len()).map(|_| stream.normal()).collect()
    };
    lanczos(start.unwrap_or(&random), steps, |v| hessian_times(model, point, v, unit))
}

fn saddle(setup: &Setup, run: &Run, scale: f64) -> Option<Saddle> {
    let model = &setup.exact;
    let away = |point: &[f64], direction: &[f64]| {
        let offset: Vec<f64> = point.iter().zip(&setup.star.point).map(|(p, s)| p - s).collect();
        dot(&offset, direction).abs()
    };
    let steps = run.curve.iter().map(|(step, ..)| *step);
    let candidates: Vec<(&Vec<f64>, u64)> = run
        .points
        .iter()
        .zip(steps)
        .filter(|(point, _)| {
            let error = model.error(point);
            error > 2.0 * setup.tolerance && error < 10.0 * setup.start_error
        })
        .collect();
    let middle = along(setup, 0.5);
    let points = candidates.iter().map(|(point, _)| *point).chain([&middle]);
    let gradients = points.map(|point| norm(&model.at(point, Draw::Frozen).1));
    let steepest = gradients.filter(|size| size.is_finite()).fold(0.0, f64::max);
    let looks = if model.size() <= 64 { 12 } else { 3 };
    let looked = sample(candidates.len(), looks).into_iter().filter_map(|k| {
        let (point, step) = candidates[k];
        let spectrum = spectrum(model, point, setup.unit, None)?;
        Some(Saddle {
            least: spectrum.least()?,
            greatest: spectrum.greatest()?,
            scale,
            gradient: norm(&model.at(point, Draw::Frozen).1),
            steepest,
            distance: away(point, &spectrum.least_direction),
            step,
        })
    });
    // The flattest for its curvature, among those that are curved enough.
    let clear = |saddle: &Saddle| saddle.least < -analysis::diagnosis::thresholds::SADDLE_CURVATURE * scale;
    let flat = |saddle: &Saddle| saddle.gradient / (-saddle.least * saddle.distance);
    looked.filter(clear).min_by(|a, b| flat(a).total_cmp(&flat(b)))
}

fn curvature(setup: &Setup, point: &[f64], finish: f64) -> Option<Curvature> {
    let (model, unit) = (&setup.exact, setup.unit);
    let way = displacement(setup);
    let share = (finish * finish).max(1e-8);
    let seen = spectrum(model, point, unit, Some(&way))?;
    let condition = seen.condition(share)?;
    let diagonal = diagonal(model, point, unit)?;
    let largest = diagonal.iter().copied().fold(0.0, f64::max);
    let roots: Vec<f64> = diagonal.iter().map(|d| d.max(1e-12 * largest).sqrt()).collect();
    let start: Vec<f64> = way.iter().zip(&roots).map(|(w, r)| w * r).collect();
    let steps = if model.size() <= 64 { model.size() } else { 40 };
    let scaled = lanczos(&start, steps, |v| {
        let inner: Vec<f64> = v.iter().zip(&roots).map(|(v, r)| v / r).collect();
        let product = hessian_times(model, point, &inner, unit)?;
        Some(product.iter().zip(&roots).map(|(p, r)| p / r).collect())
    })?;
    Some(Curvature { condition, scaled: scaled.condition(share).unwrap_or(f64::NAN) })
}

/// The Hessian's diagonal: column by column, or by Hutchinson's probes.
fn diagonal(model: &Model, point: &[f64], unit: f64) -> Option<Vec<f64>> {
    let n = model.size();
    if n <= 64 {
        return (0..n)
            .map(|i| hessian_times(model, point, &with(&vec![0.0; n], i, 1.0), unit).map(|column| column[i]))
            .collect();
    }
    const PROBES: u64 = 16;
    let mut sum = vec![0.0; n];
    for probe in 0..PROBES {
        let mut stream = Stream::new("diagnose: Hutchinson", &[probe]);
        let signs: Vec<f64> = (0..n).map(|_| if stream.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
        let product = hessian_times(model, point, &signs, unit)?;
        sum.iter_mut()
            .zip(product.iter().zip(&signs))
            .for_each(|(sum, (p, s))| *sum += p * s / PROBES as f64);
    }
    Some(sum)
}

/// The best of rates from a thousandth to 100000 times the author's, and the best of the smaller ones.
fn rates(setup: &Setup, lane: &Lane, rules: Rules, run: &Run) -> (Option<Rate>, Option<Rate>) {
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
