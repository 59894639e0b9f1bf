//! Result files, read row by row.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::rows::{Row, Rows};
use super::write::{CELL_COLUMNS, EVALUATIONS_COLUMN, MESSAGE_COLUMN, POINT_COLUMNS, TARGET_COLUMN};
use super::{Cell, Dtype, Hit, Key, Point, RecordError, Targets, float};

/// The rows of a `cells.csv`: each run once, with a rate above 0, and no more steps than its budget. After an error
/// it ends.
///
/// ```
/// use records::{Cells, Targets, write_cell_header};
///
/// let mut file = Vec::new();
/// write_cell_header(&mut file, &Targets::new([0.1, 0.01])?);
/// let cells = Cells::new("cells.csv", file.as_slice())?;
/// assert_eq!(cells.targets().values(), [0.1, 0.01]);
/// assert_eq!(cells.count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cells<R> {
    rows: Rows<R>,
    targets: Targets,
    /// The runs so far.
    seen: HashSet<Key>,
}

impl Cells<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// The file can't be opened, or its header isn't that of `cells.csv`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let path = path.into();
        let file = open(&path)?;
        Self::new(path, file)
    }
}

impl<R: Read> Cells<R> {
    /// Reads the header; `path` is named in errors. The reader needs no buffer of its own.
    ///
    /// # Errors
    /// The header isn't that of `cells.csv`.
    pub fn new(path: impl Into<PathBuf>, read: R) -> Result<Self, RecordError> {
        let rows = Rows::new(path, read)?;
        let first = CELL_COLUMNS.len();
        rows.expect(0, &CELL_COLUMNS)?;
        let names = rows.header()[first..].iter().map_while(|name| name.strip_prefix(TARGET_COLUMN));
        let values: Vec<Option<f64>> = names.map(|name| name.parse().ok()).collect();
        // The columns have to be the very ones that these targets would get.
        let targets = Targets::new(values.iter().copied().flatten()).unwrap_or_default();
        for index in 0..values.len().max(targets.values().len()) {
            let name =
                targets.values().get(index).map_or_else(|| "<target>".to_owned(), |&target| shown(target));
            rows.expect(first + index, &[&format!("{TARGET_COLUMN}{name}")])?;
        }
        let last = first + 2 * targets.values().len();
        for (index, &target) in targets.values().iter().enumerate() {
            let column = first + targets.values().len() + index;
            rows.expect(column, &[&format!("{EVALUATIONS_COLUMN}{}", shown(target))])?;
        }
        rows.expect(last, &[MESSAGE_COLUMN])?;
        rows.expect_end(last + 1)?;
        Ok(Self { rows, targets, seen: HashSet::new() })
    }

    /// The targets that have a column.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }
}

impl<R: Read> Iterator for Cells<R> {
    type Item = Result<Cell, RecordError>;
    fn next(&mut self) -> Option<Self::Item> {
        let cell = self.rows.next_row().and_then(|row| {
            let Some(row) = row else { return Ok(None) };
            let cell = cell(&row, &self.targets)?;
            if self.seen.insert(cell.key) { Ok(Some(cell)) } else { Err(row.twice(cell.key)) }
        });
        if cell.is_err() {
            self.rows.stop();
        }
        cell.transpose()
    }
}

fn cell(row: &Row, targets: &Targets) -> Result<Cell, RecordError> {
    let first = CELL_COLUMNS.len();
    let dtype = row.word(9)?;
    let mut hits = Vec::with_capacity(targets.values().len());
    for (index, &target) in targets.values().iter().enumerate() {
        hits.extend(row.hit([first + index, first + targets.values().len() + index], target)?);
    }
    let (lr, budget, steps) = (row.float(5)?, row.integer(11)?, row.integer(12)?);
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(row.error(5, "a finite number above 0"));
    }
    if steps > budget {
        return Err(row.error(12, "a number of steps within the budget"));
    }
    if let Some(hit) = hits.iter().position(|hit: &Hit| hit.step.is_some_and(|step| step > budget)) {
        return Err(row.error(first + hit, "a step within the budget"));
    }
    Ok(Cell {
        key: row.key(0)?,
        problem: row.text(1).to_owned(),
        loss: row.text(2).to_owned(),
        optimizer: row.text(3).to_owned(),
        schedule: row.text(4).to_owned(),
        lr,
        seed: row.integer(6)?,
        role: row.word(7)?,
        engine: row.word(8)?,
        dtype,
        outcome: row.word(10)?,
        budget,
        steps,
        evaluations: row.integer(13)?,
        start_loss: row.float_in(14, dtype)?,
        final_loss: row.float_in(15, dtype)?,
        best_loss: row.float_in(16, dtype)?,
        start_error: row.float_in(17, dtype)?,
        final_error: row.float_in(18, dtype)?,
        best_error: row.float_in(19, dtype)?,
        hits,
        message: row.text(first + 2 * targets.values().len()).to_owned(),
    })
}

/// The rows of a `curves.csv`. After an error it ends.
///
/// A row doesn't say the type of its run, so every number is the double nearest to the decimals.
pub struct Points<R> {
    rows: Rows<R>,
}

impl Points<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// The file can't be opened, or its header isn't that of `curves.csv`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let path = path.into();
        let file = open(&path)?;
        Self::new(path, file)
    }
}

impl<R: Read> Points<R> {
    /// Reads the header; `path` is named in errors. The reader needs no buffer of its own.
    ///
    /// # Errors
    /// The header isn't that of `curves.csv`.
    pub fn new(path: impl Into<PathBuf>, read: R) -> Result<Self, RecordError> {
        let rows = Rows::new(path, read)?;
        rows.expect(0, &POINT_COLUMNS)?;
        rows.expect_end(POINT_COLUMNS.len())?;
        Ok(Self { rows })
    }
}

impl<R: Read> Iterator for Points<R> {
    type Item = Result<Point, RecordError>;
    fn next(&mut self) -> Option<Self::Item> {
        let point = self.rows.next_row().and_then(|row| row.map(|row| point(&row)).transpose());
        if point.is_err() {
            self.rows.stop();
        }
        point.transpose()
    }
}

fn point(row: &Row) -> Result<Point, RecordError> {
    Ok(Point {
        key: row.key(0)?,
        step: row.integer(1)?,
        loss: row.float(2)?,
        error: row.float(3)?,
        gradient_norm: row.float(4)?,
        lr: row.float(5)?,
    })
}

fn open(path: &Path) -> Result<File, RecordError> {
    files::open(path, u64::MAX).map_err(|source| RecordError::Io { path: path.to_owned(), source })
}

fn shown(target: f64) -> String {
    let mut out = Vec::new();
    float(&mut out, target, Dtype::Float64);
    String::from_utf8_lossy(&out).into_owned()
}
