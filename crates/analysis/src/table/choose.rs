//! The learning rate of a row: chosen from its grid, and how good its neighbors are.

use super::{Edge, Trouble};
use crate::statistics::{expected_running_time, median};
use records::{Cell, Outcome};

/// What the table needs of a run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) lr: f64,
    /// The smallest target of the run.
    pub(super) target: Option<f64>,
    /// The step at which it was reached by a run that ended well, or `NEVER`.
    step: u64,
    /// The evaluations spent by then.
    evaluations: u64,
    pub(super) budget: u64,
    /// Its error at the end, where `inf` is none.
    pub(super) error: f64,
    /// The same as a share of its error at the start; 1 if it didn't fall.
    pub(super) remaining: f64,
    pub(super) outcome: Outcome,
    pub(super) trouble: Trouble,
}

const NEVER: u64 = u64::MAX;

impl Run {
    pub(super) fn new(cell: &Cell) -> Self {
        let ended_well = !matches!(cell.outcome, Outcome::Diverged | Outcome::Failed);
        let hardest = cell.hits.iter().min_by(|a, b| a.target.total_cmp(&b.target));
        let step = hardest.and_then(|hit| hit.step).filter(|_| ended_well);
        let error = if ended_well && cell.final_error.is_finite() { cell.final_error } else { f64::INFINITY };
        let share = error / cell.start_error;
        Self {
            lr: cell.lr,
            target: hardest.map(|hit| hit.target),
            step: step.unwrap_or(NEVER),
            evaluations: hardest.and_then(|hit| hit.evaluations).unwrap_or(NEVER),
            budget: cell.budget,
            error,
            // An error that was 0 from the start didn't fall.
            remaining: if share < 1.0 { share } else { 1.0 },
            outcome: cell.outcome,
            trouble: Trouble::of(cell),
        }
    }

    /// The step at which it reached the target, if it did.
    pub(super) fn reached(&self, target: Option<f64>) -> Option<u64> {
        (self.step != NEVER && self.target == target).then_some(self.step)
    }

    /// The same as a number, where `inf` is never.
    pub(super) fn steps_to(&self, target: Option<f64>) -> f64 {
        self.reached(target).map_or(f64::INFINITY, |step| step as f64)
    }

    /// The same in gradient evaluations.
    pub(super) fn evaluations_to(&self, target: Option<f64>) -> f64 {
        self.reached(target).map_or(f64::INFINITY, |_| self.evaluations as f64)
    }
}

/// How the seeds that a learning rate is chosen on did at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The learning rate.
    pub lr: f64,
    /// The expected running time to the headline target.
    pub ert: f64,
    /// The median error at the end; `inf` for runs that diverged.
    pub error: f64,
    /// The median share of the error at the start that was left at the end; 1 if it didn't fall.
    pub remaining: f64,
    /// The mean of min(t, B): the steps to the target, or the budget where it wasn't reached.
    pub steps_capped: f64,
}

/// The rates of the grid, from the smallest to the largest. Sorts the runs.
pub(super) fn rates(runs: &mut [Run], target: Option<f64>) -> Vec<Rate> {
    runs.sort_unstable_by(|a, b| a.lr.total_cmp(&b.lr));
    let rate = |runs: &[Run]| Rate {
        lr: runs[0].lr,
        ert: expected_running_time(runs.iter().map(|run| (run.reached(target), run.budget))),
        error: median(&mut runs.iter().map(|run| run.error).collect::<Vec<_>>()),
        remaining: median(&mut runs.iter().map(|run| run.remaining).collect::<Vec<_>>()),
        steps_capped: capped(runs.iter().map(|run| run.steps_to(target).min(run.budget as f64))),
    };
    runs.chunk_by(|a, b| a.lr.total_cmp(&b.lr).is_eq()).map(rate).collect()
}

/// The mean, which doesn't depend on the order of the runs: the sum is of whole numbers.
fn capped(steps: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0_u128, 0_u64);
    steps.for_each(|steps| (sum, count) = (sum + steps as u128, count + 1));
    sum as f64 / count as f64
}

/// The place of the chosen rate: the lowest ERT, then the lowest error, then the smallest rate.
pub(crate) fn choose(grid: &[Rate]) -> usize {
    place(grid, |a, b| a.ert.total_cmp(&b.ert).then(a.error.total_cmp(&b.error)))
}

/// Whether the rate at this place is the first or last of several.
pub(super) fn edge(grid: &[Rate], chosen: usize) -> Edge {
    match chosen {
        _ if grid.len() < 2 => Edge::Inside,
        0 => Edge::Low,
        _ if chosen + 1 == grid.len() => Edge::High,
        _ => Edge::Inside,
    }
}

/// The ends of the unbroken run of rates, around the one with the lowest error (then the lowest ERT), whose
/// error is at most twice the lowest; one rate twice where it has no such neighbor.
#[must_use]
pub fn basin(grid: &[Rate]) -> (f64, f64) {
    let best = place(grid, |a, b| a.error.total_cmp(&b.error).then(a.ert.total_cmp(&b.ert)));
    let limit = 2.0 * grid[best].error;
    let good = |rate: &&Rate| rate.error.is_finite() && rate.error <= limit;
    let below = grid[..best].iter().rev().take_while(good).count();
    let above = grid[best + 1..].iter().take_while(good).count();
    (grid[best - below].lr, grid[best + above].lr)
}

