//! Other losses, and other forms of the author's.

use causes::Cause::{
    self, Asymmetry, BiasedMinimiser, Cliff, DetachedGradient, FlatMinimum, Jump, LocalMinima, NoisyGradient,
    NonFinite, Plateau, PrecisionFloor, SaturatedActivation, ShapeBroadcast, TermConflict, TermImbalance,
    UnboundedBelow,
};
use losses::{BceWithLogits, Formula, Huber, Loss};

use super::{Candidate, How, Rates, Training, round};
use crate::config::diagnose::{Case, Readout, Sees, Term};
use crate::diagnose::fit::{FitModel, Shape};
use crate::diagnose::numbers::Array;
use crate::diagnose::probe::Probes;
use crate::diagnose::setup::{Probed, Setup};

/// Causes that lie in the shape of the loss, so that another loss mends them.
const SHAPE: [Cause; 13] = [
    ShapeBroadcast,
    NonFinite,
    DetachedGradient,
    Jump,
    Cliff,
    UnboundedBelow,
    BiasedMinimiser,
    PrecisionFloor,
    LocalMinima,
    SaturatedActivation,
    Plateau,
    FlatMinimum,
    TermConflict,
];

/// Name, change, causes, and the fit with that change.
type Variant = (String, String, Vec<Cause>, FitModel);

pub(super) fn candidates(case: &Case, setup: &Setup, probes: &Probes, causes: &[Cause]) -> Vec<Candidate> {
    let Probed::Fit(fit) = &setup.subject else { return Vec::new() };
    let has = |list: &[Cause]| list.iter().any(|cause| causes.contains(cause));
    let mut variants = Vec::new();
    if has(&[ShapeBroadcast]) {
        variants.push(reshaped(fit));
    } else {
        let in_units = fit.readout == Readout::Identity || fit.sees == Sees::Readout;
        let comparable = in_units && fit.readout_shape() == fit.target.shape;
        if comparable && (has(&SHAPE) || has(&[Asymmetry])) {
            variants.extend(instead(setup, probes, fit));
        }
        if comparable && has(&[BiasedMinimiser, UnboundedBelow]) && fit.terms.len() == 1 {
            variants.extend(without_odd_part(fit));
        }
        variants.extend(transformed(setup, probes, fit, causes));
        if has(&[SaturatedActivation, NonFinite, BiasedMinimiser]) {
            variants.extend(logits(fit));
        }
        if has(&[SaturatedActivation, NonFinite]) && fit.readout.is_activation() {
            variants.push(not_saturated(fit));
        }
        if has(&[NoisyGradient]) && (fit.noise > 0.0 || setup.exact.is_random()) {
            let draws: &[u64] = if fit.noise > 0.0 { &[16, 256] } else { &[16] };
            variants.extend(draws.iter().map(|draws| averaged(fit, *draws)));
        }
        if fit.terms.len() > 1 && has(&[TermImbalance, TermConflict, BiasedMinimiser]) {
            variants.extend(weighted(probes, fit, has(&[TermImbalance])));
        }
    }
    let candidate = |(name, change, mends, fit): Variant| {
        let rates = if fit.draws > 1 { Rates::Smaller } else { Rates::Multiples };
        let training = Training {
            fit: Some(fit),
            double: false,
            optimizer: case.optimizer.clone(),
            schedule: case.schedule.clone(),
            rates,
        };
        Candidate { name, change, mends, how: How::Train(Box::new(training)) }
    };
    variants.into_iter().map(candidate).collect()
}

fn reshaped(fit: &FitModel) -> Variant {
    let shape = fit.seen_shape();
    let change = format!("reshape the target to {shape:?}");
    let target = Array { shape, ..fit.target.clone() };
    ("reshape".into(), change, vec![ShapeBroadcast], FitModel { target, ..fit.clone() })
}

pub(super) fn with_loss(loss: Loss, fit: &FitModel) -> FitModel {
    let term = Term { name: loss.label(), loss, weight: 1.0 };
    FitModel { terms: vec![term], shape: Shape::Plain, ..fit.clone() }
}

/// Losses that are known to be well-behaved, at the scale of the start.
fn instead(setup: &Setup, probes: &Probes, fit: &FitModel) -> Vec<Variant> {
    let decade = libm::pow(10.0, libm::round(libm::log10(setup.start_error)));
    let edge = probes.evidence.plateau.as_ref().and_then(|plateau| plateau.edge);
    let delta = round(edge.map_or(setup.start_error / 4.0, |edge| edge.0));
    let log = if decade == 1.0 {
        "log1p(abs(d))".to_owned()
    } else {
        format!("{decade:e}*log1p(abs(d)/{decade:e})")
    };
    let named = |name: &str| Loss::named(name).expect("the registry has it");
    let is_own = |name: &str| fit.terms.len() == 1 && fit.terms[0].loss.name() == name;
    [
        ("huber", format!("the Huber loss with delta = {delta}"), Loss::Huber(Huber { delta })),
        ("l1", "the absolute error".into(), named("l1")),
        ("mse", "the squared error".into(), named("mse")),
        ("log1p", format!("the loss {log}"), Loss::Formula(Formula { value: log, ..Formula::default() })),
    ]
    .into_iter()
    .filter(|(name, ..)| !is_own(name))
    .map(|(name, change, loss)| (name.into(), change, SHAPE.to_vec(), with_loss(loss, fit)))
    .collect()
}

