//! One table of many: a heading, columns and notes, for a terminal or in Markdown.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table as Grid};

use crate::layout::{WIDTH, markdown_cell, markdown_table, width, wrap_labels};
use crate::table::wrapped;

/// A table whose first columns are labels.
pub(super) struct Sheet {
    pub(super) heading: String,
    pub(super) header: Vec<String>,
    /// How many columns are labels.
    pub(super) labels: usize,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

impl Sheet {
    /// At most 100 columns wide.
    pub(super) fn text(&self) -> String {
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        let mut rows = self.rows.clone();
        let gap = if width(&header, &rows, 2) <= usize::from(WIDTH) { 2 } else { 1 };
        let labels: Vec<usize> = (0..self.labels).collect();
        wrap_labels(&header, &mut rows, &labels, gap);
        let mut grid = Grid::new();
        grid.load_style(NOTHING.header_separator(LineStyle::none().fill('─')));
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        grid.set_header(header).add_rows(rows);
        for (at, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, if at + 1 == self.header.len() { 0 } else { gap as u16 }));
            if at >= self.labels {
                column.set_cell_alignment(CellAlignment::Right);
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut lines = vec![wrapped(&self.heading)];
        lines.extend(grid.lines().map(|line| line.trim_end().to_owned()));
        lines.extend(self.notes.iter().map(|note| wrapped(note)));
        lines.join("\n") + "\n"
    }

    pub(super) fn markdown(&self) -> String {
        let mut lines = vec![format!("### {}\n", markdown_cell(&self.heading))];
        lines.extend(markdown_table(&self.header, &self.rows, self.labels));
        lines.push(String::new());
        lines.extend(self.notes.iter().map(|note| format!("{}<br>", markdown_cell(note))));
        lines.join("\n") + "\n"
    }
}
