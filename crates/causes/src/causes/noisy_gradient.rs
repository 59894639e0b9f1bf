//! More noise than direction.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "noise",
    what: "Gradients of single steps have more noise than direction.",
    reads: "Repeats of one gradient, at the start and where the error is the tolerance, and your run with its noise frozen.",
    thresholds: THRESHOLDS,
    unless: &[],
    remedies: "The mean of several draws a step (a larger batch), or a decaying rate.",
    find,
};

thresholds! {
    /// tr Σ / ‖ḡ‖²: the noise's power over the signal's. At 2, a step points away from the mean gradient's half
    /// space more than once in four.
    NOISE = 2.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let noise = e.noise?;
    if noise.at_start > NOISE {
        return Some(say!(
            "the gradients of single steps vary with {noise} times the power of their mean, at the start",
            noise = noise.at_start
        ));
    }
    let steps = noise.frozen_reached.filter(|_| e.baseline.reached.is_none())?;
    (noise.at_finish > NOISE).then(|| {
        say!(
            "without noise the run takes {steps} steps; with it, it hovers at an error of {error}, where the noise has {noise} times the power of the gradient",
            steps,
            error = e.baseline.end_error,
            noise = noise.at_finish
        )
    })
}
