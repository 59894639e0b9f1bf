//! From runs, in any order, to rows.

use std::collections::HashMap;
use std::fmt::Write;

use super::choose::{Rate, Run, basin_decades, choose, edge, rates};
use super::{Mixed, Row, Table, Trouble};
use crate::statistics::{expected_running_time, median, quantile};
use records::{Cell, Hit, Outcome, Role};

/// Collects runs, 80 bytes for each, and makes the table of them.
#[derive(Default)]
pub struct Builder {
    groups: Vec<Group>,
    names: Names,
    /// The sets of targets that runs were asked for.
    asked: Vec<Vec<f64>>,
}

/// A table, and the learning rates that each of its rows chose from.
pub struct Tuned {
    /// The table.
    pub table: Table,
    /// For each of its rows the rates of its grid, from the smallest to the largest.
    pub grids: Vec<Vec<Rate>>,
    pub(crate) names: Names,
}

/// Finds the row of a run.
#[derive(Default)]
pub struct Names {
    index: HashMap<String, usize>,
    name: String,
}

impl Names {
    /// Those of the rows of a table.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let mut names = Self::default();
        for row in &table.rows {
            names.look_up([&row.problem, &row.loss, &row.optimizer, &row.schedule]);
            names.keep();
        }
        names
    }

    /// The place of the row with the labels of this run, or where a row of them would come.
    pub fn place(&mut self, cell: &Cell) -> usize {
        self.look_up([&cell.problem, &cell.loss, &cell.optimizer, &cell.schedule])
    }

    fn look_up(&mut self, labels: [&String; 4]) -> usize {
        self.name.clear();
        for label in labels {
            // Labels may hold anything, so their lengths keep them apart.
            let _ = write!(self.name, "{}:{label}", label.len());
        }
        self.index.get(&self.name).copied().unwrap_or(self.index.len())
    }

    /// Keeps the labels that were asked for last as a new row.
    fn keep(&mut self) {
        let next = self.index.len();
        self.index.insert(self.name.clone(), next);
    }
}

#[derive(Default)]
struct Group {
    problem: String,
    loss: String,
    optimizer: String,
    schedule: String,
    tuning: Vec<Run>,
    reporting: Vec<Run>,
    /// Every budget of the runs, and the place of every set of their targets: commonly one each.
    budgets: Vec<u64>,
    asked: Vec<usize>,
    tuning_evaluations: u64,
}

impl Builder {
    /// No runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a run.
    pub fn add(&mut self, cell: &Cell) {
        let at = self.names.place(cell);
        if at == self.groups.len() {
            let labels = [&cell.problem, &cell.loss, &cell.optimizer, &cell.schedule];
            let [problem, loss, optimizer, schedule] = labels.map(Clone::clone);
            self.groups.push(Group { problem, loss, optimizer, schedule, ..Group::default() });
            self.names.keep();
        }
        let group = &mut self.groups[at];
        if !group.budgets.contains(&cell.budget) {
            group.budgets.push(cell.budget);
        }
        // Most runs were asked for what the first of their row was.
        let is_of = |set: usize| same(&self.asked[set], &cell.hits);
        if !group.asked.iter().any(|set| is_of(*set)) {
            let place = (0..self.asked.len()).find(|set| is_of(*set)).unwrap_or(self.asked.len());
            if place == self.asked.len() {
                self.asked.push(cell.hits.iter().map(|hit| hit.target).collect());
            }
            group.asked.push(place);
        }
        match cell.role {
            Role::Tuning => {
                group.tuning.push(Run::new(cell));
                group.tuning_evaluations = group.tuning_evaluations.saturating_add(cell.evaluations);
            }
            Role::Reporting => group.reporting.push(Run::new(cell)),
        }
    }

    /// The table of all runs.
    #[must_use]
    pub fn finish(self) -> Table {
        self.finish_tuned().table
    }

    /// The same with the grids of learning rates, for scores.
    #[must_use]
    pub fn finish_tuned(self) -> Tuned {
        let mixed = mixed(&self.groups, &self.asked);
        let (mut rows, grids): (Vec<Row>, _) = self.groups.into_iter().map(Group::row).unzip();
        mark_best(&mut rows);
        Tuned { table: Table { rows, mixed }, grids, names: self.names }
    }
}

