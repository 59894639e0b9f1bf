//! Rows of any result file, checked for what csv doesn't check: that the file is whole.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use strum::VariantNames;

use super::{Dtype, Hit, Key, RecordError};
use crate::renamed::old_column;

/// The most bytes of a row: far more than one needs, and little enough to be kept in memory.
const LONGEST: usize = 16 << 20;

/// Passes bytes on and remembers whether a file that ended there would be whole.
struct Tail<R> {
    inner: R,
    ended: bool,
    last: u8,
    in_quotes: bool,
    /// Bytes of the row so far.
    row: usize,
}

impl<R> Tail<R> {
    /// The file has ended, and not after a line.
    fn broken(&self) -> bool {
        self.ended && (self.in_quotes || !matches!(self.last, b'\n' | b'\r'))
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended = count == 0;
        for &byte in &buffer[..count] {
            // A quote within quotes is doubled, so each one opens or closes.
            self.in_quotes ^= byte == b'"';
            self.row = if byte == b'\n' && !self.in_quotes { 0 } else { self.row + 1 };
        }
        if self.row > LONGEST {
            return Err(io::Error::other(format!("a row has more than {LONGEST} bytes")));
        }
        self.last = buffer[..count].last().copied().unwrap_or(self.last);
        Ok(count)
    }
}

/// The rows of a result file, one after another, in one buffer.
pub struct Rows<R> {
    path: PathBuf,
    reader: csv::Reader<Tail<R>>,
    header: Vec<String>,
    record: StringRecord,
    failed: bool,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the file is empty or can't be read.
    pub fn new(path: impl Into<PathBuf>, read: R) -> Result<Self, RecordError> {
        let tail = Tail { inner: read, ended: false, last: 0, in_quotes: false, row: 0 };
        let reader = ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_reader(tail);
        let (header, record) = (Vec::new(), StringRecord::new());
        let mut rows = Self { path: path.into(), reader, header, record, failed: false };
        if !rows.advance()? {
            return Err(RecordError::Empty { path: rows.path });
        }
        rows.header = rows.record.iter().map(str::to_owned).collect();
        Ok(rows)
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The places of columns by their names, in any order and between any others; `file` is the file that has them:
    /// `cells.csv` and so on. A column of an older schema is found by its old name.
    ///
    /// # Errors
    /// Which are missing, or there twice.
    pub fn columns<const N: usize>(
        &self,
        file: &'static str,
        names: [&str; N],
    ) -> Result<[usize; N], RecordError> {
        let mut missing = Vec::new();
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            let found = match self.place(name)? {
                None => old_column(file, name).map_or(Ok(None), |old| self.place(old))?,
                found => found,
            };
            match found {
                Some(found) => *place = found,
                None => missing.push(name.to_owned()),
            }
        }
        if missing.is_empty() { Ok(places) } else { Err(self.missing(file, missing)) }
    }

    /// Where the only column of this name is.
    fn place(&self, name: &str) -> Result<Option<usize>, RecordError> {
        let mut places = (0..self.header.len()).filter(|place| self.header[*place] == name);
        match (places.next(), places.next()) {
            (place, None) => Ok(place),
            _ => Err(RecordError::Repeated { path: self.path.clone(), column: name.to_owned() }),
        }
    }

    /// The error that these columns are missing.
    pub(crate) fn missing(&self, file: &'static str, columns: Vec<String>) -> RecordError {
        RecordError::Missing { path: self.path.clone(), file, columns }
    }

    /// The error that the name of this column has no target.
    pub(crate) fn no_target(&self, column: &str) -> RecordError {
        RecordError::Target { path: self.path.clone(), column: column.to_owned() }
    }

    /// The next row, or `None` at the end and after an error.
    ///
    /// # Errors
    /// If the file can't be read, or is cut short or broken within the row.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, RecordError> {
        if self.failed {
            return Ok(None);
        }
        match self.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.failed = true;
                return Err(error);
            }
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(Row { path: &self.path, header: &self.header, record: &self.record, line }))
    }

    /// No row is given after this.
    pub(crate) fn stop(&mut self) {
        self.failed = true;
    }

    fn advance(&mut self) -> Result<bool, RecordError> {
        let path = || self.path.clone();
        let before = self.reader.position().line();
        let read = self.reader.read_record(&mut self.record);
        let broken = self.reader.get_ref().broken();
        match read {
            Ok(more) if more && broken => {
                let line = self.record.position().map_or(before, csv::Position::line);
                Err(RecordError::Truncated { path: path(), line })
            }
            Ok(more) => Ok(more),
            Err(error) => {
                let line = error.position().map_or(before, csv::Position::line);
                Err(match error.into_kind() {
                    ErrorKind::Io(source) => RecordError::Io { path: path(), source },
                    _ if broken => RecordError::Truncated { path: path(), line },
                    ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        RecordError::Length { path: path(), line, expected: expected_len, found: len }
                    }
                    _ => RecordError::Utf8 { path: path(), line },
                })
            }
        }
    }
}

