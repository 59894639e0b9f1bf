//! The memory and the rows of a batch, estimated before anything of it is made.

use std::cell::OnceCell;

use losses::Loss;
use numeric::LANES;
use numeric::panics::guarded;
use optimizers::Optimizer;
use problems::Problem;
use records::{Dtype, Engine};

use super::error::{PlanError, combination};
use super::{Batch, Settings};
use crate::limits::{MOST_LANE_NUMBERS, POINTS_PER_BATCH};

/// Lanes of a fused batch: enough to fill every core, few enough that a part is soon done.
const FUSED_LANES: usize = 4096;

/// Numbers that a batch on libtorch works on: 1 GiB in float32.
const NUMBERS_PER_BATCH: u64 = 1 << 28;

impl Batch {
    /// About how many numbers a lane works on.
    pub fn lane_numbers(&self, shapes: &OnceCell<Vec<Vec<u64>>>) -> u64 {
        lane_numbers(&self.problem, self.loss.as_ref(), &self.optimizer, shapes)
    }

    /// About the bytes of memory that running it takes; `shapes` are those of the problem's parameters, once they are
    /// known.
    pub fn memory(&self, shapes: &OnceCell<Vec<Vec<u64>>>) -> u64 {
        let (lanes, loss, settings) = (self.lanes.len() as u64, self.loss.as_ref(), &*self.settings);
        let float = if settings.dtype == Dtype::Float64 { 8 } else { 4 };
        let numbers = self.lane_numbers(shapes);
        // Fused lanes go block by block, of 16 to 256.
        let at_once = if self.engine == Engine::Fused { lanes.next_multiple_of(16).min(256) } else { lanes };
        let rows = rows_of_lane(loss, settings).saturating_mul(250);
        let kept = rows.saturating_add(settings.targets.len() as u64 * 80).saturating_add(1000);
        numbers.saturating_mul(float).saturating_mul(at_once).saturating_add(kept.saturating_mul(lanes))
    }
}

/// About how many numbers a lane works on: parameters, gradient and state, the data, and what libtorch keeps for
/// the gradient. `shapes` are those of the parameters, once they are known.
fn lane_numbers(
    problem: &Problem,
    loss: Option<&Loss>,
    optimizer: &Optimizer,
    shapes: &OnceCell<Vec<Vec<u64>>>,
) -> u64 {
    // What can't be made fails as it is run, and says why.
    let shapes = shapes.get_or_init(|| guarded(|| problem.shapes()).unwrap_or_default());
    let size = |shape: &Vec<u64>| shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size));
    let elements = shapes.iter().map(size).fold(0, u64::saturating_add);
    // A value, what it came from and its slope, of every term.
    let terms = loss.map_or(0, |loss| loss.terms().len() as u64);
    // Start, target and their draws in double precision; parameters, gradient and some of a graph.
    elements
        .saturating_mul(16)
        .saturating_add(optimizer.memory(shapes))
        .saturating_add(problem.memory().saturating_mul(6))
        .saturating_add(terms.saturating_mul(elements).saturating_mul(2))
}

/// How many lanes a batch may have: as many as memory holds, and a part file should have rows of.
///
/// # Errors
/// If no memory holds a single one.
pub fn at_once(
    problem: &Problem,
    loss: Option<&Loss>,
    optimizer: &Optimizer,
    engine: Engine,
    settings: &Settings,
    shapes: &OnceCell<Vec<Vec<u64>>>,
) -> Result<usize, PlanError> {
    let numbers = lane_numbers(problem, loss, optimizer, shapes);
    // Fused lanes go in rows.
    let together = if engine == Engine::Fused { numbers.saturating_mul(LANES as u64) } else { numbers };
    if together > MOST_LANE_NUMBERS {
        let numbers = together;
        return Err(PlanError::Memory { combination: combination(problem, loss, optimizer), numbers });
    }
    let rows = rows_of_lane(loss, settings).saturating_add(settings.targets.len() as u64);
    let by_rows = POINTS_PER_BATCH / rows.max(1);
    let most = match engine {
        // Blocks of a few lanes, one after another.
        Engine::Fused => by_rows.min(FUSED_LANES as u64),
        Engine::Libtorch => by_rows.min(NUMBERS_PER_BATCH / numbers.max(1)),
    };
    Ok(most.max(1) as usize)
}

/// The rows that a lane adds to `curves.csv` and `terms.csv`.
#[must_use]
pub fn rows_of_lane(loss: Option<&Loss>, settings: &Settings) -> u64 {
    let terms = loss.map_or(0, |loss| loss.terms().len() as u64);
    (settings.record.len() as u64).saturating_mul(1 + terms)
}
