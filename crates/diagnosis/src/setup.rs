//! From a case to an objective that can be probed, and its reference point.

use causes::thresholds;
use losses::{Loss, TargetKind};
use numeric::Stream;
use problems::{Draw, LossInput, Readout};
use records::number::short;
use tch::Kind;

use super::fit::{Fit, changed, terms_of};
use super::run::{DescentPath, Minimum, StopCriteria, search, train};
use config::diagnose::{self, Case, Subject};
use engine::{Evaluator, Until, Workload};

/// A case, ready to be probed.
pub(super) struct Setup {
    /// In the author's number type.
    pub model: Evaluator,
    /// In float64.
    pub exact: Evaluator,
    /// The free fit, if it is one.
    pub fit: Option<Fit>,
    /// The same as a workload.
    pub workload: Workload,
    pub tolerance: f64,
    pub start_error: f64,
    /// The typical distance of one parameter's start from the minimum.
    pub length_scale: f64,
    pub star: Minimizer,
    /// Which random numbers the frozen draw has, if the loss draws any.
    pub redrawn: Option<u64>,
    /// Whether it does.
    pub random: bool,
    /// What a loss without a gradient says.
    pub no_gradient: Option<String>,
    /// What was found out or assumed, for the report.
    pub notes: Vec<String>,
}

impl Setup {
    /// How many free predictions there are: the first of the parameters, before those that the losses have of their
    /// own; 0 in a model.
    pub fn predictions(&self) -> usize {
        self.fit.as_ref().map_or(0, |fit| fit.start.values.len())
    }

    /// Another fit in a number type, with the same random numbers.
    pub fn evaluator(&self, fit: &Fit, kind: Kind) -> Result<Evaluator, String> {
        Evaluator::new(fit.objective(self.redrawn), self.model.seed, kind)
    }

    /// Another workload in float64.
    pub fn exactly(&self, workload: Workload) -> Option<Evaluator> {
        Evaluator::new(changed(workload, self.redrawn), self.model.seed, Kind::Double).ok()
    }

    /// Rates between two powers of ten, for a sweep of a model; fewer where an evaluation is expensive.
    pub fn grid(&self, model: &Evaluator, from: i32, to: i32) -> Vec<f64> {
        let each = match model.is_fused() {
            _ if model.size() > 20_000 || self.random => 1,
            true => 3,
            false => 2,
        };
        (from * each..=to * each).map(|k| libm::pow(10.0, f64::from(k) / f64::from(each))).collect()
    }
}

/// The most steps of a run in such a sweep.
pub(super) fn most_in_a_grid(model: &Evaluator) -> u64 {
    match model.size() {
        0..=1000 if model.is_fused() => 1000,
        0..=20_000 => 300,
        _ => 60,
    }
}

/// The reference point p*.
pub(super) struct Minimizer {
    pub point: Vec<f64>,
    pub value: f64,
    pub error: f64,
    /// The predictions that are the target, and their loss.
    pub solution: Option<(Vec<f64>, f64)>,
}

