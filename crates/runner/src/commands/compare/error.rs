//! What can be wrong with what is to be compared.

use std::io;
use std::path::PathBuf;

use analysis::compare::Mismatch;
use miette::Diagnostic;
use records::RecordError;
use thiserror::Error;

use crate::exit::{Exit, Failure};
use crate::threads::NoThreads;

/// Why two sides can't be compared.
#[derive(Debug, Error, Diagnostic)]
pub(super) enum CompareError {
    #[error("git can't be run")]
    #[diagnostic(help("install git, or compare two folders: optbench compare DIR DIR"))]
    NoGit { source: io::Error },
    #[error("this folder is in no git repository{}", said(message))]
    #[diagnostic(help("go to the repository, or compare two folders: optbench compare DIR DIR"))]
    NoRepository { message: String },
    #[error("{} isn't in the repository {}", path.display(), root.display())]
    #[diagnostic(help("--results names a folder of this repository, from the current folder"))]
    Outside { path: PathBuf, root: PathBuf },
    #[error("there is neither a commit nor a folder `{name}`")]
    #[diagnostic(help("{help}"))]
    Unknown { name: String, help: &'static str },
    #[error("`{name}` is both a commit and a folder")]
    #[diagnostic(help("write ./{name} for the folder, or the commit's hash"))]
    Ambiguous { name: String },
    #[error("{side} has no results: there is no {wanted}")]
    #[diagnostic(help("{help}"))]
    NoResults { side: String, wanted: String, help: String },
    #[error("no side has a grid `{name}`; there {}", known(there))]
    #[diagnostic(help("--grid takes the name of a folder in results/"))]
    NoGrid { name: String, there: Vec<String> },
    #[error("no row has these texts in its problem, loss, optimizer and schedule")]
    #[diagnostic(help(
        "leave out --problem, --loss, --optimizer or --schedule; `optbench list` names what there is"
    ))]
    NothingLeft,
    #[error("git failed to read {what}{}", said(message))]
    #[diagnostic(help("`git fsck` finds damage; in a partial clone `git fetch` brings what is missing"))]
    Git { what: String, message: String },
    #[error("{} can't be read", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} can't be written", path.display())]
    #[diagnostic(help("--run needs room in target/compare, for the build of a commit and results of both"))]
    Write { path: PathBuf, source: io::Error },
    #[error("{side} has a folder of results whose name isn't UTF-8: {}", path.display())]
    #[diagnostic(help("rename it: a grid's name is letters, digits, `-`, `_` and `.`"))]
    GridName { side: String, path: PathBuf },
    #[error("stopped: nothing was compared")]
    Stopped,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Threads(#[from] NoThreads),
    #[error(transparent)]
    #[diagnostic(help("{}", remedy(.0)))]
    Record(#[from] RecordError),
    #[error("the sides did not run the same:\n{}", listed(.0))]
    #[diagnostic(help(
        "run the same config on both, narrow the comparison with --grid, --problem, --loss, --optimizer or --schedule, or compare what can be paired with --force"
    ))]
    Incomparable(Vec<Mismatch>),
    #[error("{what} failed: {problem}")]
    #[diagnostic(help("{help}"))]
    Program { what: String, problem: String, help: String },
    #[error("{} holds no saved estimates: there is no */new/estimates.json in it", path.display())]
    #[diagnostic(help(
        "`cargo bench` writes them to target/criterion; copy that folder aside before the second run"
    ))]
    NoBenches { path: PathBuf },
    #[error("{} is not what criterion writes: {problem}", path.display())]
    #[diagnostic(help("run `cargo bench` again"))]
    Estimates { path: PathBuf, problem: String },
}

impl Failure for CompareError {
    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } | Self::Threads(_) => Exit::Failed,
            Self::Stopped => Exit::Stopped,
            _ => Exit::WrongInput,
        }
    }
}

fn said(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
    let line = line.strip_prefix("fatal: ").unwrap_or(line);
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

fn known(names: &[String]) -> String {
    match names {
        [] => "are none".to_owned(),
        [name] => format!("is only `{name}`"),
        names => format!("are `{}`", names.join("`, `")),
    }
}

fn listed(mismatches: &[Mismatch]) -> String {
    const MOST: usize = 20;
    let mut lines: Vec<String> =
        mismatches.iter().take(MOST).map(|mismatch| format!("  {mismatch}")).collect();
    if mismatches.len() > MOST {
        lines.push(format!("  and {} more", mismatches.len() - MOST));
    }
    lines.join("\n")
}

fn remedy(error: &RecordError) -> &'static str {
    match error {
        RecordError::Missing { .. } | RecordError::Schema { .. } => {
            "it was written by another version of optbench, or it is damaged: run the grid again, or have `optbench compare --run REV CONFIG` do both sides"
        }
        RecordError::Io { .. } => "see whether you may read it",
        RecordError::Changed { .. } => {
            "run the grid again, or `git restore` it; a git that changes the ends of lines (core.autocrlf) changes it, too"
        }
        RecordError::Twice { .. } => "results of two runs were put together: run the grid again",
        _ => "the file is damaged: run the grid again, or `git restore` it",
    }
}
