//! Remedies for the causes that were found, and running every one of them.

use analysis::diagnosis::{Cause, Finding, Fix, Tried};
use losses::{BceWithLogits, Formula, Huber, Loss};
use numeric::Stream;
use optimizers::{Adam, Clipped, HeavyBall, Optimizer, Schedule};
use tch::Kind;

use super::minimise::{Limits, lbfgs};
use super::model::{Draw, FitModel, Model, Shape, kind_of};
use super::numbers::Array;
use super::probe::{Probes, Progress, along, own_lane};
use super::race::{Lane, Rules, Run, race};
use super::setup::{Probed, Setup};
use crate::config::diagnose::{Case, Readout, Sees, Term};

/// A remedy, and how to run it.
struct Candidate {
    fix: Fix,
    /// What is trained instead, and in which number type.
    model: Option<Model>,
    how: How,
    /// The same loss for a line fit.
    fit: Option<FitModel>,
}

enum How {
    /// By an optimizer, at the author's rate and at others.
    Train { lane: Lane, rates: Rates },
    /// By L-BFGS.
    Lbfgs,
    /// The author's way from several starts, one after another.
    Restarts(Vec<Vec<f64>>),
}

/// Which rates are tried.
#[derive(Clone, Copy, PartialEq)]
enum Rates {
    /// The author's, and 10⁻³ … 10⁵ times it.
    Multiples,
    /// The author's, and those that suit steps of the length of the rate.
    Lengths,
    /// Other rates than the author's only.
    Others,
    /// The author's only.
    Own,
}

/// A fix, the run that is shown of it, and what it was.
pub(super) struct Outcome {
    pub tried: Tried,
    pub run: Option<Run>,
}

/// Causes that lie in the shape of the loss, so that another loss mends them.
const SHAPE: [Cause; 13] = [
    Cause::ShapeBroadcast,
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::Cliff,
    Cause::UnboundedBelow,
    Cause::BiasedMinimiser,
    Cause::PrecisionFloor,
    Cause::LocalMinima,
    Cause::SaturatedActivation,
    Cause::Plateau,
    Cause::FlatMinimum,
    Cause::TermConflict,
];

/// The most steps that a fix may take, where the author's run doesn't arrive sooner.
const MOST: u64 = 5000;

pub(super) fn try_all(
    case: &Case,
    setup: &Setup,
    probes: &Probes,
    findings: &[Finding],
    progress: Progress,
) -> Vec<Outcome> {
    let causes: Vec<Cause> = findings.iter().map(|finding| finding.cause).collect();
    let list = candidates(case, setup, probes, &causes);
    let mut outcomes = Vec::new();
    for candidate in list {
        progress(&format!("the fix `{}`", candidate.fix.name));
        outcomes.extend(run(case, setup, probes, candidate));
    }
    outcomes
}

/// The author's way in a line fit: y = s·(3x + 2) at 64 points of [−2, 2], from (0, 0), in float64, until both
/// parameters are within 0.05 s; s is the start's typical distance, to the decade. A free fit flatters, since no
/// model couples its elements.
///
/// `None` where that says nothing: the prediction isn't in the target's units, or the loss isn't finite there.
pub(super) fn line_fit(setup: &Setup, fit: &FitModel, lane: &Lane, noisy: bool) -> Option<Run> {
    const POINTS: usize = 64;
    if fit.readout != Readout::Identity || fit.seen_shape() != fit.target.shape || fit.draws > 1 {
        return None;
    }
    let s = libm::pow(10.0, libm::round(libm::log10(setup.unit)));
    let x: Vec<f64> = (0..POINTS).map(|i| -2.0 + 4.0 * i as f64 / (POINTS - 1) as f64).collect();
    let y = x.iter().map(|x| s * (3.0 * x + 2.0)).collect();
    let model = FitModel {
        start: Array { values: vec![0.0; 2], shape: vec![2] },
        target: Array { values: y, shape: vec![POINTS as i64] },
        line: Some(x),
        ..fit.clone()
    };
    let model = Model::fit(&model, Kind::Double).ok()?;
    if !model.at(&model.start, Draw::Frozen).0.is_finite() {
        return None;
    }
    // The mean over free predictions divides the rate of each by their number; a model's isn't.
    let lane = Lane { lr: lane.lr / setup.exact.size() as f64, start: model.start.clone(), ..lane.clone() };
    let rules = Rules { budget: MOST, tolerance: 0.05 * s, noisy, first_wins: false, keep: false };
    Some(race(&model, &[lane], rules).swap_remove(0))
}

