//! The rows of a problem in columns, at most 100 characters wide.

use comfy_table::presets::NOTHING;
use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row as Line, Table as Grid,
};

use super::number::{NONE, short, steps};
use super::{Edge, Row};
use crate::records::Role;

/// No line is wider.
pub(super) const WIDTH: u16 = 100;
/// A label that needs more lines is cut.
const LABEL_LINES: usize = 8;
/// Begins the first line of each row but the best, to tell it from the lines that go on with a
/// wrapped label. A private character, and a space once the lines are made.
const ROW: char = '\u{e000}';
/// Begins the best row.
const BEST: char = '*';
const HEADER: [&str; 11] = [
    "",
    "loss",
    "optimizer",
    "schedule",
    "lr",
    "success",
    "steps",
    "ERT",
    "final\nerror",
    "diverged",
    "basin",
];
/// The columns that hold labels.
const LABELS: std::ops::RangeInclusive<usize> = 1..=3;

/// The texts of the rows, and which columns of them are shown.
pub(super) struct Columns {
    rows: Vec<[String; HEADER.len()]>,
    shown: Vec<usize>,
}

impl Columns {
    pub(super) fn new(rows: &[&Row]) -> Self {
        Self { rows: rows.iter().map(|row| texts(row)).collect(), shown: (0..HEADER.len()).collect() }
    }

    /// No label has to be wrapped.
    pub(super) fn fit(&self) -> bool {
        width(&self.grid(), 1) <= WIDTH
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
        let mut grid = self.grid();
        let gap = if width(&grid, 2) <= WIDTH { 2 } else { 1 };
        for (column, &index) in grid.column_iter_mut().zip(&self.shown) {
            column.set_padding((0, if index + 1 == HEADER.len() { 0 } else { gap }));
            if !LABELS.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if index > *LABELS.end() {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut bold = false;
        let paint = |line: String| {
            let line = line.trim_end();
            bold = line.starts_with(BEST) || bold && !line.starts_with(ROW);
            let line = line.replacen(ROW, " ", 1);
            if bold && terminal { format!("\x1b[1m{line}\x1b[0m") } else { line }
        };
        grid.lines().map(paint).collect()
    }

    fn grid(&self) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(NOTHING.header_separator(LineStyle::none().fill('─')));
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        grid.set_header(self.shown.iter().map(|&index| HEADER[index]));
        for row in &self.rows {
            let mut line = Line::from(self.shown.iter().map(|&index| &row[index]));
            line.max_height(LABEL_LINES);
            grid.add_row(line);
        }
        grid
    }
}

/// How wide it would be with these gaps, every label on one line.
fn width(grid: &Grid, gap: u16) -> u16 {
    let widths = grid.column_max_content_widths();
    widths.into_iter().reduce(|sum, width| sum.saturating_add(gap).saturating_add(width)).unwrap_or(0)
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
        steps(row.ert),
        short(row.final_error),
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

/// A label without what would move the cursor or end the line.
pub(super) fn printable(label: &str) -> String {
    let mut out = String::new();
    for character in label.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
