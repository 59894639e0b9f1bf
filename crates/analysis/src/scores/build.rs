//! From a table and its runs to scores.

use std::cmp::Ordering;

use super::tuning::trials;
use super::{Ecdf, Pair, Profile, R_MAX, RowScore, Scores, Solver, Workload};
use super::{expected_best, ratios, sensitivity};
use crate::places::Places;
use crate::statistics::{
    bootstrap_interval, expected_running_time, holm, iqm, median, ranks, wilcoxon_signed_rank,
    wilson_interval,
};
use crate::table::{Rate, Row, Table, Tuned};
use records::{Cell, Outcome, Role};

const LEVEL: f64 = 0.95;
const RESAMPLES: usize = 1000;
/// The same for every row, so that rows with as many seeds are resampled alike.
const SEED: u64 = 0;
/// The places at which a distribution of runtimes is shown, as shares of the budget.
const SHARES: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];
/// With more solvers than this, each is tested against the best alone: every pair would be hundreds of
/// thousands of tests, of which Holm's correction leaves none.
const ALL_PAIRS: usize = 40;

/// Collects what the table doesn't keep of the runs that it reports.
pub struct Builder {
    tuned: Tuned,
    /// For each row the step of each reported run, if it reached the target, and its budget.
    runs: Vec<Vec<(Option<u64>, u64)>>,
    /// For each row when its targets were reached, and how many there were to reach.
    hits: Vec<(Vec<f64>, u64)>,
}

impl Builder {
    /// Begins the second pass over the runs of this table.
    #[must_use]
    pub fn new(tuned: Tuned) -> Self {
        let rows = tuned.table.rows.len();
        Self { tuned, runs: vec![Vec::new(); rows], hits: vec![(Vec::new(), 0); rows] }
    }

    /// Adds a run; one that the table doesn't report, or doesn't have, changes nothing.
    pub fn add(&mut self, cell: &Cell) {
        if cell.role != Role::Reporting {
            return;
        }
        let place = self.tuned.names.place(cell);
        let Some(row) = self.tuned.table.rows.get(place) else { return };
        if cell.lr.total_cmp(&row.lr).is_ne() {
            return;
        }
        let ended_well = !matches!(cell.outcome, Outcome::Diverged | Outcome::Failed);
        let reached = |step: Option<u64>| step.filter(|_| ended_well);
        let headline = cell.hits.iter().find(|hit| Some(hit.target) == row.target);
        self.runs[place].push((headline.and_then(|hit| reached(hit.step)), cell.budget));
        let (times, pairs) = &mut self.hits[place];
        *pairs += cell.hits.len() as u64;
        let steps = cell.hits.iter().filter_map(|hit| reached(hit.step));
        times.extend(steps.map(|step| step as f64 / cell.budget.max(1) as f64));
    }

    /// The table and the scores of all runs.
    #[must_use]
    pub fn finish(self) -> (Table, Scores) {
        let Self { tuned: Tuned { table, grids, .. }, runs, hits } = self;
        let mut workloads = Places::default();
        let mut solvers = Places::default();
        let rows = table.rows.iter().zip(&grids).zip(&runs);
        let mut rows: Vec<RowScore> = rows
            .map(|((row, grid), runs)| {
                let workload =
                    workloads.of(Workload { problem: row.problem.clone(), loss: row.loss.clone() });
                let solver = solvers.of((row.optimizer.clone(), row.schedule.clone()));
                score_row(row, grid, runs, workload, solver)
            })
            .collect();

        let is_mixed = |workload: &Workload| {
            let mixed = &table.mixed;
            mixed.iter().any(|mixed| mixed.problem == workload.problem && mixed.loss == workload.loss)
        };
        let left_out: Vec<usize> =
            (0..workloads.names.len()).filter(|&place| is_mixed(&workloads.names[place])).collect();

        // The rows of each workload that have something to report.
        let mut by_workload = vec![Vec::new(); workloads.names.len()];
        for (index, row) in table.rows.iter().enumerate().filter(|(_, row)| row.seeds > 0) {
            if left_out.contains(&rows[index].workload) {
                continue;
            }
            by_workload[rows[index].workload].push((index, row.steps_median));
        }
        let mut standings: Vec<Standing> = solvers.names.iter().map(|_| Standing::default()).collect();
        for (workload, entrants) in by_workload.iter().enumerate() {
            let times: Vec<f64> = entrants.iter().map(|&(_, time)| time).collect();
            let relative = ratios(&times).into_iter().zip(ranks(&times));
            for (&(index, time), (ratio, rank)) in entrants.iter().zip(relative) {
                rows[index].ratio = ratio;
                let standing = &mut standings[rows[index].solver];
                standing.times.push((workload, time));
                standing.ratios.push(ratio);
                standing.ranks += rank;
            }
        }
        for (row, (times, pairs)) in rows.iter().zip(hits) {
            if left_out.contains(&row.workload) {
                continue;
            }
            let standing = &mut standings[row.solver];
            standing.reached.extend(times);
            standing.pairs += pairs;
        }
        let pairs = compare(&standings);
        let solvers =
            solvers.names.into_iter().zip(standings).map(|(names, standing)| standing.solver(names));
        let scores = Scores { rows, workloads: workloads.names, solvers: solvers.collect(), pairs, left_out };
        (table, scores)
    }
}

/// What a solver came to on its workloads.
#[derive(Default)]
struct Standing {
    /// Workloads, ascending, and t.
    times: Vec<(usize, f64)>,
    ratios: Vec<f64>,
    ranks: f64,
    reached: Vec<f64>,
    pairs: u64,
}

