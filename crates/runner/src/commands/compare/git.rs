//! Reading commits through the git program. Nothing here writes to the working tree or the index.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::error::CompareError;
use crate::owner::normalized;

/// The folder that holds results of grids, if no other is named.
pub(super) const RESULTS: &str = "results";

/// A repository's working tree.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    root: PathBuf,
    /// The folder of results, from the root.
    results: PathBuf,
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
    /// The repository that the current folder is in. The results that are compared lie in the folder that is asked for;
    /// else in `results/` of the current folder, if the working tree or one of the revisions has grids there; else in
    /// that of the root.
    pub(super) fn here(asked: Option<&Path>, revisions: &[&OsStr]) -> Result<Self, CompareError> {
        let rev_parse = |what: &str| {
            let output = output(Command::new("git").args(["rev-parse", what]))?;
            let answer = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
            if output.status.success() {
                return Ok(path(answer));
            }
            Err(CompareError::NoRepository { message: text(&output.stderr) })
        };
        let root = rev_parse("--show-toplevel")?;
        if root.as_os_str().is_empty() {
            return Err(CompareError::NoRepository { message: String::new() });
        }
        let here = root.join(rev_parse("--show-prefix")?);
        let nearest = Self { results: inside(&root, &here.join(asked.unwrap_or(Path::new(RESULTS))))?, root };
        if asked.is_some() || nearest.has_grids(revisions) {
            return Ok(nearest);
        }
        Ok(Self { results: RESULTS.into(), ..nearest })
    }

    /// Whether the working tree or one of the revisions has results.
    fn has_grids(&self, revisions: &[&OsStr]) -> bool {
        let entries = fs::read_dir(self.results()).into_iter().flatten().flatten();
        let mut grids = entries.filter(|entry| entry.path().join("cells.csv").is_file());
        let committed = |revision: &&OsStr| {
            let commit = self.commit(revision).ok().flatten();
            commit.is_some_and(|commit| self.grids(&commit).is_ok_and(|grids| !grids.is_empty()))
        };
        grids.next().is_some() || revisions.iter().any(committed)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of results in the working tree.
    pub(super) fn results(&self) -> PathBuf {
        self.root.join(&self.results)
    }

    /// The path of a file or folder of results from the root, as git writes it.
    pub(super) fn within(&self, parts: &[&str]) -> OsString {
        let parts = self.results.iter().chain(parts.iter().map(OsStr::new));
        parts.collect::<Vec<_>>().join(OsStr::new("/"))
    }

    /// git, to be run in the repository.
    pub(super) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["--literal-pathspecs", "-C"]).arg(&self.root).args(arguments);
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
        let arguments = ["--no-optional-locks", "status", "--porcelain", "--"];
        output(self.git(&arguments).arg(self.results())).is_ok_and(|output| !output.stdout.is_empty())
    }

    /// The names of the grids that a commit has results of, and whether it has their manifests.
    pub(super) fn grids(&self, commit: &Commit) -> Result<BTreeMap<String, bool>, CompareError> {
        let folder = self.within(&[""]);
        let arguments = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", &commit.hash, "--"];
        let output = output(self.git(&arguments).args(Some(&folder).filter(|folder| !folder.is_empty())))?;
        if !output.status.success() {
            return Err(CompareError::Git { what: commit.shown(), message: text(&output.stderr) });
        }
        let paths: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        let named = |path: &[u8], file: &str| -> Option<Vec<u8>> {
            let name = path.strip_prefix(folder.as_encoded_bytes())?.strip_suffix(file.as_bytes())?;
            (!name.contains(&b'/')).then(|| name.to_owned())
        };
        let manifests: Vec<Vec<u8>> = paths.iter().filter_map(|path| named(path, "/manifest.json")).collect();
        let grid = |name: Vec<u8>| {
            let has_manifest = manifests.contains(&name);
            let name = String::from_utf8(name).map_err(|error| CompareError::GridName {
                side: commit.shown(),
                path: self.results.join(path(error.as_bytes())),
            })?;
            Ok((name, has_manifest))
        };
        paths.iter().filter_map(|path| named(path, "/cells.csv")).map(grid).collect()
    }

    /// Begins to read a file of a grid's results in a commit.
    pub(super) fn file(&self, commit: &Commit, grid: &str, file: &str) -> Result<Blob, CompareError> {
        let path = self.within(&[grid, file]);
        let mut object = OsString::from(format!("{}:", commit.hash));
        object.push(&path);
        let mut command = self.git(&["cat-file", "blob"]);
        command.arg(&object).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| CompareError::NoGit { source })?;
        Ok(Blob { child, what: format!("{}:{}", commit.shown(), path.to_string_lossy()) })
    }
}

/// A folder from the root of the repository; an error if it isn't in it.
fn inside(root: &Path, folder: &Path) -> Result<PathBuf, CompareError> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| normalized(folder));
    let within = folder.strip_prefix(root).map(Path::to_owned);
    within.map_err(|_| CompareError::Outside { path: folder, root: root.to_owned() })
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
