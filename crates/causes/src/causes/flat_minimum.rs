//! A minimum that is flatter than a parabola.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a flat minimum",
    what: "The loss flattens out faster than a parabola around its minimum.",
    reads: "The exponent of the loss in the error, near the minimum.",
    thresholds: THRESHOLDS,
    unless: &[BROKEN, &[Cause::BiasedMinimizer]],
    remedies: "The loss to the power 2/q, another loss, Adam, L-BFGS, or another learning rate.",
    find,
};

thresholds! {
    /// The exponent of the loss in the error. 2 is a parabola; 3 and less are mild.
    FLAT_EXPONENT = 3.1;
}

fn find(e: &Evidence) -> Option<Found> {
    let exponent = e.exponent.filter(|exponent| *exponent > FLAT_EXPONENT)?;
    Some(if exponent.is_infinite() {
        say!("the loss is as low as it gets while the error is still above the tolerance")
    } else {
        say!("near the minimum the loss falls as the error to the power {exponent}", exponent)
    })
}
