//! A loss in the smallest model there is.

use causes::LineFit;
use losses::Loss;
use problems::{Problem, Readout};

use crate::fit::Fit;
use crate::run::{DescentPath, MOST, StopCriteria, search, train};
use crate::setup::Setup;
use engine::{Evaluator, Until, Workload};

/// y = s·(3x + 2) at 64 points of [−2, 2], from (0, 0), in float64; s is the error at the start, to the decade.
struct Line {
    model: Evaluator,
    s: f64,
}

/// `None` where a line says nothing: the prediction isn't in the target's units, or the loss isn't finite there. `noise`
/// is that of the points, in units of s.
fn line(setup: &Setup, fit: &Fit, loss: &Loss, noise: f64) -> Option<Line> {
    if fit.readout != Readout::Identity || *fit.seen_shape() != fit.target.shape || fit.draws > 1 {
        return None;
    }
    let s = libm::pow(10.0, libm::round(libm::log10(setup.start_error)));
    let fit = problems::LineFit {
        slope: 3.0 * s,
        intercept: 2.0 * s,
        noise: noise * s,
        spread: 0.0,
        ..problems::LineFit::default()
    };
    let model = setup.exactly(Workload { problem: Problem::LineFit(fit), loss: Some(loss.clone()) })?;
    model.at(&model.start, problems::Draw::Frozen).0.is_finite().then_some(Line { model, s })
}

/// Training a line until both parameters are within 0.05 s. A free fit flatters, since no model couples its
/// elements.
pub(crate) fn line_fit(setup: &Setup, fit: &Fit, path: &DescentPath, lr: f64) -> Option<LineFit> {
    let Line { model, s } = line(setup, fit, &fit.loss, 0.0)?;
    // The mean over free predictions divides the rate of each by their number; a model's isn't.
    let lr = lr / setup.predictions() as f64;
    let path = DescentPath { start: model.start.clone(), ..path.clone() };
    let rules = StopCriteria { budget: MOST, tolerance: 0.05 * s, noisy: false, until: Until::Arrival };
    Some(LineFit { steps: train(&model, &path, &[lr], rules, None)[0].reached() })
}

/// Slope and intercept of the line where the loss is least, in units of s: 3 and 2, if it has no bias.
pub(crate) fn fitted_line(setup: &Setup, fit: &Fit) -> Option<(f64, f64)> {
    least(&line(setup, fit, &fit.loss, 0.0)?)
}

/// The intercepts that the loss and the squared error fit to points with normal noise of standard deviation s.
pub(crate) fn noisy_intercepts(setup: &Setup, fit: &Fit) -> Option<(f64, f64)> {
    let mse = Loss::named("mse").expect("the registry has it");
    let intercept = |loss: &Loss| Some(least(&line(setup, fit, loss, 1.0)?)?.1);
    Some((intercept(&fit.loss)?, intercept(&mse)?))
}

fn least(Line { model, s }: &Line) -> Option<(f64, f64)> {
    let found = search(model, &model.start, *s, 200)?;
    (!found.ran_away).then(|| (found.point[0] / s, found.point[1] / s))
}
