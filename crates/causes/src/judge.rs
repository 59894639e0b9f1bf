//! The rules: one a cause, in the order in which causes are tested.

use records::evidence::{Evidence, Fit, Path, Rate};

use super::words::{count, percent, short};
use super::{Cause, thresholds as at};

/// A cause that fired, and why.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    /// Which.
    pub cause: Cause,
    /// What was measured, in a sentence.
    pub evidence: String,
}

type Rule = fn(&Evidence, &[Cause]) -> Option<String>;

/// Cause and rule, in order. A rule is told what fired before it.
const RULES: [(Cause, Rule); 22] = [
    (Cause::ShapeBroadcast, shape_broadcast),
    (Cause::NonFinite, non_finite),
    (Cause::SaturatedActivation, sleeping_layer),
    (Cause::DetachedGradient, detached_gradient),
    (Cause::Jump, jump),
    (Cause::Cliff, cliff),
    (Cause::NoisyGradient, noisy_gradient),
    (Cause::UnboundedBelow, unbounded_below),
    (Cause::TermConflict, goals_at_odds),
    (Cause::BiasedMinimiser, biased_minimiser),
    (Cause::PrecisionFloor, precision_floor),
    (Cause::SaddlePoint, saddle_point),
    (Cause::LocalMinima, local_minima),
    (Cause::Asymmetry, asymmetry),
    (Cause::SaturatedActivation, saturated_activation),
    (Cause::Plateau, plateau),
    (Cause::FlatMinimum, flat_minimum),
    (Cause::TermImbalance, term_imbalance),
    (Cause::TermConflict, term_conflict),
    (Cause::IllConditioning, ill_conditioning),
    (Cause::LrTooLarge, lr_too_large),
    (Cause::LrTooSmall, lr_too_small),
];

/// What fired, in the order of the tests.
#[must_use]
pub fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut fired = Vec::new();
    let mut findings = Vec::new();
    for (cause, rule) in RULES {
        if let Some(sentence) = rule(evidence, &fired) {
            fired.push(cause);
            findings.push(Finding { cause, evidence: sentence });
        }
        // One frozen draw of a loss isn't the loss: its minimum and its shape say nothing more.
        if cause == Cause::NoisyGradient && fired.contains(&cause) && evidence.random {
            break;
        }
    }
    findings
}

/// Whether the author's run gets there in so few steps that nothing needs to be explained.
fn is_quick(e: &Evidence) -> bool {
    e.baseline.reached.is_some_and(|steps| steps <= at::FEW_STEPS)
}

fn shape_broadcast(e: &Evidence, _: &[Cause]) -> Option<String> {
    let shapes = e.shapes.as_ref().filter(|shapes| shapes.matters)?;
    Some(format!(
        "prediction {:?} and target {:?} have as many elements, but broadcast into pairs of every prediction with every target",
        shapes.prediction, shapes.target
    ))
}

fn non_finite(e: &Evidence, _: &[Cause]) -> Option<String> {
    let found = e.non_finite.as_ref()?;
    Some(format!("{} isn't finite {}", found.what, found.place))
}

/// The fits of the paths, pooled: their typical mismatch, and how concentrated it is where there is one.
fn pooled(e: &Evidence, fired: &[Cause]) -> Option<(Fit, f64)> {
    // A layer that was saturated by its size has steps for slopes.
    if fired.contains(&Cause::SaturatedActivation) {
        return None;
    }
    let fits: Vec<(Fit, f64)> =
        e.paths.iter().filter_map(|path| path.fit().map(|fit| (fit, path.stays))).collect();
    if fits.is_empty() {
        return None;
    }
    let off: Vec<&(Fit, f64)> = fits.iter().filter(|(fit, _)| fit.mismatch > at::MISMATCH).collect();
    let n = fits.len() as f64;
    let over = |list: &[&(Fit, f64)], part: fn(&(Fit, f64)) -> f64| {
        list.iter().map(|fit| part(fit)).sum::<f64>() / list.len().max(1) as f64
    };
    let fit = Fit {
        mismatch: fits.iter().map(|(fit, _)| fit.mismatch).sum::<f64>() / n,
        concentration: over(&off, |(fit, _)| fit.concentration),
        without_gradient: over(&off, |(fit, _)| fit.without_gradient),
    };
    Some((fit, over(&off, |(_, stays)| *stays)))
}

