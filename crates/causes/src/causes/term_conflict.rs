//! Terms that pull against each other.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a conflict of terms",
    what: "At the minimum the terms still pull against each other.",
    reads: "The sum of the terms' gradient norms at the minimum, over that at the start. It comes before `biased_minimizer` where every term has a minimum of its own: then the bias is the compromise between them.",
    thresholds: THRESHOLDS,
    unless: &[&[Cause::TermConflict]],
    remedies: "Without one of the terms, or another loss.",
    find,
};

thresholds! {
    /// `Σ‖g_k(p*)‖ / Σ‖g_k(start)‖`. The cosine is −1 at every two-term minimum, and says nothing.
    CONFLICT = 0.05;
}

fn find(e: &Evidence) -> Option<Found> {
    let (at_minimum, at_start) =
        e.terms.iter().fold((0.0, 0.0), |sum, term| (sum.0 + term.at_minimum, sum.1 + term.at_start));
    let ratio = at_minimum / at_start;
    (e.terms.len() > 1 && ratio > CONFLICT).then(|| {
        say!(
            "at the minimum the terms still pull with {strength:#} of the strength that they have at the start",
            strength = ratio
        )
    })
}

/// Where every term has a minimum of its own, a biased minimizer is the compromise between them.
pub(crate) fn between_goals(e: &Evidence) -> Option<Found> {
    let goals = e.terms.iter().all(|term| term.is_goal);
    (super::biased_minimizer::RULE.find)(e).filter(|_| goals)?;
    find(e)
}
