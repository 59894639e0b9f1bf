//! What can be wrong with a result file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Key;

/// Why a result file can't be read. Lines count from 1, and the header is line 1.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file can't be opened or read.
    #[error("can't read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file isn't the one that the run wrote.
    #[error(
        "{path} isn't what the manifest.json beside it says: it was changed or cut short since the run wrote it"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The manifest is none.
    #[error("{path} is no manifest of a grid: {problem}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A run is there twice.
    #[error("{path}:{line}: the run {key} is there twice")]
    Twice {
        /// The file.
        path: PathBuf,
        /// Where the second begins.
        line: u64,
        /// The run.
        key: Key,
    },
    /// There is no header.
    #[error("{path} is empty: it should begin with a header")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A column is missing, renamed, added or out of order.
    #[error("{path}:1: column {column} should be `{expected}`, and it is {}", found.as_ref().map_or_else(
        || "missing".to_owned(), |found| format!("`{found}`")))]
    Header {
        /// The file.
        path: PathBuf,
        /// Which column, from 1.
        column: usize,
        /// The name it should have.
        expected: String,
        /// The name it has, if it is there.
        found: Option<String>,
    },
    /// A row has too few or too many columns.
    #[error("{path}:{line}: the row has {found} columns where the header has {expected}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Where the row begins.
        line: u64,
        /// Columns of the header.
        expected: u64,
        /// Columns of the row.
        found: u64,
    },
    /// The file ends within a row.
    #[error("{path}:{line}: the file ends within this row: what wrote it was interrupted")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the row begins.
        line: u64,
    },
    /// The row isn't UTF-8.
    #[error("{path}:{line}: the row isn't UTF-8")]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// Where the row begins.
        line: u64,
    },
    /// A value isn't what its column holds.
    #[error("{path}:{line}: {column} is `{value}`, which is not {expected}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Where the row begins.
        line: u64,
        /// The column's name.
        column: String,
        /// What stands there.
        value: String,
        /// What should stand there.
        expected: &'static str,
    },
}
