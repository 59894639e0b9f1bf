//! No minimum.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "no minimum",
    what: "The loss falls for ever.",
    reads: "The loss at 1 to 100000 times the distance of the start, along several directions.",
    thresholds: THRESHOLDS,
    unless: &[],
    remedies: "Another loss; the even part of this one, or the absolute value of its odd part.",
    find,
};

thresholds! {
    /// A decade's fall over that of the decade before, above which a fall doesn't end: 10 for a line, 1 for a
    /// logarithm, 0.1 and less for what levels off.
    ENDLESS = 0.7;
}

fn find(e: &Evidence) -> Option<Found> {
    let fall = e.fall.as_ref()?;
    let decades = fall.values.iter().rposition(|value| !value.is_nan())?.min(5);
    let power = ["⁰", "¹", "²", "³", "⁴", "⁵"][decades];
    Some(say!(
        "{direction}, the loss falls without end: {loss} at 10{power} times the distance of the start",
        direction = &*fall.direction,
        loss = fall.values[decades],
        distance = 10_u64.pow(decades as u32)
    ))
}
