//! What a config runs: cells, put together into batches. Nothing else decides what a batch holds, so
//! that results don't depend on threads, shards or machines.

mod batch;
mod cost;
mod error;
mod extension;

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use losses::Loss;
use optimizers::Optimizer;
use problems::Problem;
use records::{Conditions, Engine, Role};

use crate::{Config, EngineChoice, Grid};
pub use batch::{Batch, Labels, Lane, Settings, libtorch_version};
pub use cost::{at_once, rows_of_lane};
pub use error::PlanError;
use error::{check_conditions, check_duplicates, combination};
use extension::beyond;

/// How often a learning-rate grid may extend itself.
pub const EXTENSIONS: usize = 3;

/// Batches of a plan: each becomes a file in one folder.
const MOST_BATCHES: usize = 200_000;

/// An end of a learning-rate grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The smallest rate.
    Low,
    /// The largest.
    High,
}

/// Batches in the order of the result files.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The batches.
    pub batches: Vec<Batch>,
    /// Every target that some cell is asked for, descending: the columns of the results.
    pub targets: Vec<f64>,
}

impl Plan {
    /// Lays out the cells of a config.
    ///
    /// # Errors
    /// If two cells are the same, rows of a workload have unlike conditions, the engine asked for can't run a cell, or a
    /// run or the plan is too large.
    pub fn new(config: &Config) -> Result<Self, PlanError> {
        let mut batches = Vec::new();
        for (index, grid) in config.grids.iter().enumerate() {
            let steppers: Vec<bool> = grid.optimizers.iter().map(has_stepper).collect();
            for problem in &grid.problems {
                let settings = Arc::new(settings(config, grid, problem));
                // Of any of the losses: what they need themselves, they say themselves.
                let shapes = OnceCell::new();
                for loss in losses_of(grid) {
                    // Asked once, and not for each optimizer, as this makes a lane.
                    let has_block = has_block(problem, loss);
                    for (optimizer, has_stepper) in grid.optimizers.iter().zip(&steppers) {
                        let engine =
                            choose(config.engine, problem, loss, optimizer, has_block && *has_stepper)?;
                        let at_once = at_once(problem, loss, optimizer, engine, &settings, &shapes)?;
                        for schedule in &grid.schedules {
                            let batch = |lanes| Batch {
                                problem: problem.clone(),
                                loss: loss.cloned(),
                                optimizer: optimizer.clone(),
                                schedule: schedule.clone(),
                                lanes,
                                settings: settings.clone(),
                                engine,
                                grid: index,
                            };
                            batches.extend(lanes(grid, engine, problem, at_once).into_iter().map(batch));
                            if batches.len() > MOST_BATCHES {
                                return Err(PlanError::Batches);
                            }
                        }
                    }
                }
            }
        }
        check_conditions(&batches)?;
        check_duplicates(&batches)?;
        let mut targets: Vec<f64> = batches.iter().flat_map(|batch| batch.settings.targets.clone()).collect();
        targets.sort_by(|a, b| b.total_cmp(a));
        targets.dedup();
        Ok(Self { batches, targets })
    }

    /// Batches beyond the edges of the learning-rate grid, for the rows whose best rate is the last of it: two more
    /// rates, in the steps that the grid has there.
    #[must_use]
    pub fn extension(&self, config: &Config, edges: &[(Labels, Edge)]) -> Vec<Batch> {
        let mut rates: HashMap<Labels, Vec<f64>> = HashMap::new();
        let mut prototypes = HashMap::new();
        for batch in &self.batches {
            let labels = batch.labels();
            rates.entry(labels.clone()).or_default().extend(batch.lanes.iter().map(|lane| lane.lr));
            prototypes.entry(labels).or_insert(batch);
        }
        let mut extension = Vec::new();
        for (labels, edge) in edges {
            let (Some(rates), Some(batch)) = (rates.get_mut(labels), prototypes.get(labels)) else {
                continue;
            };
            rates.sort_by(f64::total_cmp);
            rates.dedup();
            let lr = beyond(rates, *edge);
            let grid = Grid { lr, ..config.grids[batch.grid].clone() };
            let Batch { problem, loss, optimizer, engine, settings, .. } = batch;
            let at_once = at_once(problem, loss.as_ref(), optimizer, *engine, settings, &OnceCell::new());
            // As when the plan was made of it.
            let Ok(at_once) = at_once else { continue };
            let more = lanes(&grid, *engine, problem, at_once);
            extension.extend(more.into_iter().map(|lanes| Batch { lanes, ..(*batch).clone() }));
        }
        extension
    }

