//! The loss as a function of single predictions.

use causes::thresholds;
use problems::{Array, Draw, Readout};
use records::evidence::{Path, Plateau, Shapes, Sides, Term, gamma};
use tch::Kind;

use super::path::moved;
use super::{WALK, along, displacement, dot, norm, sample, singles, with};
use crate::fit::Fit;
use crate::line::noisy_intercepts;
use crate::run::search_within;
use crate::setup::Setup;
use engine::{Altered, Change, Evaluator};

pub(super) fn shapes(setup: &Setup) -> Option<Shapes> {
    let fit = setup.fit.as_ref()?;
    let (prediction, target) = (fit.seen_shape().to_vec(), fit.target.shape.clone());
    let count = |shape: &[i64]| shape.iter().product::<i64>();
    if prediction == target || count(&prediction) != count(&target) {
        return None;
    }
    let same = Fit { target: Array { shape: prediction.clone(), ..fit.target.clone() }, ..fit.clone() };
    let same = setup.evaluator(&same, Kind::Double).ok()?;
    let (a, b) = (setup.exact.at(&setup.exact.start, Draw::Frozen), same.at(&same.start, Draw::Frozen));
    let matters = norm(&a.1.iter().zip(&b.1).map(|(a, b)| a - b).collect::<Vec<_>>()) > 1e-9 * norm(&b.1);
    Some(Shapes { prediction, target, matters })
}

