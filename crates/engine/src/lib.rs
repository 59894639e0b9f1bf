//! Objectives, and training them: the only place where a loss is evaluated, an optimizer steps, a run is found to have
//! diverged or arrived, and evaluations are counted.
//!
//! An [`Objective`] is what can be trained or probed. A [`Training`] runs lanes of it, in fused loops or on libtorch; an
//! [`Evaluator`] looks at it at any points.

mod evaluator;
mod fused;
mod libtorch;
mod objective;
mod part;
mod recorder;
mod terms;

use std::ops::ControlFlow;

use config::plan::{Batch, Lane, Settings};
use numeric::panics::guarded;
use optimizers::Optimizer;
use optimizers::schedules::{self, Factors, Schedule};
use problems::Draw;
use records::{Dtype, Engine};

pub use evaluator::{Evaluated, Evaluator};
pub use objective::{Altered, Change, Fast, Objective, Workload};
pub use part::part;
pub use recorder::{CurvePoint, Ends, LaneResult};
pub use terms::TermPoint;

/// The sources that results depend on: this crate's and those that it is built from. Parts of another build are never
/// used.
pub const BUILD: &str = env!("OPTBENCH_BUILD");

/// Where lanes start, by lane and element; `None` leaves an element where the lane's seed says.
pub type Start<'a> = dyn Fn(usize, usize) -> Option<f64> + Sync + 'a;

/// What is trained, by what, from where, and until when.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// What is trained.
    pub objective: &'a dyn Objective,
    /// By which optimizer.
    pub optimizer: &'a Optimizer,
    /// Under which schedule.
    pub schedule: &'a Schedule,
    /// Learning rates and seeds.
    pub lanes: &'a [Lane],
    /// Where lanes start, if not where their seeds say.
    pub start: Option<&'a Start<'a>>,
    /// Budget, targets and recording.
    pub settings: &'a Settings,
    /// What runs it.
    pub engine: Engine,
    /// Whether all steps see the frozen draw.
    pub frozen: bool,
    /// When lanes end.
    pub until: Until,
    /// Whether the terms of the loss are accounted for at the recorded steps.
    pub terms: bool,
    /// Whether the parameters at the end are kept.
    pub ends: bool,
}

/// When lanes end, if they don't diverge before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When the budget is spent.
    Budget,
    /// At the hardest target.
    Arrival,
    /// As before, and all of them soon after the first has arrived: at three times its steps.
    First,
}

impl Until {
    /// The last step of all lanes where the first arrives at this one.
    fn patience(step: u64) -> u64 {
        step.saturating_mul(3).saturating_add(10)
    }
}

/// What an observer sees of the first lane at every step, before its update.
pub struct Observed<'a> {
    /// The step.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// The error; between two evaluations of it, the last one.
    pub error: f64,
    /// The parameters.
    pub parameters: &'a [f64],
}

/// Sees every step of a single lane, and may end it.
pub type Observer<'a> = Option<&'a mut dyn FnMut(&Observed) -> ControlFlow<()>>;

impl Training<'_> {
    /// Runs the lanes; lane by lane what it came to. Lanes that panic (libtorch's way to refuse shapes or memory) fail,
    /// and stop nothing else.
    ///
    /// # Panics
    /// If several lanes are observed.
    #[must_use]
    pub fn run(&self, observer: Observer) -> Vec<LaneResult> {
        assert!(observer.is_none() || self.lanes.len() == 1, "one lane can be observed");
        let run = match (self.engine, self.settings.dtype) {
            (Engine::Fused, Dtype::Float32) => fused::run::<f32>,
            (Engine::Fused, Dtype::Float64) => fused::run::<f64>,
            (Engine::Libtorch, Dtype::Float32) => libtorch::run::<f32>,
            (Engine::Libtorch, Dtype::Float64) => libtorch::run::<f64>,
        };
        guarded(|| run(self, observer)).unwrap_or_else(|message| self.failed(&message))
    }

    /// The results of lanes that a panic ended.
    fn failed(&self, message: &str) -> Vec<LaneResult> {
        vec![LaneResult::failed(message, self.settings.targets.len()); self.lanes.len()]
    }

    /// What a step sees.
    fn draw(&self, step: u64) -> Draw {
        if self.frozen { Draw::Frozen } else { Draw::Step(step) }
    }
}