impl Group {
    fn row(mut self) -> (Row, Vec<Rate>) {
        let runs = || self.tuning.iter().chain(&self.reporting);
        let target = runs().filter_map(|run| run.target).min_by(f64::total_cmp);
        let tuned_on = if self.tuning.is_empty() { Role::Reporting } else { Role::Tuning };
        let choosing = match tuned_on {
            Role::Tuning => &mut self.tuning,
            Role::Reporting => &mut self.reporting,
        };
        let grid = rates(choosing, target);
        let chosen = choose(&grid);
        let lr = grid[chosen].lr;
        let reported: Vec<&Run> = self.reporting.iter().filter(|run| run.lr.total_cmp(&lr).is_eq()).collect();
        let mut steps: Vec<f64> = reported.iter().map(|run| run.steps_to(target)).collect();
        let mut errors: Vec<f64> = reported.iter().map(|run| run.error).collect();
        let mut evaluations: Vec<f64> = reported.iter().map(|run| run.evaluations_to(target)).collect();
        steps.sort_unstable_by(f64::total_cmp);
        evaluations.sort_unstable_by(f64::total_cmp);
        let count = |outcome| reported.iter().filter(|run| run.outcome == outcome).count();
        let share = |count: usize| count as f64 / reported.len() as f64;
        let row = Row {
            problem: self.problem,
            loss: self.loss,
            optimizer: self.optimizer,
            schedule: self.schedule,
            target,
            budget: self.budgets.iter().copied().max().unwrap_or(0),
            lr,
            edge: edge(&grid, chosen),
            rates: grid.len() as u64,
            tuned_on,
            tuning_evaluations: self.tuning_evaluations,
            seeds: reported.len() as u64,
            success_rate: share(steps.iter().filter(|step| step.is_finite()).count()),
            steps_q25: quantile(&steps, 0.25),
            steps_median: quantile(&steps, 0.5),
            steps_q75: quantile(&steps, 0.75),
            evaluations_median: quantile(&evaluations, 0.5),
            ert: expected_running_time(reported.iter().map(|run| (run.reached(target), run.budget))),
            final_error_median: median(&mut errors),
            diverged_rate: share(count(Outcome::Diverged)),
            failed: count(Outcome::Failed) as u64,
            basin_decades: basin_decades(&grid),
            trouble: Trouble::common(&reported.iter().map(|run| run.trouble).collect::<Vec<_>>()),
            best: false,
        };
        (row, grid)
    }
}

/// Whether a run was asked for these targets.
fn same(targets: &[f64], hits: &[Hit]) -> bool {
    targets.len() == hits.len()
        && targets.iter().zip(hits).all(|(target, hit)| target.total_cmp(&hit.target).is_eq())
}

/// The workloads whose runs differ in budget or targets, in order of first appearance.
fn mixed(groups: &[Group], asked: &[Vec<f64>]) -> Vec<Mixed> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut workloads: Vec<(Mixed, Vec<usize>)> = Vec::new();
    for group in groups {
        let place = *places.entry((&group.problem, &group.loss)).or_insert(workloads.len());
        if place == workloads.len() {
            let (problem, loss) = (group.problem.clone(), group.loss.clone());
            let none = Mixed { problem, loss, within_rows: false, budgets: Vec::new(), targets: Vec::new() };
            workloads.push((none, Vec::new()));
        }
        let (workload, sets) = &mut workloads[place];
        workload.within_rows |= group.budgets.len() > 1 || group.asked.len() > 1;
        workload.budgets.extend(&group.budgets);
        sets.extend(&group.asked);
    }
    let ordered = |(mut workload, mut sets): (Mixed, Vec<usize>)| {
        workload.budgets.sort_unstable();
        workload.budgets.dedup();
        sets.sort_unstable();
        sets.dedup();
        workload.targets = sets.iter().map(|set| asked[*set].clone()).collect();
        workload.targets.iter_mut().for_each(|set| set.sort_by(|a, b| b.total_cmp(a)));
        // The order of the runs must not show.
        workload.targets.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
        workload
    };
    let all = workloads.into_iter().map(ordered);
    all.filter(|workload| workload.budgets.len() > 1 || workload.targets.len() > 1).collect()
}

/// Marks the best rows of each problem.
fn mark_best(rows: &mut [Row]) {
    let mut best: HashMap<&str, (f64, f64)> = HashMap::new();
    for row in rows.iter() {
        let lowest = best.entry(&row.problem).or_insert((f64::INFINITY, f64::INFINITY));
        if row.order(lowest.0, lowest.1).is_lt() {
            *lowest = (row.ert, row.final_error_median);
        }
    }
    let marks: Vec<bool> = rows
        .iter()
        .map(|row| {
            let (ert, error) = best[row.problem.as_str()];
            (ert.is_finite() || error.is_finite()) && row.order(ert, error).is_eq()
        })
        .collect();
    for (row, best) in rows.iter_mut().zip(marks) {
        row.best = best;
    }
}