/// Makes a case ready.
///
/// # Errors
/// If its numbers don't fit together, or the loss can't be computed at the start.
pub(super) fn set_up(case: &Case) -> Result<Setup, String> {
    let mut notes = Vec::new();
    let (fit, workload) = match &case.subject {
        Subject::Fit(fit) => {
            let fit = resolve(fit, case.seed, &mut notes)?;
            let problem = problems::Problem::FreeFit(fit.problem());
            (Some(fit.clone()), Workload { problem, loss: Some(fit.loss) })
        }
        Subject::Problem(problem, loss) => {
            (None, Workload { problem: (**problem).clone(), loss: loss.clone() })
        }
    };
    let redrawn = find_draw(&workload, case.seed)?;
    let random = redrawn.is_some();
    let objective = changed(workload.clone(), redrawn);
    let kind = match case.dtype {
        records::Dtype::Float32 => Kind::Float,
        records::Dtype::Float64 => Kind::Double,
    };
    let exact = Evaluator::new(objective.clone(), case.seed, Kind::Double)?;
    let model = Evaluator::new(objective, case.seed, kind)?;
    if random {
        notes.push("the loss draws random numbers; frozen, it is always the same draw".into());
    }
    let own = fit.as_ref().map_or(0, |fit| exact.size() - fit.start.values.len());
    if own > 0 {
        let s = if own == 1 { "" } else { "s" };
        notes.push(format!("the loss has {own} parameter{s} of its own, trained along"));
    }
    let start_error = exact.error(&exact.start);
    if !start_error.is_finite() {
        let failure = exact.failure.take().unwrap_or_else(|| format!("it is {start_error}"));
        return Err(format!("the error can't be computed at the start: {failure}"));
    }
    if start_error == 0.0 {
        return Err("the start is the target: there is nothing to descend; move `start`".into());
    }
    exact.at(&exact.start, Draw::Frozen);
    let no_gradient = exact.failure.borrow().clone();
    if let Some(failure) = no_gradient.as_ref().filter(|failure| !failure.contains("has no gradient")) {
        return Err(format!("the loss can't be computed at the start: {failure}"));
    }
    if case.tolerance.is_some_and(|tolerance| tolerance >= start_error) {
        return Err(format!(
            "the error at the start is {start_error:.3}, which is within `tolerance` = {} already: lower it",
            case.tolerance.unwrap_or_default()
        ));
    }
    let star = star(&exact, case.seed);
    let tolerance = case.tolerance.unwrap_or_else(|| default_tolerance(case, &model, &star, start_error));
    let known = fit.is_some() || !exact.objective.solutions(case.seed).is_empty();
    if case.tolerance.is_none() && !known && star.error > tolerance {
        notes.push(format!(
            "the best minimum that was found has an error of {}, and the tolerance is one that nothing may reach; say \
             `tolerance`",
            short(star.error)
        ));
    }
    let distance: f64 = exact.start.iter().zip(&star.point).map(|(a, b)| (a - b) * (a - b)).sum();
    let length_scale = (distance / exact.size() as f64).sqrt();
    let length_scale = if length_scale > 0.0 { length_scale } else { start_error };
    Ok(Setup {
        model,
        exact,
        fit,
        workload,
        tolerance,
        start_error,
        length_scale,
        star,
        redrawn,
        random,
        no_gradient,
        notes,
    })
}

/// The frozen draw of a loss with random numbers: the one of a few whose gradient at the start is nearest to their mean.
fn find_draw(workload: &Workload, seed: u64) -> Result<Option<u64>, String> {
    const DRAWS: u64 = 16;
    let model = Evaluator::new(changed(workload.clone(), None), seed, Kind::Double)?;
    let at = |number: u64| model.at(&model.start, Draw::Redrawn(number));
    let (first, second) = (at(0), at(1));
    if first == second || first.0.is_nan() {
        return Ok(None);
    }
    let draws: Vec<(f64, Vec<f64>)> = [first, second].into_iter().chain((2..DRAWS).map(at)).collect();
    let mean = |i: usize| draws.iter().map(|draw| draw.1[i]).sum::<f64>() / DRAWS as f64;
    let mean: Vec<f64> = (0..draws[0].1.len()).map(mean).collect();
    let off = |draw: &(f64, Vec<f64>)| {
        draw.1.iter().zip(&mean).map(|(g, mean)| (g - mean) * (g - mean)).sum::<f64>()
    };
    let nearest = (0..).zip(&draws).min_by(|a, b| off(a.1).total_cmp(&off(b.1)));
    Ok(nearest.map(|(draw, _)| draw))
}

/// A twentieth of the error at the start; more where a single step of the author's is longer than that near the
/// minimum, as a constant rate on an absolute error goes to and fro by right. At most a fifth.
fn default_tolerance(case: &Case, model: &Evaluator, star: &Minimizer, start_error: f64) -> f64 {
    let near: Vec<f64> = star.point.iter().zip(&model.start).map(|(p, s)| p + 0.05 * (s - p)).collect();
    let path = DescentPath {
        optimizer: case.optimizer.clone(),
        schedule: case.schedule.clone(),
        start: near.clone(),
    };
    let rules = StopCriteria { budget: 1, tolerance: 0.0, noisy: false, until: Until::Budget };
    let step = rms(&train(model, &path, &[case.lr], rules, None)[0].end, &near);
    let wanted = if step.is_finite() { 0.6 * step } else { 0.0 };
    wanted.clamp(0.05 * start_error, 0.2 * start_error)
}

