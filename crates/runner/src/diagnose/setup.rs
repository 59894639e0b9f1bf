//! From a case to a model that can be probed, and its reference point.

use std::rc::Rc;

use losses::{Loss, Targets};
use numeric::Stream;
use problems::Problem;
use tch::Kind;

use super::fit::{FitModel, Shape};
use super::minimise::{Limits, Minimum, lbfgs};
use super::model::{Draw, Model, ProblemModel, kind_of};
use super::numbers;
use super::probe::is_endless;
use super::race::{Lane, Rules, race};
use super::reader::Reader;
use crate::config::diagnose::{Case, Fit, Readout, Sees, Subject};

/// A case, ready to be probed.
pub(super) struct Setup {
    /// In the author's number type.
    pub model: Model,
    /// In float64.
    pub exact: Model,
    pub subject: Probed,
    pub tolerance: f64,
    pub start_error: f64,
    /// The typical distance of one parameter's start from the minimum.
    pub unit: f64,
    pub star: Star,
    /// What a loss without a gradient says.
    pub no_gradient: Option<String>,
    /// What was found out or assumed, for the report.
    pub notes: Vec<String>,
}

/// What is probed, in a form that models can be made of again.
pub(super) enum Probed {
    Fit(Box<FitModel>),
    Problem(Box<ProblemModel>),
}

impl Probed {
    pub fn model(&self, kind: Kind) -> Result<Model, String> {
        match self {
            Self::Fit(fit) => Model::fit(fit, kind),
            Self::Problem(problem) => Ok(Model::problem(problem, kind)),
        }
    }
}

/// The reference point p*.
pub(super) struct Star {
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
    let subject = match &case.subject {
        Subject::Fit(fit) => Probed::Fit(Box::new(resolve(fit, case.seed, &mut notes)?)),
        Subject::Problem(problem, loss) => Probed::Problem(Box::new(ProblemModel {
            problem: (**problem).clone(),
            loss: loss.clone(),
            seed: case.seed,
        })),
    };
    let (model, exact) = (subject.model(kind_of(case.dtype))?, subject.model(Kind::Double)?);
    for model in [&model, &exact] {
        model.find_randomness();
    }
    if model.is_random() || exact.is_random() {
        notes.push("the loss draws random numbers; frozen, it is always the same draw".into());
    }
    let own = exact.size() - exact.predictions();
    if own > 0 && exact.as_fit().is_some() {
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
    let distance: f64 = exact.start.iter().zip(&star.point).map(|(a, b)| (a - b) * (a - b)).sum();
    let unit = (distance / exact.size() as f64).sqrt();
    let unit = if unit > 0.0 { unit } else { start_error };
    Ok(Setup { model, exact, subject, tolerance, start_error, unit, star, no_gradient, notes })
}

/// A twentieth of the error at the start; more where a single step of the author's is longer than that near the
/// minimum, as a constant rate on an absolute error goes to and fro by right. At most a fifth.
fn default_tolerance(case: &Case, model: &Model, star: &Star, start_error: f64) -> f64 {
    let near: Vec<f64> = star.point.iter().zip(&model.start).map(|(p, s)| p + 0.05 * (s - p)).collect();
    let lane = Lane {
        optimizer: case.optimizer.clone(),
        schedule: case.schedule.clone(),
        lr: case.lr,
        start: near.clone(),
    };
    let rules = Rules { budget: 1, tolerance: 0.0, noisy: false, first_wins: false, keep: false };
    let step = rms(&race(model, &[lane], rules)[0].end, &near);
    let wanted = if step.is_finite() { 0.6 * step } else { 0.0 };
    wanted.clamp(0.05 * start_error, 0.2 * start_error)
}

/// Numbers for the generators, and what the prediction is, where the config doesn't say.
fn resolve(fit: &Fit, seed: u64, notes: &mut Vec<String>) -> Result<FitModel, String> {
    let target = numbers::target(&fit.target, seed)?;
    let start = numbers::start(&fit.start, &target, seed)?;
    let several = fit.readout.is_none() && has_several_outputs(fit, &start.shape, &target.shape);
    let named = |name: &str| fit.terms.iter().any(|term| term.loss.name() == name);
    let classes = fit.terms.iter().any(|term| term.loss.targets() == Targets::Classes);
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
    let reader = match &readout {
        Readout::TorchScript(exported) => Some(Rc::new(Reader::load(&exported.file, &start)?)),
        _ => None,
    };
    if several {
        notes.push(format!(
            "the loss is told {} numbers a target, and the error is taken on the first; say `readout` if another \
             one answers for the target",
            start.shape[start.shape.len() - 1]
        ));
    }
    let mut model = FitModel {
        terms: fit.terms.clone(),
        sees: fit.sees.unwrap_or(if readout == Readout::First { Sees::Prediction } else { Sees::Readout }),
        readout,
        reader,
        start,
        target,
        noise: fit.noise,
        seed,
        shape: Shape::Plain,
        draws: 1,
        line: None,
    };
    let counts = (model.readout_shape().iter().product::<i64>(), model.target.values.len() as i64);
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
            model.readout_shape(),
            model.target.shape
        ));
    }
    if fit.sees.is_none() && model.readout.is_activation() {
        model.sees = if classes || named("bce_with_logits") {
            Sees::Prediction
        } else {
            find_out_what_it_sees(&model)?
        };
        notes.push(format!(
            "the loss is handed the {}",
            if model.sees == Sees::Readout { "readout" } else { "prediction, before the readout" }
        ));
    }
    let open = fit.readout.is_none() && model.readout == Readout::Identity;
    if let Some(link) = if open { find_link(&model)? } else { None } {
        let name = match link {
            Readout::Sigmoid => "sigmoid",
            Readout::Tanh => "tanh",
            _ => "exponential",
        };
        notes.push(format!(
            "the loss is least where the {name} of the prediction is the target, so the error is taken there"
        ));
        (model.readout, model.sees) = (link, Sees::Prediction);
    }
    Ok(model)
}

