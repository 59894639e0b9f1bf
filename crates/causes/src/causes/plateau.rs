//! A tiny gradient far from the minimum.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a plateau",
    what: "The gradient is tiny where the loss is still far above its minimum.",
    reads: "γ at the start, of all parameters together and of single ones, and the share of the way where it is small.",
    thresholds: THRESHOLDS,
    unless: &[BROKEN],
    remedies: "Another loss, Adam, L-BFGS, momentum, or another learning rate.",
    find,
};

thresholds! {
    /// γ = ⟨∇L, p − p*⟩/(L − L*) is 1 or more for every convex loss and q for |d|^q: below a tenth, the loss
    /// promises ten times what its gradient delivers.
    GAMMA = 0.1;

    /// The share of the elements that must lie on a plateau.
    ON_PLATEAU = 0.2;
}

fn find(e: &Evidence) -> Option<Found> {
    flatness(e)
}

pub(super) fn flatness(e: &Evidence) -> Option<Found> {
    let plateau = e.plateau.as_ref()?;
    let flat = plateau.elements.iter().filter(|gamma| gamma.abs() < GAMMA).count();
    let share = flat as f64 / plateau.elements.len().max(1) as f64;
    let flat = plateau.joint.abs() < GAMMA || share >= ON_PLATEAU || plateau.way >= ON_PLATEAU;
    flat.then(|| {
        let edge = plateau.edge.map_or(say!(""), |(edge, ratio)| {
            say!("beyond a residual of {edge} the slope is {ratio} times smaller; ", edge, ratio)
        });
        let share =
            (!plateau.elements.is_empty()).then(|| say!("{share:#} of the start lies on it; ", share));
        edge.and(share)
            .and(say!("γ is {gamma} at the start (1 or more for every convex loss)", gamma = plateau.joint))
    })
}
