//! Training runs and searches of a diagnosis, on the engine.

use std::ops::ControlFlow;

use optimizers::{Lbfgs, LineSearch, Optimizer, Schedule};
use records::{Dtype, Engine, Role};
use tch::Kind;

use crate::spectrum::dot;
use config::plan::{Lane, Settings};
use engine::{Evaluator, Fast, LaneResult, Observed, Observer, Training, Until};

/// The most steps that a fix may take, where the author's run doesn't arrive sooner.
pub(super) const MOST: u64 = 5000;

/// How runs train.
#[derive(Clone)]
pub(super) struct DescentPath {
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub start: Vec<f64>,
}

/// When runs end.
#[derive(Clone, Copy)]
pub(super) struct StopCriteria {
    /// The most steps.
    pub budget: u64,
    /// The error that is good enough.
    pub tolerance: f64,
    /// Whether steps see the loss's noise.
    pub noisy: bool,
    pub until: Until,
}

/// A run has diverged when its error is this many times the error it started with: the default of a grid.
const DIVERGENCE: f64 = 1e6;
/// The steps that a noisy run must stay within the tolerance, from the first to the last of the evaluations of its error.
const HOLD: u64 = 10;

/// Trains at these rates, side by side.
pub(super) fn train(
    model: &Evaluator,
    path: &DescentPath,
    rates: &[f64],
    rules: StopCriteria,
    observer: Observer,
) -> Vec<LaneResult> {
    let hold = if rules.noisy { HOLD } else { 1 };
    let settings = Settings {
        steps: rules.budget,
        targets: vec![rules.tolerance],
        hold,
        record: spaced(rules.budget),
        divergence: DIVERGENCE,
        dtype: dtype_of(model.kind),
    };
    let mut runs = on_engine(model, path, rates, &settings, (!rules.noisy, rules.until), observer);
    if rules.until == Until::First {
        // Groups of lanes that run apart don't wait for one another.
        let first = runs.iter().filter_map(LaneResult::reached).min();
        for run in &mut runs {
            run.hits[0] = run.hits[0].filter(|hit| first.is_some_and(|first| *hit <= 3 * first + 10));
        }
    }
    runs
}

fn on_engine(
    model: &Evaluator,
    path: &DescentPath,
    rates: &[f64],
    settings: &Settings,
    (frozen, until): (bool, Until),
    observer: Observer,
) -> Vec<LaneResult> {
    let lanes: Vec<Lane> =
        rates.iter().map(|lr| Lane { lr: *lr, seed: model.seed, role: Role::Reporting }).collect();
    let fused = model.is_fused() && path.optimizer.stepper::<f32>(1).is_some();
    let fast = Fast(&*model.objective);
    let runs = Training {
        objective: if fused { &*model.objective } else { &fast },
        optimizer: &path.optimizer,
        schedule: &path.schedule,
        lanes: &lanes,
        start: Some(&|_, element| Some(path.start[element])),
        settings,
        engine: if fused { Engine::Fused } else { Engine::Libtorch },
        frozen,
        until,
        terms: false,
        ends: true,
    }
    .run(observer);
    let spent: u64 = runs.iter().map(|run| run.evaluations).sum();
    model.evaluations.set(model.evaluations.get() + spent);
    runs
}

pub(super) fn dtype_of(kind: Kind) -> Dtype {
    if kind == Kind::Float { Dtype::Float32 } else { Dtype::Float64 }
}

/// Steps that are spaced evenly in the logarithm, from 0 to the last.
fn spaced(last: u64) -> Vec<u64> {
    let next =
        |step: &u64| (*step < last).then(|| (step + 1).max((*step as f64 * 1.12).round() as u64).min(last));
    std::iter::successors(Some(0), next).collect()
}

/// What is kept of a single run on its way.
#[derive(Default)]
pub(super) struct Trajectory {
    /// Points at the recorded steps.
    pub points: Vec<(u64, Vec<f64>)>,
    /// The mean cosine between successive updates, over the second half of the run.
    pub update_cosine: f64,
    /// The largest error.
    pub worst_error: f64,
    /// The last point before something wasn't finite.
    pub last: Vec<f64>,
    before: Vec<f64>,
    cosines: Vec<f64>,
}

