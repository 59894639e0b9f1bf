//! The loss and its gradient over predictions: the first thing to look at.

use problems::{Array, Draw, Readout};
use records::PROFILE_PLACES;
use tch::Kind;

use super::fit::Fit;
use super::probe::along;
use super::setup::Setup;

/// Value, slope and curvature of the loss along a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What goes along.
    pub label: &'static str,
    /// The name of the first column in the file.
    pub column: &'static str,
    /// Where, the value, the slope, the curvature.
    pub rows: Vec<[f64; 4]>,
    /// Where the start lies, typically.
    pub start: f64,
}

const POINTS: usize = 401;

pub(super) fn profile(setup: &Setup) -> Profile {
    of_one_element(setup).unwrap_or_else(|| along_the_way(setup))
}

/// A single prediction against the median target.
fn of_one_element(setup: &Setup) -> Option<Profile> {
    let fit = setup.fit.as_ref()?;
    let predictions = setup.predictions();
    let ((star, own), start) = (setup.star.point.split_at(predictions), &setup.exact.start[..predictions]);
    let joined =
        matches!(fit.readout, Readout::Softmax | Readout::Product | Readout::First | Readout::Program(_));
    if joined || *fit.seen_shape() != fit.target.shape {
        return None;
    }
    let mut order: Vec<usize> = (0..start.len()).collect();
    order.sort_by(|a, b| fit.target.values[*a].total_cmp(&fit.target.values[*b]));
    let middle = order[order.len() / 2];
    let identity = fit.readout == Readout::Identity;
    let origin = if identity { fit.target.values[middle] } else { star[middle] };
    let mut distances: Vec<f64> = start.iter().zip(star).map(|(a, b)| a - b).collect();
    distances.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (typical, furthest) = (distances[distances.len() / 2], distances[distances.len() - 1].abs());
    let reach = 1.25 * furthest;
    let one = |value: f64| Array { values: vec![value], shape: vec![1] };
    let fit = Fit {
        start: one(origin),
        readout_shape: vec![1],
        target: one(fit.target.values[middle]),
        noise: 0.0,
        ..fit.clone()
    };
    let model = setup.evaluator(&fit, Kind::Double).ok()?;
    let offset = if identity { 0.0 } else { origin };
    let at = |k: usize| reach * (2.0 * k as f64 / (POINTS - 1) as f64 - 1.0);
    let points: Vec<f64> = (0..POINTS).flat_map(|k| [&[origin + at(k)], own].concat()).collect();
    let evaluated = model.evaluate(&points, Draw::Frozen);
    if evaluated.values.iter().all(|value| value.is_nan()) {
        return None;
    }
    let slopes: Vec<f64> = evaluated.gradients.iter().step_by(model.size()).copied().collect();
    let rows = rows((0..POINTS).map(|k| offset + at(k)), &evaluated.values, &slopes);
    let (label, column) = if identity {
        ("residual: prediction − target", PROFILE_PLACES[0].0)
    } else {
        ("prediction, before the readout", PROFILE_PLACES[1].0)
    };
    Some(Profile { label, column, rows, start: offset + typical })
}

/// The way from the minimum to the start, and beyond both.
fn along_the_way(setup: &Setup) -> Profile {
    let share = |k: usize| 1.5 * k as f64 / (POINTS - 1) as f64 - 0.25;
    let points: Vec<f64> = (0..POINTS).flat_map(|k| along(setup, share(k))).collect();
    let evaluated = setup.exact.evaluate(&points, Draw::Frozen);
    let path: Vec<f64> = setup.exact.start.iter().zip(&setup.star.point).map(|(s, p)| s - p).collect();
    let slope = |g: &[f64]| g.iter().zip(&path).map(|(g, w)| g * w).sum::<f64>();
    let slopes: Vec<f64> = evaluated.gradients.chunks(path.len()).map(slope).collect();
    let rows = rows((0..POINTS).map(share), &evaluated.values, &slopes);
    Profile {
        label: "share of the way from the minimum (0) to the start (1)",
        column: PROFILE_PLACES[2].0,
        rows,
        start: 1.0,
    }
}

fn rows(places: impl Iterator<Item = f64>, values: &[f64], slopes: &[f64]) -> Vec<[f64; 4]> {
    let places: Vec<f64> = places.collect();
    let curvature = |k: usize| {
        let (a, b) = (k.saturating_sub(1), (k + 1).min(places.len() - 1));
        (slopes[b] - slopes[a]) / (places[b] - places[a])
    };
    (0..places.len()).map(|k| [places[k], values[k], slopes[k], curvature(k)]).collect()
}
