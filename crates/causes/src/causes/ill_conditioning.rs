//! Curvatures that differ.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "ill-conditioning",
    what: "Curvatures differ so much that no one rate suits all directions.",
    reads: "The greatest curvature where the run must end, over the least that the way from the start has a part in, and the same after scaling single parameters; only where the run is slow.",
    thresholds: THRESHOLDS,
    unless: &[BROKEN, &[Cause::FlatMinimum, Cause::Plateau]],
    remedies: "Adam where scaling single parameters helps; L-BFGS or momentum.",
    find,
};

thresholds! {
    /// The ratio of curvatures. Gradient descent takes about as many steps per factor e of the error.
    CONDITION = 300.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let curvature = e.curvature?;
    (curvature.condition > CONDITION && !is_quick(e)).then(|| {
        let scaled = match curvature.scaled.filter(|scaled| !scaled.is_nan()) {
            Some(scaled) if scaled < curvature.condition / 10.0 => say!(
                "{scaled} after scaling single parameters: mostly along single parameters, which Adam scales away",
                scaled
            ),
            Some(scaled) => say!(
                "{scaled} after scaling single parameters: not along single parameters: momentum or L-BFGS",
                scaled
            ),
            None => say!("unknown after scaling single parameters"),
        };
        say!("curvatures differ {condition} times where the run must end (", condition = curvature.condition)
            .and(scaled)
            .and(say!(")"))
    })
}