impl Trajectory {
    /// Trains at one rate, and keeps what is seen.
    pub fn of(model: &Evaluator, path: &DescentPath, lr: f64, rules: StopCriteria) -> (LaneResult, Self) {
        /// Numbers of the points that are kept.
        const MOST: usize = 4_000_000;
        let mut seen = Self::default();
        let record = spaced(rules.budget);
        let mut due = record.iter().peekable();
        let mut observer = |observed: &Observed| {
            seen.worst_error = seen.worst_error.max(observed.error);
            let point = observed.parameters;
            if due.next_if_eq(&&observed.step).is_some() && (seen.points.len() + 1) * point.len() <= MOST {
                seen.points.push((observed.step, point.to_vec()));
            }
            if point.iter().all(|p| p.is_finite()) {
                seen.turn(point);
            }
            ControlFlow::Continue(())
        };
        let run = train(model, path, &[lr], rules, Some(&mut observer)).swap_remove(0);
        let half = &seen.cosines[seen.cosines.len() / 2..];
        seen.update_cosine = half.iter().sum::<f64>() / half.len().max(1) as f64;
        (run, seen)
    }

    /// The cosine between this update and the one before.
    fn turn(&mut self, point: &[f64]) {
        let update: Vec<f64> = point.iter().zip(&self.last).map(|(p, b)| p - b).collect();
        self.last = point.to_vec();
        if !self.before.is_empty() {
            let size = (dot(&update, &update) * dot(&self.before, &self.before)).sqrt();
            let cosine = dot(&update, &self.before) / size;
            if cosine.is_finite() {
                self.cosines.push(cosine);
            }
        }
        self.before = update;
    }
}

/// Where a search for a minimum ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub point: Vec<f64>,
    pub value: f64,
    /// Whether it ran out of reach.
    pub ran_away: bool,
}

fn lbfgs() -> Optimizer {
    let line_search = LineSearch::WeakWolfe;
    Optimizer::Lbfgs(Lbfgs {
        line_search,
        history: 10,
        max_evaluations: 60,
        tolerance: 0.0,
        ..Lbfgs::default()
    })
}

fn constant() -> Schedule {
    Schedule::named("constant").expect("the registry has it")
}

/// A minimum near a point by L-BFGS, whose first step and scale is `length_scale` for each parameter; `None` where the loss isn't
/// finite there.
pub(super) fn search(model: &Evaluator, from: &[f64], length_scale: f64, steps: u64) -> Option<Minimum> {
    search_within(model, from, length_scale, steps, 1e5).filter(|found| found.value.is_finite())
}

/// The same, where a search has run away `reach` times that scale off.
pub(super) fn search_within(
    model: &Evaluator,
    from: &[f64],
    length_scale: f64,
    steps: u64,
    reach: f64,
) -> Option<Minimum> {
    let whole = length_scale * (from.len() as f64).sqrt();
    let mut found: Option<Minimum> = None;
    let mut rests = 0;
    let mut observer = |observed: &Observed| {
        let point = observed.parameters;
        let last = found.replace(Minimum { point: point.to_vec(), value: observed.loss, ran_away: false });
        let found = found.as_mut().expect("it was just set");
        let far: f64 = point.iter().zip(from).map(|(p, s)| (p - s) * (p - s)).sum();
        found.ran_away = far.sqrt() > reach * whole || observed.loss == f64::NEG_INFINITY;
        // The first rest may only mean that what was learned is forgotten.
        rests = if last.is_some_and(|last| last.point == point) { rests + 1 } else { 0 };
        if found.ran_away || rests > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let settings = Settings {
        steps,
        targets: Vec::new(),
        hold: 1,
        record: Vec::new(),
        divergence: f64::INFINITY,
        dtype: dtype_of(model.kind),
    };
    let path = DescentPath { optimizer: lbfgs(), schedule: constant(), start: from.to_vec() };
    on_engine(model, &path, &[whole], &settings, (true, Until::Budget), Some(&mut observer));
    found
}

/// Training by L-BFGS to the tolerance; its steps are gradient evaluations.
pub(super) fn by_lbfgs(model: &Evaluator, length_scale: f64, rules: StopCriteria) -> LaneResult {
    let path = DescentPath { optimizer: lbfgs(), schedule: constant(), start: model.start.clone() };
    let whole = length_scale * (model.size() as f64).sqrt();
    train(model, &path, &[whole], rules, None).swap_remove(0)
}

/// To two digits, as a person would write it.
pub(super) fn round(value: f64) -> f64 {
    format!("{value:.1e}").parse().expect("a number just written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_steps_go_from_the_start_to_the_last() {
        assert_eq!(spaced(0), [0]);
        let steps = spaced(1000);
        assert_eq!((&steps[..4], steps.last()), (&[0, 1, 2, 3][..], Some(&1000)));
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]) && steps.len() < 80);
    }
}