fn detached_gradient(e: &Evidence, fired: &[Cause]) -> Option<String> {
    if let Some(said) = &e.no_gradient {
        return Some(format!("the loss has no gradient by the prediction: {said}"));
    }
    if e.constant {
        return Some("the loss is the same number whatever the prediction, and its gradient is 0".into());
    }
    let (fit, _) = pooled(e, fired)?;
    if fit.mismatch <= at::MISMATCH {
        return None;
    }
    if fit.without_gradient > at::WITHOUT_GRADIENT {
        return Some(format!(
            "the gradient is 0 on {} of the way, while the loss changes: an operation in it has no derivative (round, sign, a comparison, argmax)",
            percent(fit.without_gradient)
        ));
    }
    (fit.concentration > at::FEW_SEGMENTS).then(|| {
        format!(
            "the gradient doesn't explain {} of what the loss changes on the way, all along it: part of it is detached, or its derivative is wrong",
            percent(fit.mismatch)
        )
    })
}

fn jump(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let (fit, stays) = pooled(e, fired)?;
    let few = fit.concentration <= at::FEW_SEGMENTS && stays > at::JUMP_STAYS;
    (fit.mismatch > at::MISMATCH && few && !fired.contains(&Cause::DetachedGradient)).then(|| {
        format!(
            "{} of what the loss changes on the way happens at single points, which the gradient doesn't see",
            percent(fit.mismatch)
        )
    })
}

fn cliff(e: &Evidence, fired: &[Cause]) -> Option<String> {
    if [Cause::DetachedGradient, Cause::SaturatedActivation].iter().any(|cause| fired.contains(cause)) {
        return None;
    }
    let steepest = e.paths.iter().map(Path::steepening).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (steepest.0 > at::CLIFF).then(|| {
        format!(
            "at {} of the way from the minimum to the start, the slope is {} times everything nearer",
            percent(steepest.1),
            short(steepest.0)
        )
    })
}

fn noisy_gradient(e: &Evidence, _: &[Cause]) -> Option<String> {
    let noise = e.noise?;
    if noise.at_start > at::NOISE {
        return Some(format!(
            "the gradients of single steps vary with {} times the power of their mean, at the start",
            short(noise.at_start)
        ));
    }
    let stalls = e.baseline.reached.is_none() && noise.frozen_reached.is_some();
    (noise.at_finish > at::NOISE && stalls).then(|| {
        format!(
            "without noise the run takes {} steps; with it, it hovers at an error of {}, where the noise has {} times the power of the gradient",
            count(noise.frozen_reached),
            short(e.baseline.end_error),
            short(noise.at_finish)
        )
    })
}

fn unbounded_below(e: &Evidence, _: &[Cause]) -> Option<String> {
    let fall = e.fall.as_ref()?;
    let decades = fall.values.iter().rposition(|value| !value.is_nan())?;
    Some(format!(
        "{}, the loss falls without end: {} at 10{} times the distance of the start",
        fall.direction,
        short(fall.values[decades]),
        ["⁰", "¹", "²", "³", "⁴", "⁵"][decades.min(5)]
    ))
}

