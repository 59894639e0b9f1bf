//! Other ways to train on the author's loss.

use causes::Cause::{
    self, BiasedMinimizer, Cliff, DetachedGradient, FlatMinimum, IllConditioning, Jump, LocalMinima,
    LrTooLarge, LrTooSmall, NoisyGradient, NonFinite, Plateau, PrecisionFloor, SaddlePoint,
    SaturatedActivation, ShapeBroadcast, TermConflict, TermImbalance, UnboundedBelow,
};
use causes::thresholds;
use numeric::Stream;
use optimizers::schedules::Warmup;
use optimizers::{Adam, Clipped, HeavyBall, Optimizer, Schedule};

use super::{Candidate, How, Rates, Training};
use crate::probe::{Probes, usual_start};
use crate::run::{MOST, round};
use crate::setup::Setup;
use config::diagnose::Case;

pub(super) fn candidates(case: &Case, setup: &Setup, probes: &Probes, causes: &[Cause]) -> Vec<Candidate> {
    let has = |list: &[Cause]| list.iter().any(|cause| causes.contains(cause));
    // Where the minimum itself is wrong, no way to train gets to the target: that is shown once.
    let wrong = has(&[
        ShapeBroadcast,
        DetachedGradient,
        UnboundedBelow,
        BiasedMinimizer,
        TermConflict,
        PrecisionFloor,
    ]);
    let or_own = |rates| if wrong { Rates::Own } else { rates };
    let scheduled = |optimizer: Optimizer, schedule: Schedule, rates: Rates| {
        How::Train(Box::new(Training { fit: None, double: false, optimizer, schedule, rates }))
    };
    let by = |optimizer: Optimizer, rates: Rates| scheduled(optimizer, case.schedule.clone(), rates);
    let own = || case.optimizer.clone();
    let mut list = Vec::new();
    let mut add = |applies: bool, name: &str, change: &str, addresses: &[Cause], how: How| {
        if applies {
            list.push(Candidate {
                name: name.into(),
                change: change.into(),
                addresses: addresses.to_vec(),
                how,
            });
        }
    };
    add(
        !wrong,
        "lr",
        "another learning rate",
        &[LrTooLarge, LrTooSmall, Plateau, FlatMinimum, SaturatedActivation],
        by(own(), Rates::Others),
    );
    let adam = Optimizer::Adam(Adam::default());
    add(
        case.optimizer != adam,
        "adam",
        "Adam on the unchanged loss",
        &[Plateau, SaturatedActivation, FlatMinimum, IllConditioning, TermImbalance, Cliff, SaddlePoint],
        by(adam, or_own(Rates::Lengths)),
    );
    add(
        // Momentum averages no noise away, and random numbers make runs expensive.
        case.optimizer.name() == "sgd" && !wrong && !setup.random,
        "momentum",
        "momentum of 0.9",
        &[IllConditioning, LocalMinima, SaddlePoint, Plateau],
        by(Optimizer::HeavyBall(HeavyBall::default()), Rates::Multiples),
    );
    let curved = [IllConditioning, FlatMinimum, SaddlePoint, Plateau, LrTooSmall, LrTooLarge, TermImbalance];
    add(
        !probes.noisy && has(&curved),
        "lbfgs",
        "L-BFGS with a line search (its steps are gradient evaluations)",
        &curved,
        How::Lbfgs,
    );
    let norm = round(0.1 * setup.length_scale * (setup.exact.size() as f64).sqrt() / case.lr);
    let clipped = Clipped { optimizer: Box::new(own()), norm: Some(norm), value: None };
    add(
        case.optimizer.clip().is_none() && has(&[Cliff, NonFinite, LrTooLarge, Jump]),
        "clip",
        &format!("clip the gradient's norm at {norm}"),
        &[Cliff, NonFinite, LrTooLarge],
        by(Optimizer::Clipped(clipped), Rates::Own),
    );
    add(
        has(&[LrTooLarge, NoisyGradient, Cliff, Jump]),
        "decay",
        "let the rate fall along a cosine to 0",
        &[LrTooLarge, NoisyGradient, Cliff],
        scheduled(own(), Schedule::named("cosine").expect("the registry has it"), Rates::Own),
    );
    let rise = early_trouble(probes);
    let warmed = Warmup { steps: rise, schedule: Box::new(case.schedule.clone()), ..Warmup::default() };
    add(
        rise.is_some()
            && !matches!(case.schedule, Schedule::Warmup(_))
            && has(&[LrTooLarge, Cliff, NonFinite, Jump]),
        "warm-up",
        &format!("let the rate rise from 0 over the first {} steps", rise.unwrap_or(0)),
        &[LrTooLarge, Cliff, NonFinite],
        scheduled(own(), Schedule::Warmup(warmed), Rates::Own),
    );
    let double = Training {
        fit: None,
        double: true,
        optimizer: own(),
        schedule: case.schedule.clone(),
        rates: Rates::Own,
    };
    add(
        has(&[PrecisionFloor]),
        "float64",
        "train in float64",
        &[PrecisionFloor],
        How::Train(Box::new(double)),
    );
    list.extend(other_starts(case, setup, probes, causes));
    list
}

/// Over how many steps the rate should rise where a run goes wrong at once: a tenth of them.
fn early_trouble(probes: &Probes) -> Option<u64> {
    let baseline = &probes.evidence.baseline;
    let rise = (baseline.reached.unwrap_or(baseline.budget.min(MOST)) / 10).max(1);
    let early =
        baseline.overshoot > thresholds::OVERSHOOT || baseline.diverged.is_some_and(|step| step <= rise);
    early.then_some(rise)
}

/// Other places to begin at.
fn other_starts(case: &Case, setup: &Setup, probes: &Probes, causes: &[Cause]) -> Vec<Candidate> {
    let stuck = vec![SaddlePoint, LocalMinima, SaturatedActivation];
    let mut list = Vec::new();
    if stuck.iter().any(|cause| causes.contains(cause)) {
        list.push(Candidate {
            name: "restarts".into(),
            change: "start again from points around the start (the steps of all starts are counted)".into(),
            addresses: stuck,
            how: How::Restarts(starts_around(case, setup)),
        });
    }
    if causes.contains(&SaturatedActivation) && probes.evidence.dead_layer.is_some() {
        list.push(Candidate {
            name: "usual start".into(),
            change: "draw the weights from N(0, 1/fan-in), and start biases at 0".into(),
            addresses: vec![SaturatedActivation],
            how: How::Restarts(vec![usual_start(&setup.model, None)]),
        });
    }
    list
}

/// Points as far from the start as that is from the minimum.
fn starts_around(case: &Case, setup: &Setup) -> Vec<Vec<f64>> {
    let start = |attempt: u64| {
        let mut stream = Stream::new("diagnose: restart", &[case.seed, attempt]);
        setup.exact.start.iter().map(|p| p + setup.length_scale * stream.normal()).collect()
    };
    (0..5).map(start).collect()
}