/// Whether a module is told more than one number for each target, such as a mean and a log-variance.
fn has_several_outputs(fit: &Fit, prediction: &[i64], target: &[i64]) -> bool {
    let modules = fit.terms.iter().any(|term| !term.loss.files().is_empty());
    let more = prediction.split_last().is_some_and(|(last, others)| *last > 1 && others == target);
    modules && more && !prediction.ends_with(target)
}

/// The least error of the minima that are found from the solution, the start and 0.
fn error_of_minimum(model: &FitModel) -> Result<f64, String> {
    let exact = Model::fit(model, Kind::Double)?;
    let start_error = exact.error(&exact.start);
    let from = [exact.solution(), Some(exact.start.clone()), Some(vec![0.0; exact.size()])];
    let error =
        |from: Vec<f64>| search(&exact, &from, start_error, 100).map(|found| exact.error(&found.point));
    Ok(from
        .into_iter()
        .flatten()
        .filter_map(error)
        .filter(|error| !error.is_nan())
        .fold(f64::INFINITY, f64::min))
}

/// A loss belongs behind the readout or before it, wherever its minimum is nearer to the target.
fn find_out_what_it_sees(model: &FitModel) -> Result<Sees, String> {
    let before = error_of_minimum(&FitModel { sees: Sees::Prediction, ..model.clone() })?;
    let behind = error_of_minimum(&FitModel { sees: Sees::Readout, ..model.clone() })?;
    let smallest = Model::fit(model, Kind::Double)?;
    let slack = 1e-3 * smallest.error(&smallest.start);
    Ok(if before + slack < behind { Sees::Prediction } else { Sees::Readout })
}

