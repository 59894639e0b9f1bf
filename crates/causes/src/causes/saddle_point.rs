//! A point without a gradient that is no minimum.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a saddle point",
    what: "The run passes a point where the gradient vanishes, though it is no minimum.",
    reads: "Gradient and curvatures at the flattest point of your run, and where a Newton step from there leads; of a model only where the run is slow.",
    thresholds: THRESHOLDS,
    unless: &[&[Cause::SaturatedActivation]],
    remedies: "Another start; Adam, momentum or L-BFGS.",
    find,
};

thresholds! {
    /// The most negative curvature over the curvature at the minimum, beyond which a point is a saddle.
    /// The tails of redescending losses stay below it where they are flat.
    SADDLE_CURVATURE = 0.02;

    /// The gradient at a saddle, at most, over what its negative curvature times the distance would be, and over
    /// the largest of the run.
    SADDLE_GRADIENT = 0.1;

    /// What a Newton step toward a stationary point may leave of the gradient. At a saddle of degree m it is
    /// ((m − 2)/(m − 1))^(m − 1): 0, ¼, 0.296, … below 1/e; in the tails of redescending losses, which have no such
    /// point, it is 1/e or more.
    SADDLE_LEFT = 0.33;
}

fn find(e: &Evidence) -> Option<Found> {
    let saddle = e.saddle?;
    let curved = saddle.least < -SADDLE_CURVATURE * saddle.scale;
    let flat = saddle.gradient < SADDLE_GRADIENT * -saddle.least * saddle.distance;
    let still = saddle.gradient < SADDLE_GRADIENT * saddle.steepest;
    let stationary = saddle.left < SADDLE_LEFT;
    // A model's start often has some negative curvature, which slows nothing.
    let shown = e.single || !is_quick(e);
    (curved && flat && still && stationary && shown).then(|| {
        let place = if saddle.step == 0 { "at the start".into() } else { format!("at step {}", saddle.step) };
        say!(
            "{place} the gradient is {gradient} though the minimum is {distance} away, and curvatures reach from {least} to {greatest}",
            step = saddle.step,
            gradient = saddle.gradient,
            distance = saddle.distance,
            least = saddle.least,
            greatest = saddle.greatest
        )
    })
}
