//! Curvatures, by products of the Hessian with vectors.

use crate::spectrum::{Spectrum, lanczos};
use causes::thresholds;
use numeric::Stream;
use problems::Draw;
use records::evidence::{Curvature, Saddle};

use super::{along, displacement, dot, norm, sample, with};
use crate::run::Trajectory;
use crate::setup::Setup;
use engine::Evaluator;

/// The Hessian times a vector: exactly, or by differences of gradients where that is 0 or can't be had. `None` where
/// it isn't finite.
///
/// Where the exact product is NaN or infinite, a difference is a number that may say nothing but how long its step
/// was: it counts if a step of a fourth gives the same.
fn hessian_times(model: &Evaluator, point: &[f64], vector: &[f64], length_scale: f64) -> Option<Vec<f64>> {
    let finite = |product: &Vec<f64>| product.iter().all(|x| x.is_finite());
    let exact = model.hessian_times(point, vector);
    let is_broken = exact.as_ref().is_some_and(|product| !finite(product));
    if let Some(product) = exact.filter(|product| finite(product) && norm(product) > 0.0) {
        return Some(product);
    }
    let by_differences = |share: f64| -> Option<Vec<f64>> {
        let h = share * 1e-3 * length_scale * (point.len() as f64).sqrt() / norm(vector);
        let at = |sign: f64| {
            let moved: Vec<f64> = point.iter().zip(vector).map(|(p, v)| p + sign * h * v).collect();
            model.at(&moved, Draw::Frozen).1
        };
        let (ahead, behind) = (at(1.0), at(-1.0));
        Some(ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * h)).collect()).filter(finite)
    };
    let product = by_differences(1.0)?;
    if is_broken {
        let nearer = by_differences(0.25)?;
        let apart: Vec<f64> = product.iter().zip(&nearer).map(|(far, near)| far - near).collect();
        return (norm(&apart) <= 0.1 * norm(&nearer)).then_some(nearer);
    }
    Some(product)
}

/// Curvatures at a point, as seen from a start vector or from a random one.
pub(super) fn spectrum(
    model: &Evaluator,
    point: &[f64],
    length_scale: f64,
    start: Option<&[f64]>,
) -> Option<Spectrum> {
    let steps = if model.size() <= 64 { model.size() } else { 40 };
    let random: Vec<f64> = {
        let mut stream = Stream::new("diagnose: Lanczos", &[point.len() as u64]);
        (0..point.len()).map(|_| stream.normal()).collect()
    };
    lanczos(start.unwrap_or(&random), steps, |v| hessian_times(model, point, v, length_scale))
}

pub(super) fn saddle(setup: &Setup, seen: &Trajectory, scale: f64) -> Option<Saddle> {
    let model = &setup.exact;
    let away = |point: &[f64], direction: &[f64]| {
        let offset: Vec<f64> = point.iter().zip(&setup.star.point).map(|(p, s)| p - s).collect();
        dot(&offset, direction).abs()
    };
    let candidates: Vec<&(u64, Vec<f64>)> = seen
        .points
        .iter()
        .filter(|(_, point)| {
            let error = model.error(point);
            error > 2.0 * setup.tolerance && error < 10.0 * setup.start_error
        })
        .collect();
    let middle = along(setup, 0.5);
    let points = candidates.iter().map(|(_, point)| point).chain([&middle]);
    let gradients = points.map(|point| norm(&model.at(point, Draw::Frozen).1));
    let steepest = gradients.filter(|size| size.is_finite()).fold(0.0, f64::max);
    let looks = if model.size() <= 64 { 12 } else { 3 };
    let looked = sample(candidates.len(), looks).into_iter().filter_map(|k| {
        let (step, point) = candidates[k];
        let spectrum = spectrum(model, point, setup.length_scale, None)?;
        let least = spectrum.least()?;
        let gradient = model.at(point, Draw::Frozen).1;
        Some(Saddle {
            least,
            greatest: spectrum.greatest()?,
            scale,
            gradient: norm(&gradient),
            left: left_by_newton(model, point, &gradient, least, &spectrum.least_direction),
            steepest,
            distance: away(point, &spectrum.least_direction),
            step: *step,
        })
    });
    // The flattest for its curvature, among those that are curved enough.
    let clear = |saddle: &Saddle| saddle.least < -thresholds::SADDLE_CURVATURE * scale;
    let flat = |saddle: &Saddle| saddle.gradient / (-saddle.least * saddle.distance);
    looked.filter(clear).filter(|saddle| !flat(saddle).is_nan()).min_by(|a, b| flat(a).total_cmp(&flat(b)))
}

/// What a Newton step along a direction leaves of the gradient along it.
fn left_by_newton(
    model: &Evaluator,
    point: &[f64],
    gradient: &[f64],
    curvature: f64,
    direction: &[f64],
) -> f64 {
    let along = dot(gradient, direction);
    if along.abs() <= 1e-9 * norm(gradient) || along == 0.0 {
        return 0.0;
    }
    let next: Vec<f64> = point.iter().zip(direction).map(|(p, v)| p - along / curvature * v).collect();
    (dot(&model.at(&next, Draw::Frozen).1, direction) / along).abs()
}

pub(super) fn curvature(setup: &Setup, point: &[f64], finish: f64) -> Option<Curvature> {
    let (model, length_scale) = (&setup.exact, setup.length_scale);
    let path = displacement(setup);
    let share = (finish * finish).max(1e-8);
    let seen = spectrum(model, point, length_scale, Some(&path))?;
    let condition = seen.condition(share)?;
    let scaled = || {
        let diagonal = diagonal(model, point, length_scale)?;
        let largest = diagonal.iter().copied().fold(0.0, f64::max);
        let roots: Vec<f64> = diagonal.iter().map(|d| d.max(1e-12 * largest).sqrt()).collect();
        let start: Vec<f64> = path.iter().zip(&roots).map(|(w, r)| w * r).collect();
        let steps = if model.size() <= 64 { model.size() } else { 40 };
        let scaled = lanczos(&start, steps, |v| {
            let inner: Vec<f64> = v.iter().zip(&roots).map(|(v, r)| v / r).collect();
            let product = hessian_times(model, point, &inner, length_scale)?;
            Some(product.iter().zip(&roots).map(|(p, r)| p / r).collect())
        });
        scaled?.condition(share)
    };
    Some(Curvature { condition, scaled: scaled() })
}

/// Hutchinson's probes of a large diagonal.
const PROBES: u64 = 16;

/// The Hessian's diagonal: column by column, or by Hutchinson's probes. `None` where a number in it isn't finite.
fn diagonal(model: &Evaluator, point: &[f64], length_scale: f64) -> Option<Vec<f64>> {
    let n = model.size();
    if n <= 64 {
        let entry = |i: usize| {
            hessian_times(model, point, &with(&vec![0.0; n], i, 1.0), length_scale).map(|column| column[i])
        };
        return (0..n).map(entry).collect();
    }
    let mut sum = vec![0.0; n];
    for probe in 0..PROBES {
        let mut stream = Stream::new("diagnose: Hutchinson", &[probe]);
        let signs: Vec<f64> = (0..n).map(|_| if stream.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
        let product = hessian_times(model, point, &signs, length_scale)?;
        sum.iter_mut()
            .zip(product.iter().zip(&signs))
            .for_each(|(sum, (p, s))| *sum += p * s / PROBES as f64);
    }
    Some(sum)
}