fn biased_minimiser(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let bias = e.bias?;
    if fired.contains(&Cause::UnboundedBelow) || fired.contains(&Cause::ShapeBroadcast) {
        return None;
    }
    let far = (bias.error - bias.unavoidable) / e.baseline.start_error;
    let lower = bias.at_target.is_none_or(|at_target| {
        at_target - bias.least > at::BIAS_DROP * (e.baseline.start_loss - bias.least).abs()
    });
    if far <= at::BIAS || far.is_nan() || !lower {
        return None;
    }
    let shift = bias.shift.map(|shift| format!(", {} from the target", short(shift))).unwrap_or_default();
    let value = bias
        .at_target
        .map(|at_target| {
            format!("; its value there is {}, and {} at the target", short(bias.least), short(at_target))
        })
        .unwrap_or_default();
    let line = bias
        .line
        .map(|(slope, intercept)| {
            format!(
                "; a line fit of y = 3x + 2 ends at slope {} and intercept {}",
                short(slope),
                short(intercept)
            )
        })
        .unwrap_or_default();
    Some(format!("the loss is least where the error is {}{shift}{value}{line}", short(bias.error)))
}

fn precision_floor(e: &Evidence, _: &[Cause]) -> Option<String> {
    let precision = e.precision?;
    if precision.resolution > 0.5 * e.baseline.tolerance {
        return Some(format!(
            "float32 can't hold the solution: rounding it leaves an error of {}, and the tolerance is {}",
            short(precision.resolution),
            short(e.baseline.tolerance)
        ));
    }
    (precision.parting > at::PRECISION).then(|| {
        format!(
            "at an error of {}, the float32 gradient differs from the float64 one by {} of it",
            short(precision.at_error),
            percent(precision.parting)
        )
    })
}

fn saddle_point(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let saddle = e.saddle.filter(|_| !fired.contains(&Cause::SaturatedActivation))?;
    let curved = saddle.least < -at::SADDLE_CURVATURE * saddle.scale;
    let flat = saddle.gradient < at::SADDLE_GRADIENT * -saddle.least * saddle.distance;
    let still = saddle.gradient < at::SADDLE_GRADIENT * saddle.steepest;
    let stationary = saddle.left < at::SADDLE_LEFT;
    // A model's start often has some negative curvature, which slows nothing.
    let shown = e.single || !is_quick(e);
    (curved && flat && still && stationary && shown).then(|| {
        let place = if saddle.step == 0 { "at the start".into() } else { format!("at step {}", saddle.step) };
        format!(
            "{place} the gradient is {} though the minimum is {} away, and curvatures reach from {} to {}",
            short(saddle.gradient),
            short(saddle.distance),
            short(saddle.least),
            short(saddle.greatest)
        )
    })
}

/// Causes that make every path look hilly or flat.
const BROKEN: [Cause; 7] = [
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::UnboundedBelow,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::SaturatedActivation,
];

fn local_minima(e: &Evidence, fired: &[Cause]) -> Option<String> {
    if fired.iter().any(|cause| BROKEN.contains(cause)) {
        return None;
    }
    // A straight line through a model's parameters may climb where the run needn't: then it must be stuck.
    let stuck = e.baseline.reached.is_none() && e.baseline.trapped > at::TRAPPED;
    if !e.single && !stuck {
        return None;
    }
    let hills: Vec<f64> = e.paths.iter().filter_map(Path::uphill).collect();
    let mean = hills.iter().sum::<f64>() / hills.len().max(1) as f64;
    (mean > at::UPHILL)
        .then(|| format!("{} of what the loss changes on the way to the minimum goes uphill", percent(mean)))
}

fn asymmetry(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let sides = e.sides?;
    if fired.iter().any(|cause| BROKEN.contains(cause)) || fired.contains(&Cause::BiasedMinimiser) {
        return None;
    }
    let ratio = sides.ratio.max(1.0 / sides.ratio);
    (ratio > at::ASYMMETRY).then(|| {
        let (steep, flat) = if sides.ratio > 1.0 { ("above", "below") } else { ("below", "above") };
        let bias =
            sides.bias.map(|bias| format!("; a noisy fit would be off by {} σ of its noise", short(bias)));
        let line = sides.intercepts.map(|(own, squares)| {
            format!(
                " (a line with intercept 2 and σ = 1 is fitted with {}, by squares with {})",
                short(own),
                short(squares)
            )
        });
        format!(
            "at {} from the minimum the slope {steep} is {} times that {flat}{}{}",
            short(sides.distance),
            short(ratio),
            bias.unwrap_or_default(),
            line.unwrap_or_default()
        )
    })
}

