//! Other losses, and other forms of the author's.

use causes::Cause::{
    self, Asymmetry, BiasedMinimizer, Cliff, DetachedGradient, FlatMinimum, Jump, LocalMinima, NoisyGradient,
    NonFinite, Plateau, PrecisionFloor, SaturatedActivation, ShapeBroadcast, TermConflict, TermImbalance,
    UnboundedBelow,
};
use losses::{BceWithLogits, Formula, Huber, Loss, Transform, Transformed};
use problems::{Array, LossInput, Readout};

use super::{Candidate, How, Rates, Training};
use crate::fit::{Fit, sum_of};
use crate::probe::Probes;
use crate::run::round;
use crate::setup::Setup;
use config::diagnose::Case;

/// Causes that lie in the shape of the loss, so that another loss mends them.
const SHAPE: [Cause; 13] = [
    ShapeBroadcast,
    NonFinite,
    DetachedGradient,
    Jump,
    Cliff,
    UnboundedBelow,
    BiasedMinimizer,
    PrecisionFloor,
    LocalMinima,
    SaturatedActivation,
    Plateau,
    FlatMinimum,
    TermConflict,
];

/// Name, change, causes, and the fit with that change.
type Variant = (String, String, Vec<Cause>, Fit);

pub(super) fn candidates(case: &Case, setup: &Setup, probes: &Probes, causes: &[Cause]) -> Vec<Candidate> {
    let Some(fit) = &setup.fit else { return Vec::new() };
    let has = |list: &[Cause]| list.iter().any(|cause| causes.contains(cause));
    let mut variants = Vec::new();
    if has(&[ShapeBroadcast]) {
        variants.push(reshaped(fit));
    } else {
        let in_units = fit.readout == Readout::Identity || fit.loss_input == LossInput::Readout;
        let comparable = in_units && fit.readout_shape == fit.target.shape;
        if comparable && (has(&SHAPE) || has(&[Asymmetry])) {
            variants.extend(instead(setup, probes, fit));
        }
        if comparable && has(&[BiasedMinimizer, UnboundedBelow]) && fit.terms().len() == 1 {
            variants.extend(without_odd_part(fit));
        }
        variants.extend(transformed(setup, probes, fit, causes));
        if has(&[SaturatedActivation, NonFinite, BiasedMinimizer]) {
            variants.extend(logits(fit));
        }
        if has(&[SaturatedActivation, NonFinite]) && fit.readout.is_activation() {
            variants.push(not_saturated(fit));
        }
        if has(&[NoisyGradient]) && (fit.noise > 0.0 || setup.random) {
            let draws: &[u64] = if fit.noise > 0.0 { &[16, 256] } else { &[16] };
            variants.extend(draws.iter().map(|draws| averaged(fit, *draws)));
        }
        if fit.terms().len() > 1 && has(&[TermImbalance, TermConflict, BiasedMinimizer]) {
            variants.extend(weighted(probes, fit, has(&[TermImbalance])));
        }
    }
    let candidate = |(name, change, addresses, fit): Variant| {
        let rates = if fit.draws > 1 { Rates::Smaller } else { Rates::Multiples };
        let training = Training {
            fit: Some(fit),
            double: false,
            optimizer: case.optimizer.clone(),
            schedule: case.schedule.clone(),
            rates,
        };
        Candidate { name, change, addresses, how: How::Train(Box::new(training)) }
    };
    variants.into_iter().map(candidate).collect()
}

fn reshaped(fit: &Fit) -> Variant {
    let shape = fit.seen_shape().to_vec();
    let change = format!("reshape the target to {shape:?}");
    let target = Array { shape, ..fit.target.clone() };
    ("reshape".into(), change, vec![ShapeBroadcast], Fit { target, ..fit.clone() })
}

fn with_loss(loss: Loss, fit: &Fit) -> Fit {
    Fit { loss, ..fit.clone() }
}

/// The fit with its loss through functions, the innermost first.
fn through(by: &[Transform], fit: &Fit) -> Fit {
    let loss = by
        .iter()
        .fold(fit.loss.clone(), |loss, by| Loss::Transformed(Transformed { loss: Box::new(loss), by: *by }));
    with_loss(loss, fit)
}

