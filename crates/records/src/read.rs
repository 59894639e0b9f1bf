//! Result files, read row by row.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use documented::DocumentedFields;

use super::rows::{Row, Rows};
use super::write::{
    CELL_COLUMNS, CELLS_FILE, CURVES_FILE, EVALUATIONS_COLUMN, MESSAGE_COLUMN, TARGET_COLUMN,
};
use super::{Cell, Dtype, Hit, Key, Point, RecordError, Targets, float};

/// The rows of a `cells.csv`: each run once, with a rate above 0, and no more steps than its budget. After an error
/// it ends.
///
/// Columns are found by their names, whatever else there is. Labels of schema 3 are read as what they are today.
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
    columns: Columns,
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
        let (columns, targets) = Columns::of(&rows)?;
        Ok(Self { rows, columns, targets, seen: HashSet::new() })
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
            let cell = self.columns.cell(&row, &self.targets)?;
            if self.seen.insert(cell.key) { Ok(Some(cell)) } else { Err(row.twice(cell.key)) }
        });
        if cell.is_err() {
            self.rows.stop();
        }
        cell.transpose()
    }
}

/// Where the columns of a `cells.csv` are.
struct Columns {
    /// Of [`CELL_COLUMNS`].
    fixed: [usize; 20],
    /// Steps and evaluations to each target.
    targets: Vec<[usize; 2]>,
    message: usize,
}

impl Columns {
    fn of(rows: &Rows<impl Read>) -> Result<(Self, Targets), RecordError> {
        const FILE: &str = CELLS_FILE;
        let fixed = CELL_COLUMNS.try_into().expect("the columns before the targets are twenty");
        let fixed = rows.columns(FILE, fixed)?;
        let [message] = rows.columns(FILE, [MESSAGE_COLUMN])?;
        let target = |name: &String| {
            let text = name.strip_prefix(TARGET_COLUMN)?;
            let target = text.parse().ok().filter(|target| shown(*target) == text && *target >= 0.0);
            Some(target.filter(|target| target.is_finite()).ok_or_else(|| rows.no_target(name)))
        };
        let targets: Vec<f64> = rows.header().iter().filter_map(target).collect::<Result<_, _>>()?;
        let targets = Targets::new(targets).unwrap_or_default();
        let places = |target: &f64| {
            let shown = shown(*target);
            let names = [TARGET_COLUMN, EVALUATIONS_COLUMN].map(|column| format!("{column}{shown}"));
            rows.columns(FILE, names.each_ref().map(String::as_str))
        };
        let places = targets.values().iter().map(places).collect::<Result<_, _>>()?;
        Ok((Self { fixed, targets: places, message }, targets))
    }

    fn cell(&self, row: &Row, targets: &Targets) -> Result<Cell, RecordError> {
        let [key, problem, loss, optimizer, schedule, lr, seed, role, engine, dtype, outcome, ..] =
            self.fixed;
        let [.., budget, steps, evaluations, start_loss, final_loss, best_loss, _, _, _] = self.fixed;
        let [.., start_error, final_error, best_error] = self.fixed;
        let (key, is_old) = row.key(key)?;
        let label = |index| {
            let label = row.text(index);
            if is_old { registry::renamed(label).into_owned() } else { label.to_owned() }
        };
        let dtype = row.word(dtype)?;
        let cell = Cell {
            key,
            problem: label(problem),
            loss: label(loss),
            optimizer: label(optimizer),
            schedule: label(schedule),
            lr: row.float(lr)?,
            seed: row.integer(seed)?,
            role: row.word(role)?,
            engine: row.word(engine)?,
            dtype,
            outcome: row.word(outcome)?,
            budget: row.integer(budget)?,
            steps: row.integer(steps)?,
            evaluations: row.integer(evaluations)?,
            start_loss: row.float_in(start_loss, dtype)?,
            final_loss: row.float_in(final_loss, dtype)?,
            best_loss: row.float_in(best_loss, dtype)?,
            start_error: row.float_in(start_error, dtype)?,
            final_error: row.float_in(final_error, dtype)?,
            best_error: row.float_in(best_error, dtype)?,
            hits: self.hits(row, targets)?,
            message: row.text(self.message).to_owned(),
        };
        if !(cell.lr > 0.0 && cell.lr.is_finite()) {
            return Err(row.error(lr, "a finite number above 0"));
        }
        if cell.steps > cell.budget {
            return Err(row.error(steps, "a number of steps within the budget"));
        }
        let beyond = |hit: &Hit| hit.step.is_some_and(|step| step > cell.budget);
        if let Some(hit) = cell.hits.iter().find(|hit| beyond(hit)) {
            let place = targets.values().iter().position(|target| *target == hit.target);
            return Err(row.error(self.targets[place.unwrap_or(0)][0], "a step within the budget"));
        }
        Ok(cell)
    }

    fn hits(&self, row: &Row, targets: &Targets) -> Result<Vec<Hit>, RecordError> {
        let mut hits = Vec::with_capacity(self.targets.len());
        for (places, &target) in self.targets.iter().zip(targets.values()) {
            hits.extend(row.hit(*places, target)?);
        }
        Ok(hits)
    }
}

/// The rows of a `curves.csv`. After an error it ends.
///
/// A row doesn't say the type of its run, so every number is the double nearest to the decimals.
pub struct Points<R> {
    rows: Rows<R>,
    columns: [usize; 6],
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
    ///
    /// # Panics
    /// Never: a point has six columns.
    pub fn new(path: impl Into<PathBuf>, read: R) -> Result<Self, RecordError> {
        let rows = Rows::new(path, read)?;
        let names = Point::FIELD_NAMES.try_into().expect("a point has six columns");
        let columns = rows.columns(CURVES_FILE, names)?;
        Ok(Self { rows, columns })
    }
}

impl<R: Read> Iterator for Points<R> {
    type Item = Result<Point, RecordError>;
    fn next(&mut self) -> Option<Self::Item> {
        let point = self.rows.next_row().and_then(|row| row.map(|row| point(&row, self.columns)).transpose());
        if point.is_err() {
            self.rows.stop();
        }
        point.transpose()
    }
}

fn point(row: &Row, columns: [usize; 6]) -> Result<Point, RecordError> {
    let [key, step, loss_value, error, gradient_norm, step_lr] = columns;
    Ok(Point {
        key: row.key(key)?.0,
        step: row.integer(step)?,
        loss_value: row.float(loss_value)?,
        error: row.float(error)?,
        gradient_norm: row.float(gradient_norm)?,
        step_lr: row.float(step_lr)?,
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
