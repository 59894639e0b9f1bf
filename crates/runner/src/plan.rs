//! What a config runs: cells, put together into batches. Nothing else decides what a batch holds, so
//! that results don't depend on threads, shards or machines.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use analysis::table::{Edge, Table};
use losses::{File, Loss};
use miette::Diagnostic;
use numeric::LANES;
use optimizers::Optimizer;
use optimizers::schedules::Schedule;
use problems::Problem;
use records::{Conditions, Dtype, Engine, Key, Role};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::size::{bytes, grouped};
use crate::config::{Config, EngineChoice, Grid};
use crate::engine;

/// The sources that this binary was built from. Parts of another build are never used.
pub const BUILD: &str = env!("OPTBENCH_BUILD");

/// How often a learning-rate grid may extend itself, and by how many rates each time.
pub const EXTENSIONS: usize = 3;
const EXTENDED_BY: i32 = 2;

/// Lanes of a fused batch: enough to fill every core, few enough that a part is soon done.
const FUSED_LANES: usize = 4096;

/// Rows of curves and terms of a batch: its part is made in memory, with about 250 bytes a row.
const POINTS_PER_BATCH: u64 = 1 << 20;

/// Numbers that a batch on libtorch works on: 1 GiB in float32.
const NUMBERS_PER_BATCH: u64 = 1 << 28;

/// Numbers that a lane may work on: 16 GiB in float32.
const MOST_LANE_NUMBERS: u64 = 1 << 32;

/// Batches of a plan: each becomes a file in one folder.
const MOST_BATCHES: usize = 200_000;

/// One cell within a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lane {
    /// The learning rate, before the schedule.
    pub lr: f64,
    /// The seed.
    pub seed: u64,
    /// What the seed is for.
    pub role: Role,
}

/// Cells that differ only in learning rate and seed, run side by side.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What is trained.
    pub problem: Problem,
    /// With which loss; `None` for a landscape.
    pub loss: Option<Loss>,
    /// By which optimizer.
    pub optimizer: Optimizer,
    /// Under which schedule.
    pub schedule: Schedule,
    /// Learning rates and seeds.
    pub lanes: Vec<Lane>,
    /// Budget, targets and recording.
    pub settings: Arc<Settings>,
    /// What runs it.
    pub engine: Engine,
    /// Which `[[grid]]` it is of.
    pub grid: usize,
}

/// What the cells of a batch share beside the four axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The budget.
    pub steps: u64,
    /// Targets of the error, descending.
    pub targets: Vec<f64>,
    /// The consecutive steps that a target must hold for.
    pub hold: u64,
    /// The steps that go into the curves, ascending.
    pub record: Vec<u64>,
    /// A cell has diverged when its error is this many times the error at its start.
    pub divergence: f64,
    /// The type of the parameters.
    pub dtype: Dtype,
}