/// Trains the lanes of a batch of the plan as `with` says, which may change how.
fn train<T>(batch: &Batch, with: impl FnOnce(Training) -> T) -> T {
    let objective = Workload { problem: batch.problem.clone(), loss: batch.loss.clone() };
    with(Training {
        objective: &objective,
        optimizer: &batch.optimizer,
        schedule: &batch.schedule,
        lanes: &batch.lanes,
        start: None,
        settings: &batch.settings,
        engine: batch.engine,
        frozen: false,
        until: Until::Budget,
        terms: true,
        ends: false,
    })
}

/// Runs a batch.
#[must_use]
pub fn run(batch: &Batch) -> Vec<LaneResult> {
    train(batch, |training| training.run(None))
}

/// Runs a batch of one lane, and shows its parameters at every step: before the first update, and after each.
///
/// # Panics
/// If the batch has other lanes.
pub fn follow(batch: &Batch, watch: &mut dyn FnMut(&[f64])) {
    let mut observer = |observed: &Observed| {
        watch(observed.parameters);
        ControlFlow::Continue(())
    };
    train(batch, |training| training.run(Some(&mut observer)));
}

/// Runs a batch with lanes that start, by lane and element, where `start` says, or, if it doesn't, where their seeds say;
/// with the parameters that every lane ended at.
#[must_use]
pub fn run_from(batch: &Batch, start: &Start) -> Vec<LaneResult> {
    train(batch, |training| Training { start: Some(start), ends: true, ..training }.run(None))
}

/// The learning rates of a block of lanes, step by step.
struct LrState {
    base: Vec<f64>,
    /// Those of the steps to come: made one by one, since a budget may be of a thousand million steps.
    factors: Factors,
    factor: f64,
    /// One state a lane, where the schedule listens to the loss.
    feedback: Vec<schedules::Observer>,
    current: Vec<f64>,
}

impl LrState {
    fn new(schedule: &Schedule, base: Vec<f64>, budget: u64) -> Self {
        let feedback = match schedule.feedback() {
            Some(options) => base.iter().map(|_| options.state()).collect(),
            None => Vec::new(),
        };
        Self { factors: schedule.iter(budget), factor: f64::NAN, feedback, current: base.clone(), base }
    }

    /// Goes to the next step, of which the first is the first; whether any rate has changed. After the last step of
    /// the budget rates stay.
    fn advance(&mut self) -> bool {
        let factor = self.factors.next().unwrap_or(self.factor);
        // NaN at first, which is no factor and equals none.
        let same = factor == self.factor;
        self.factor = factor;
        if same && self.feedback.is_empty() {
            return false;
        }
        for (current, base) in self.current.iter_mut().zip(&self.base) {
            *current = base * factor;
        }
        true
    }

    /// Tells the schedule the losses of a step, after its update. Its answer scales the base rate, so
    /// that a warm-up's factors stay on top of it.
    fn listen(&mut self, loss: impl Fn(usize) -> f64) {
        for (lane, (base, observer)) in self.base.iter_mut().zip(&mut self.feedback).enumerate() {
            *base = observer.observe(*base, loss(lane));
        }
    }

    /// A lane that has ended moves no more.
    fn stop(&mut self, lane: usize) {
        self.base[lane] = 0.0;
        self.current[lane] = 0.0;
    }
}

/// Walks through the steps to record.
struct Recorded<'a>(std::iter::Peekable<std::slice::Iter<'a, u64>>);

impl<'a> Recorded<'a> {
    fn new(steps: &'a [u64]) -> Self {
        Self(steps.iter().peekable())
    }

    /// Whether `step` is among them; steps must be asked for in order.
    fn has(&mut self, step: u64) -> bool {
        self.0.next_if(|next| **next == step).is_some()
    }
}