/// Numbers for the generators, and what the prediction is, where the config doesn't say.
fn resolve(fit: &diagnose::Fit, seed: u64, notes: &mut Vec<String>) -> Result<Fit, String> {
    let target = fit.target.target(seed)?;
    let start = fit.start.start(&target, seed)?;
    let classes = fit.loss.targets() == TargetKind::Classes;
    let several = fit.readout.is_none() && !classes && has_several_outputs(fit, &start.shape, &target.shape);
    let named = |name: &str| terms_of(&fit.loss).iter().any(|term| term.loss.name() == name);
    let default = match () {
        () if classes => Readout::Softmax,
        () if named("bce_with_logits") => Readout::Sigmoid,
        () if several => Readout::First,
        () => Readout::Identity,
    };
    let readout = fit.readout.clone().unwrap_or(default);
    let part = [(Readout::Product, "a product"), (Readout::First, "the first")];
    if let Some((_, what)) = part.iter().find(|(part, _)| *part == readout && start.shape.len() < 2) {
        return Err(format!(
            "{what} is over the last of several dimensions, and the start's shape is {:?}",
            start.shape
        ));
    }
    if several {
        notes.push(format!(
            "the loss is told {} numbers a target, and the error is taken on the first; say `readout` if another \
             one answers for the target",
            start.shape[start.shape.len() - 1]
        ));
    }
    let mut model = Fit {
        loss: fit.loss.clone(),
        loss_input: fit.loss_input.unwrap_or(if readout == Readout::First {
            LossInput::Prediction
        } else {
            LossInput::Readout
        }),
        readout,
        readout_shape: start.shape.clone(),
        start,
        target,
        noise: fit.noise,
        draws: 1,
    };
    let [readout_shape, _] = model.problem().shapes(seed)?;
    model.readout_shape = readout_shape;
    let counts = (model.readout_shape.iter().product::<i64>(), model.target.values.len() as i64);
    let fits = if classes {
        model.start.shape.len() >= 2 && counts.0 == counts.1 * model.start.shape[model.start.shape.len() - 1]
    } else {
        counts.0 == counts.1 || (counts.1 > 0 && counts.0 % counts.1 == 0)
    };
    if !fits && classes {
        return Err(format!(
            "a loss of classes needs logits [n, classes] for targets [n]; the predictions' shape is {:?} and the targets' {:?}",
            model.start.shape, model.target.shape
        ));
    }
    if !fits {
        return Err(format!(
            "predictions of shape {:?} can't be compared with targets of shape {:?}",
            model.readout_shape, model.target.shape
        ));
    }
    if fit.loss_input.is_none() && model.readout.is_activation() {
        model.loss_input = if classes || named("bce_with_logits") {
            LossInput::Prediction
        } else {
            find_out_what_it_sees(&model, seed)?
        };
        notes.push(format!(
            "the loss is handed the {}",
            if model.loss_input == LossInput::Readout { "readout" } else { "prediction, before the readout" }
        ));
    }
    let open = fit.readout.is_none() && model.readout == Readout::Identity;
    if let Some(link) = if open { find_link(&model, seed)? } else { None } {
        let name = match link {
            Readout::Sigmoid => "sigmoid",
            Readout::Tanh => "tanh",
            _ => "exponential",
        };
        notes.push(format!(
            "the loss is least where the {name} of the prediction is the target, so the error is taken there"
        ));
        (model.readout, model.loss_input) = (link, LossInput::Prediction);
    }
    Ok(model)
}

/// Whether a program is told more than one number for each target, such as a mean and a log-variance.
fn has_several_outputs(fit: &diagnose::Fit, prediction: &[i64], target: &[i64]) -> bool {
    let programs = !fit.loss.files().is_empty();
    let more = prediction.split_last().is_some_and(|(last, others)| *last > 1 && others == target);
    programs && more && !prediction.ends_with(target)
}

