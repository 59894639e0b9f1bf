//! One side of a comparison: the runs of a `cells.csv`, row by row, small enough that a million fit.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::sync::Arc;

use serde_json::Value;

use crate::table::{Builder, Rate, choose};
use records::{Cell, Cells, Conditions, Dtype, Engine, Hit, Outcome, RecordError, Role};

/// What the workloads of a side ran under, by the labels of problem and loss.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(pub(super) HashMap<[String; 2], Arc<BTreeMap<String, Value>>>);

impl Facts {
    pub(super) fn new(conditions: Vec<Conditions>) -> Self {
        let mut all = HashMap::new();
        for Conditions { facts, workloads } in conditions {
            let facts = Arc::new(facts);
            all.extend(workloads.into_iter().map(|workload| (workload, facts.clone())));
        }
        Self(all)
    }
}

/// Which rows are read: those whose labels each contain one of the texts that are named for it, if any are.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// For the problem's label.
    pub problem: Vec<String>,
    /// For the loss's label.
    pub loss: Vec<String>,
    /// For the optimizer's label.
    pub optimizer: Vec<String>,
    /// For the schedule's label.
    pub schedule: Vec<String>,
}

impl Filter {
    /// Whether a cell is of such a row.
    #[must_use]
    pub fn admits(&self, cell: &Cell) -> bool {
        let labels = [&cell.problem, &cell.loss, &cell.optimizer, &cell.schedule];
        let admits = |(texts, label): (&Vec<String>, &String)| {
            texts.is_empty() || texts.iter().any(|text| label.contains(text))
        };
        self.texts().into_iter().zip(labels).all(admits)
    }

    /// Whether every row is admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts().iter().all(|texts| texts.is_empty())
    }

    /// Those for problem, loss, optimizer and schedule.
    #[must_use]
    pub fn texts(&self) -> [&Vec<String>; 4] {
        [&self.problem, &self.loss, &self.optimizer, &self.schedule]
    }
}

/// Problem, loss, optimizer and schedule.
pub(super) type Labels = [String; 4];

/// A run, as far as comparing needs it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) lr: f64,
    pub(super) seed: u64,
    pub(super) role: Role,
    pub(super) engine: Engine,
    pub(super) dtype: Dtype,
    pub(super) outcome: Outcome,
    pub(super) budget: u64,
    pub(super) steps: u64,
    pub(super) evaluations: u64,
    pub(super) error: f64,
    pub(super) hits: Box<[Hit]>,
    /// A hash of every number and text of the run.
    pub(super) content: u64,
}

impl Run {
    fn new(cell: &Cell) -> Self {
        let numbers = [
            cell.start_loss,
            cell.final_loss,
            cell.best_loss,
            cell.start_error,
            cell.final_error,
            cell.best_error,
        ];
        let mut hash = DefaultHasher::new();
        (numbers.map(f64::to_bits), cell.budget, cell.steps, cell.evaluations).hash(&mut hash);
        (cell.outcome, cell.engine, cell.dtype, cell.role, &cell.message).hash(&mut hash);
        for hit in &cell.hits {
            (hit.target.to_bits(), hit.step, hit.evaluations).hash(&mut hash);
        }
        Self {
            lr: cell.lr,
            seed: cell.seed,
            role: cell.role,
            engine: cell.engine,
            dtype: cell.dtype,
            outcome: cell.outcome,
            budget: cell.budget,
            steps: cell.steps,
            evaluations: cell.evaluations,
            error: cell.final_error,
            hits: cell.hits.as_slice().into(),
            content: hash.finish(),
        }
    }

    /// The order within a row.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.lr.total_cmp(&other.lr).then(self.seed.cmp(&other.seed))
    }

    /// It came to a numeric end.
    pub(super) fn ended_well(&self) -> bool {
        !matches!(self.outcome, Outcome::Diverged | Outcome::Failed)
    }

    /// The step at which it reached the target, if it did and ended well.
    pub(super) fn reached(&self, target: f64) -> Option<u64> {
        let hit = self.hits.iter().find(|hit| hit.target == target);
        hit.and_then(|hit| hit.step).filter(|_| self.ended_well())
    }

    /// Whether the two converged alike: same end, same steps, same evaluations.
    pub(super) fn converged_as(&self, other: &Self) -> bool {
        (self.outcome, self.steps, self.evaluations) == (other.outcome, other.steps, other.evaluations)
            && self.hits == other.hits
    }
}

/// The runs of a row of the convergence table.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) labels: Labels,
    /// The learning rate that the table chose.
    pub(super) lr: f64,
    /// What it chose from, ascending.
    rates: Vec<Rate>,
    /// Sorted by rate and seed, which tell the runs of a row apart: keys are made of labels, too, and so of old names.
    pub(super) runs: Vec<Run>,
}