/// One row, whose columns are read by their place.
pub struct Row<'a> {
    path: &'a Path,
    header: &'a [String],
    record: &'a StringRecord,
    line: u64,
}

impl Row<'_> {
    /// The text of a column.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        let text = &self.record[index];
        // What `write::text` puts before a text that a spreadsheet would take for a formula.
        text.strip_prefix('\'').unwrap_or(text)
    }

    /// A number of double precision.
    ///
    /// # Errors
    /// If it isn't one.
    pub fn float(&self, index: usize) -> Result<f64, RecordError> {
        self.float_in(index, Dtype::Float64)
    }

    /// A number of this type.
    pub(crate) fn float_in(&self, index: usize, dtype: Dtype) -> Result<f64, RecordError> {
        let text = self.text(index);
        let parsed = match dtype {
            Dtype::Float32 => text.parse::<f32>().map(f64::from),
            Dtype::Float64 => text.parse(),
        };
        // Digits that give an infinity are a number that this type doesn't have.
        let fits = |value: &f64| !value.is_infinite() || !text.bytes().any(|b| b.is_ascii_digit());
        let expected = match dtype {
            Dtype::Float32 => "a number of float32",
            Dtype::Float64 => "a number of float64",
        };
        parsed.ok().filter(fits).ok_or_else(|| self.error(index, expected))
    }

    /// A whole number from 0 up.
    ///
    /// # Errors
    /// If it isn't one.
    pub fn integer(&self, index: usize) -> Result<u64, RecordError> {
        whole(self.text(index)).ok_or_else(|| self.error(index, "a whole number from 0 up"))
    }

    /// One of a few words.
    ///
    /// # Errors
    /// If it is another.
    pub fn word<T: FromStr + VariantNames>(&self, index: usize) -> Result<T, RecordError> {
        let text = self.text(index);
        let expected = || format!("one of `{}`", T::VARIANTS.join("`, `"));
        text.parse().map_err(|_| self.error(index, expected()))
    }

    /// The name of a run, and whether it is written as in schema 3, without the `k`.
    pub(crate) fn key(&self, index: usize) -> Result<(Key, bool), RecordError> {
        let text = self.text(index);
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = text.strip_prefix('k').unwrap_or(text);
        Some(digits)
            .filter(|digits| digits.len() == 16 && digits.bytes().all(hex))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(|key| (Key(key), digits == text))
            .ok_or_else(|| self.error(index, "`k` and 16 hexadecimal digits"))
    }

    /// When a target was reached, in steps and in evaluations, if the run was asked for it.
    pub(crate) fn hit(
        &self,
        [steps, evaluations]: [usize; 2],
        target: f64,
    ) -> Result<Option<Hit>, RecordError> {
        let count = |index: usize| match self.text(index) {
            "" => Ok(None),
            "inf" => Ok(Some(None)),
            text => {
                whole(text).map(|n| Some(Some(n))).ok_or_else(|| self.error(index, "a step, `inf` or empty"))
            }
        };
        match (count(steps)?, count(evaluations)?) {
            (None, None) => Ok(None),
            (Some(step), Some(evaluations)) if step.is_some() == evaluations.is_some() => {
                Ok(Some(Hit { target, step, evaluations }))
            }
            _ => Err(self.error(evaluations, "a number where the steps have one")),
        }
    }

    /// The error that the run of this row was there before.
    pub(crate) fn twice(&self, key: Key) -> RecordError {
        RecordError::Twice { path: self.path.to_owned(), line: self.line, key }
    }

    /// The error that the value at `index` is not what is expected there.
    #[must_use]
    pub fn error(&self, index: usize, expected: impl Into<String>) -> RecordError {
        RecordError::Value {
            path: self.path.to_owned(),
            line: self.line,
            column: self.header[index].clone(),
            value: self.text(index).to_owned(),
            expected: expected.into(),
        }
    }
}

/// Digits and nothing else, unlike `parse`, which takes a sign.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
