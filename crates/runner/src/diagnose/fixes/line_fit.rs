//! A loss in the smallest model there is.

use causes::LineFit;
use losses::Loss;
use tch::Kind;

use super::MOST;
use super::losses::with_loss;
use crate::config::diagnose::Readout;
use crate::diagnose::fit::FitModel;
use crate::diagnose::model::{Draw, Model};
use crate::diagnose::numbers::Array;
use crate::diagnose::race::{Lane, Rules, race};
use crate::diagnose::setup::{Setup, search};

/// y = s·(3x + 2) at 64 points of [−2, 2], from (0, 0), in float64; s is the error at the start, to the decade.
struct Line {
    model: Model,
    s: f64,
}

/// `None` where a line says nothing: the prediction isn't in the target's units, or the loss isn't finite there.
fn line(setup: &Setup, fit: &FitModel, noise: &[f64]) -> Option<Line> {
    const POINTS: usize = 64;
    if fit.readout != Readout::Identity || fit.seen_shape() != fit.target.shape || fit.draws > 1 {
        return None;
    }
    let s = libm::pow(10.0, libm::round(libm::log10(setup.start_error)));
    let x: Vec<f64> = (0..POINTS).map(|i| -2.0 + 4.0 * i as f64 / (POINTS - 1) as f64).collect();
    let noise = noise.iter().copied().chain(std::iter::repeat(0.0));
    let y = x.iter().zip(noise).map(|(x, noise)| s * (3.0 * x + 2.0 + noise)).collect();
    let model = FitModel {
        start: Array { values: vec![0.0; 2], shape: vec![2] },
        target: Array { values: y, shape: vec![POINTS as i64] },
        line: Some(x),
        ..fit.clone()
    };
    let model = Model::fit(&model, Kind::Double).ok()?;
    model.at(&model.start, Draw::Frozen).0.is_finite().then_some(Line { model, s })
}

/// Training a line until both parameters are within 0.05 s. A free fit flatters, since no model couples its
/// elements.
pub(in crate::diagnose) fn line_fit(
    setup: &Setup,
    fit: &FitModel,
    lane: &Lane,
    noisy: bool,
) -> Option<LineFit> {
    let Line { model, s } = line(setup, fit, &[])?;
    // The mean over free predictions divides the rate of each by their number; a model's isn't.
    let lane =
        Lane { lr: lane.lr / setup.exact.predictions() as f64, start: model.start.clone(), ..lane.clone() };
    let rules = Rules { budget: MOST, tolerance: 0.05 * s, noisy, first_wins: false, keep: false };
    Some(LineFit { steps: race(&model, &[lane], rules).swap_remove(0).reached })
}

/// Slope and intercept of the line where the loss is least, in units of s: 3 and 2, if it has no bias.
pub(in crate::diagnose) fn fitted_line(setup: &Setup, fit: &FitModel) -> Option<(f64, f64)> {
    least(&line(setup, fit, &[])?)
}

/// The intercepts that the loss and the squared error fit to points with normal noise of standard deviation s.
pub(in crate::diagnose) fn noisy_intercepts(setup: &Setup, fit: &FitModel) -> Option<(f64, f64)> {
    let noise: Vec<f64> = include_str!("line_noise.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.parse().expect("a number a line"))
        .collect();
    let mse = with_loss(Loss::named("mse").expect("the registry has it"), fit);
    let intercept = |fit: &FitModel| Some(least(&line(setup, fit, &noise)?)?.1);
    Some((intercept(fit)?, intercept(&mse)?))
}

fn least(Line { model, s }: &Line) -> Option<(f64, f64)> {
    let found = search(model, &model.start, *s, 400)?;
    (!found.ran_away).then(|| (found.point[0] / s, found.point[1] / s))
}