/// A readout under which the minimum of a loss of logits (or of another link) is the target.
fn find_link(model: &FitModel) -> Result<Option<Readout>, String> {
    let exact = Model::fit(model, Kind::Double)?;
    let start_error = exact.error(&exact.start);
    if error_of_minimum(model)? <= 0.05 * start_error {
        return Ok(None);
    }
    for link in [Readout::Sigmoid, Readout::Exp, Readout::Tanh] {
        let linked = FitModel { readout: link.clone(), sees: Sees::Prediction, ..model.clone() };
        // Two equal targets fit any curve.
        let varied = linked.target.values.iter().any(|y| *y != linked.target.values[0]);
        // A start of 1000 is no logarithm.
        let sound = linked.error(&exact.start).is_finite();
        if varied && sound && linked.solution().is_some() && error_of_minimum(&linked)? <= 1e-3 * start_error
        {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// A minimum from a point, or `None` where the loss isn't finite there.
pub(super) fn search(model: &Model, from: &[f64], unit: f64, evaluations: u64) -> Option<Minimum> {
    let limits = Limits { evaluations, unit: unit * (from.len() as f64).sqrt(), reach: 1e5 };
    let found = lbfgs(|point| model.at(point, Draw::Frozen), |_| false, from, limits);
    found.value.is_finite().then_some(found)
}

/// The best of the solution and of searches from several points.
fn star(model: &Model, seed: u64) -> Star {
    let solution = model.solution();
    let at_start = model.at(&model.start, Draw::Frozen).0;
    let unit = match &solution {
        Some(solution) => rms(&model.start, solution),
        None => rms(&model.start, &vec![0.0; model.size()]),
    };
    let unit = if unit > 0.0 { unit } else { 1.0 };
    let small = model.size() <= 2000;
    let evaluations = if small { 400 } else { 200 };
    let mut starts = vec![model.start.clone()];
    starts.extend(solution.clone());
    if small {
        let centre = solution.clone().unwrap_or_else(|| model.start.clone());
        for attempt in 0..3_u64 {
            let mut stream = Stream::new("diagnose: search", &[seed, attempt]);
            starts.push(centre.iter().map(|p| p + unit * stream.normal()).collect());
        }
    }
    // Where a log-variance runs away from the solution, searches end anywhere.
    let endless = solution.as_ref().is_some_and(|solution| falls_for_ever(model, solution, unit));
    let mut found: Vec<(Vec<f64>, f64)> = Vec::new();
    for start in starts.iter().filter(|_| !endless) {
        let minimum = search(model, start, unit, evaluations);
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
    Star { point, value, error, solution }
}

/// Whether the loss falls without end from a point along its gradient.
fn falls_for_ever(model: &Model, point: &[f64], unit: f64) -> bool {
    let gradient = model.at(point, Draw::Frozen).1;
    let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let whole = unit * (point.len() as f64).sqrt();
    let at = |k: i32| {
        let far = whole * libm::pow(10.0, f64::from(k)) / size;
        point.iter().zip(&gradient).map(move |(p, g)| p - far * g).collect::<Vec<_>>()
    };
    size > 0.0
        && size.is_finite()
        && is_endless(&model.evaluate(&(0..6).flat_map(at).collect::<Vec<_>>(), Draw::Frozen).values)
}

/// Whether a search that went far has hardly gained anything over its second half: a minimum at infinity.
fn levels_off(model: &Model, start: &[f64], minimum: &Minimum) -> bool {
    let half: Vec<f64> = start.iter().zip(&minimum.point).map(|(s, p)| 0.5 * (s + p)).collect();
    let (start, half) = (model.at(start, Draw::Frozen).0, model.at(&half, Draw::Frozen).0);
    half - minimum.value <= 1e-3 * (start - minimum.value)
}

/// √ mean (a − b)²
pub(super) fn rms(a: &[f64], b: &[f64]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / a.len() as f64).sqrt()
}

/// A loss without bias for a problem, to compare minimisers with.
pub(super) fn unbiased(problem: &ProblemModel) -> Option<ProblemModel> {
    let loss = problem.loss.as_ref()?;
    let name = if loss.targets() == Targets::Classes { "cross_entropy" } else { "mse" };
    let loss = Loss::named(name).filter(|other| other != loss)?;
    Some(ProblemModel { problem: problem.problem.clone(), loss: Some(loss), seed: problem.seed })
}

/// Whether a problem's error is 0 at its solution, so that a minimiser can be told from it.
pub(super) fn has_exact_solution(problem: &Problem) -> bool {
    match problem {
        Problem::DirectFit(_) => true,
        Problem::LineFit(line) => line.noise == 0.0,
        landscape => !landscape.minimisers().is_empty(),
    }
}