/// What pulls to one side is taken out of the loss, or folded.
fn without_odd_part(fit: &FitModel) -> [Variant; 2] {
    let mends = vec![BiasedMinimiser, UnboundedBelow];
    let shaped = |shape| FitModel { shape, ..fit.clone() };
    [
        (
            "even part".into(),
            "drop the odd part of the loss: (ℓ(d) + ℓ(−d))/2".into(),
            mends.clone(),
            shaped(Shape::Even),
        ),
        (
            "absolute odd part".into(),
            "take the absolute value of the odd part of the loss".into(),
            mends,
            shaped(Shape::Folded),
        ),
    ]
}

/// Functions of the loss.
fn transformed(setup: &Setup, probes: &Probes, fit: &FitModel, causes: &[Cause]) -> Vec<Variant> {
    let mut list = Vec::new();
    let least = setup.star.value;
    let scale = (probes.evidence.baseline.start_loss - least).abs().max(f64::MIN_POSITIVE);
    let shaped = |shape| FitModel { shape, ..fit.clone() };
    if causes.contains(&Cliff) && scale.is_finite() {
        let shape = Shape::Log1p { least, scale: round(scale / 100.0) };
        list.push(("log of the loss".into(), "log1p of the loss".into(), vec![Cliff], shaped(shape)));
    }
    let exponent = probes.evidence.exponent.filter(|q| q.is_finite() && causes.contains(&FlatMinimum));
    if let Some(q) = exponent {
        let exponent = round(2.0 / q);
        let shape = Shape::Power { least, exponent, eps: 1e-12 * scale };
        let change = format!("the loss to the power {exponent}, which makes it a parabola");
        list.push((format!("power {exponent}"), change, vec![FlatMinimum], shaped(shape)));
    }
    list
}

/// The logits form of a loss of probabilities.
fn logits(fit: &FitModel) -> Option<Variant> {
    if fit.readout != Readout::Sigmoid || !fit.target.values.iter().all(|y| (0.0..=1.0).contains(y)) {
        return None;
    }
    let loss = with_loss(Loss::BceWithLogits(BceWithLogits::default()), fit);
    let fit = FitModel { sees: Sees::Prediction, ..loss };
    let mends = vec![SaturatedActivation, NonFinite, BiasedMinimiser];
    Some(("logits".into(), "binary cross-entropy of the logits".into(), mends, fit))
}

/// A start where the activation has a slope.
fn not_saturated(fit: &FitModel) -> Variant {
    let start = Array { values: vec![0.5; fit.start.values.len()], ..fit.start.clone() };
    let change = "start at 0.5, where the activation isn't flat".into();
    ("start".into(), change, vec![SaturatedActivation, NonFinite], FitModel { start, ..fit.clone() })
}

fn averaged(fit: &FitModel, draws: u64) -> Variant {
    let change = format!("the mean of {draws} draws a step (a batch {draws} times as large)");
    (format!("mean of {draws}"), change, vec![NoisyGradient], FitModel { draws, ..fit.clone() })
}

/// Weights that balance the terms, and each term left out.
fn weighted(probes: &Probes, fit: &FitModel, imbalanced: bool) -> Vec<Variant> {
    let mut list = Vec::new();
    let norms: Vec<f64> = probes.evidence.terms.iter().map(|term| term.at_start).collect();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    if imbalanced && norms.iter().all(|norm| *norm > 0.0) {
        let mut balanced = fit.clone();
        for (term, norm) in balanced.terms.iter_mut().zip(&norms) {
            term.weight = round(term.weight * largest / norm);
        }
        let weights: Vec<String> = balanced.terms.iter().map(|term| term.weight.to_string()).collect();
        let change = format!("weights that balance the gradients: {}", weights.join(", "));
        list.push(("weights".into(), change, vec![TermImbalance], balanced));
    }
    for dropped in 0..fit.terms.len() {
        let mut rest = fit.clone();
        let name = rest.terms.remove(dropped).name;
        let change = format!("drop the term {name}");
        list.push((
            format!("without term {}", dropped + 1),
            change,
            vec![TermConflict, BiasedMinimiser],
            rest,
        ));
    }
    list
}
