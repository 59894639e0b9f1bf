//! What can be wrong with a result file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{Key, OLDEST, SCHEMA};

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
    /// Results of a version that this one doesn't read.
    #[error("{path} is of schema {schema}, and this version reads {OLDEST} to {SCHEMA}: {}", if *schema < OLDEST {
        "run its config again"
    } else {
        "read it with the version of optbench that wrote it, or a later one"
    })]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        schema: u32,
    },
    /// Columns are missing, or have another name.
    #[error("{path}:1: {} of {file} of schemas {OLDEST} to {SCHEMA} {} missing: run its config again", named(columns),
        if columns.len() > 1 { "are" } else { "is" })]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should be: `cells.csv` and so on.
        file: &'static str,
        /// Their names.
        columns: Vec<String>,
    },
    /// A column is there twice.
    #[error("{path}:1: the column `{column}` is there twice")]
    Repeated {
        /// The file.
        path: PathBuf,
        /// Its name.
        column: String,
    },
    /// The column of a target isn't called as that of any target is.
    #[error("{path}:1: the column `{column}` should end with a target, such as `steps_to_0.01`")]
    Target {
        /// The file.
        path: PathBuf,
        /// Its name.
        column: String,
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
        expected: String,
    },
}

fn named(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    let (last, others) = names.split_last().expect("something is missing");
    match others {
        [] => format!("the column {last}"),
        others => format!("the columns {} and {last}", others.join(", ")),
    }
}
