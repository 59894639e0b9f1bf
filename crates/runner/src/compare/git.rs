//! Reading commits through the git program. Nothing here writes to the working tree or the index.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
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
        let root = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
        if !output.status.success() || root.is_empty() {
            return Err(CompareError::NoRepository { message: text(&output.stderr) });
        }
        Ok(Self { root: path(root) })
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
    pub(super) fn commit(&self, name: &OsStr) -> Result<Option<Commit>, CompareError> {
        let mut wanted = name.to_owned();
        wanted.push("^{commit}");
        let mut parse = self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        let output = output(parse.arg(&wanted))?;
        let hash = text(&output.stdout).trim().to_owned();
        let found = output.status.success() && !hash.is_empty();
        Ok(found.then(|| Commit { hash, name: name.to_string_lossy().into_owned() }))
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

    /// The names of the grids that a commit has results of, and whether it has their manifests.
    pub(super) fn grids(&self, commit: &Commit) -> Result<BTreeMap<String, bool>, CompareError> {
        let folder = format!("{RESULTS}/");
        let arguments = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", &commit.hash, "--", &folder];
        let output = output(&mut self.git(&arguments))?;
        if !output.status.success() {
            return Err(CompareError::Git { what: commit.shown(), message: text(&output.stderr) });
        }
        let paths: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        let named = |path: &[u8], file: &str| -> Option<Vec<u8>> {
            let name = path.strip_prefix(folder.as_bytes())?.strip_suffix(file.as_bytes())?;
            (!name.contains(&b'/')).then(|| name.to_owned())
        };
        let manifests: Vec<Vec<u8>> = paths.iter().filter_map(|path| named(path, "/manifest.json")).collect();
        let grid = |name: Vec<u8>| {
            let has_manifest = manifests.contains(&name);
            let name = String::from_utf8(name).map_err(|error| CompareError::GridName {
                side: commit.shown(),
                path: Path::new(RESULTS).join(path(error.as_bytes())),
            })?;
            Ok((name, has_manifest))
        };
        paths.iter().filter_map(|path| named(path, "/cells.csv")).map(grid).collect()
    }

    /// Begins to read a file of a grid's results in a commit.
    pub(super) fn file(&self, commit: &Commit, grid: &str, file: &str) -> Result<Blob, CompareError> {
        let object = format!("{}:{RESULTS}/{grid}/{file}", commit.hash);
        let mut command = self.git(&["cat-file", "blob", &object]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| CompareError::NoGit { source })?;
        Ok(Blob { child, what: format!("{}:{RESULTS}/{grid}/{file}", commit.shown()) })
    }
}

/// A path as git writes it.
fn path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    let path: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    #[cfg(not(unix))]
    let path = OsString::from(text(bytes));
    PathBuf::from(OsString::from(path))
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