fn candidates(case: &Case, setup: &Setup, probes: &Probes, causes: &[Cause]) -> Vec<Candidate> {
    let has = |list: &[Cause]| list.iter().any(|cause| causes.contains(cause));
    let own = own_lane(case, setup);
    let mut list = Vec::new();
    let mut add =
        |name: &str, change: &str, mends: &[Cause], model: Option<(Model, Option<FitModel>)>, how: How| {
            let fix = Fix { name: name.into(), change: change.into(), mends: mends.to_vec() };
            let (model, fit) = model.map_or((None, None), |(model, fit)| (Some(model), fit));
            list.push(Candidate { fix, model, how, fit });
        };
    let train = |lane: Lane, rates: Rates| How::Train { lane, rates };
    use Cause::*;

    // Where the minimum itself is wrong, no way to train gets to the target: that is shown once, at the
    // author's rate.
    let wrong = has(&[
        ShapeBroadcast,
        DetachedGradient,
        UnboundedBelow,
        BiasedMinimiser,
        TermConflict,
        PrecisionFloor,
    ]);
    let or_own = |rates: Rates| if wrong { Rates::Own } else { rates };
    if !wrong {
        add(
            "lr",
            "another learning rate",
            &[LrTooLarge, LrTooSmall, Plateau, FlatMinimum, SaturatedActivation],
            None,
            train(own.clone(), Rates::Others),
        );
    }
    let adam = Lane { optimizer: Optimizer::Adam(Adam::default()), ..own.clone() };
    if case.optimizer != adam.optimizer {
        add(
            "adam",
            "Adam on the unchanged loss",
            &[Plateau, SaturatedActivation, FlatMinimum, IllConditioning, TermImbalance, Cliff, SaddlePoint],
            None,
            train(adam, or_own(Rates::Lengths)),
        );
    }
    let heavy = Lane { optimizer: Optimizer::HeavyBall(HeavyBall::default()), ..own.clone() };
    if case.optimizer.name() == "sgd" && !wrong {
        add(
            "momentum",
            "momentum of 0.9",
            &[IllConditioning, LocalMinima, SaddlePoint, Plateau],
            None,
            train(heavy, Rates::Multiples),
        );
    }
    if !probes.noisy
        && has(&[IllConditioning, FlatMinimum, SaddlePoint, Plateau, LrTooSmall, LrTooLarge, TermImbalance])
    {
        add(
            "lbfgs",
            "L-BFGS with a line search (its steps are gradient evaluations)",
            &[IllConditioning, FlatMinimum, SaddlePoint, TermImbalance, Plateau],
            None,
            How::Lbfgs,
        );
    }
    if has(&[Cliff, NonFinite, LrTooLarge, Jump]) {
        let norm = 0.1 * setup.unit * (setup.exact.size() as f64).sqrt() / case.lr;
        let clipped =
            Clipped { optimizer: Box::new(case.optimizer.clone()), norm: Some(round(norm)), value: None };
        if clipped.optimizer.clip().is_none() {
            let lane = Lane { optimizer: Optimizer::Clipped(clipped), ..own.clone() };
            add(
                "clip",
                &format!("clip the gradient's norm at {}", round(norm)),
                &[Cliff, NonFinite, LrTooLarge],
                None,
                train(lane, Rates::Own),
            );
        }
    }
    if has(&[LrTooLarge, NoisyGradient, Cliff, Jump]) {
        let lane = Lane { schedule: Schedule::named("cosine").expect("the registry has it"), ..own.clone() };
        add(
            "decay",
            "let the rate fall along a cosine to 0",
            &[LrTooLarge, NoisyGradient, Cliff],
            None,
            train(lane, Rates::Own),
        );
    }
    if has(&[PrecisionFloor]) {
        if let Ok(model) = setup.subject.model(Kind::Double) {
            add(
                "float64",
                "train in float64",
                &[PrecisionFloor],
                Some((model, None)),
                train(own.clone(), Rates::Own),
            );
        }
    }
    if has(&[SaddlePoint, LocalMinima, SaturatedActivation]) {
        let starts = (0..5_u64).map(|attempt| {
            let mut stream = Stream::new("diagnose: restart", &[case.seed, attempt]);
            let scale = setup.unit;
            setup.exact.start.iter().map(|p| p + scale * stream.normal()).collect()
        });
        add(
            "restarts",
            "start again from points around the start (the steps of all starts are counted)",
            &[SaddlePoint, LocalMinima, SaturatedActivation],
            None,
            How::Restarts(starts.collect()),
        );
    }
    if let Probed::Fit(fit) = &setup.subject {
        let kind = kind_of(case.dtype);
        for (name, change, mends, other) in variants(setup, probes, fit, causes) {
            if let Ok(model) = Model::fit(&other, kind) {
                add(&name, &change, &mends, Some((model, Some(other))), train(own.clone(), Rates::Multiples));
            }
        }
    }
    list
}