/// The share of the elements that start on a plateau.
fn on_plateau(elements: &[f64]) -> f64 {
    let flat = elements.iter().filter(|gamma| gamma.abs() < at::GAMMA).count();
    flat as f64 / elements.len().max(1) as f64
}

fn flatness(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let plateau = e.plateau.as_ref()?;
    if fired.iter().any(|cause| BROKEN.contains(cause)) {
        return None;
    }
    let share = on_plateau(&plateau.elements);
    let flat = plateau.joint.abs() < at::GAMMA || share >= at::ON_PLATEAU || plateau.way >= at::ON_PLATEAU;
    flat.then(|| {
        let edge = plateau.edge.map(|(edge, ratio)| {
            format!("beyond a residual of {} the slope is {} times smaller; ", short(edge), short(ratio))
        });
        let share = if plateau.elements.is_empty() {
            String::new()
        } else {
            format!("{} of the start lies on it; ", percent(share))
        };
        format!(
            "{}{share}γ is {} at the start (1 or more for every convex loss)",
            edge.unwrap_or_default(),
            short(plateau.joint)
        )
    })
}

/// A layer of a model behind a flat activation.
fn sleeping_layer(e: &Evidence, _: &[Cause]) -> Option<String> {
    let tensor = e.asleep.as_ref()?;
    let asleep = tensor.share < at::ASLEEP && tensor.wakes > at::WAKES;
    (asleep && !is_quick(e)).then(|| {
        let more = if tensor.wakes.is_finite() {
            format!("{} times as much", short(tensor.wakes))
        } else {
            "some".into()
        };
        format!(
            "at the start the parameters {:?} get {} of the gradient, and {more} where they are drawn anew at the usual size: the activation behind them is saturated or dead",
            tensor.shape,
            percent(tensor.share)
        )
    })
}

fn saturated_activation(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let evidence = flatness(e, fired)?;
    let ratio = e.plateau.as_ref()?.whatever_target?;
    (ratio < at::SATURATED).then(|| {
        format!(
            "whatever the target, the slope at the start's flat predictions is at most {} of that on their way: it is the activation; {evidence}",
            percent(ratio)
        )
    })
}

fn plateau(e: &Evidence, fired: &[Cause]) -> Option<String> {
    if fired.contains(&Cause::SaturatedActivation) { None } else { flatness(e, fired) }
}

fn flat_minimum(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let exponent = e.exponent?;
    let broken = fired.iter().any(|cause| BROKEN.contains(cause)) || fired.contains(&Cause::BiasedMinimiser);
    (exponent > at::FLAT_EXPONENT && !broken).then(|| {
        if exponent.is_infinite() {
            "the loss is as low as it gets while the error is still above the tolerance".into()
        } else {
            format!("near the minimum the loss falls as the error to the power {}", short(exponent))
        }
    })
}

fn term_imbalance(e: &Evidence, _: &[Cause]) -> Option<String> {
    let points = e.terms.first()?.on_path.len();
    let ratio_at = |k: usize| {
        let norms = e.terms.iter().map(|term| term.on_path[k]);
        // `max` and `min` would leave a NaN out, and the ratio be that of the others.
        if norms.clone().any(f64::is_nan) {
            return f64::NAN;
        }
        norms.clone().fold(0.0, f64::max) / norms.fold(f64::INFINITY, f64::min)
    };
    let mut ratios: Vec<f64> = (0..points).map(ratio_at).filter(|ratio| !ratio.is_nan()).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = *ratios.get(ratios.len() / 2)?;
    let mean = |norms: &[f64]| norms.iter().sum::<f64>();
    let largest = e.terms.iter().max_by(|a, b| mean(&a.on_path).total_cmp(&mean(&b.on_path)))?;
    (e.terms.len() > 1 && ratio > at::IMBALANCE).then(|| {
        format!(
            "the gradient of `{}` is {} times that of the smallest term on the way",
            largest.name,
            short(ratio)
        )
    })
}

