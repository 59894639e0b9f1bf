//! What a grid says, to be looked at: figures ([`Results::gallery`]) and one page ([`page`]).
//!
//! ```text
//! cells ─ first pass ─▶ table::Builder ─▶ Tuned ─▶ report::Builder ◀─ second pass ─ cells, then points
//! ```
//!
//! Every number comes from the table, the scores or the curves; nothing is computed anew. Where a workload has more
//! than [`NAMED`] rows, the best are named, those of the lowest ERT, then the lowest final error, and the others are gray.

mod charts;
mod curves;
pub mod figures;
mod gallery;
mod html;
mod page;
mod pairs;

pub use curves::Curve;
pub use page::{About, page};

use std::collections::BTreeSet;

use crate::figures::{Line, Palette};
use analysis::scores::{self, Scores};
use analysis::table::{Rate, Row, Table, Tuned};
use records::{Cell, Point};

/// So many lines of one figure are in color and named.
pub const NAMED: usize = 8;

/// Collects what is shown.
pub struct Builder {
    scores: scores::Builder,
    curves: curves::Builder,
    table: Table,
    grids: Vec<Vec<Rate>>,
}

/// A grid's results.
#[derive(Clone, Debug)]
pub struct Results {
    /// The convergence table.
    pub table: Table,
    /// The learning rates that each of its rows chose from.
    pub grids: Vec<Vec<Rate>>,
    /// The scores of its rows and of the solvers.
    pub scores: Scores,
    /// How each of its rows went.
    pub curves: Vec<Curve>,
    palette: Palette,
}

/// The rows of a problem and a loss.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name: problem and loss.
    pub name: String,
    /// The places of its rows in the table, the best first.
    pub rows: Vec<usize>,
}

/// Solvers that ran on the same workloads.
#[derive(Default)]
struct Common {
    /// On how many.
    workloads: usize,
    /// Which they are.
    solvers: Vec<usize>,
    /// How many ran on other ones.
    others: usize,
}

impl Common {
    /// In words: `19 workloads`, or `19 workloads; 31 others ran on other workloads`.
    fn words(&self) -> String {
        let plural = if self.workloads == 1 { "" } else { "s" };
        let others = match self.others {
            0 => String::new(),
            1 => "; 1 other ran on other workloads".to_owned(),
            others => format!("; {others} others ran on other workloads"),
        };
        format!("{} workload{plural}{others}", self.workloads)
    }
}

impl Builder {
    /// Begins the second pass over the runs of this table.
    #[must_use]
    pub fn new(tuned: Tuned) -> Self {
        let (table, grids) = (tuned.table.clone(), tuned.grids.clone());
        Self { curves: curves::Builder::new(&table), scores: scores::Builder::new(tuned), table, grids }
    }

    /// Adds a run.
    pub fn add(&mut self, cell: &Cell) {
        self.scores.add(cell);
        self.curves.add(cell, &self.table);
    }

    /// Adds a point of a run that was added before; those of runs that the table doesn't report change nothing.
    pub fn add_point(&mut self, point: &Point) {
        self.curves.add_point(point);
    }

    /// What there is to show. `known` are the names of all optimizers in the order of their colors.
    #[must_use]
    pub fn finish(self, known: &[&str]) -> Results {
        let (table, scores) = self.scores.finish();
        let names: Vec<String> = scores.solvers.iter().map(scores::Solver::name).collect();
        let palette = Palette::new(known, names.iter().map(String::as_str));
        Results { table, grids: self.grids, scores, curves: self.curves.finish(), palette }
    }
}

impl Results {
    /// The workloads in the order of the table.
    #[must_use]
    pub fn workloads(&self) -> Vec<Workload> {
        let mut workloads: Vec<Workload> = self
            .scores
            .workloads
            .iter()
            .map(|one| Workload {
                name: if one.loss == "-" {
                    one.problem.clone()
                } else {
                    format!("{} · {}", one.problem, one.loss)
                },
                rows: Vec::new(),
            })
            .collect();
        for (place, row) in self.scores.rows.iter().enumerate() {
            workloads[row.workload].rows.push(place);
        }
        let key = |place: &usize| &self.table.rows[*place];
        for workload in &mut workloads {
            workload.rows.sort_by(|a, b| key(a).order(key(b).ert, key(b).final_error_median));
        }
        workloads
    }

    /// A line without points in the style of a row and with the name of its solver.
    #[must_use]
    pub fn line(&self, row: usize) -> Line {
        let label = self.solver(row);
        Line { style: Some(self.palette.style(&label)), label, ..Line::default() }
    }

    /// The solver of a row.
    fn solver(&self, row: usize) -> String {
        self.scores.solvers[self.scores.rows[row].solver].name()
    }

    fn row(&self, place: usize) -> &Row {
        &self.table.rows[place]
    }

    /// The workloads that most solvers ran on, and these solvers, by their place: only they can be compared. Of as many
    /// solvers the most workloads, and a single workload only where nobody ran on several.
    fn common(&self) -> Common {
        let solvers = self.scores.solvers.len();
        let mut ran: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); solvers];
        for (score, _) in self.scores.rows.iter().zip(&self.table.rows).filter(|(_, row)| row.seeds > 0) {
            if !self.scores.left_out.contains(&score.workload) {
                ran[score.solver].insert(score.workload);
            }
        }
        let alike = |set: &BTreeSet<usize>| ran.iter().filter(|other| *other == set).count();
        let own =
            ran.iter().filter(|set| !set.is_empty()).max_by_key(|set| (set.len() > 1, alike(set), set.len()));
        let Some(own) = own else { return Common::default() };
        let places: Vec<usize> = (0..solvers).filter(|&place| ran[place] == *own).collect();
        let ran_at_all = ran.iter().filter(|set| !set.is_empty()).count();
        Common { workloads: own.len(), others: ran_at_all - places.len(), solvers: places }
    }

    /// The solvers that can be compared, the highest score first.
    fn compared(&self) -> Vec<usize> {
        let common = self.common();
        self.by_score().into_iter().filter(|place| common.solvers.contains(place)).collect()
    }

    /// The solvers, the highest score first; those without workloads are last.
    fn by_score(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.scores.solvers.len()).collect();
        let score = |place: usize| -> f64 {
            let score = self.scores.solvers[place].score;
            if score.is_nan() { -1.0 } else { score }
        };
        places.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        places
    }
}
