//! An activation that is flat.

use crate::causes::rule::prelude::*;

pub(crate) const RULE: Rule = Rule {
    name: "a saturated activation",
    what: "An activation is flat where the predictions are, whatever the target.",
    reads: "The evidence of `plateau`, and the slope at the start's flat predictions whatever the target; in a model, the share of the gradient that a layer gets at the start, and what it gets where its parameters are drawn anew at the usual size (tested before `detached_gradient`, whatever was found).",
    thresholds: THRESHOLDS,
    unless: &[BROKEN],
    remedies: "Another start: weights from N(0, 1/fan-in) in a model, 0.5 for free predictions; `logits` for a loss of probabilities; another loss, Adam, or another learning rate.",
    find,
};

thresholds! {
    /// The largest slope at a saturated prediction over that on its way, whatever the target.
    SATURATED = 0.1;

    /// The share of a model's gradient below which one of its tensors sleeps. Layers of a usual start are a decade or
    /// two apart.
    DEAD_LAYER = 0.01;

    /// How many times larger the gradient of a sleeping tensor must be where that tensor is drawn anew: its own size,
    /// and nothing else, keeps its activation flat. What merely has little to say stays as it is.
    GRADIENT_GAIN = 10.0;
}

fn find(e: &Evidence) -> Option<Found> {
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
    let tensor = e.dead_layer.as_ref()?;
    let dead_layer = tensor.share < DEAD_LAYER && tensor.gradient_gain > GRADIENT_GAIN;
    (dead_layer && !is_quick(e)).then(|| {
        let more = if tensor.gradient_gain.is_finite() {
            say!("{gain} times as much", gain = tensor.gradient_gain)
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
