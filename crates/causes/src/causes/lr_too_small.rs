//! Steps that are too short.

use super::lr_too_large::{SLOWING, gain};
use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a learning rate that is too small",
    what: "The same optimizer is many times faster at a much larger rate.",
    reads: "The best of all rates; only where the run is slow.",
    thresholds: THRESHOLDS,
    unless: &[SLOWING, &[Cause::LrTooLarge]],
    remedies: "Another learning rate, or L-BFGS.",
    find,
};

thresholds! {
    /// How much larger the best rate must be, for the author's to be too small.
    LARGER = 30.0;

    /// How much faster that rate must be.
    LARGER_GAINS = 5.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let best = e.best_rate?;
    // The mean over free predictions divides their rate by their number: where the run arrives, that isn't held
    // against the author.
    let divided = if e.baseline.reached.is_some() { e.parameters.max(1) as f64 } else { 1.0 };
    let larger = best.factor / divided >= LARGER && gain(e, best) >= LARGER_GAINS;
    (larger && !is_quick(e)).then(|| {
        say!(
            "at {factor} times the rate the same run takes {steps} steps",
            factor = best.factor,
            steps = best.steps
        )
    })
}
