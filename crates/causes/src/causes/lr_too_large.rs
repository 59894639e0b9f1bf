//! Steps that are too long.

use crate::causes::rule::prelude::*;
use records::evidence::{Baseline, Rate};

pub(crate) const RULE: Rule = Rule {
    name: "a learning rate that is too large",
    what: "Steps overshoot and point back and forth.",
    reads: "Whether your run diverges, points back and forth or first goes the wrong way, and the best of the smaller rates.",
    thresholds: THRESHOLDS,
    unless: &[SLOWING],
    remedies: "Another learning rate, a decaying rate, a warm-up, clipping, or L-BFGS.",
    find,
};

thresholds! {
    /// The cosine between successive updates, below which they point back and forth.
    UPDATE_COSINE = -0.3;

    /// The largest error of a run over the error at its start, above which its steps are too long.
    OVERSHOOT = 2.0;

    /// How much faster a smaller rate must be, for the author's to be too large.
    SMALLER_GAINS = 3.0;
}

/// Causes that a rate doesn't mend; where one of them slows the run, the rate isn't the cause.
pub(super) const SLOWING: &[Cause] = &[
    Cause::ShapeBroadcast,
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Cliff,
    Cause::NoisyGradient,
    Cause::UnboundedBelow,
    Cause::BiasedMinimizer,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::LocalMinima,
    Cause::SaturatedActivation,
    Cause::Plateau,
    Cause::FlatMinimum,
    Cause::TermImbalance,
    Cause::IllConditioning,
];

fn find(e: &Evidence) -> Option<Found> {
    let smaller = e.best_smaller?;
    let run = &e.baseline;
    (overshoots(run) && gain(e, smaller) >= SMALLER_GAINS).then(|| {
        match run.diverged {
            Some(step) => say!("the run diverges at step {diverged}", diverged = step),
            None if run.overshoot > OVERSHOOT => {
                say!("the error first grows {overshoot} times", overshoot = run.overshoot)
            }
            None => {
                say!(
                    "successive steps point back and forth (mean cosine {cosine})",
                    cosine = run.update_cosine
                )
            }
        }
        .and(say!(
            "; at {factor} times the rate it takes {steps} steps",
            factor = smaller.factor,
            steps = smaller.steps
        ))
    })
}

/// Whether a run diverges, points back and forth, or first goes the wrong way.
#[must_use]
pub fn overshoots(run: &Baseline) -> bool {
    run.diverged.is_some() || run.overshoot > OVERSHOOT || run.update_cosine < UPDATE_COSINE
}

/// How many times faster the author's run is at another rate.
pub(super) fn gain(e: &Evidence, rate: Rate) -> f64 {
    e.baseline.reached.map_or(f64::INFINITY, |steps| steps as f64 / rate.steps.max(1) as f64)
}