/// Where every term has a minimum of its own, a biased minimiser is the compromise between them.
fn goals_at_odds(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let goals = e.terms.iter().all(|term| term.is_goal);
    biased_minimiser(e, fired).filter(|_| goals)?;
    term_conflict(e, fired)
}

fn term_conflict(e: &Evidence, fired: &[Cause]) -> Option<String> {
    if fired.contains(&Cause::TermConflict) {
        return None;
    }
    let (at_minimum, at_start) =
        e.terms.iter().fold((0.0, 0.0), |sum, term| (sum.0 + term.at_minimum, sum.1 + term.at_start));
    let ratio = at_minimum / at_start;
    (e.terms.len() > 1 && ratio > at::CONFLICT).then(|| {
        format!(
            "at the minimum the terms still pull with {} of the strength that they have at the start",
            percent(ratio)
        )
    })
}

fn ill_conditioning(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let curvature = e.curvature?;
    let hidden = [Cause::FlatMinimum, Cause::Plateau];
    let explained = fired.iter().any(|cause| BROKEN.contains(cause) || hidden.contains(cause));
    (curvature.condition > at::CONDITION && !is_quick(e) && !explained).then(|| {
        let scaled = match curvature.scaled.filter(|scaled| !scaled.is_nan()) {
            Some(scaled) if scaled < curvature.condition / 10.0 => format!(
                "{} after scaling single parameters: mostly along single parameters, which Adam scales away",
                short(scaled)
            ),
            Some(scaled) => format!(
                "{} after scaling single parameters: not along single parameters: momentum or L-BFGS",
                short(scaled)
            ),
            None => "unknown after scaling single parameters".to_owned(),
        };
        format!("curvatures differ {} times where the run must end ({scaled})", short(curvature.condition))
    })
}

fn gain(e: &Evidence, rate: Rate) -> f64 {
    e.baseline.reached.map_or(f64::INFINITY, |steps| steps as f64 / rate.steps.max(1) as f64)
}

/// Causes that a rate doesn't mend; where one of them slows the run, the rate isn't the cause.
const SLOWING: [Cause; 15] = [
    Cause::ShapeBroadcast,
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Cliff,
    Cause::NoisyGradient,
    Cause::UnboundedBelow,
    Cause::BiasedMinimiser,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::LocalMinima,
    Cause::SaturatedActivation,
    Cause::Plateau,
    Cause::FlatMinimum,
    Cause::TermImbalance,
    Cause::IllConditioning,
];

fn lr_too_large(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let smaller = e.best_smaller?;
    let overshoots = e.baseline.overshoot > at::OVERSHOOT;
    let explained = fired.iter().any(|cause| SLOWING.contains(cause));
    let gains = gain(e, smaller) >= at::SMALLER_GAINS;
    (at::overshoots(&e.baseline) && gains && !explained).then(|| {
        let run = match e.baseline.diverged {
            Some(step) => format!("the run diverges at step {step}"),
            None if overshoots => format!("the error first grows {} times", short(e.baseline.overshoot)),
            None => {
                format!("successive steps point back and forth (mean cosine {})", short(e.baseline.turning))
            }
        };
        format!("{run}; at {} times the rate it takes {} steps", short(smaller.factor), smaller.steps)
    })
}

fn lr_too_small(e: &Evidence, fired: &[Cause]) -> Option<String> {
    let best = e.best_rate?;
    let explained = fired.iter().any(|cause| SLOWING.contains(cause) || *cause == Cause::LrTooLarge);
    // The mean over free predictions divides their rate by their number: where the run arrives, that isn't held
    // against the author.
    let divided = if e.baseline.reached.is_some() { e.parameters.max(1) as f64 } else { 1.0 };
    let larger = best.factor / divided >= at::LARGER && gain(e, best) >= at::LARGER_GAINS;
    (larger && !is_quick(e) && !explained)
        .then(|| format!("at {} times the rate the same run takes {} steps", short(best.factor), best.steps))
}
