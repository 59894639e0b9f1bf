//! A slope that is suddenly steep.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a cliff",
    what: "The slope is suddenly many times steeper than nearer the minimum.",
    reads: "The largest slope on a path, over everything at less than nine tenths of its distance from the minimum.",
    thresholds: THRESHOLDS,
    unless: &[&[Cause::DetachedGradient, Cause::SaturatedActivation]],
    remedies: "Clipping, a warm-up, a decaying rate, Adam; another loss, or the logarithm of this one.",
    find,
};

thresholds! {
    /// A slope this many times everything nearer the minimum is a cliff. A power q rises by (1/0.9)^(q−1) over
    /// the tenth that is left out: below 5 up to the 16th power.
    CLIFF = 5.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let (ratio, at) = e.paths.iter().map(Path::steepening).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (ratio > CLIFF).then(|| {
        say!(
            "at {at:#} of the way from the minimum to the start, the slope is {ratio} times everything nearer",
            at,
            ratio
        )
    })
}
