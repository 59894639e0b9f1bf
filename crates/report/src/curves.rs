//! The curves of each row: median and quartiles over its reporting seeds.

use std::collections::HashMap;

use analysis::statistics::quantile;
use analysis::table::{Names, Table};
use records::{Cell, Key, Point, Role};

/// How a row of the table went, step by step.
///
/// At each recorded step stand the quartiles of the runs that the row reports, as [`quantile`] defines them; a run
/// that ended before, since it diverged, counts as infinite from there on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The recorded steps, from 0; empty where no curves were recorded.
    pub steps: Vec<u64>,
    /// Lower quartile, median and upper quartile of the error.
    pub error: [Vec<f64>; 3],
    /// The same of the loss.
    pub loss: [Vec<f64>; 3],
}

impl Curve {
    /// At most so many points (2 or more), evenly, with the first and the last.
    #[must_use]
    pub fn thinned(&self, most: usize) -> Self {
        let count = self.steps.len();
        if count <= most {
            return self.clone();
        }
        let places: Vec<usize> = (0..most).map(|k| k * (count - 1) / (most - 1)).collect();
        let at = |values: &Vec<f64>| places.iter().map(|&place| values[place]).collect();
        Self {
            steps: places.iter().map(|&place| self.steps[place]).collect(),
            error: self.error.each_ref().map(at),
            loss: self.loss.each_ref().map(at),
        }
    }
}

/// The recorded steps of a run, each with its loss and error.
type Run = Vec<(u64, [f64; 2])>;

/// Collects the points of the runs that a table reports.
pub(super) struct Builder {
    names: Names,
    /// Row and place among its runs.
    runs: HashMap<Key, (usize, usize)>,
    /// The runs of each row.
    points: Vec<Vec<Run>>,
}

impl Builder {
    pub(super) fn new(table: &Table) -> Self {
        Self { names: Names::of(table), runs: HashMap::new(), points: vec![Vec::new(); table.rows.len()] }
    }

    pub(super) fn add(&mut self, cell: &Cell, table: &Table) {
        let place = self.names.place(cell);
        let reported =
            |row: &analysis::table::Row| cell.role == Role::Reporting && cell.lr.total_cmp(&row.lr).is_eq();
        if table.rows.get(place).is_some_and(reported) {
            self.runs.insert(cell.key, (place, self.points[place].len()));
            self.points[place].push(Vec::new());
        }
    }

    pub(super) fn add_point(&mut self, point: &Point) {
        if let Some(&(row, run)) = self.runs.get(&point.key) {
            self.points[row][run].push((point.step, [point.loss_value, point.error]));
        }
    }

    pub(super) fn finish(self) -> Vec<Curve> {
        self.points.iter().map(|runs| curve(runs)).collect()
    }
}

/// The steps are those of the run that went furthest: what others recorded elsewhere is only where they ended.
fn curve(runs: &[Run]) -> Curve {
    let length = |run: &&Run| (run.last().map(|point| point.0), run.len());
    let Some(longest) = runs.iter().max_by_key(length) else { return Curve::default() };
    let mut curve = Curve { steps: longest.iter().map(|point| point.0).collect(), ..Curve::default() };
    let mut values: [Vec<f64>; 2] = Default::default();
    for &step in &curve.steps {
        values.iter_mut().for_each(Vec::clear);
        for run in runs.iter().filter(|run| !run.is_empty()) {
            let there = run.binary_search_by_key(&step, |point| point.0).map(|at| run[at].1);
            for (values, value) in values.iter_mut().zip(there.unwrap_or([f64::INFINITY; 2])) {
                // A NaN is as far from the solution as can be.
                values.push(if value.is_nan() { f64::INFINITY } else { value });
            }
        }
        for (quartiles, values) in [&mut curve.loss, &mut curve.error].into_iter().zip(&mut values) {
            values.sort_unstable_by(f64::total_cmp);
            for (quartile, p) in quartiles.iter_mut().zip([0.25, 0.5, 0.75]) {
                quartile.push(quantile(values, p));
            }
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(points: &[(u64, f64)]) -> Run {
        points.iter().map(|&(step, error)| (step, [2.0 * error, error])).collect()
    }

    #[test]
    fn a_run_that_diverged_is_infinite_from_there_on() {
        let whole = [run(&[(0, 4.0), (10, 2.0), (100, 1.0)]), run(&[(0, 6.0), (10, 4.0), (100, 3.0)])];
        let [a, b] = whole;
        let diverged = run(&[(0, 5.0), (7, f64::NAN)]);
        let curve = curve(&[a, diverged, b]);
        assert_eq!(curve.steps, [0, 10, 100]);
        assert_eq!(curve.error[1], [5.0, 4.0, 3.0]);
        assert_eq!(curve.loss[0], [8.0, 4.0, 2.0]);
        assert_eq!(curve.error[2], [6.0, f64::INFINITY, f64::INFINITY]);
    }

    #[test]
    fn where_all_diverged_the_longest_counts() {
        let curve = curve(&[run(&[(0, 1.0), (3, 9.0)]), run(&[(0, 1.0), (5, 80.0)])]);
        assert_eq!(curve.steps, [0, 5]);
        assert_eq!(curve.error[0], [1.0, 80.0]);
        assert!(curve.error[1][1].is_infinite());
        assert_eq!(super::curve(&[]), Curve::default());
        assert_eq!(super::curve(&[vec![], vec![]]), Curve::default());
    }

    #[test]
    fn thinned_curves_keep_their_ends() {
        let steps: Vec<u64> = (0..100).collect();
        let values = || [(); 3].map(|()| steps.iter().map(|s| *s as f64).collect::<Vec<f64>>());
        let whole = Curve { steps: steps.clone(), error: values(), loss: values() };
        let thin = whole.thinned(4);
        assert_eq!(thin.steps, [0, 33, 66, 99]);
        assert_eq!(thin.error[2], [0.0, 33.0, 66.0, 99.0]);
        assert_eq!(whole.thinned(100), whole);
    }
}