impl Standing {
    fn solver(self, (optimizer, schedule): (String, String)) -> Solver {
        let workloads = self.times.len() as u64;
        let profile = Profile::new(self.ratios);
        let ecdf = Ecdf::new(self.reached, self.pairs);
        Solver {
            optimizer,
            schedule,
            workloads,
            solved: self.times.iter().filter(|(_, time)| time.is_finite()).count() as u64,
            score: profile.score(R_MAX),
            mean_rank: self.ranks / workloads as f64,
            ecdf_at: SHARES.map(|share| (share, ecdf.share(share))).to_vec(),
            profile,
            ecdf,
        }
    }
}

fn score_row(
    row: &Row,
    grid: &[Rate],
    runs: &[(Option<u64>, u64)],
    workload: usize,
    solver: usize,
) -> RowScore {
    let mut steps: Vec<f64> =
        runs.iter().map(|(step, _)| step.map_or(f64::INFINITY, |step| step as f64)).collect();
    let successes = steps.iter().filter(|step| step.is_finite()).count();
    let remaining: Vec<f64> = grid.iter().map(|rate| rate.remaining).collect();
    let capped: Vec<f64> = grid.iter().map(|rate| rate.steps_capped).collect();
    // A file may hold the runs in any order, and draws are by place.
    let mut runs = runs.to_vec();
    runs.sort_unstable();
    steps.sort_unstable_by(f64::total_cmp);
    let ert = |runs: &mut [(Option<u64>, u64)]| expected_running_time(runs.iter().copied());
    // Without a target there was nothing to reach, and no steps to it.
    let asked = |interval| if row.target.is_some() { interval } else { (f64::NAN, f64::NAN) };
    let best_of = |k| if row.target.is_some() { expected_best(&capped, k) } else { f64::NAN };
    RowScore {
        workload,
        solver,
        success: asked(wilson_interval(successes as u64, runs.len() as u64)),
        steps: asked(bootstrap_interval(&steps, median, LEVEL, RESAMPLES, SEED)),
        steps_iqm: if row.target.is_some() { iqm(&mut steps) } else { f64::NAN },
        ert: asked(bootstrap_interval(&runs, ert, LEVEL, RESAMPLES, SEED)),
        ratio: f64::NAN,
        sensitivity: sensitivity(&remaining),
        best_of: trials(grid.len()).into_iter().map(|k| (k, best_of(k))).collect(),
    }
}

/// Tests solvers against each other on the workloads that both were run on.
fn compare(standings: &[Standing]) -> Vec<Pair> {
    let score = |index: &usize| Profile::new(standings[*index].ratios.clone()).score(R_MAX);
    let run: Vec<usize> = (0..standings.len()).filter(|&i| !standings[i].times.is_empty()).collect();
    let mut pairs: Vec<Pair> = if run.len() <= ALL_PAIRS {
        let before =
            |(place, &b): (usize, &usize)| run[..place].iter().map(move |&a| (a, b)).collect::<Vec<_>>();
        run.iter().enumerate().flat_map(before).filter_map(|(a, b)| pair(standings, a, b)).collect()
    } else {
        let scores: Vec<f64> = run.iter().map(score).collect();
        // The first of the highest.
        let best = (0..run.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
        run.iter().filter(|&&b| b != run[best]).filter_map(|&b| pair(standings, run[best], b)).collect()
    };
    let p: Vec<f64> = pairs.iter().map(|pair| pair.p).collect();
    pairs.iter_mut().zip(holm(&p)).for_each(|(pair, adjusted)| pair.p_holm = adjusted);
    pairs
}

/// `None` if there is no workload that both were run on.
fn pair(standings: &[Standing], a: usize, b: usize) -> Option<Pair> {
    let (left, mut right) = (&standings[a].times, standings[b].times.iter().peekable());
    let mut differences = Vec::new();
    for &(workload, time) in left {
        while right.next_if(|(other, _)| *other < workload).is_some() {}
        if let Some(&(_, other)) = right.next_if(|(other, _)| *other == workload) {
            differences.push(signed_ratio(time, other));
        }
    }
    let count = |sign: fn(&f64) -> bool| differences.iter().filter(|d| sign(d)).count() as u64;
    let (wins, losses) = (count(|d| *d < 0.0), count(|d| *d > 0.0));
    let ((faster, wins), (slower, losses)) =
        if wins >= losses { ((a, wins), (b, losses)) } else { ((b, losses), (a, wins)) };
    let workloads = differences.len() as u64;
    let p = wilcoxon_signed_rank(&differences);
    (workloads > 0).then_some(Pair { faster, slower, workloads, wins, losses, p, p_holm: p })
}

/// The longer time over the shorter, below 0 where the first is the shorter; 0 for equal ones, also
/// two that never got there. It ranks as |ln t − ln t'| does, and unlike logarithms gives equal ratios
/// equal values, so that ties stay ties.
fn signed_ratio(time: f64, other: f64) -> f64 {
    match time.total_cmp(&other) {
        Ordering::Less => -(other / time),
        Ordering::Equal => 0.0,
        Ordering::Greater => time / other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_ties() {
        assert_eq!(signed_ratio(3.0, 7.0), -signed_ratio(21.0, 9.0));
        assert_eq!(signed_ratio(5.0, 5.0), 0.0);
        assert_eq!(signed_ratio(f64::INFINITY, f64::INFINITY), 0.0);
        assert_eq!(signed_ratio(5.0, f64::INFINITY), f64::NEG_INFINITY);
        assert_eq!(signed_ratio(5.0, 0.0), f64::INFINITY);
    }
}
