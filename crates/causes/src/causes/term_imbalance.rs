//! A term that drowns the others.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "an imbalance of terms",
    what: "One term's gradient drowns another's.",
    reads: "The median, along the path, of the largest gradient norm of a term over the smallest.",
    thresholds: THRESHOLDS,
    unless: &[],
    remedies: "Weights that balance the gradients, Adam, or L-BFGS.",
    find,
};

thresholds! {
    /// The ratio of the terms' gradient norms along the path.
    IMBALANCE = 30.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let points = e.terms.first()?.on_path.len();
    let ratio_at = |k: usize| {
        let norms = e.terms.iter().map(|term| term.on_path[k]);
        // `max` and `min` would leave a NaN out, and the ratio be that of the others.
        if norms.clone().any(f64::is_nan) {
            return f64::NAN;
        }
        norms.clone().fold(0.0, f64::max) / norms.fold(f64::INFINITY, f64::min)
    };
    let mut ratios: Vec<f64> = (0..points).map(ratio_at).filter(|ratio| !ratio.is_nan()).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = *ratios.get(ratios.len() / 2)?;
    let sum = |norms: &[f64]| norms.iter().sum::<f64>();
    let largest = e.terms.iter().max_by(|a, b| sum(&a.on_path).total_cmp(&sum(&b.on_path)))?;
    (e.terms.len() > 1 && ratio > IMBALANCE).then(|| {
        say!(
            "the gradient of `{term}` is {ratio} times that of the smallest term on the way",
            term = &*largest.name,
            ratio
        )
    })
}
