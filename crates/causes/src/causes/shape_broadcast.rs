//! Prediction and target broadcast into pairs.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a shape mismatch",
    what: "Prediction and target have as many elements, but other shapes, and broadcast into pairs.",
    reads: "The two shapes that the loss is handed, and whether it is another loss than with equal shapes.",
    thresholds: &[],
    unless: &[],
    remedies: "Reshape the target.",
    find,
};

fn find(e: &Evidence) -> Option<Found> {
    let shapes = e.shapes.as_ref().filter(|shapes| shapes.matters)?;
    Some(say!(
        "prediction {prediction} and target {target} have as many elements, but broadcast into pairs of every prediction with every target",
        prediction = &shapes.prediction,
        target = &shapes.target
    ))
}