/// Losses that are known to be well-behaved, at the scale of the start.
fn instead(setup: &Setup, probes: &Probes, fit: &Fit) -> Vec<Variant> {
    let decade = libm::pow(10.0, libm::round(libm::log10(setup.start_error)));
    let edge = probes.evidence.plateau.as_ref().and_then(|plateau| plateau.edge);
    let delta = round(edge.map_or(setup.start_error / 4.0, |edge| edge.0));
    let log = if decade == 1.0 {
        "log1p(abs(d))".to_owned()
    } else {
        format!("{decade:e}*log1p(abs(d)/{decade:e})")
    };
    let named = |name: &str| Loss::named(name).expect("the registry has it");
    let is_own = |name: &str| fit.loss.name() == name;
    [
        ("huber", format!("the Huber loss with delta = {delta}"), Loss::Huber(Huber { delta })),
        ("l1", "the absolute error".into(), named("l1")),
        ("mse", "the squared error".into(), named("mse")),
        ("log1p", format!("the loss {log}"), Loss::Formula(Formula::new(&log, []))),
    ]
    .into_iter()
    .filter(|(name, ..)| !is_own(name))
    .map(|(name, change, loss)| (name.into(), change, SHAPE.to_vec(), with_loss(loss, fit)))
    .collect()
}

/// What pulls to one side is taken out of the loss, or folded.
fn without_odd_part(fit: &Fit) -> [Variant; 2] {
    let addresses = vec![BiasedMinimizer, UnboundedBelow];
    [
        (
            "even part".into(),
            "drop the odd part of the loss: (ℓ(d) + ℓ(−d))/2".into(),
            addresses.clone(),
            through(&[Transform::Even], fit),
        ),
        (
            "absolute odd part".into(),
            "take the absolute value of the odd part of the loss".into(),
            addresses,
            through(&[Transform::Folded], fit),
        ),
    ]
}

/// Functions of the loss.
fn transformed(setup: &Setup, probes: &Probes, fit: &Fit, causes: &[Cause]) -> Vec<Variant> {
    let mut list = Vec::new();
    let least = setup.star.value;
    let scale = (probes.evidence.baseline.start_loss - least).abs().max(f64::MIN_POSITIVE);
    if causes.contains(&Cliff) && scale.is_finite() {
        let by = [Transform::Shift(-least), Transform::Scale(1.0 / round(scale / 100.0)), Transform::Log1p];
        list.push(("log of the loss".into(), "log1p of the loss".into(), vec![Cliff], through(&by, fit)));
    }
    let exponent = probes.evidence.exponent.filter(|q| q.is_finite() && causes.contains(&FlatMinimum));
    if let Some(q) = exponent {
        let exponent = round(2.0 / q);
        let by = [Transform::Shift(1e-12 * scale - least), Transform::Power(exponent)];
        let change = format!("the loss to the power {exponent}, which makes it a parabola");
        list.push((format!("power {exponent}"), change, vec![FlatMinimum], through(&by, fit)));
    }
    list
}

/// The logits form of a loss of probabilities.
fn logits(fit: &Fit) -> Option<Variant> {
    if fit.readout != Readout::Sigmoid || !fit.target.values.iter().all(|y| (0.0..=1.0).contains(y)) {
        return None;
    }
    let loss = with_loss(Loss::BceWithLogits(BceWithLogits::default()), fit);
    let fit = Fit { loss_input: LossInput::Prediction, ..loss };
    let addresses = vec![SaturatedActivation, NonFinite, BiasedMinimizer];
    Some(("logits".into(), "binary cross-entropy of the logits".into(), addresses, fit))
}

/// A start where the activation has a slope.
fn not_saturated(fit: &Fit) -> Variant {
    let start = Array { values: vec![0.5; fit.start.values.len()], ..fit.start.clone() };
    let change = "start at 0.5, where the activation isn't flat".into();
    ("start".into(), change, vec![SaturatedActivation, NonFinite], Fit { start, ..fit.clone() })
}

fn averaged(fit: &Fit, draws: u64) -> Variant {
    let change = format!("the mean of {draws} draws a step (a batch {draws} times as large)");
    (format!("mean of {draws}"), change, vec![NoisyGradient], Fit { draws, ..fit.clone() })
}

/// Weights that balance the terms, and each term left out.
fn weighted(probes: &Probes, fit: &Fit, imbalanced: bool) -> Vec<Variant> {
    let mut list = Vec::new();
    let norms: Vec<f64> = probes.evidence.terms.iter().map(|term| term.at_start).collect();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let terms = fit.terms();
    if imbalanced && norms.iter().all(|norm| *norm > 0.0) {
        let mut balanced = terms.clone();
        for (term, norm) in balanced.iter_mut().zip(&norms) {
            term.weight = round(term.weight * largest / norm);
        }
        let weights: Vec<String> = balanced.iter().map(|term| term.weight.to_string()).collect();
        let change = format!("weights that balance the gradients: {}", weights.join(", "));
        list.push(("weights".into(), change, vec![TermImbalance], with_loss(sum_of(balanced), fit)));
    }
    for dropped in 0..terms.len() {
        let mut rest = terms.clone();
        let name = rest.remove(dropped).loss.label();
        let change = format!("drop the term {name}");
        list.push((
            format!("without term {}", dropped + 1),
            change,
            vec![TermConflict, BiasedMinimizer],
            with_loss(sum_of(rest), fit),
        ));
    }
    list
}
