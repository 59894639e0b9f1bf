//! `table.csv`, written and read.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use documented::DocumentedFields;
use records::rows::{self, Rows};
use records::{Dtype, RecordError, float, integer, write_text};

use super::{Row, Table};

/// Columns of a row, with the commas between them.
pub(crate) struct Line<'a>(pub(crate) &'a mut Vec<u8>);

impl Line<'_> {
    pub(crate) fn text(&mut self, value: &str) {
        write_text(self.0, value);
        self.0.push(b',');
    }
    pub(crate) fn float(&mut self, value: f64) {
        float(self.0, value, Dtype::Float64);
        self.0.push(b',');
    }
    pub(crate) fn integer(&mut self, value: u64) {
        integer(self.0, value);
        self.0.push(b',');
    }
}

impl Table {
    /// Writes `table.csv`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_csv(&self, mut out: impl Write) -> io::Result<()> {
        let mut bytes = Row::FIELD_NAMES.join(",").into_bytes();
        bytes.push(b'\n');
        for row in &self.rows {
            write_row(&mut bytes, row);
        }
        out.write_all(&bytes)
    }

    /// Reads a `table.csv`; `path` is named in errors. The reader needs no buffer of its own.
    ///
    /// # Errors
    /// The header isn't that of `table.csv`, or a row isn't whole or holds what it can't.
    ///
    /// # Panics
    /// Never: a row has 24 columns.
    pub fn read_csv(path: impl Into<PathBuf>, read: impl Read) -> Result<Self, RecordError> {
        let mut lines = Rows::new(path, read)?;
        let names: [&str; 24] = Row::FIELD_NAMES.try_into().expect("a row has 24 columns");
        let columns = lines.columns("table.csv", names)?;
        let mut rows = Vec::new();
        while let Some(line) = lines.next_row()? {
            rows.push(read_row(&line, columns)?);
        }
        Ok(Self { rows, mixed: Vec::new() })
    }
}

/// Appends a row of `table.csv`, with the end of the line.
pub(crate) fn write_row(out: &mut Vec<u8>, row: &Row) {
    let mut line = Line(out);
    for label in [&row.problem, &row.loss, &row.optimizer, &row.schedule] {
        line.text(label);
    }
    match row.target {
        Some(target) => line.float(target),
        None => line.text(""),
    }
    line.integer(row.budget);
    line.float(row.lr);
    line.text(row.edge.into());
    line.integer(row.rates);
    line.text(row.tuned_on.into());
    line.integer(row.tuning_evaluations);
    line.integer(row.seeds);
    let steps = [row.steps_q25, row.steps_median, row.steps_q75];
    for value in [row.success_rate].into_iter().chain(steps) {
        line.float(value);
    }
    for value in [row.evaluations_median, row.ert, row.final_error_median, row.diverged_rate] {
        line.float(value);
    }
    line.integer(row.failed);
    line.float(row.basin_decades);
    line.text(row.trouble.into());
    out.extend_from_slice(if row.best { b"true\n" } else { b"false\n" });
}

/// The labels are as the file has them: no column tells its schema.
fn read_row(line: &rows::Row, at: [usize; 24]) -> Result<Row, RecordError> {
    let label = |column: usize| line.text(at[column]).to_owned();
    Ok(Row {
        problem: label(0),
        loss: label(1),
        optimizer: label(2),
        schedule: label(3),
        target: if line.text(at[4]).is_empty() { None } else { Some(line.float(at[4])?) },
        budget: line.integer(at[5])?,
        lr: line.float(at[6])?,
        edge: line.word(at[7])?,
        rates: line.integer(at[8])?,
        tuned_on: line.word(at[9])?,
        tuning_evaluations: line.integer(at[10])?,
        seeds: line.integer(at[11])?,
        success_rate: line.float(at[12])?,
        steps_q25: line.float(at[13])?,
        steps_median: line.float(at[14])?,
        steps_q75: line.float(at[15])?,
        evaluations_median: line.float(at[16])?,
        ert: line.float(at[17])?,
        final_error_median: line.float(at[18])?,
        diverged_rate: line.float(at[19])?,
        failed: line.integer(at[20])?,
        basin_decades: line.float(at[21])?,
        trouble: line.word(at[22])?,
        best: match line.text(at[23]) {
            "true" => true,
            "false" => false,
            _ => return Err(line.error(at[23], "`true` or `false`")),
        },
    })
}
