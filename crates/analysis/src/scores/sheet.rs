//! One table of many: a heading, columns and notes, for a terminal or in Markdown.

use crate::text_table::{Column, TextTable, markdown_cell, wrapped};

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
        let mut lines = vec![wrapped(&self.heading, "")];
        lines.extend(self.table(str::to_owned).lines());
        lines.extend(self.notes.iter().map(|note| wrapped(note, "")));
        lines.join("\n") + "\n"
    }

    pub(super) fn markdown(&self) -> String {
        let mut lines = vec![format!("### {}\n", markdown_cell(&self.heading))];
        lines.extend(self.table(markdown_cell).markdown());
        lines.push(String::new());
        lines.extend(self.notes.iter().map(|note| format!("{}<br>", markdown_cell(note))));
        lines.join("\n") + "\n"
    }

    fn table(&self, cell: fn(&str) -> String) -> TextTable {
        let column = |at: usize| if at < self.labels { Column::Label } else { Column::Number };
        let columns = self.header.iter().enumerate().map(|(at, title)| (cell(title), column(at)));
        let mut table = TextTable::new(columns);
        self.rows.iter().for_each(|row| table.row(row.iter().map(|text| cell(text))));
        table
    }
}
