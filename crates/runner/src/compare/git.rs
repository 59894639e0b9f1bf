//! Reading commits through the git program. Nothing here writes to the working tree or the index.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::error::CompareError;

/// Where results lie in a repository.
pub(super) const RESULTS: &str = "results";

/// A repository's working tree.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    root: PathBuf,
}

/// A commit that is there.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) hash: String,
    /// What the user called it.
    name: String,
}

impl Commit {
    /// As a table's head calls it: `v1 (0123456)`.
    pub(super) fn shown(&self) -> String {
        let short = &self.hash[..self.hash.len().min(7)];
        if self.hash.starts_with(&self.name) { short.to_owned() } else { format!("{} ({short})", self.name) }
    }
}

impl Repository {
    /// The repository that the current folder is in.
    pub(super) fn here() -> Result<Self, CompareError> {
        let output = output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
        let root = text(&output.stdout);
        let root = root.trim_end_matches('\n');
        if !output.status.success() || root.is_empty() {
            return Err(CompareError::NoRepository { message: text(&output.stderr) });
        }
        Ok(Self { root: root.into() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// git, to be run in the repository.
    pub(super) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).args(arguments);
        command
    }

    /// The commit of this name, if there is one.
    pub(super) fn commit(&self, name: &str) -> Result<Option<Commit>, CompareError> {
        let wanted = format!("{name}^{{commit}}");
        let output =
            output(&mut self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]))?;
        let hash = text(&output.stdout).trim().to_owned();
        let found = output.status.success() && !hash.is_empty();
        Ok(found.then(|| Commit { hash, name: name.to_owned() }))
    }

    /// Whether history is cut off.
    pub(super) fn is_shallow(&self) -> bool {
        output(&mut self.git(&["rev-parse", "--is-shallow-repository"]))
            .is_ok_and(|output| text(&output.stdout).trim() == "true")
    }

    /// Whether results differ from what is committed.
    pub(super) fn is_dirty(&self) -> bool {
        // Without optional locks git doesn't refresh the index either.
        let arguments = ["--no-optional-locks", "status", "--porcelain", "--", RESULTS];
        output(&mut self.git(&arguments)).is_ok_and(|output| !output.stdout.is_empty())
    }

    /// The names of the grids that a commit has results of.
    pub(super) fn grids(&self, commit: &Commit) -> Result<Vec<String>, CompareError> {
        let folder = format!("{RESULTS}/");
        let arguments = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", &commit.hash, "--", &folder];
        let output = output(&mut self.git(&arguments))?;
        if !output.status.success() {
            return Err(CompareError::Git { what: commit.shown(), message: text(&output.stderr) });
        }
        let listed = text(&output.stdout);
        let grid = |path: &str| -> Option<String> {
            let name = path.strip_prefix(RESULTS)?.strip_prefix('/')?.strip_suffix("/cells.csv")?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        Ok(listed.split('\0').filter_map(grid).collect())
    }

    /// Begins to read a grid's cells of a commit.
    pub(super) fn cells(&self, commit: &Commit, grid: &str) -> Result<Blob, CompareError> {
        let object = format!("{}:{RESULTS}/{grid}/cells.csv", commit.hash);
        let mut command = self.git(&["cat-file", "blob", &object]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| CompareError::NoGit { source })?;
        Ok(Blob { child, what: format!("{}:{RESULTS}/{grid}/cells.csv", commit.shown()) })
    }
}

/// A file of a commit that git is writing out.
pub(super) struct Blob {
    child: Child,
    /// As errors call it.
    pub(super) what: String,
}

impl Blob {
    /// What git writes.
    pub(super) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("it is piped, and taken once")
    }

    /// Waits for git; its own message, if it had one, is what went wrong first.
    pub(super) fn finish(self) -> Result<(), CompareError> {
        let what = self.what;
        let output = self.child.wait_with_output().map_err(|source| CompareError::NoGit { source })?;
        let message = text(&output.stderr);
        if output.status.success() || message.trim().is_empty() {
            return Ok(());
        }
        Err(CompareError::Git { what, message })
    }
}

/// Runs a command to its end.
pub(super) fn output(command: &mut Command) -> Result<Output, CompareError> {
    command.stdin(Stdio::null()).output().map_err(|source: io::Error| CompareError::NoGit { source })
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