/// The steps of a search that only has to come near.
const FEW: u64 = 50;

fn exactly(fit: &Fit, seed: u64) -> Result<Evaluator, String> {
    Evaluator::new(fit.objective(None), seed, Kind::Double)
}

/// The least error of the minima that are found from the solution, the start and 0.
fn error_of_minimum(fit: &Fit, seed: u64) -> Result<f64, String> {
    let exact = exactly(fit, seed)?;
    let start_error = exact.error(&exact.start);
    let from = [solution(&exact), Some(exact.start.clone()), Some(vec![0.0; exact.size()])];
    let error =
        |from: Vec<f64>| search(&exact, &from, start_error, FEW).map(|found| exact.error(&found.point));
    Ok(from
        .into_iter()
        .flatten()
        .filter_map(error)
        .filter(|error| !error.is_nan())
        .fold(f64::INFINITY, f64::min))
}

/// A loss belongs behind the readout or before it, wherever its minimum is nearer to the target.
fn find_out_what_it_sees(fit: &Fit, seed: u64) -> Result<LossInput, String> {
    let before = error_of_minimum(&Fit { loss_input: LossInput::Prediction, ..fit.clone() }, seed)?;
    let behind = error_of_minimum(&Fit { loss_input: LossInput::Readout, ..fit.clone() }, seed)?;
    let exact = exactly(fit, seed)?;
    let slack = 1e-3 * exact.error(&exact.start);
    Ok(if before + slack < behind { LossInput::Prediction } else { LossInput::Readout })
}

