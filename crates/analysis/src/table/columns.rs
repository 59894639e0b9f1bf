//! The rows of a problem in columns, at most 100 characters wide.

use super::{Edge, Row};
use crate::text_table::{Column, TextTable, markdown_cell};
use records::Role;
use records::number::{NONE, short, steps};

/// Begins the first line of each row but the best, to tell it from the lines that go on with a
/// wrapped label. A private character, and a space once the lines are made.
const ROW: char = '\u{e000}';
/// Begins the best row.
const BEST: char = '*';
const HEADER: [&str; 12] = [
    "",
    "loss",
    "optimizer",
    "schedule",
    "lr",
    "success",
    "steps",
    "evalu-\nations",
    "ERT",
    "final\nerror",
    "diverged",
    "basin",
];
/// The columns that hold labels.
const LABELS: std::ops::RangeInclusive<usize> = 1..=3;

const SUCCESS: usize = 5;
const STEPS: usize = 6;
const EVALUATIONS: usize = 7;
const ERT: usize = 8;
const DIVERGED: usize = 10;
const BASIN: usize = 11;

/// The texts of the rows, and which columns of them are shown.
pub(super) struct Columns {
    rows: Vec<[String; HEADER.len()]>,
    shown: Vec<usize>,
}

impl Columns {
    /// All columns but those in which no row has anything to say.
    pub(super) fn new(rows: &[&Row]) -> Self {
        let texts: Vec<_> = rows.iter().map(|row| texts(row)).collect();
        let says = |index: &usize| match *index {
            SUCCESS => rows.iter().any(|row| row.target.is_some() || row.seeds == 0),
            STEPS | ERT => rows.iter().any(|row| row.target.is_some()),
            EVALUATIONS => rows.iter().any(|row| row.evaluations_median > row.steps_median),
            DIVERGED => rows.iter().any(|row| row.diverged_rate > 0.0),
            BASIN => texts.iter().any(|row| row[BASIN] != NONE),
            _ => true,
        };
        Self { shown: (0..HEADER.len()).filter(says).collect(), rows: texts }
    }

    /// The lines of a Markdown table.
    pub(super) fn markdown(&self) -> Vec<String> {
        self.table(|text| markdown_cell(&text.replace(ROW, "").replace('\n', " "))).markdown()
    }

    /// No label has to be wrapped.
    pub(super) fn fit(&self) -> bool {
        self.table(str::to_owned).fits()
    }

    /// Hides the labels that all rows of the problem share, and gives them as words.
    pub(super) fn hide_shared(&mut self, problem: &[&Row]) -> Vec<String> {
        let texts: Vec<_> = problem.iter().map(|row| texts(row)).collect();
        let shared = |index: &usize| texts.iter().all(|row| row[*index] == texts[0][*index]);
        let hidden: Vec<usize> = LABELS.filter(shared).collect();
        self.shown.retain(|index| !hidden.contains(index));
        hidden.into_iter().map(|index| format!("{} {}", HEADER[index], texts[0][index])).collect()
    }

    /// The lines, the best row bold on a terminal.
    pub(super) fn lines(&self, terminal: bool) -> Vec<String> {
        let mut bold = false;
        let paint = |line: String| {
            bold = line.starts_with(BEST) || bold && !line.starts_with(ROW);
            let line = line.replacen(ROW, " ", 1);
            if bold && terminal { format!("\x1b[1m{line}\x1b[0m") } else { line }
        };
        self.table(str::to_owned).lines().into_iter().map(paint).collect()
    }

    fn table(&self, cell: fn(&str) -> String) -> TextTable {
        let column = |index: usize| match index {
            0 => Column::Mark,
            _ if LABELS.contains(&index) => Column::Label,
            _ => Column::Number,
        };
        let mut table = TextTable::new(self.shown.iter().map(|&index| (cell(HEADER[index]), column(index))));
        self.rows.iter().for_each(|row| table.row(self.shown.iter().map(|&index| cell(&row[index]))));
        table
    }
}

/// What stands in the columns of a row.
fn texts(row: &Row) -> [String; HEADER.len()] {
    let edge = match row.edge {
        Edge::Inside => "",
        Edge::Low => "↓",
        Edge::High => "↑",
    };
    let tuned = if row.tuned_on == Role::Reporting { "†" } else { "" };
    let of_seeds = |share: f64| format!("{:.0}/{}", share * row.seeds as f64, row.seeds);
    let steps_between = if row.steps_q25.is_finite() {
        format!("{} [{}..{}]", steps(row.steps_median), steps(row.steps_q25), steps(row.steps_q75))
    } else {
        NONE.to_owned()
    };
    [
        if row.best { BEST } else { ROW }.to_string(),
        printable(&row.loss),
        printable(&row.optimizer),
        printable(&row.schedule),
        format!("{}{edge}{tuned}", short(row.lr)),
        if row.seeds == 0 {
            "no runs".to_owned()
        } else if row.target.is_none() {
            NONE.to_owned()
        } else {
            of_seeds(row.success_rate)
        },
        steps_between,
        steps(row.evaluations_median),
        steps(row.ert),
        short(row.final_error_median),
        if row.seeds == 0 {
            NONE.to_owned()
        } else if row.diverged_rate > 0.0 {
            of_seeds(row.diverged_rate)
        } else {
            "0".to_owned()
        },
        if row.rates < 2 { NONE.to_owned() } else { short(row.basin_decades) },
    ]
}

/// A label without what would move the cursor, end the line or turn the text around.
pub(crate) fn printable(label: &str) -> String {
    records::text::plain(label).into_owned()
}
