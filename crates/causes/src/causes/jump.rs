//! The value jumps.

use super::detached_gradient::{FEW_SEGMENTS, MISMATCH, pooled};
use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a jump",
    what: "The value jumps, and the gradient doesn't see it.",
    reads: "The same ρ, where few segments hold it (`MISMATCH` and `FEW_SEGMENTS` of `detached_gradient`), and what is left of it when its segment is divided.",
    thresholds: THRESHOLDS,
    unless: &[&[Cause::DetachedGradient, Cause::SaturatedActivation]],
    remedies: "Another loss, without the jump.",
    find,
};

thresholds! {
    /// A jump's mismatch stays when its segment is divided by 4096; that of a root's end shrinks to 1/64.
    JUMP_STAYS = 0.5;
}

fn find(e: &Evidence) -> Option<Found> {
    let (fit, stays) = pooled(e)?;
    let few = fit.concentration <= FEW_SEGMENTS && stays > JUMP_STAYS;
    (fit.mismatch > MISMATCH && few).then(|| {
        say!(
            "{mismatch:#} of what the loss changes on the way happens at single points, which the gradient doesn't see",
            mismatch = fit.mismatch
        )
    })
}