    /// What the cells of each workload ran under, once for all workloads that have the same; in the plan's order.
    #[must_use]
    pub fn conditions(&self) -> Vec<Conditions> {
        let mut all: Vec<Conditions> = Vec::new();
        let mut seen = HashSet::new();
        for batch in &self.batches {
            let Labels { problem, loss, .. } = batch.labels();
            let workload = [problem, loss];
            if seen.insert(workload.clone()) {
                let facts = batch.settings.conditions();
                match all.iter_mut().find(|conditions| conditions.facts == facts) {
                    Some(conditions) => conditions.workloads.push(workload),
                    None => all.push(Conditions { facts, workloads: vec![workload] }),
                }
            }
        }
        all
    }

    /// The files that the config names, and the SHA-256 of each, sorted.
    #[must_use]
    pub fn inputs(&self) -> Vec<(String, String)> {
        let files = self.batches.iter().flat_map(Batch::files);
        let digests = files.filter_map(|file| Some((file.name().to_owned(), file.digest()?.to_owned())));
        digests.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.batches.iter().map(|batch| batch.lanes.len() as u64).sum()
    }
}

fn settings(config: &Config, grid: &Grid, problem: &Problem) -> Settings {
    let mut targets = grid.targets.clone().unwrap_or_else(|| problem.targets().to_vec());
    targets.sort_by(|a, b| b.total_cmp(a));
    Settings {
        steps: grid.steps,
        targets,
        hold: grid.hold,
        record: grid.record.steps(grid.steps),
        divergence: config.divergence,
        dtype: config.dtype,
    }
}

/// The losses of a block, or the single none of landscapes.
fn losses_of(grid: &Grid) -> Vec<Option<&Loss>> {
    if grid.losses.is_empty() { vec![None] } else { grid.losses.iter().map(Some).collect() }
}

/// What runs it.
///
/// # Errors
/// If the fused engine is asked for and can't.
pub fn engine(
    choice: EngineChoice,
    problem: &Problem,
    loss: Option<&Loss>,
    optimizer: &Optimizer,
) -> Result<Engine, PlanError> {
    choose(choice, problem, loss, optimizer, has_block(problem, loss) && has_stepper(optimizer))
}

/// Whether there are fused loops. Asked of the things themselves, so that an entry's own answer is the only one.
fn has_block(problem: &Problem, loss: Option<&Loss>) -> bool {
    problem.block::<f32>(&[1], loss).is_some()
}

fn has_stepper(optimizer: &Optimizer) -> bool {
    optimizer.stepper::<f32>(1).is_some()
}

fn choose(
    choice: EngineChoice,
    problem: &Problem,
    loss: Option<&Loss>,
    optimizer: &Optimizer,
    fused: bool,
) -> Result<Engine, PlanError> {
    match choice {
        EngineChoice::Libtorch => Ok(Engine::Libtorch),
        _ if fused => Ok(Engine::Fused),
        EngineChoice::Auto => Ok(Engine::Libtorch),
        EngineChoice::Fused => {
            Err(PlanError::NotFused { combination: combination(problem, loss, optimizer) })
        }
    }
}

/// Learning rates × seeds of a block, cut into batches of at most `at_once` lanes.
fn lanes(grid: &Grid, engine: Engine, problem: &Problem, at_once: usize) -> Vec<Vec<Lane>> {
    let tuning = grid.seeds.tuning.iter().map(|seed| (*seed, Role::Tuning));
    let seeds: Vec<_> =
        tuning.chain(grid.seeds.reporting.iter().map(|seed| (*seed, Role::Reporting))).collect();
    let lane = |lr: f64, (seed, role): (u64, Role)| Lane { lr, seed, role };
    let batching = problem.batching();
    let at_once = if engine == Engine::Libtorch { at_once.min(batching.lanes) } else { at_once };
    if engine == Engine::Libtorch && batching.one_seed {
        let of_seed = |seed| grid.lr.iter().map(move |lr| lane(*lr, seed)).collect::<Vec<_>>();
        let groups = seeds.into_iter().map(of_seed);
        return groups
            .flat_map(|lanes| lanes.chunks(at_once).map(<[_]>::to_vec).collect::<Vec<_>>())
            .collect();
    }
    let mut all = grid.lr.iter().flat_map(|lr| seeds.iter().map(|seed| lane(*lr, *seed)));
    let batch = || Some(all.by_ref().take(at_once).collect::<Vec<_>>()).filter(|lanes| !lanes.is_empty());
    std::iter::from_fn(batch).collect()
}
