//! An activation that is flat.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a saturated activation",
    what: "An activation is flat where the predictions are, whatever the target.",
    reads: "The evidence of `plateau`, and the slope at the start's flat predictions whatever the target; in a model, the share of the gradient that a layer gets at the start, and what it gets where its parameters are drawn anew at the usual size (tested before `detached_gradient`, whatever was found).",
    thresholds: THRESHOLDS,
    unless: &[BROKEN],
    remedies: "Another start: weights from N(0, 1/fan-in) in a model, 0.5 for free predictions; `logits` for a loss of probabilities; another loss, Adam, or another learning rate.",
    judge,
};

thresholds! {
    /// The largest slope at a saturated prediction over that on its way, whatever the target.
    SATURATED = 0.1;

    /// The share of a model's gradient below which one of its tensors sleeps. Layers of a usual start are a decade or
    /// two apart.
    ASLEEP = 0.01;

    /// How many times larger the gradient of a sleeping tensor must be where that tensor is drawn anew: its own size,
    /// and nothing else, keeps its activation flat. What merely has little to say stays as it is.
    WAKES = 10.0;
}

fn judge(e: &Evidence) -> Option<Found> {
    let flat = super::plateau::flatness(e)?;
    let slope = e.plateau.as_ref()?.whatever_target?;
    (slope < SATURATED).then(|| {
        say!(
            "whatever the target, the slope at the start's flat predictions is at most {slope:#} of that on their way: it is the activation; ",
            slope
        )
        .and(flat)
    })
}

/// A layer of a model behind a flat activation.
pub(crate) fn dead_layer(e: &Evidence) -> Option<Found> {
    let tensor = e.asleep.as_ref()?;
    let asleep = tensor.share < ASLEEP && tensor.wakes > WAKES;
    (asleep && !is_quick(e)).then(|| {
        let more = if tensor.wakes.is_finite() {
            say!("{gain} times as much", gain = tensor.wakes)
        } else {
            say!("some")
        };
        say!(
            "at the start the parameters {shape} get {share:#} of the gradient, and ",
            shape = &tensor.shape,
            share = tensor.share
        )
        .and(more)
        .and(say!(
            " where they are drawn anew at the usual size: the activation behind them is saturated or dead"
        ))
    })
}