/// A readout under which the minimum of a loss of logits (or of another link) is the target.
fn find_link(fit: &Fit, seed: u64) -> Result<Option<Readout>, String> {
    let exact = exactly(fit, seed)?;
    let start_error = exact.error(&exact.start);
    if error_of_minimum(fit, seed)? <= 0.05 * start_error {
        return Ok(None);
    }
    for link in [Readout::Sigmoid, Readout::Exp, Readout::Tanh] {
        let linked = Fit { readout: link.clone(), loss_input: LossInput::Prediction, ..fit.clone() };
        // Two equal targets fit any curve.
        let varied = linked.target.values.iter().any(|y| *y != linked.target.values[0]);
        let at = exactly(&linked, seed)?;
        // A start of 1000 is no logarithm.
        let sound = at.error(&at.start).is_finite();
        if varied
            && sound
            && solution(&at).is_some()
            && error_of_minimum(&linked, seed)? <= 1e-3 * start_error
        {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// Where the error is 0, as far as that is known: the nearest to the start, with the parameters that a loss has of its
/// own where they start.
fn solution(model: &Evaluator) -> Option<Vec<f64>> {
    let whole = |mut point: Vec<f64>| {
        point.extend(&model.start[point.len()..]);
        point
    };
    let points = model.objective.solutions(model.seed).into_iter().map(whole);
    points.min_by(|a, b| rms(a, &model.start).total_cmp(&rms(b, &model.start)))
}

/// The best of the solution and of searches from several points.
fn star(model: &Evaluator, seed: u64) -> Minimizer {
    let solution = solution(model);
    let at_start = model.at(&model.start, Draw::Frozen).0;
    let length_scale = match &solution {
        Some(solution) => rms(&model.start, solution),
        None => rms(&model.start, &vec![0.0; model.size()]),
    };
    let length_scale = if length_scale > 0.0 { length_scale } else { 1.0 };
    let small = model.size() <= 2000;
    let steps = if small { 200 } else { 100 };
    let mut starts = vec![model.start.clone()];
    starts.extend(solution.clone());
    if small {
        let center = solution.clone().unwrap_or_else(|| model.start.clone());
        for attempt in 0..3_u64 {
            let mut stream = Stream::new("diagnose: search", &[seed, attempt]);
            starts.push(center.iter().map(|p| p + length_scale * stream.normal()).collect());
        }
    }
    // Where a log-variance runs away from the solution, searches end anywhere.
    let endless = solution.as_ref().is_some_and(|solution| falls_for_ever(model, solution, length_scale));
    let mut found: Vec<(Vec<f64>, f64)> = Vec::new();
    for start in starts.iter().filter(|_| !endless) {
        let minimum = search(model, start, length_scale, steps);
        let has_end = |m: &Minimum| !m.ran_away || levels_off(model, start, m);
        found.extend(minimum.filter(has_end).map(|m| (m.point, m.value)));
    }
    let solution = solution.map(|point| {
        let value = model.at(&point, Draw::Frozen).0;
        (point, value)
    });
    let best = found.iter().map(|f| f.1).fold(f64::INFINITY, f64::min);
    // Ties go to the solution, then to what is nearest to the start.
    let slack = 1e-9 * (at_start - best).abs() + 1e-12 * best.abs();
    let (point, value) = match &solution {
        Some((point, value)) if *value <= best + slack => (point.clone(), *value),
        Some((point, value)) if found.is_empty() => (point.clone(), *value),
        _ => found
            .into_iter()
            .filter(|f| f.1 <= best + 1e-6 * (at_start - best).abs())
            .min_by(|a, b| rms(&a.0, &model.start).total_cmp(&rms(&b.0, &model.start)))
            .unwrap_or_else(|| (model.start.clone(), at_start)),
    };
    let error = model.error(&point);
    Minimizer { point, value, error, solution }
}

/// Whether the loss falls without end from a point along its gradient.
fn falls_for_ever(model: &Evaluator, point: &[f64], length_scale: f64) -> bool {
    let gradient = model.at(point, Draw::Frozen).1;
    let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let whole = length_scale * (point.len() as f64).sqrt();
    let at = |k: i32| {
        let far = whole * libm::pow(10.0, f64::from(k)) / size;
        point.iter().zip(&gradient).map(move |(p, g)| p - far * g).collect::<Vec<_>>()
    };
    size > 0.0
        && size.is_finite()
        && is_endless(&model.evaluate(&(0..6).flat_map(at).collect::<Vec<_>>(), Draw::Frozen).values)
}

/// Whether a search that went far has hardly gained anything over its second half: a minimum at infinity.
fn levels_off(model: &Evaluator, start: &[f64], minimum: &Minimum) -> bool {
    let half: Vec<f64> = start.iter().zip(&minimum.point).map(|(s, p)| 0.5 * (s + p)).collect();
    let (start, half) = (model.at(start, Draw::Frozen).0, model.at(&half, Draw::Frozen).0);
    half - minimum.value <= 1e-3 * (start - minimum.value)
}

/// √ mean (a − b)²
pub(super) fn rms(a: &[f64], b: &[f64]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / a.len() as f64).sqrt()
}

/// The workload with a loss without bias, to compare minimizers with.
pub(super) fn unbiased(workload: &Workload) -> Option<Workload> {
    let loss = workload.loss.as_ref()?;
    let name = if loss.targets() == TargetKind::Classes { "cross_entropy" } else { "mse" };
    let loss = Loss::named(name).filter(|other| other != loss)?;
    Some(Workload { problem: workload.problem.clone(), loss: Some(loss) })
}

/// Whether values at 10⁰ … 10⁵ fall by as much a decade as in the one before, or more; up to where 0 · ∞ is met.
pub(super) fn is_endless(values: &[f64]) -> bool {
    let known = values.iter().position(|value| value.is_nan()).unwrap_or(values.len());
    let values = &values[..known];
    if values.len() < 3 || values.contains(&f64::INFINITY) {
        return false;
    }
    if values.contains(&f64::NEG_INFINITY) {
        return true;
    }
    let falls: Vec<f64> = values.windows(2).map(|pair| pair[0] - pair[1]).collect();
    let rounding = 1e-9 * values[0].abs();
    let last = &falls[falls.len().saturating_sub(3)..];
    falls.iter().all(|fall| *fall > rounding)
        && last.windows(2).all(|pair| pair[1] >= thresholds::ENDLESS * pair[0])
}

/// The author's own way to train.
pub(super) fn own_way(case: &Case, setup: &Setup) -> DescentPath {
    DescentPath {
        optimizer: case.optimizer.clone(),
        schedule: case.schedule.clone(),
        start: setup.model.start.clone(),
    }
}