impl Group {
    /// The two at the rates that both have, if the others are beyond these and of a side whose grid extends itself; else
    /// as they are. A grid extends itself where the best rate is at its edge, so that it does so as behavior changes.
    pub(super) fn at_common_rates(sides: [&Self; 2], extends: [bool; 2]) -> [Cow<'_, Self>; 2] {
        let has = |group: &Self, lr: f64| group.rates.iter().any(|rate| rate.lr.total_cmp(&lr).is_eq());
        let [left, right] = sides;
        let common: Vec<f64> = left.rates.iter().map(|rate| rate.lr).filter(|lr| has(right, *lr)).collect();
        let (Some(first), Some(last)) = (common.first(), common.last()) else {
            return sides.map(Cow::Borrowed);
        };
        let beyond = |(group, extends): (&Self, bool)| {
            let mut others = group.rates.iter().map(|rate| rate.lr).filter(|lr| !common.contains(lr));
            others.all(|lr| extends && (lr < *first || lr > *last))
        };
        if sides.iter().all(|group| group.rates.len() == common.len())
            || !sides.into_iter().zip(extends).all(beyond)
        {
            return sides.map(Cow::Borrowed);
        }
        sides.map(|group| {
            let mut group = group.clone();
            group.rates.retain(|rate| common.contains(&rate.lr));
            group.runs.retain(|run| common.contains(&run.lr));
            group.lr = group.rates[choose(&group.rates)].lr;
            Cow::Owned(group)
        })
    }

    /// The runs of the tuning seeds at the chosen rate, where others are reported.
    pub(super) fn tuned(&self) -> impl Iterator<Item = &Run> {
        let reporting = self.runs.iter().any(|run| run.role == Role::Reporting);
        let tuned = |run: &&Run| run.role == Role::Tuning && run.lr.total_cmp(&self.lr).is_eq();
        self.runs.iter().filter(move |_| reporting).filter(tuned)
    }

    /// The runs that the row is judged by: the reporting seeds at this rate (the tuning seeds if there are no
    /// others), sorted by seed.
    pub(super) fn reported(&self, lr: f64) -> Vec<&Run> {
        let reporting = self.runs.iter().any(|run| run.role == Role::Reporting);
        let role = if reporting { Role::Reporting } else { Role::Tuning };
        let wanted = |run: &&Run| run.role == role && run.lr.total_cmp(&lr).is_eq();
        let mut runs: Vec<&Run> = self.runs.iter().filter(wanted).collect();
        runs.sort_by_key(|run| run.seed);
        runs
    }
}

/// The runs of one `cells.csv`.
///
/// ```
/// use analysis::compare::{Filter, Side};
/// use records::{Cells, Targets, write_cell_header};
///
/// let mut file = Vec::new();
/// write_cell_header(&mut file, &Targets::new([0.1])?);
/// let side = Side::read(Cells::new("cells.csv", file.as_slice())?, &Filter::default())?;
/// assert_eq!(side.cells(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Side {
    pub(super) groups: Vec<Group>,
    pub(super) facts: Facts,
    cells: u64,
    /// Whether its learning-rate grid extends itself: then rates beyond those that the sides share are left out.
    pub extends: bool,
}

impl Side {
    /// Reads the runs that the filter admits.
    ///
    /// # Errors
    /// The file is damaged or of another schema.
    pub fn read<R: Read>(cells: Cells<R>, filter: &Filter) -> Result<Self, RecordError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut builder = Builder::new();
        let (mut last, mut count) = (usize::MAX, 0);
        for cell in cells {
            let cell = cell?;
            if !filter.admits(&cell) {
                continue;
            }
            count += 1;
            builder.add(&cell);
            let run = Run::new(&cell);
            let labels = [cell.problem, cell.loss, cell.optimizer, cell.schedule];
            // Files hold row after row, so most runs belong where the one before did.
            if groups.get(last).is_none_or(|group| group.labels != labels) {
                last = *places.entry(labels.clone()).or_insert(groups.len());
                if last == groups.len() {
                    groups.push(Group { labels, lr: f64::NAN, rates: Vec::new(), runs: Vec::new() });
                }
            }
            groups[last].runs.push(run);
        }
        // The table has the same rows in the same order: that of first appearance.
        let tuned = builder.finish_tuned();
        for ((group, row), rates) in groups.iter_mut().zip(tuned.table.rows).zip(tuned.grids) {
            (group.lr, group.rates) = (row.lr, rates);
            group.runs.sort_by(Run::order);
        }
        Ok(Self { groups, facts: Facts::default(), cells: count, extends: false })
    }

    /// Says what its runs ran under, which its manifest knows.
    #[must_use]
    pub fn with_conditions(self, conditions: Vec<Conditions>) -> Self {
        Self { facts: Facts::new(conditions), ..self }
    }

    /// How many runs there are.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }
}
