//! The gradient isn't the slope of the value.

use super::saturated_activation::dead_layer;
use crate::causes::rule::prelude::*;
use records::evidence::Fit;

pub(crate) const RULE: Rule = Rule {
    name: "a detached gradient",
    what: "The gradient isn't the slope of the value: something is detached, or has no derivative.",
    reads: "ρ along the paths from the minimum to the start: what the gradient doesn't explain of what the loss changes, over how much of the path, and where the gradient is exactly 0.",
    thresholds: THRESHOLDS,
    unless: &[],
    remedies: "Repair the gradient: no `detach`, and a smooth form of `round`, `sign`, comparisons and `argmax`. Another loss.",
    find,
};

thresholds! {
    /// The share of a path's movement that the gradient doesn't explain, above which value and gradient don't
    /// belong together. Trapezoids over kinks leave below 0.005.
    MISMATCH = 0.02;

    /// The share of a path where the gradient is exactly 0, above which an operation has no derivative. A
    /// dead activation is flat in its value, too, and has no mismatch.
    WITHOUT_GRADIENT = 0.95;

    /// The share of a path's segments that hold nine tenths of the mismatch of a jump, at most. What is
    /// detached is wrong nearly everywhere.
    FEW_SEGMENTS = 0.1;
}

fn find(e: &Evidence) -> Option<Found> {
    if let Some(message) = &e.no_gradient {
        return Some(say!("the loss has no gradient by the prediction: {message}", message = &**message));
    }
    // What a frozen draw leaves out, as dropout does, another draw has.
    if e.constant && !e.random {
        return Some(say!("the loss is the same number whatever the prediction, and its gradient is 0"));
    }
    // A layer that was saturated by its size has steps for slopes.
    let (fit, _) = pooled(e).filter(|_| dead_layer(e).is_none())?;
    if fit.mismatch <= MISMATCH {
        return None;
    }
    if fit.without_gradient > WITHOUT_GRADIENT {
        return Some(say!(
            "the gradient is 0 on {without_gradient:#} of the way, while the loss changes: an operation in it has no derivative (round, sign, a comparison, argmax)",
            without_gradient = fit.without_gradient
        ));
    }
    (fit.concentration > FEW_SEGMENTS).then(|| {
        say!(
            "the gradient doesn't explain {mismatch:#} of what the loss changes on the way, all along it: part of it is detached, or its derivative is wrong",
            mismatch = fit.mismatch
        )
    })
}

/// The fits of the paths, pooled: their typical mismatch, how concentrated it is where there is one, and how much of it
/// stays when its segment is divided.
pub(super) fn pooled(e: &Evidence) -> Option<(Fit, f64)> {
    let fits: Vec<(Fit, f64)> =
        e.paths.iter().filter_map(|path| path.fit().map(|fit| (fit, path.stays))).collect();
    if fits.is_empty() {
        return None;
    }
    let off: Vec<&(Fit, f64)> = fits.iter().filter(|(fit, _)| fit.mismatch > MISMATCH).collect();
    let over =
        |part: fn(&(Fit, f64)) -> f64| off.iter().map(|fit| part(fit)).sum::<f64>() / off.len().max(1) as f64;
    let fit = Fit {
        mismatch: fits.iter().map(|(fit, _)| fit.mismatch).sum::<f64>() / fits.len() as f64,
        concentration: over(|(fit, _)| fit.concentration),
        without_gradient: over(|(fit, _)| fit.without_gradient),
    };
    Some((fit, over(|(_, stays)| *stays)))
}
