//! A minimum that isn't at the target.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a biased minimizer",
    what: "The loss is least somewhere else than at the target.",
    reads: "The error of the loss's minimizer, and the loss there and at the target; where a line fit by this loss ends.",
    thresholds: THRESHOLDS,
    unless: &[&[Cause::UnboundedBelow, Cause::ShapeBroadcast]],
    remedies: "Another loss; the even part of this one, or the absolute value of its odd part; `logits` for a loss of probabilities; without one of its terms.",
    find,
};

thresholds! {
    /// How far the minimizer is from the target, over how far the start is.
    BIAS = 0.05;

    /// How far the loss at the target must be above its least value, over the loss's fall from the start.
    BIAS_DROP = 1e-6;
}

fn find(e: &Evidence) -> Option<Found> {
    let bias = e.bias?;
    let far = (bias.error - bias.unavoidable) / e.baseline.start_error;
    let lower = bias.at_target.is_none_or(|at_target| {
        at_target - bias.least > BIAS_DROP * (e.baseline.start_loss - bias.least).abs()
    });
    if far <= BIAS || far.is_nan() || !lower {
        return None;
    }
    let shift = bias.shift.map(|shift| say!(", {shift} from the target", shift));
    let value = bias.at_target.map(|at_target| {
        say!("; its value there is {least}, and {at_target} at the target", least = bias.least, at_target)
    });
    let line = bias.line.map(|(slope, intercept)| {
        say!("; a line fit of y = 3x + 2 ends at slope {slope} and intercept {intercept}", slope, intercept)
    });
    Some(
        say!("the loss is least where the error is {error}", error = bias.error)
            .and(shift)
            .and(value)
            .and(line),
    )
}
