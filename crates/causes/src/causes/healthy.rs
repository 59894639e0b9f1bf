//! No cause at all.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "nothing",
    what: "Nothing was found in the region that was probed.",
    reads: "Your run, where nothing else was found.",
    thresholds: &[],
    unless: &[],
    remedies: "–",
    find,
};

fn find(_: &Evidence) -> Option<Found> {
    None
}

/// What is said where no cause was found.
pub(crate) fn healthy(e: &Evidence) -> Found {
    let run = &e.baseline;
    if let Some(step) = run.reached {
        say!("the run reaches the tolerance of {tolerance} at step {step}", tolerance = run.tolerance, step)
    } else {
        say!(
            "the run doesn't reach the tolerance of {tolerance} within {steps} steps; its error ends at {error}",
            tolerance = run.tolerance,
            steps = run.budget,
            error = run.end_error
        )
    }
}
