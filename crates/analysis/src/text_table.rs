//! Tables of text that fit a terminal, and the same in Markdown.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table};
use textwrap::core::{Word, break_words};
use textwrap::wrap_algorithms::wrap_first_fit;
use textwrap::{Options, WordSeparator, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

/// No line is wider.
pub const WIDTH: u16 = 100;
/// A label that needs more lines is cut.
const LABEL_LINES: usize = 8;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A short text, to the left.
    Mark,
    /// A text to the left that is wrapped where the table would be too wide.
    Label,
    /// A number, to the right.
    Number,
}

/// Rows of text in columns.
#[derive(Clone, Debug)]
pub struct TextTable {
    columns: Vec<Column>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table with these columns and no rows.
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = (T, Column)>) -> Self {
        let (header, columns) = columns.into_iter().map(|(title, column)| (title.into(), column)).unzip();
        Self { columns, header, rows: Vec::new() }
    }

    /// Adds a row, which has a text for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether no label has to be wrapped.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.width(1) <= usize::from(WIDTH)
    }

    /// The lines for a terminal, at most [`WIDTH`] columns wide.
    #[must_use]
    pub fn lines(mut self) -> Vec<String> {
        let gap = if self.width(2) <= usize::from(WIDTH) { 2 } else { 1 };
        self.wrap_labels(gap);
        let mut table = Table::new();
        table.load_style(NOTHING.header_separator(LineStyle::none().fill('─')));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        table.set_header(self.header);
        for row in self.rows {
            let mut line = Row::from(row);
            line.max_height(LABEL_LINES);
            table.add_row(line);
        }
        for (at, (column, own)) in table.column_iter_mut().zip(&self.columns).enumerate() {
            column.set_padding((0, if at + 1 == self.columns.len() { 0 } else { gap as u16 }));
            if *own != Column::Label {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if *own == Column::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The lines of a Markdown table, with the cells as they are: see [`markdown_cell`].
    #[must_use]
    pub fn markdown(&self) -> Vec<String> {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let rule = |column: &Column| if *column == Column::Number { "--:" } else { ":--" }.to_owned();
        let rule: Vec<String> = self.columns.iter().map(rule).collect();
        [&self.header, &rule].into_iter().chain(&self.rows).map(|cells| line(cells)).collect()
    }

    /// How wide it is with these gaps between its columns.
    fn width(&self, gap: usize) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
    }

    /// The widths of the columns.
    fn widths(&self) -> Vec<usize> {
        let widest = |text: &str| text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
        let of = |at: usize| [&self.header].into_iter().chain(&self.rows).map(|row| widest(&row[at])).max();
        (0..self.columns.len()).map(|at| of(at).unwrap_or(0)).collect()
    }

    /// Breaks labels into lines, at spaces, commas and brackets where it can, so that the table fits.
    fn wrap_labels(&mut self, gap: usize) {
        let widths = self.widths();
        let gaps = gap * widths.len().saturating_sub(1);
        let (labels, others): (Vec<usize>, Vec<usize>) =
            (0..widths.len()).partition(|at| self.columns[*at] == Column::Label);
        let taken = others.iter().fold(gaps, |sum, &at| sum + widths[at]);
        let longest = |&at: &usize| {
            let words = self.rows.iter().flat_map(|row| words(&row[at])).map(UnicodeWidthStr::width);
            words.max().unwrap_or(0).max(self.header[at].width())
        };
        let left = usize::from(WIDTH).saturating_sub(taken);
        let least = share(&labels.iter().map(longest).collect::<Vec<_>>(), left);
        let more: Vec<usize> = labels.iter().zip(&least).map(|(&at, least)| widths[at] - least).collect();
        let more = share(&more, left - least.iter().sum::<usize>());
        for (label, &at) in labels.iter().enumerate() {
            for row in &mut self.rows {
                row[at] = wrap_label(&row[at], (least[label] + more[label]).max(1));
            }
        }
    }
}

/// Gives each what it wants where there is enough for all, or else no more than its share.
fn share(wanted: &[usize], mut left: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&at| wanted[at]);
    let mut given = vec![0; wanted.len()];
    for (done, &at) in order.iter().enumerate() {
        given[at] = wanted[at].min(left / (order.len() - done));
        left -= given[at];
    }
    given
}

/// The texts that a label is kept whole by.
fn words(label: &str) -> std::str::SplitInclusive<'_, [char; 3]> {
    label.split_inclusive([' ', ',', '('])
}

fn wrap_label(label: &str, width: usize) -> String {
    // A name and its value part where they don't fit on a line together.
    let parts = words(label).flat_map(|word| {
        let parts: Vec<&str> =
            if word.width() > width { word.split_inclusive('=').collect() } else { vec![word] };
        parts
    });
    let parts = break_words(parts.map(Word::from), width);
    let lines = wrap_first_fit(&parts, &[width as f64]);
    let line =
        |words: &[Word]| words.iter().flat_map(|word| [word.word, word.whitespace]).collect::<String>();
    lines.iter().map(|words| line(words).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A text in lines of at most [`WIDTH`] columns, all but the first after `indent`.
#[must_use]
pub fn wrapped(text: &str, indent: &str) -> String {
    let options = Options::new(WIDTH.into()).subsequent_indent(indent);
    textwrap::fill(
        text,
        options.word_separator(WordSeparator::AsciiSpace).wrap_algorithm(WrapAlgorithm::FirstFit),
    )
}

/// A text without what Markdown would take for its own.
#[must_use]
pub fn markdown_cell(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if "|*_`<>\\~".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_break_between_words() {
        let label = "poorly_conditioned(quadratic=0.01, linear=1)";
        assert_eq!(wrap_label(label, 20), "poorly_conditioned(\nquadratic=0.01,\nlinear=1)");
        assert_eq!(wrap_label(label, 100), label);
        assert_eq!(wrap_label("one two", 3), "one\ntwo");
        assert_eq!(wrap_label("abcdef", 4), "abcd\nef");
        assert_eq!(wrap_label("日本語", 4), "日本\n語");
        assert_eq!(wrap_label("", 4), "");
    }

    #[test]
    fn what_is_left_is_shared() {
        assert_eq!(share(&[5, 50, 10], 100), [5, 50, 10]);
        assert_eq!(share(&[5, 50, 60], 50), [5, 22, 23]);
        assert_eq!(share(&[], 50), [0; 0]);
    }
}
