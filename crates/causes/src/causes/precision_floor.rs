//! Rounding instead of a gradient.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a precision floor",
    what: "Rounding drowns the gradient before the target is reached.",
    reads: "The float32 gradient against the float64 one at errors above the tolerance, and what rounding leaves of the solution (above half of the tolerance, it can't be held).",
    thresholds: THRESHOLDS,
    unless: &[],
    remedies: "float64, or another loss.",
    find,
};

thresholds! {
    /// How far float32 and float64 gradients may part at a distance that matters, over the gradient.
    PRECISION = 0.5;
}

fn find(e: &Evidence) -> Option<Found> {
    let precision = e.precision?;
    if precision.resolution > 0.5 * e.baseline.tolerance {
        return Some(say!(
            "float32 can't hold the solution: rounding it leaves an error of {resolution}, and the tolerance is {tolerance}",
            resolution = precision.resolution,
            tolerance = e.baseline.tolerance
        ));
    }
    (precision.relative_difference > PRECISION).then(|| {
        say!(
            "at an error of {error}, the float32 gradient differs from the float64 one by {difference:#} of it",
            error = precision.at_error,
            difference = precision.relative_difference
        )
    })
}
