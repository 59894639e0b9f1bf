//! The two engines, and what they have in common.

mod fused;
mod ledger;
mod libtorch;
mod part;
mod terms;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use optimizers::schedules::{Factors, Observer, Schedule};
use records::{Dtype, Engine};

pub use ledger::{LaneResult, Moment};
pub use part::part;
pub use terms::Share;

use crate::plan::Batch;

thread_local! {
    /// Whether a panic on this thread belongs to a cell, and is reported in its row.
    static IN_CELL: Cell<bool> = const { Cell::new(false) };
}

/// Runs a batch; lane by lane what it came to. A batch that panics (libtorch's way to refuse shapes or
/// memory) is an outcome of its lanes and stops nothing else.
#[must_use]
pub fn run(batch: &Batch) -> Vec<LaneResult> {
    run_watched(batch, None)
}

/// Runs a batch of one lane, and shows its parameters at every step: before the first update, and after each.
///
/// # Panics
/// If the batch has other lanes.
pub fn follow(batch: &Batch, watch: &mut dyn FnMut(&[f64])) {
    assert_eq!(batch.lanes.len(), 1, "one lane can be followed");
    run_watched(batch, Some(watch));
}

/// What sees the parameters of the first lane.
type Watch<'a> = Option<&'a mut dyn FnMut(&[f64])>;

fn run_watched(batch: &Batch, watch: Watch) -> Vec<LaneResult> {
    let run = match (batch.engine, batch.settings.dtype) {
        (Engine::Fused, Dtype::Float32) => fused::run::<f32>,
        (Engine::Fused, Dtype::Float64) => fused::run::<f64>,
        (Engine::Libtorch, Dtype::Float32) => libtorch::run::<f32>,
        (Engine::Libtorch, Dtype::Float64) => libtorch::run::<f64>,
    };
    guarded(|| run(batch, watch)).unwrap_or_else(|message| failed(&message, batch))
}

/// The results of lanes that a panic ended.
fn failed(message: &str, batch: &Batch) -> Vec<LaneResult> {
    vec![LaneResult::failed(message, batch.settings.targets.len()); batch.lanes.len()]
}

/// Runs a batch on the fused engine with lanes that start, by lane and element, where `start` says, or, if it
/// doesn't, where their seeds say; with the parameters that every lane ended at.
///
/// # Errors
/// What a panic said.
pub fn run_from(
    batch: &Batch,
    start: &(dyn Fn(usize, usize) -> Option<f64> + Sync),
) -> Result<Vec<(LaneResult, Vec<f64>)>, String> {
    guarded(|| match batch.settings.dtype {
        Dtype::Float32 => fused::run_from::<f32>(batch, start),
        Dtype::Float64 => fused::run_from::<f64>(batch, start),
    })
}

/// What `run` gives, or what its panic said.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IN_CELL.get() {
                default(info);
            }
        }));
    });
    let before = IN_CELL.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IN_CELL.set(before);
    result.map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it panicked");
        said(message)
    })
}

/// What a panic said, in a line: libtorch appends its stacks, our own messages are whole as they are.
fn said(message: &str) -> String {
    if message.contains("value: Torch(") {
        losses::reason(&message)
    } else {
        message.lines().next().unwrap_or(message).to_owned()
    }
}

/// The learning rates of a block of lanes, step by step.
struct Rates {
    base: Vec<f64>,
    /// Those of the steps to come: made one by one, since a budget may be of a thousand million steps.
    factors: Factors,
    factor: f64,
    /// One state a lane, where the schedule listens to the loss.
    feedback: Vec<Observer>,
    current: Vec<f64>,
}

impl Rates {
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
