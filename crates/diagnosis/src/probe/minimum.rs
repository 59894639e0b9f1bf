//! Whether there is a minimum, and whether it is the target.

use causes::thresholds;
use problems::{Draw, Readout};
use records::evidence::{Bias, Fall};

use super::{norm, singles, with};
use crate::line::fitted_line;
use crate::run::search;
use crate::setup::{Setup, is_endless, unbiased};
use engine::LaneResult;

/// Whether the loss is the same number wherever it is looked at, near and far.
pub(super) fn is_constant(setup: &Setup) -> bool {
    let model = &setup.exact;
    let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -0.7 };
    let at = |k: i32| {
        let far = setup.length_scale * libm::pow(10.0, f64::from(k) / 2.0);
        model.start.iter().enumerate().map(|(i, p)| p + sign(i) * far).collect::<Vec<f64>>()
    };
    let points: Vec<f64> = (-4..=10).flat_map(at).collect();
    let evaluated = model.evaluate(&points, Draw::Frozen);
    let first = model.at(&model.start, Draw::Frozen);
    first.1.iter().all(|g| *g == 0.0)
        && evaluated.values.iter().all(|value| *value == first.0)
        && evaluated.gradients.iter().all(|g| *g == 0.0)
}

/// Looks along descent directions for a fall without end.
pub(super) fn fall(setup: &Setup, run: &LaneResult) -> Option<Fall> {
    let model = &setup.exact;
    let n = model.size();
    let whole = setup.length_scale * (n as f64).sqrt();
    let mut directions: Vec<(Vec<f64>, Vec<f64>, String)> = Vec::new();
    let finite = |point: &[f64]| point.iter().all(|p| p.is_finite());
    let mut points = vec![(model.start.clone(), "from the start")];
    // A run that failed has no end.
    if run.end.len() == n && finite(&run.end) && run.diverged().is_none() {
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
                let direction = with(&vec![0.0; n], i, sign * setup.length_scale);
                let path = if sign > 0.0 { "upwards" } else { "downwards" };
                directions.push((
                    point.clone(),
                    direction,
                    format!("{from}, with a single prediction going {path}"),
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
        let last = values.iter().rfind(|value| !value.is_nan());
        (last.is_some_and(|last| *last < below) && is_endless(&values))
            .then_some(Fall { direction: words, values })
    })
}

pub(super) fn bias(setup: &Setup) -> Option<Bias> {
    let star = &setup.star;
    let at_target = star.solution.as_ref().map(|(_, value)| *value);
    let plain = Bias { error: star.error, least: star.value, at_target, ..Bias::default() };
    match &setup.fit {
        Some(fit) => {
            let shift = (fit.readout == Readout::Identity).then(|| {
                let (point, target) = (&star.point, &fit.target.values);
                let point = &point[..setup.predictions()];
                let sum: f64 = point.iter().enumerate().map(|(i, p)| p - target[i % target.len()]).sum();
                sum / point.len() as f64
            });
            let far = star.error > thresholds::BIAS * setup.start_error;
            Some(Bias { shift, line: if far { fitted_line(setup, fit) } else { None }, ..plain })
        }
        None if star.solution.is_some() => Some(plain),
        None => {
            let other = setup.exactly(unbiased(&setup.workload)?)?;
            let found = search(&other, &other.start, setup.length_scale, 100)?;
            Some(Bias { unavoidable: other.error(&found.point), ..plain })
        }
    }
}
