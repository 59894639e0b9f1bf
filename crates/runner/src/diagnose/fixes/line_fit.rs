//! A loss in the smallest model there is.

use analysis::diagnosis::LineFit;
use tch::Kind;

use super::MOST;
use crate::config::diagnose::Readout;
use crate::diagnose::fit::FitModel;
use crate::diagnose::model::{Draw, Model};
use crate::diagnose::numbers::Array;
use crate::diagnose::race::{Lane, Rules, race};
use crate::diagnose::setup::Setup;

/// Training a line: y = s·(3x + 2) at 64 points of [−2, 2], from (0, 0), in float64, until both parameters are
/// within 0.05 s; s is the error at the start, to the decade. A free fit flatters, since no model couples its
/// elements.
///
/// `None` where that says nothing: the prediction isn't in the target's units, or the loss isn't finite there.
pub(in crate::diagnose) fn line_fit(
    setup: &Setup,
    fit: &FitModel,
    lane: &Lane,
    noisy: bool,
) -> Option<LineFit> {
    const POINTS: usize = 64;
    if fit.readout != Readout::Identity || fit.seen_shape() != fit.target.shape || fit.draws > 1 {
        return None;
    }
    let s = libm::pow(10.0, libm::round(libm::log10(setup.start_error)));
    let x: Vec<f64> = (0..POINTS).map(|i| -2.0 + 4.0 * i as f64 / (POINTS - 1) as f64).collect();
    let y = x.iter().map(|x| s * (3.0 * x + 2.0)).collect();
    let model = FitModel {
        start: Array { values: vec![0.0; 2], shape: vec![2] },
        target: Array { values: y, shape: vec![POINTS as i64] },
        line: Some(x),
        ..fit.clone()
    };
    let model = Model::fit(&model, Kind::Double).ok()?;
    if !model.at(&model.start, Draw::Frozen).0.is_finite() {
        return None;
    }
    // The mean over free predictions divides the rate of each by their number; a model's isn't.
    let lane = Lane { lr: lane.lr / setup.exact.size() as f64, start: model.start.clone(), ..lane.clone() };
    let rules = Rules { budget: MOST, tolerance: 0.05 * s, noisy, first_wins: false, keep: false };
    Some(LineFit { steps: race(&model, &[lane], rules).swap_remove(0).reached })
}