/// To two digits, as a person would write it.
fn round(value: f64) -> f64 {
    format!("{value:.1e}").parse().expect("a number just written")
}

type Variant = (String, String, Vec<Cause>, FitModel);

/// Other losses, and other forms of the author's.
fn variants(setup: &Setup, probes: &Probes, fit: &FitModel, causes: &[Cause]) -> Vec<Variant> {
    let has = |list: &[Cause]| list.iter().any(|cause| causes.contains(cause));
    let mut list: Vec<Variant> = Vec::new();
    use Cause::*;
    let in_units = fit.readout == Readout::Identity || fit.sees == Sees::Readout;
    let same_shape = fit.readout_shape() == fit.target.shape;
    let instead = |loss: Loss, base: &FitModel| {
        let term = Term { name: loss.name().to_owned(), loss, weight: 1.0 };
        FitModel { terms: vec![term], shape: Shape::Plain, ..base.clone() }
    };
    if has(&[ShapeBroadcast]) {
        let shape = fit.seen_shape();
        let target = Array { shape: shape.clone(), ..fit.target.clone() };
        list.push((
            "reshape".into(),
            format!("reshape the target to {shape:?}"),
            vec![ShapeBroadcast],
            FitModel { target, ..fit.clone() },
        ));
        return list;
    }
    if has(&SHAPE) && in_units && same_shape {
        let decade = libm::pow(10.0, libm::round(libm::log10(setup.unit)));
        let delta =
            probes.evidence.plateau.as_ref().and_then(|p| p.edge).map_or(setup.unit / 4.0, |edge| edge.0);
        let delta = round(delta);
        let log = Formula {
            value: if decade == 1.0 {
                "log1p(abs(d))".into()
            } else {
                format!("{decade:e}*log1p(abs(d)/{decade:e})")
            },
            ..Formula::default()
        };
        let named = |name: &str| Loss::named(name).expect("the registry has it");
        let has_loss = |name: &str| fit.terms.len() == 1 && fit.terms[0].loss.name() == name;
        for (name, change, loss) in [
            ("huber", format!("the Huber loss with delta = {delta}"), Loss::Huber(Huber { delta })),
            ("l1", "the absolute error".into(), named("l1")),
            ("mse", "the squared error".into(), named("mse")),
            ("log1p", format!("the loss {}", log.value), Loss::Formula(log.clone())),
        ] {
            if !has_loss(name) {
                list.push((name.into(), change, SHAPE.to_vec(), instead(loss, fit)));
            }
        }
    }
    if has(&[BiasedMinimiser, UnboundedBelow]) && in_units && same_shape && fit.terms.len() == 1 {
        let shaped = |shape| FitModel { shape, ..fit.clone() };
        list.push((
            "even part".into(),
            "drop the odd part of the loss: (ℓ(d) + ℓ(−d))/2".into(),
            vec![BiasedMinimiser, UnboundedBelow],
            shaped(Shape::Even),
        ));
        list.push((
            "absolute odd part".into(),
            "take the absolute value of the odd part of the loss".into(),
            vec![BiasedMinimiser, UnboundedBelow],
            shaped(Shape::Folded),
        ));
    }
    let least = setup.star.value;
    let scale = (probes.evidence.baseline.start_loss - least).abs().max(f64::MIN_POSITIVE);
    if has(&[Cliff, NonFinite]) && probes.evidence.bias.is_some() {
        let shape = Shape::Log1p { least, scale: round(scale / 100.0) };
        list.push((
            "log of the loss".into(),
            "log1p of the loss".into(),
            vec![Cliff],
            FitModel { shape, ..fit.clone() },
        ));
    }
    if has(&[FlatMinimum]) {
        if let Some(q) = probes.evidence.exponent.filter(|q| q.is_finite()) {
            let exponent = round(2.0 / q);
            let shape = Shape::Power { least, exponent, eps: 1e-12 * scale };
            list.push((
                format!("power {exponent}"),
                format!("the loss to the power {exponent}, which makes it a parabola"),
                vec![FlatMinimum],
                FitModel { shape, ..fit.clone() },
            ));
        }
    }
    if has(&[SaturatedActivation]) {
        let in_0_1 = fit.target.values.iter().all(|y| (0.0..=1.0).contains(y));
        if fit.readout == Readout::Sigmoid && in_0_1 {
            let logits = FitModel {
                sees: Sees::Prediction,
                ..instead(Loss::BceWithLogits(BceWithLogits::default()), fit)
            };
            list.push((
                "logits".into(),
                "binary cross-entropy of the logits".into(),
                vec![SaturatedActivation],
                logits,
            ));
        }
        let near = fit.solution().map(|_| along(setup, 0.2)).unwrap_or_else(|| vec![0.1; setup.exact.size()]);
        let start = Array { values: near, shape: fit.start.shape.clone() };
        let _ = start;
        let zero = Array { values: vec![0.5; fit.start.values.len()], shape: fit.start.shape.clone() };
        list.push((
            "start".into(),
            "start at 0.5, where the activation isn't flat".into(),
            vec![SaturatedActivation],
            FitModel { start: zero, ..fit.clone() },
        ));
    }
    if has(&[NoisyGradient]) && fit.noise > 0.0 {
        for draws in [16_u64, 256] {
            list.push((
                format!("mean of {draws}"),
                format!("the mean of {draws} draws a step (a batch {draws} times as large)"),
                vec![NoisyGradient],
                FitModel { draws, ..fit.clone() },
            ));
        }
    }
    if fit.terms.len() > 1 && has(&[TermImbalance, TermConflict, BiasedMinimiser]) {
        let norms: Vec<f64> = probes.evidence.terms.iter().map(|term| term.at_start).collect();
        let largest = norms.iter().copied().fold(0.0, f64::max);
        if has(&[TermImbalance]) && norms.iter().all(|norm| *norm > 0.0) {
            let mut balanced = fit.clone();
            for (term, norm) in balanced.terms.iter_mut().zip(&norms) {
                term.weight = round(term.weight * largest / norm);
            }
            let weights: Vec<String> =
                balanced.terms.iter().map(|t| format!("{} = {}", t.name, t.weight)).collect();
            list.push((
                "weights".into(),
                format!("weights that balance the gradients: {}", weights.join(", ")),
                vec![TermImbalance],
                balanced,
            ));
        }
        for drop in 0..fit.terms.len() {
            let mut without = fit.clone();
            let name = without.terms.remove(drop).name;
            list.push((
                format!("without {name}"),
                format!("drop the term `{name}`"),
                vec![TermConflict, BiasedMinimiser],
                without,
            ));
        }
    }
    list
}

