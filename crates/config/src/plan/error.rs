//! Plans that can't be run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use losses::Loss;
use miette::Diagnostic;
use optimizers::Optimizer;
use problems::Problem;
use serde_json::Value;
use thiserror::Error;

use super::{Batch, Labels, Lane, MOST_BATCHES};
use crate::limits::{MOST_LANE_NUMBERS, POINTS_PER_BATCH, bytes, grouped};

/// A config whose cells can't be run.
#[derive(Debug, Error, Diagnostic)]
pub enum PlanError {
    /// Two blocks hold the same cell.
    #[error("the same cell stands in two [[grid]] tables: {cell}")]
    #[diagnostic(help(
        "take it out of one of them: results are told apart by problem, loss, optimizer, schedule, learning rate and seed"
    ))]
    Duplicate {
        /// Its labels.
        cell: String,
    },
    /// Two blocks train a workload under unlike conditions.
    #[error(
        "{workload} has {key} = {} in [[grid]] {} and {key} = {} in [[grid]] {}, and its rows are ranked against each other",
        values[0], grids[0], values[1], grids[1]
    )]
    #[diagnostic(help("give both tables the same `{key}`, or make two configs of them"))]
    Unlike {
        /// Problem and loss.
        workload: String,
        /// What differs, as a config calls it.
        key: String,
        /// Both values.
        values: [Value; 2],
        /// Which `[[grid]]` tables they are of, from 1.
        grids: [usize; 2],
    },
    /// A lane that no memory holds.
    #[error(
        "a run of {combination} works on about {} numbers at once, {} in float32, and may on at most {}",
        grouped(*numbers), bytes(numbers.saturating_mul(4)), grouped(MOST_LANE_NUMBERS)
    )]
    #[diagnostic(help(
        "take a smaller problem, or an optimizer that keeps less: `optbench list NAME` shows the options"
    ))]
    Memory {
        /// Problem, loss and optimizer.
        combination: String,
        /// How many.
        numbers: u64,
    },
    /// More part files than a folder should hold.
    #[error("the plan has more than {} batches, each of which becomes a file", grouped(MOST_BATCHES as u64))]
    #[diagnostic(help(
        "take fewer entries, or record less: a batch has at most {} rows of curves and terms",
        grouped(POINTS_PER_BATCH)
    ))]
    Batches,
    /// The fused engine was asked for something it can't run.
    #[error("the fused engine can't run {combination}")]
    #[diagnostic(help("leave `engine` out: auto takes libtorch where fused loops don't reach"))]
    NotFused {
        /// Problem, loss and optimizer.
        combination: String,
    },
}

pub(super) fn combination(problem: &Problem, loss: Option<&Loss>, optimizer: &Optimizer) -> String {
    format!("{} by {}", workload(problem, loss), optimizer.label())
}

fn workload(problem: &Problem, loss: Option<&Loss>) -> String {
    let loss = loss.map_or(String::new(), |loss| format!(" with the loss {}", loss.label()));
    problem.label() + &loss
}

/// The rows of a workload are ranked against each other, so that all must have run under the same conditions.
pub(super) fn check_conditions(batches: &[Batch]) -> Result<(), PlanError> {
    let mut first: HashMap<[String; 2], &Batch> = HashMap::new();
    for batch in batches {
        let Labels { problem, loss, .. } = batch.labels();
        let before = *first.entry([problem, loss]).or_insert(batch);
        if Arc::ptr_eq(&before.settings, &batch.settings) {
            continue;
        }
        let facts = before.settings.conditions().into_iter().zip(batch.settings.conditions());
        let unlike = facts.into_iter().find(|((_, before), (_, now))| before != now);
        if let Some(((name, before_value), (_, now))) = unlike {
            return Err(PlanError::Unlike {
                workload: workload(&batch.problem, batch.loss.as_ref()),
                key: if name == "budget" { "steps".into() } else { name },
                values: [before_value, now],
                grids: [before.grid + 1, batch.grid + 1],
            });
        }
    }
    Ok(())
}

pub(super) fn check_duplicates(batches: &[Batch]) -> Result<(), PlanError> {
    // Within a grid entries, learning rates and seeds are told apart already.
    let mut grids: HashMap<Labels, BTreeSet<usize>> = HashMap::new();
    for batch in batches {
        grids.entry(batch.labels()).or_default().insert(batch.grid);
    }
    grids.retain(|_, grids| grids.len() > 1);
    if grids.is_empty() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for batch in batches {
        let labels = batch.labels();
        if !grids.contains_key(&labels) {
            continue;
        }
        for lane in &batch.lanes {
            if !seen.insert(labels.key(lane)) {
                let Labels { problem, loss, optimizer, schedule } = labels;
                let Lane { lr, seed, .. } = lane;
                let cell = format!("{problem}, {loss}, {optimizer}, {schedule}, lr {lr}, seed {seed}");
                return Err(PlanError::Duplicate { cell });
            }
        }
    }
    Ok(())
}
