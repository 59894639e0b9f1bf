//! Hills on the way.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "local minima",
    what: "On the way to the minimum the loss rises.",
    reads: "The share of the movement along the paths that goes uphill; of a model only where the run ends in another minimum.",
    thresholds: THRESHOLDS,
    unless: &[BROKEN],
    remedies: "Another start, momentum, or another loss.",
    find,
};

thresholds! {
    /// The share of a path's movement that goes uphill on the way to the minimum.
    UPHILL = 0.02;

    /// How far a model's local minimum must be above the best one, over the loss's fall from the start.
    TRAPPED = 0.01;
}

fn find(e: &Evidence) -> Option<Found> {
    // A straight line through a model's parameters may climb where the run needn't: then it must be stuck.
    let stuck = e.baseline.reached.is_none() && e.baseline.trapped > TRAPPED;
    if !e.single && !stuck {
        return None;
    }
    let hills: Vec<f64> = e.paths.iter().filter_map(Path::uphill).collect();
    let mean = hills.iter().sum::<f64>() / hills.len().max(1) as f64;
    (mean > UPHILL).then(|| {
        say!("{uphill:#} of what the loss changes on the way to the minimum goes uphill", uphill = mean)
    })
}