/// The decades between the ends of the [`basin`].
pub(super) fn basin_decades(grid: &[Rate]) -> f64 {
    let (low, high) = basin(grid);
    if low == high { 0.0 } else { (high / low).log10() }
}

/// The first of the lowest.
fn place(grid: &[Rate], order: impl Fn(&Rate, &Rate) -> std::cmp::Ordering) -> usize {
    (0..grid.len()).min_by(|&a, &b| order(&grid[a], &grid[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn grid(rates: &[(f64, f64, f64)]) -> Vec<Rate> {
        let rate = |&(lr, ert, error)| Rate { lr, ert, error, remaining: 1.0, steps_capped: 100.0 };
        rates.iter().map(rate).collect()
    }

    fn run(lr: f64, step: Option<u64>, error: f64) -> Run {
        let outcome = if step.is_some() { Outcome::Reached } else { Outcome::Budget };
        let remaining = (error / 2.0).min(1.0);
        Run {
            lr,
            target: Some(0.1),
            step: step.unwrap_or(NEVER),
            evaluations: step.unwrap_or(NEVER),
            budget: 100,
            error,
            remaining,
            outcome,
            trouble: Trouble::None,
        }
    }

    #[test]
    fn rates_by_hand() {
        let mut runs = [
            run(1.0, None, 0.5),
            run(0.1, Some(40), 0.1),
            run(1.0, Some(10), 0.09),
            run(0.1, Some(60), 0.08),
            run(1.0, None, INF),
        ];
        // (40 + 60) / 2, and (100 + 10 + 100) / 1: a run that diverged costs its budget.
        let mut by_hand = grid(&[(0.1, 50.0, 0.09), (1.0, 210.0, 0.5)]);
        // Each started with an error of 2; (40 + 60) / 2, and (100 + 10 + 100) / 3.
        (by_hand[0].remaining, by_hand[0].steps_capped) = (0.045, 50.0);
        (by_hand[1].remaining, by_hand[1].steps_capped) = (0.25, 70.0);
        assert_eq!(rates(&mut runs, Some(0.1)), by_hand);
        // The runs were asked for another target, so none has reached this one.
        assert!(rates(&mut runs, Some(0.01)).iter().all(|rate| rate.ert == INF));
    }

    #[test]
    fn the_lowest_expected_running_time_is_chosen() {
        assert_eq!(choose(&grid(&[(0.1, 50.0, 0.001), (1.0, 20.0, 0.09), (10.0, INF, 0.0)])), 1);
    }

    #[test]
    fn without_a_success_the_lowest_error_is_chosen() {
        assert_eq!(choose(&grid(&[(0.1, INF, 0.5), (1.0, INF, 0.2), (10.0, INF, INF)])), 1);
    }

    #[test]
    fn ties_go_to_the_lower_error_then_the_smaller_rate() {
        assert_eq!(choose(&grid(&[(0.1, 20.0, 0.5), (1.0, 20.0, 0.2), (10.0, 20.0, 0.2)])), 1);
        assert_eq!(choose(&grid(&[(0.1, INF, INF), (1.0, INF, INF)])), 0);
    }

    #[test]
    fn edges_need_two_rates() {
        let three = grid(&[(0.1, 1.0, 1.0), (1.0, 1.0, 1.0), (10.0, 1.0, 1.0)]);
        assert_eq!([0, 1, 2].map(|at| edge(&three, at)), [Edge::Low, Edge::Inside, Edge::High]);
        assert_eq!(edge(&three[..1], 0), Edge::Inside);
    }

    #[test]
    fn the_basin_is_unbroken_and_within_a_factor_of_two() {
        // 0.001 is as good, but 0.01 parts it from the best; 0.2 is twice 0.1 and in, 0.21 is out.
        let errors = [(0.001, 0.1), (0.01, 0.3), (0.1, 0.2), (1.0, 0.1), (10.0, 0.15), (100.0, 0.21)];
        let rates: Vec<_> = errors.iter().map(|&(lr, error)| (lr, 1.0, error)).collect();
        assert_eq!(basin_decades(&grid(&rates[1..])), 2.0);
        // With equal lowest errors the lower ERT decides which basin is meant.
        assert_eq!(basin_decades(&grid(&rates)), 0.0);
        let mut faster = rates.clone();
        faster[3].1 = 0.5;
        assert_eq!(basin_decades(&grid(&faster)), 2.0);
    }

    #[test]
    fn no_basin_without_neighbors() {
        assert_eq!(basin_decades(&grid(&[(0.1, 1.0, 0.5)])), 0.0);
        assert_eq!(basin_decades(&grid(&[(0.1, INF, INF), (1.0, INF, INF)])), 0.0);
        assert_eq!(basin_decades(&grid(&[(0.1, INF, f64::MAX), (1.0, INF, INF)])), 0.0);
        assert_eq!(basin_decades(&grid(&[(0.1, 1.0, 0.0), (1.0, 1.0, 1e-300)])), 0.0);
    }
}