fn run(case: &Case, setup: &Setup, probes: &Probes, candidate: Candidate) -> Vec<Outcome> {
    let baseline = &probes.evidence.baseline;
    let budget = match baseline.reached {
        Some(steps) => (2 * steps).max(100).min(baseline.budget),
        None => baseline.budget.min(MOST),
    };
    let model = candidate.model.as_ref().unwrap_or(&setup.model);
    let rules =
        Rules { budget, tolerance: setup.tolerance, noisy: probes.noisy, first_wins: false, keep: false };
    let row = |fix: &Fix, name: String, change: String, run: Run, steps: Option<u64>, lane: Option<&Lane>| {
        let line = lane.and_then(|lane| match (&candidate.fit, &setup.subject) {
            (Some(fit), _) | (None, Probed::Fit(fit)) => line_fit(setup, fit, lane, probes.noisy),
            _ => None,
        });
        let counted = baseline.reached.unwrap_or(baseline.budget);
        let speedup = steps.map(|own| counted as f64 / own.max(1) as f64);
        let tried = Tried {
            name,
            change,
            steps,
            baseline_steps: baseline.reached,
            speedup,
            reached: steps.is_some(),
            line_fit: line.map(|run| run.reached),
            mends: fix.mends.clone(),
        };
        Outcome { tried, run: Some(run) }
    };
    let Candidate { fix, how, fit, .. } = &candidate;
    let (name, change) = (fix.name.clone(), fix.change.clone());
    match how {
        How::Lbfgs => {
            let mut curve = Vec::new();
            let mut step = 0;
            let exact = &setup.exact;
            let found = lbfgs(
                |point| {
                    let at = exact.at(point, Draw::Frozen);
                    curve.push((step, at.0, exact.error(point)));
                    step += 1;
                    at
                },
                |point| exact.error(point) <= setup.tolerance,
                &setup.exact.start,
                Limits {
                    evaluations: budget.min(2000),
                    unit: setup.unit * (exact.size() as f64).sqrt(),
                    reach: 1e5,
                },
            );
            let steps = found.arrived.then_some(found.evaluations);
            vec![row(fix, name, change, Run { curve, reached: steps, ..Run::default() }, steps, None)]
        }
        How::Restarts(starts) => {
            let mut spent = 0;
            for start in starts {
                let lane = Lane { start: start.clone(), ..own_lane(case, setup) };
                let each = Rules { budget: (budget / 5).max(1), ..rules };
                let run = race(model, &[lane], each).swap_remove(0);
                spent += run.steps;
                if run.reached.is_some() {
                    return vec![row(fix, name, change, run, Some(spent), None)];
                }
            }
            vec![row(fix, name, change, Run::default(), None, None)]
        }
        How::Train { lane, rates } => {
            let lane = Lane {
                start: fit.as_ref().map_or(lane.start.clone(), |fit| fit.start.values.clone()),
                ..lane.clone()
            };
            let mut rows = Vec::new();
            let mut own_steps = None;
            if *rates != Rates::Others {
                let run = race(model, std::slice::from_ref(&lane), rules).swap_remove(0);
                own_steps = run.reached;
                rows.push(row(
                    fix,
                    name.clone(),
                    format!("{change}, lr {}", lane.lr),
                    run,
                    own_steps,
                    Some(&lane),
                ));
            }
            let grid: Vec<f64> = match rates {
                Rates::Own => Vec::new(),
                Rates::Multiples | Rates::Others => (-9..=15)
                    .filter(|k| *k != 0)
                    .map(|k| round(lane.lr * libm::pow(10.0, f64::from(k) / 3.0)))
                    .collect(),
                Rates::Lengths => {
                    (-9..=2).map(|k| round(setup.unit * libm::pow(10.0, f64::from(k) / 3.0))).collect()
                }
            };
            let lanes: Vec<Lane> = grid.iter().map(|lr| Lane { lr: *lr, ..lane.clone() }).collect();
            let most =
                own_steps.map_or(budget, |steps| steps / 2).min(if model.size() > 1000 { 300 } else { 1000 });
            if !lanes.is_empty() && most > 0 {
                let runs = race(model, &lanes, Rules { budget: most, first_wins: true, ..rules });
                match steady(&runs) {
                    Some(k) => {
                        let (run, lane) = (runs[k].clone(), &lanes[k]);
                        let (steps, lr) = (run.reached, lane.lr);
                        rows.push(row(
                            fix,
                            format!("{name}, lr {lr}"),
                            format!("{change}, lr {lr}"),
                            run,
                            steps,
                            Some(lane),
                        ));
                    }
                    None if rows.is_empty() => rows.push(row(fix, name, change, Run::default(), None, None)),
                    None => {}
                }
            }
            rows
        }
    }
}

/// The run that arrives first and doesn't owe it to luck: with it, the next smaller and larger rates arrive, too.
/// Without such a run, the first.
fn steady(runs: &[Run]) -> Option<usize> {
    let steps = |k: usize| runs.get(k).and_then(|run| run.reached).unwrap_or(u64::MAX);
    let with_neighbours =
        |k: usize| (k.saturating_sub(1)..=k + 1).filter(|i| *i < runs.len()).map(steps).max();
    let arrived = || (0..runs.len()).filter(|k| steps(*k) < u64::MAX);
    arrived()
        .filter(|k| with_neighbours(*k).is_some_and(|worst| worst < u64::MAX))
        .min_by_key(|k| steps(*k))
        .or_else(|| arrived().min_by_key(|k| steps(*k)))
}
