//! Runs for the tests.

use analysis::table::{Builder, Table};
use records::{Cell, Dtype, Engine, Hit, Key, Outcome, Role};

/// How a run ended, as the tests say it.
#[derive(Clone, Copy)]
pub enum End {
    /// It reached its target at this step and stopped there.
    Reached(u64),
    /// It spent its 1000 steps and ended at this error.
    Budget(f64),
    /// It diverged at this step.
    Diverged(u64),
    /// It failed before its first step.
    Failed,
}

/// A run with the target 0.01 and a budget of 1000 steps, or of those that it made.
pub fn cell(labels: [&str; 4], lr: f64, role: Role, seed: u64, end: End) -> Cell {
    let [problem, loss, optimizer, schedule] = labels.map(str::to_owned);
    let (outcome, steps, final_error) = match end {
        End::Reached(step) => (Outcome::Reached, step, 0.009),
        End::Budget(error) => (Outcome::Budget, 1000, error),
        End::Diverged(step) => (Outcome::Diverged, step, f64::NAN),
        End::Failed => (Outcome::Failed, 0, f64::NAN),
    };
    let step = if let End::Reached(step) = end { Some(step) } else { None };
    Cell {
        key: Key(seed),
        problem,
        loss,
        optimizer,
        schedule,
        lr,
        seed,
        role,
        engine: Engine::Fused,
        dtype: Dtype::Float64,
        outcome,
        budget: steps.max(1000),
        steps,
        evaluations: steps,
        start_loss: 4.0,
        final_loss: 2.0 * final_error,
        best_loss: 0.0,
        start_error: 2.0,
        final_error,
        best_error: 0.0,
        hits: vec![Hit { target: 0.01, step, evaluations: step }],
        message: if outcome == Outcome::Failed { "out of memory".to_owned() } else { String::new() },
    }
}

/// Runs that differ in their seed only.
pub fn seeds(labels: [&str; 4], lr: f64, role: Role, ends: &[End]) -> Vec<Cell> {
    let first = if role == Role::Tuning { 0 } else { 100 };
    ends.iter().zip(first..).map(|(&end, seed)| cell(labels, lr, role, seed, end)).collect()
}

/// The table of these runs.
pub fn table<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Table {
    let mut builder = Builder::new();
    cells.into_iter().for_each(|cell| builder.add(cell));
    builder.finish()
}