pub(super) fn plateau(setup: &Setup, paths: &[Path]) -> Plateau {
    let (model, star) = (&setup.exact, &setup.star);
    let (value, gradient) = model.at(&model.start, Draw::Frozen);
    let joint = gamma(dot(&gradient, &displacement(setup)), value - star.value);
    let singles: Vec<usize> = sample(setup.predictions(), (20_000_000 / model.size()).clamp(4, 256))
        .into_iter()
        .filter(|i| {
            (model.start[*i] - star.point[*i]).abs()
                > 1.5 * setup.tolerance / setup.start_error * setup.length_scale
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
        singles.iter().zip(&elements).filter(|(_, g)| g.abs() < thresholds::GAMMA).map(|(i, _)| *i).collect();
    let known: Vec<f64> = elements.into_iter().filter(|gamma| gamma.is_finite()).collect();
    let ways: Vec<f64> = paths
        .iter()
        .map(|path| {
            let gammas = path.gammas();
            let outer = &gammas[gammas.len() / 10..];
            outer.iter().filter(|gamma| gamma.abs() < thresholds::GAMMA).count() as f64
                / outer.len().max(1) as f64
        })
        .collect();
    let path = ways.iter().sum::<f64>() / ways.len().max(1) as f64;
    Plateau {
        joint,
        elements: known,
        way: path,
        edge: edge(setup, paths),
        whatever_target: whatever_target(setup, &flat, paths),
    }
}

/// The residual beyond which slopes are at least ten times smaller than nearer the minimum, and how many times.
fn edge(setup: &Setup, paths: &[Path]) -> Option<(f64, f64)> {
    let fit = setup.fit.as_ref()?;
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
    let fit = setup.fit.as_ref()?;
    let steepest = paths.iter().flat_map(|path| &path.slopes).fold(0.0_f64, |m, slope| m.max(slope.abs()));
    if flat.is_empty() || *fit.seen_shape() != fit.target.shape && fit.readout_shape != fit.target.shape {
        return None;
    }
    let here = fit.problem().read_out(setup.model.seed, &fit.start.values).ok()?;
    if here.len() != fit.target.values.len() {
        return None;
    }
    let reach = setup.start_error;
    let mut largest = 0.0_f64;
    for shift in [-1.0, -0.3, -0.1, 0.1, 0.3, 1.0] {
        let values = here.iter().map(|value| value + shift * reach).collect();
        let target = Array { values, shape: fit.target.shape.clone() };
        let moved = setup.evaluator(&Fit { target, ..fit.clone() }, Kind::Double).ok()?;
        let gradient = moved.at(&moved.start, Draw::Frozen).1;
        for i in flat.iter().filter(|i| gradient[**i].is_finite()) {
            largest = largest.max((gradient[*i] * (setup.exact.start[*i] - setup.star.point[*i])).abs());
        }
    }
    let ratio = largest / steepest;
    ratio.is_finite().then_some(ratio)
}

/// Slopes at equal distances on both sides of the minimum.
pub(super) fn sides(setup: &Setup) -> Option<Sides> {
    let fit = setup.fit.as_ref()?;
    // Where the prediction isn't in the target's units, distances only compare near the minimum.
    let share = if fit.readout == Readout::Identity { 1.0 } else { 0.25 };
    let furthest = displacement(setup).into_iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    let at = [share * setup.length_scale, share * furthest].map(|distance| ratio_of_sides(setup, distance));
    let furthest_from_1 =
        |a: &(f64, f64), b: &(f64, f64)| libm::log(a.1).abs().total_cmp(&libm::log(b.1).abs());
    let (distance, ratio) = at.into_iter().flatten().max_by(furthest_from_1)?;
    // One frozen draw says nothing of a line.
    let intercepts = if setup.random { None } else { noisy_intercepts(setup, fit) };
    Some(Sides { distance, ratio, bias: population_bias(setup, fit), intercepts })
}

/// The typical slope at a distance above the minimum over that below it.
fn ratio_of_sides(setup: &Setup, distance: f64) -> Option<(f64, f64)> {
    let (model, star) = (&setup.exact, &setup.star.point);
    // What else a loss is told, such as a log-variance, has no sides.
    let outputs = setup.fit.as_ref().map_or(1, Fit::outputs);
    let mut logs: Vec<f64> = singles(setup, 64)
        .into_iter()
        .filter(|i| i.is_multiple_of(outputs))
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
fn population_bias(setup: &Setup, fit: &Fit) -> Option<f64> {
    const QUANTILES: usize = 2001;
    if fit.readout != Readout::Identity || *fit.seen_shape() != fit.target.shape {
        return None;
    }
    let mut sorted = fit.target.values.clone();
    sorted.sort_by(f64::total_cmp);
    let (center, sigma) = (sorted[sorted.len() / 2], setup.length_scale);
    let values =
        (0..QUANTILES).map(|k| center + sigma * normal_quantile((k as f64 + 0.5) / QUANTILES as f64));
    let shape = vec![QUANTILES as i64];
    let target = Array { values: values.collect(), shape: shape.clone() };
    let start = Array { values: vec![center; QUANTILES], shape };
    let fit = Fit { readout_shape: start.shape.clone(), start, target, noise: 0.0, ..fit.clone() };
    let model = setup.evaluator(&fit, Kind::Double).ok()?;
    let own = &setup.star.point[setup.predictions()..];
    let slope = |b: f64| {
        let point = [&*vec![center + b * sigma; QUANTILES], own].concat();
        model.at(&point, Draw::Frozen).1[..QUANTILES].iter().sum::<f64>()
    };
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

pub(super) fn terms(setup: &Setup) -> Vec<Term> {
    let model = &setup.exact;
    let shares = [0.0, 1.0, 0.25, 0.5, 0.75];
    let points: Vec<f64> = shares.iter().flat_map(|share| along(setup, *share)).collect();
    let of = |(k, name): (usize, String)| {
        let alone = Altered { inner: model.objective.clone(), change: Change::Term(k) };
        let alone = Evaluator::new(std::sync::Arc::new(alone), model.seed, model.kind).ok()?;
        let gradients = alone.evaluate(&points, Draw::Frozen).gradients;
        let norms: Vec<f64> = gradients.chunks(model.size()).map(norm).collect();
        let found = search_within(&alone, &model.start, setup.length_scale, 50, 1e3);
        let is_goal = found.is_none_or(|found| !found.ran_away);
        Some(Term { name, at_minimum: norms[0], at_start: norms[1], on_path: norms[1..].to_vec(), is_goal })
    };
    model.term_names().into_iter().enumerate().filter_map(of).collect()
}