impl Settings {
    /// Every setting by its name: what the key of a part has, and what makes two sides of a comparison comparable.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, Value); 6] {
        let Self { steps, targets, hold, record, divergence, dtype } = self;
        [
            ("budget", json!(steps)),
            ("targets", json!(targets)),
            ("hold", json!(hold)),
            (RECORD, json!(record)),
            ("divergence", json!(divergence)),
            ("type", json!(dtype.as_str())),
        ]
    }

    /// The facts that cells depend on.
    fn conditions(&self) -> BTreeMap<String, Value> {
        let facts = self.facts().into_iter().filter(|(name, _)| *name != RECORD);
        facts.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The fact that changes no cell.
const RECORD: &str = "record";

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
        "take a smaller problem, or an optimizer that keeps less: `runner list NAME` shows the options"
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

    /// Batches beyond the edges of the learning-rate grid, for the rows of the table whose best rate is
    /// the last of it: two more rates, in the steps that the grid has there.
    #[must_use]
    pub fn extension(&self, config: &Config, table: &Table) -> Vec<Batch> {
        let mut rates: HashMap<Labels, Vec<f64>> = HashMap::new();
        let mut prototypes = HashMap::new();
        for batch in &self.batches {
            let labels = batch.labels();
            rates.entry(labels.clone()).or_default().extend(batch.lanes.iter().map(|lane| lane.lr));
            prototypes.entry(labels).or_insert(batch);
        }
        let mut extension = Vec::new();
        for row in &table.rows {
            let labels = Labels {
                problem: row.problem.clone(),
                loss: row.loss.clone(),
                optimizer: row.optimizer.clone(),
                schedule: row.schedule.clone(),
            };
            let (Some(rates), Some(batch)) = (rates.get_mut(&labels), prototypes.get(&labels)) else {
                continue;
            };
            rates.sort_by(f64::total_cmp);
            rates.dedup();
            let lr = beyond(rates, row.edge);
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
        let digests = files.filter_map(|file| Some((file.name().to_owned(), file.digest().ok()?.to_owned())));
        digests.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The labels of the problems and losses that may draw random numbers inside a TorchScript module, so that their
    /// cells don't repeat and depend on the number of threads.
    #[must_use]
    pub fn random_labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for batch in &self.batches {
            let problem = Some(&batch.problem).filter(|problem| problem.is_random()).map(Problem::label);
            let loss = batch.loss.as_ref().filter(|loss| loss.is_random()).map(Loss::label);
            labels.extend(problem.into_iter().chain(loss));
        }
        labels.sort_unstable();
        labels.dedup();
        labels
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
pub(crate) fn engine(
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

fn combination(problem: &Problem, loss: Option<&Loss>, optimizer: &Optimizer) -> String {
    format!("{} by {}", workload(problem, loss), optimizer.label())
}

fn workload(problem: &Problem, loss: Option<&Loss>) -> String {
    let loss = loss.map_or(String::new(), |loss| format!(" with the loss {}", loss.label()));
    problem.label() + &loss
}

/// About how many numbers a lane works on: parameters, gradient and state, the data, and what libtorch keeps for
/// the gradient. `shapes` are those of the parameters, once they are known.
fn lane_numbers(
    problem: &Problem,
    loss: Option<&Loss>,
    optimizer: &Optimizer,
    shapes: &OnceCell<Vec<Vec<u64>>>,
) -> u64 {
    let shapes = shapes.get_or_init(|| shapes_of(problem));
    let size = |shape: &Vec<u64>| shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size));
    let of = |shape: &Vec<u64>| {
        let own = size(shape);
        // Start, target and their draws in double precision; parameters, gradient and some of a graph.
        own.saturating_mul(16).saturating_add(optimizer.memory(shape))
    };
    let parameters = shapes.iter().map(of).fold(0, u64::saturating_add);
    // A value, what it came from and its slope, of every term.
    let terms = loss.map_or(0, |loss| loss.terms().len() as u64);
    let elements = shapes.iter().map(size).fold(0, u64::saturating_add);
    parameters
        .saturating_add(problem.memory().saturating_mul(6))
        .saturating_add(terms.saturating_mul(elements).saturating_mul(2))
}

/// The shapes of a lane's parameters. A model of the user's isn't loaded, which would run code of it: its parameters
/// are at most as large as its file.
fn shapes_of(problem: &Problem) -> Vec<Vec<u64>> {
    match problem.files().first() {
        Some(model) => vec![vec![model.bytes().map_or(0, <[u8]>::len) as u64 / 4]],
        // What can't be made fails as it is run, and says why.
        None => engine::guarded(|| problem.shapes()).unwrap_or_default(),
    }
}

/// How many lanes a batch may have: as many as memory holds, and a part file should have rows of.
pub(crate) fn at_once(
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
pub(crate) fn rows_of_lane(loss: Option<&Loss>, settings: &Settings) -> u64 {
    let terms = loss.map_or(0, |loss| loss.terms().len() as u64);
    (settings.record.len() as u64).saturating_mul(1 + terms)
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

/// The rates that follow a grid at one of its edges, to three digits, ascending.
fn beyond(rates: &[f64], edge: Edge) -> Vec<f64> {
    let (last, ratio) = match (edge, rates) {
        (Edge::High, [.., before, last]) => (*last, last / before),
        (Edge::Low, [first, after, ..]) => (*first, first / after),
        _ => return Vec::new(),
    };
    let (last, ratio) = unrounded(rates, last, ratio);
    let round = |rate: f64| format!("{rate:.2e}").parse().expect("a number just written");
    let mut more: Vec<f64> =
        (1..=EXTENDED_BY).map(|k| round(last * libm::pow(ratio, f64::from(k)))).collect();
    // So far out that numbers end, or a grid so fine that three digits can't tell its rates apart.
    more.retain(|rate: &f64| rate.is_normal() && !rates.contains(rate));
    more.sort_by(f64::total_cmp);
    more.dedup();
    more
}

/// The last rate of a grid and its step, without the rounding of a grid that has whole steps a decade: 3.16 is 10^0.5
/// after 1, and followed by 10.
fn unrounded(rates: &[f64], last: f64, ratio: f64) -> (f64, f64) {
    /// Three digits are this near.
    const NEAR: f64 = 0.006;
    let a_decade = (1.0 / libm::log10(ratio)).round();
    let exact = libm::pow(10.0, 1.0 / a_decade);
    // The one of the fewest digits is the least rounded.
    let Some(anchor) = rates.iter().min_by_key(|rate| format!("{rate:e}").len()) else {
        return (last, ratio);
    };
    let steps = (libm::log10(last / anchor) / libm::log10(exact)).round();
    let from_anchor = anchor * libm::pow(exact, steps);
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < NEAR;
    if near(exact, ratio) && near(from_anchor, last) { (from_anchor, exact) } else { (last, ratio) }
}

/// The rows of a workload are ranked against each other, so that all must have run under the same conditions.
fn check_conditions(batches: &[Batch]) -> Result<(), PlanError> {
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

fn check_duplicates(batches: &[Batch]) -> Result<(), PlanError> {
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

/// A batch's four axes as they are called in the results.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels {
    /// What is trained.
    pub problem: String,
    /// With which loss; `-` for a landscape.
    pub loss: String,
    /// By which optimizer.
    pub optimizer: String,
    /// Under which schedule.
    pub schedule: String,
}

impl Labels {
    /// The key of a cell: the same in every build and under every budget, so that two runs can be
    /// compared cell by cell.
    #[must_use]
    pub fn key(&self, lane: &Lane) -> Key {
        let mut hash = Sha256::new();
        for label in [&self.problem, &self.loss, &self.optimizer, &self.schedule] {
            hash.update(label);
            hash.update([0]);
        }
        hash.update(lane.lr.to_bits().to_le_bytes());
        hash.update(lane.seed.to_le_bytes());
        let digest = hash.finalize();
        Key(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }
}

impl Batch {
    /// What its axes are called in the results.
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels {
            problem: self.problem.label(),
            loss: self.loss.as_ref().map_or_else(|| "-".into(), Loss::label),
            optimizer: self.optimizer.label(),
            schedule: self.schedule.label(),
        }
    }

    /// The files that it is computed from.
    fn files(&self) -> impl Iterator<Item = &File> {
        let of_loss = self.loss.iter().flat_map(|loss| loss.files());
        self.problem.files().into_iter().chain(of_loss)
    }

    /// About how many numbers a lane works on.
    pub(crate) fn lane_numbers(&self, shapes: &OnceCell<Vec<Vec<u64>>>) -> u64 {
        lane_numbers(&self.problem, self.loss.as_ref(), &self.optimizer, shapes)
    }

    /// About the bytes of memory that running it takes; `shapes` are those of the problem's parameters, once they are
    /// known.
    pub(crate) fn memory(&self, shapes: &OnceCell<Vec<Vec<u64>>>) -> u64 {
        let (lanes, loss, settings) = (self.lanes.len() as u64, self.loss.as_ref(), &*self.settings);
        let float = if settings.dtype == Dtype::Float64 { 8 } else { 4 };
        let numbers = self.lane_numbers(shapes);
        // Fused lanes go block by block, of 16 to 256.
        let at_once = if self.engine == Engine::Fused { lanes.next_multiple_of(16).min(256) } else { lanes };
        let rows = rows_of_lane(loss, settings).saturating_mul(250);
        let kept = rows.saturating_add(settings.targets.len() as u64 * 80).saturating_add(1000);
        numbers.saturating_mul(float).saturating_mul(at_once).saturating_add(kept.saturating_mul(lanes))
    }

    /// The key of its part: everything that its bytes depend on.
    #[must_use]
    pub fn key(&self, columns: &[f64]) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.definition(columns).to_string())[..8])
    }

    /// What its part's bytes depend on, the targets of the whole plan among it, since each is a column.
    fn definition(&self, columns: &[f64]) -> Value {
        let libtorch = (self.engine == Engine::Libtorch).then(libtorch_version);
        // What the files hold, not where they are.
        let files: Vec<_> = self.files().map(File::digest).collect();
        json!({
            "schema": records::SCHEMA,
            "build": BUILD,
            "columns": columns,
            "libtorch": libtorch,
            "engine": self.engine.as_str(),
            "files": files,
            "problem": self.problem,
            "loss": self.loss,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "settings": self.settings.facts(),
            "lanes": self.lanes.iter().map(|lane| json!([lane.lr, lane.seed, lane.role == Role::Tuning])).collect::<Vec<_>>(),
        })
    }
}

/// The libtorch that tch is bound to; its build script refuses any other.
#[must_use]
pub fn libtorch_version() -> &'static str {
    "2.13.0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_go_on_in_whole_steps_a_decade() {
        let halves = [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16];
        assert_eq!(beyond(&halves, Edge::High), [10.0, 31.6]);
        assert_eq!(beyond(&halves, Edge::Low), [1e-4, 0.000_316]);
        // From where it went on before.
        assert_eq!(beyond(&[0.000_316, 0.001, 0.003_16], Edge::Low), [3.16e-5, 1e-4]);
        assert_eq!(beyond(&[0.1, 0.2, 0.4], Edge::High), [0.8, 1.6]);
        assert_eq!(beyond(&[0.1, 0.2, 0.4], Edge::Low), [0.025, 0.05]);
        assert!(beyond(&halves, Edge::Inside).is_empty());
    }

    #[test]
    fn every_setting_is_a_fact_and_part_of_the_key() {
        let text = "name = 'x'\n[[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";
        let plan = Plan::new(&crate::config::parse("x.toml", text).unwrap()).unwrap();
        let batch = &plan.batches[0];
        // Without `..`: a new setting belongs here, and into the facts.
        let Settings { steps, targets, hold, record, divergence, dtype } = (*batch.settings).clone();
        assert_eq!(dtype, Dtype::Float32);
        let same = || (*batch.settings).clone();
        let changed = [
            Settings { steps: steps + 1, ..same() },
            Settings { targets: targets.iter().map(|target| target / 2.0).collect(), ..same() },
            Settings { hold: hold + 1, ..same() },
            Settings { record: record[1..].to_vec(), ..same() },
            Settings { divergence: divergence + 1.0, ..same() },
            Settings { dtype: Dtype::Float64, ..same() },
        ];
        assert_eq!(changed.len(), same().facts().len());
        for (number, settings) in changed.into_iter().enumerate() {
            let (facts, before) = (settings.facts(), same().facts());
            let differ: Vec<usize> = (0..facts.len()).filter(|i| facts[*i] != before[*i]).collect();
            assert_eq!(differ, [number]);
            assert_eq!(settings.conditions() != same().conditions(), facts[number].0 != RECORD);
            let other = Batch { settings: Arc::new(settings), ..batch.clone() };
            assert_ne!(other.key(&plan.targets), batch.key(&plan.targets), "{}", facts[number].0);
        }
    }

    #[test]
    fn every_field_of_a_batch_is_part_of_its_key() {
        let text = "name = 'x'\n[[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";
        let plan = Plan::new(&crate::config::parse("x.toml", text).unwrap()).unwrap();
        let batch = &plan.batches[0];
        // Without `..`: a new field belongs here, and into the key.
        let Batch { problem, loss, optimizer, schedule, lanes, settings, engine, grid } = batch.clone();
        assert_eq!((engine, lanes[0].role, grid), (Engine::Fused, Role::Tuning, 0));
        let other = |change: &dyn Fn(&mut Batch)| {
            let mut other = batch.clone();
            change(&mut other);
            other.key(&plan.targets)
        };
        let lane = |change: &dyn Fn(&mut Lane)| other(&|batch| change(&mut batch.lanes[0]));
        let keys = [
            batch.key(&plan.targets),
            batch.key(&plan.targets[1..]),
            other(&|batch| batch.problem = Problem::named("direct_fit").unwrap()),
            other(&|batch| batch.loss = None),
            other(&|batch| batch.optimizer = Optimizer::named("adam").unwrap()),
            other(&|batch| batch.schedule = Schedule::named("cosine").unwrap()),
            other(&|batch| batch.engine = Engine::Libtorch),
            other(&|batch| batch.lanes.truncate(1)),
            lane(&|lane| lane.lr *= 2.0),
            lane(&|lane| lane.seed += 1),
            lane(&|lane| lane.role = Role::Reporting),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{keys:?}");
        // Of settings each is tried above. Which table of the config a batch is of changes nothing in it.
        let moved = Batch { problem, loss, optimizer, schedule, lanes, settings, engine, grid: grid + 1 };
        assert_eq!(moved.key(&plan.targets), keys[0]);
        // What no batch can change: the sources, and libtorch where it computes.
        let on_libtorch = Batch { engine: Engine::Libtorch, ..batch.clone() };
        let facts = |batch: &Batch| {
            let definition = batch.definition(&plan.targets);
            ["build", "schema", "libtorch"].map(|name| definition[name].clone())
        };
        assert_eq!(BUILD.len(), 16);
        assert_eq!(facts(batch), [json!(BUILD), json!(records::SCHEMA), Value::Null]);
        assert_eq!(facts(&on_libtorch)[2], libtorch_version());
    }
}
