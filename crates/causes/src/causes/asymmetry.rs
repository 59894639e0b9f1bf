//! Sides that weigh differently.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "an asymmetry",
    what: "Errors of one sign weigh several times those of the other.",
    reads: "Slopes at equal distances on both sides of the minimum, and the bias of a noisy fit.",
    thresholds: THRESHOLDS,
    unless: &[BROKEN, &[Cause::BiasedMinimizer]],
    remedies: "Nothing that makes the descent faster: it biases, and doesn't slow. A symmetric loss removes the bias.",
    find,
};

thresholds! {
    /// The ratio of slopes at equal distances on both sides. LINEX and the question's 5 : 1 are above it.
    ASYMMETRY = 4.0;
}

fn find(e: &Evidence) -> Option<Found> {
    let sides = e.sides?;
    let ratio = sides.ratio.max(1.0 / sides.ratio);
    (ratio > ASYMMETRY).then(|| {
        let (steep, flat) = if sides.ratio > 1.0 { ("above", "below") } else { ("below", "above") };
        let bias =
            sides.bias.map(|bias| say!("; a noisy fit would be off by {bias} σ of its noise", bias));
        let line = sides.intercepts.map(|(own, squares)| {
            say!(
                " (a line with intercept 2 and σ = 1 is fitted with {intercept}, by squares with {intercept_by_squares})",
                intercept = own,
                intercept_by_squares = squares
            )
        });
        say!(
            "at {distance} from the minimum the slope {steep} is {ratio} times that {flat}",
            distance = sides.distance,
            ratio
        )
        .and(bias)
        .and(line)
    })
}
