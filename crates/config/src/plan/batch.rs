//! Batches of cells and their keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use losses::{File, Loss};
use optimizers::{Optimizer, Schedule};
use problems::Problem;
use records::{Dtype, Engine, Key, Role};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
            ("type", json!(dtype)),
        ]
    }

    /// The facts that cells depend on.
    pub(super) fn conditions(&self) -> BTreeMap<String, Value> {
        let facts = self.facts().into_iter().filter(|(name, _)| *name != RECORD);
        facts.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The fact that changes no cell.
const RECORD: &str = "record";

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
    pub fn files(&self) -> impl Iterator<Item = &File> {
        let of_loss = self.loss.iter().flat_map(|loss| loss.files());
        self.problem.files().into_iter().chain(of_loss).chain(self.optimizer.files())
    }

    /// The key of its part: everything that its bytes depend on, the sources of the binary among it.
    #[must_use]
    pub fn key(&self, build: &str, columns: &[f64]) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.definition(build, columns).to_string())[..8])
    }

    /// What its part's bytes depend on, the targets of the whole plan among it, since each is a column.
    fn definition(&self, build: &str, columns: &[f64]) -> Value {
        let libtorch = (self.engine == Engine::Libtorch).then(libtorch_version);
        // What the files hold, not where they are.
        let files: Vec<_> = self.files().map(File::digest).collect();
        json!({
            "schema": records::SCHEMA,
            "build": build,
            "columns": columns,
            "libtorch": libtorch,
            "engine": self.engine,
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
    use std::collections::HashSet;

    use super::*;
    use crate::plan::Plan;

    const BUILD: &str = "of these sources";

    #[test]
    fn every_setting_is_a_fact_and_part_of_the_key() {
        let text = "name = 'x'\n[[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";
        let plan = Plan::new(&crate::parse("x.toml", text).unwrap()).unwrap();
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
            assert_ne!(
                other.key(BUILD, &plan.targets),
                batch.key(BUILD, &plan.targets),
                "{}",
                facts[number].0
            );
        }
    }

    #[test]
    fn every_field_of_a_batch_is_part_of_its_key() {
        let text = "name = 'x'\n[[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";
        let plan = Plan::new(&crate::parse("x.toml", text).unwrap()).unwrap();
        let batch = &plan.batches[0];
        // Without `..`: a new field belongs here, and into the key.
        let Batch { problem, loss, optimizer, schedule, lanes, settings, engine, grid } = batch.clone();
        assert_eq!((engine, lanes[0].role, grid), (Engine::Fused, Role::Tuning, 0));
        let other = |change: &dyn Fn(&mut Batch)| {
            let mut other = batch.clone();
            change(&mut other);
            other.key(BUILD, &plan.targets)
        };
        let lane = |change: &dyn Fn(&mut Lane)| other(&|batch| change(&mut batch.lanes[0]));
        let keys = [
            batch.key(BUILD, &plan.targets),
            batch.key(BUILD, &plan.targets[1..]),
            batch.key("of other sources", &plan.targets),
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
        assert_eq!(moved.key(BUILD, &plan.targets), keys[0]);
        // What no batch can change: the sources, and libtorch where it computes.
        let on_libtorch = Batch { engine: Engine::Libtorch, ..batch.clone() };
        let facts = |batch: &Batch| {
            let definition = batch.definition(BUILD, &plan.targets);
            ["build", "schema", "libtorch"].map(|name| definition[name].clone())
        };
        assert_eq!(facts(batch), [json!(BUILD), json!(records::SCHEMA), Value::Null]);
        assert_eq!(facts(&on_libtorch)[2], libtorch_version());
    }
}
