//! The loss or its gradient isn't finite.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "non-finite numbers",
    what: "The loss or its gradient is infinite or NaN where training goes.",
    reads: "Loss and gradient at the start, on the way to the minimum, at the target and in your run.",
    thresholds: &[],
    unless: &[],
    remedies: "Another loss; `logits` for a loss of probabilities; clipping, a warm-up, or another start.",
    find,
};

fn find(e: &Evidence) -> Option<Found> {
    let found = e.non_finite.as_ref()?;
    Some(say!("{what} isn't finite {place}", what = found.what, place = &*found.place))
}
