//! The way from the minimum to the start.

use causes::thresholds;
use problems::{Array, Draw};
use records::Dtype;
use records::evidence::{NonFinite, Path, Precision, exponent};
use tch::Kind;

use super::{WALK, along, dot, norm, singles, with};
use crate::fit::Fit;
use crate::run::Trajectory;
use crate::setup::Setup;
use config::diagnose::Case;
use engine::{Evaluator, LaneResult};

/// The largest share of the way that is within the tolerance, seen from the minimum; 0 if the minimum isn't.
pub(super) fn finish(setup: &Setup) -> f64 {
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
fn walk(
    model: &Evaluator,
    from: &[f64],
    to: &[f64],
    points: impl Iterator<Item = f64>,
) -> (Vec<f64>, Vec<f64>) {
    let direction: Vec<f64> = to.iter().zip(from).map(|(a, b)| a - b).collect();
    let all: Vec<f64> = points
        .flat_map(|t| from.iter().zip(&direction).map(move |(p, d)| p + t * d).collect::<Vec<_>>())
        .collect();
    let evaluated = model.evaluate(&all, Draw::Frozen);
    let slopes = evaluated.gradients.chunks(from.len()).map(|g| dot(g, &direction)).collect();
    (evaluated.values, slopes)
}

fn path(model: &Evaluator, from: &[f64], to: &[f64], segments: usize) -> Path {
    let share = |k: usize| k as f64 / segments as f64;
    let (values, slopes) = walk(model, from, to, (0..=segments).map(share));
    let mut path = Path { values, slopes, stays: 1.0, finish: 0.0 };
    if path.fit().is_some_and(|fit| fit.mismatch > thresholds::MISMATCH) {
        path.stays = stays(model, from, to, &path);
    }
    path
}

/// How much of a path's worst mismatch is left when its segment is divided by 64, twice.
fn stays(model: &Evaluator, from: &[f64], to: &[f64], path: &Path) -> f64 {
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

pub(super) fn paths(setup: &Setup, finish: f64) -> Vec<Path> {
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
pub(super) fn moved(setup: &Setup, singles: Vec<usize>) -> Vec<usize> {
    let (model, star) = (&setup.exact, &setup.star);
    let far = |i: &usize| (model.start[*i] - star.point[*i]).abs() > 0.02 * setup.length_scale;
    let total = (model.at(&model.start, Draw::Frozen).0 - star.value).abs();
    let matters = |i: &usize| {
        let ends = with(&star.point, *i, model.start[*i]);
        let above = (model.at(&ends, Draw::Frozen).0 - star.value).abs();
        !above.is_finite() || !total.is_finite() || above * model.size() as f64 > 1e-4 * total
    };
    singles.into_iter().filter(far).filter(matters).collect()
}

pub(super) fn non_finite(
    case: &Case,
    setup: &Setup,
    run: &LaneResult,
    seen: &Trajectory,
    paths: &[Path],
) -> Option<NonFinite> {
    let what = |value: f64| if value.is_finite() { "the gradient" } else { "the loss" };
    let broken = |model: &Evaluator, point: &[f64]| {
        let (value, gradient) = model.at(point, Draw::Frozen);
        (!value.is_finite() || gradient.iter().any(|g| !g.is_finite())).then(|| what(value))
    };
    if setup.exact.failure.borrow().is_some() {
        return None;
    }
    if let Some(what) = broken(&setup.model, &setup.model.start) {
        return Some(NonFinite { place: "at the start".into(), in_run: true, what });
    }
    if let Some(step) = run.diverged().filter(|_| !(run.loss.end.is_finite() && run.error.end.is_finite())) {
        let point = &seen.last;
        let far = |a: &[f64]| a.iter().zip(&setup.star.point).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if far(point) <= 3.0 * far(&setup.model.start) {
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
    if case.dtype == Dtype::Float32 {
        let bad = (1..64).find_map(|k| broken(&setup.model, &along(setup, f64::from(k) / 64.0)));
        return bad.map(|what| NonFinite { place: "on the way, in float32".into(), in_run: false, what });
    }
    None
}

pub(super) fn precision(setup: &Setup, finish: f64) -> Option<Precision> {
    // Both see the same numbers: those that float32 has.
    let rounded = |values: &[f64]| values.iter().map(|v| f64::from(*v as f32)).collect::<Vec<f64>>();
    let fit = setup.fit.as_ref()?;
    let target = Array { values: rounded(&fit.target.values), shape: fit.target.shape.clone() };
    let exact = setup.evaluator(&Fit { target, ..fit.clone() }, Kind::Double).ok()?;
    let mut worst = Precision::default();
    let nearest = finish.max(1e-6);
    for k in 0..=12 {
        let share = nearest * libm::pow(1.0 / nearest, f64::from(k) / 12.0);
        let point = rounded(&along(setup, share));
        let error = setup.exact.error(&point);
        let (single, double) = (setup.model.at(&point, Draw::Frozen).1, exact.at(&point, Draw::Frozen).1);
        let part: Vec<f64> = single.iter().zip(&double).map(|(a, b)| a - b).collect();
        let relative_difference = norm(&part) / norm(&double);
        if error >= 0.9 * setup.tolerance
            && relative_difference.is_finite()
            && relative_difference > worst.relative_difference
        {
            (worst.relative_difference, worst.at_error) = (relative_difference, error);
        }
    }
    if setup.star.error < setup.tolerance {
        worst.resolution = setup.exact.error(&rounded(&setup.star.point));
    }
    Some(worst)
}

/// The exponent of the loss in the error, from the tolerance to a third of the way.
pub(super) fn flatness(setup: &Setup, finish: f64) -> Option<f64> {
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
