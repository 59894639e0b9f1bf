//! The two sides: commits, folders or the working tree, and the grids that they have.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use analysis::compare::{Filter, Side};
use files::{Folder, TEXT};
use records::{Cells, Hashed, Manifest, RecordError, Results};

use super::error::CompareError;
use super::git::{Commit, RESULTS, Repository};
use crate::source::{Unfinished, newer_run};
use crate::terminal::say;

/// A file and the SHA-256 of what was in it, in hexadecimal digits.
pub(super) type Named = (String, String);

/// A grid of a side.
pub(super) struct Found {
    pub(super) side: Side,
    /// The files that its config names, where the manifest tells.
    pub(super) inputs: Vec<Named>,
    /// Its config; none without a manifest.
    pub(super) config: Option<String>,
    /// Whether its manifest says what its runs ran under.
    pub(super) has_conditions: bool,
}

/// Folders that hold a `cells.csv`, by the grid's name.
type Grids = Vec<(String, PathBuf)>;

/// A side.
pub(super) enum Source {
    /// A commit's results.
    Commit(Repository, Commit),
    /// Folders; and what is to be said of those whose first run isn't finished.
    Folder { shown: String, grids: Grids, single: bool, unfinished: Vec<String> },
}

impl Source {
    /// What the user named: a commit or a folder.
    pub(super) fn named(
        name: &OsStr,
        here: impl FnOnce() -> Result<Repository, CompareError>,
    ) -> Result<Self, CompareError> {
        let folder = Path::new(name);
        let repository = here();
        let commit = match &repository {
            Ok(repository) => repository.commit(name)?.map(|commit| (repository.clone(), commit)),
            Err(_) => None,
        };
        match (commit, folder.is_dir()) {
            (Some(_), true) => Err(CompareError::Ambiguous { name: name.to_string_lossy().into_owned() }),
            (Some((repository, commit)), false) => Ok(Self::Commit(repository, commit)),
            (None, true) => Self::folder(folder),
            (None, false) => Err(unknown(&name.to_string_lossy(), repository?.is_shallow())),
        }
    }

    /// What `git commit` would find now.
    pub(super) fn working_tree(repository: &Repository) -> Result<Self, CompareError> {
        let (grids, unfinished) = grids_in(&repository.results())?;
        Ok(Self::Folder { shown: "working tree".into(), grids, single: false, unfinished })
    }

    /// A results folder, a folder of results folders, or a checkout.
    pub(super) fn folder(folder: &Path) -> Result<Self, CompareError> {
        let shown = folder.display().to_string();
        if folder.join("cells.csv").is_file() {
            let absolute = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            let name =
                absolute.file_name().map_or("results".into(), |name| name.to_string_lossy().into_owned());
            let grids = vec![(name, folder.to_owned())];
            return Ok(Self::Folder { shown, grids, single: true, unfinished: Vec::new() });
        }
        if let Some(unfinished) = Unfinished::read(&Folder::new(folder)) {
            let unfinished = vec![unfinished_in(folder, &unfinished)];
            return Ok(Self::Folder { shown, grids: Vec::new(), single: true, unfinished });
        }
        let (mut grids, mut unfinished) = grids_in(folder)?;
        if grids.is_empty() && unfinished.is_empty() {
            (grids, unfinished) = grids_in(&folder.join(RESULTS))?;
        }
        Ok(Self::Folder { shown, grids, single: false, unfinished })
    }

    /// As a table's head calls it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Commit(_, commit) => commit.shown(),
            Self::Folder { shown, .. } => shown.clone(),
        }
    }

    /// The names of its grids; an error if it has none.
    pub(super) fn grids(&self) -> Result<Vec<String>, CompareError> {
        let (grids, wanted, help) = match self {
            Self::Commit(repository, commit) => (
                repository.grids(commit)?.into_keys().collect::<Vec<_>>(),
                format!("{} in it", repository.within(&["<name>", Results::CELLS]).to_string_lossy()),
                format!(
                    "`optbench compare --run {} CONFIG` builds it, runs the config with it and compares that; --results \
                     DIR looks in another folder",
                    commit.hash.get(..7).unwrap_or(&commit.hash)
                ),
            ),
            Self::Folder { grids, unfinished, .. } => (
                grids.iter().map(|(name, _)| name.clone()).collect(),
                "cells.csv in it or in a folder of it".to_owned(),
                if unfinished.is_empty() {
                    "`optbench CONFIG` makes them; name a folder that holds them".to_owned()
                } else {
                    unfinished.join("\n")
                },
            ),
        };
        if grids.is_empty() {
            return Err(CompareError::NoResults { side: self.shown(), wanted, help });
        }
        if let Self::Folder { unfinished, .. } = self {
            for first in unfinished {
                say(&format!("note: {first}"));
            }
        }
        Ok(grids)
    }

    /// The only grid, where the user named the folder that holds it.
    pub(super) fn single(&self) -> Option<&str> {
        match self {
            Self::Folder { grids, single: true, .. } => grids.first().map(|(name, _)| name.as_str()),
            _ => None,
        }
    }

    /// Reads a grid; none if this side doesn't have it.
    pub(super) fn read(&self, grid: &str, filter: &Filter) -> Result<Option<Found>, CompareError> {
        match self {
            Self::Commit(repository, commit) => {
                let Some(has_manifest) = repository.grids(commit)?.remove(grid) else { return Ok(None) };
                let manifest = if has_manifest {
                    let mut blob = repository.file(commit, grid, Manifest::FILE)?;
                    let (what, mut json) = (blob.what.clone(), Vec::new());
                    let read = blob.stdout().take(TEXT).read_to_end(&mut json);
                    blob.finish()?;
                    read.map_err(|source| CompareError::Io { path: what.clone().into(), source })?;
                    Some(Manifest::parse(&json, what)?)
                } else {
                    None
                };
                let mut blob = repository.file(commit, grid, Results::CELLS)?;
                let (what, stdout) = (blob.what.clone(), blob.stdout());
                let found = checked(stdout, &what, manifest, filter);
                blob.finish()?;
                found.map(Some)
            }
            Self::Folder { grids, single, .. } => {
                let Some((_, path)) = grids.iter().find(|(name, _)| *single || name == grid) else {
                    return Ok(None);
                };
                let folder = Folder::new(path);
                let manifest = Manifest::read(&folder)?;
                if let Some(newer) = newer_run(&folder, manifest.as_ref()) {
                    say(&format!("note: {newer}"));
                }
                let path = path.join(Results::CELLS);
                let cells = folder
                    .open(Results::CELLS, u64::MAX)
                    .map_err(|source| CompareError::Io { path: path.clone(), source })?;
                checked(cells, &path.display().to_string(), manifest, filter).map(Some)
            }
        }
    }
}

/// Reads cells, which must be those that the manifest is about.
fn checked(
    read: impl Read,
    what: &str,
    manifest: Option<Manifest>,
    filter: &Filter,
) -> Result<Found, CompareError> {
    let mut cells = Hashed::new(read);
    let side = Side::read(Cells::new(what, &mut cells)?, filter)?;
    let config = manifest.as_ref().map(|manifest| manifest.config.clone());
    let manifest = manifest.unwrap_or_default();
    match manifest.digest(Results::CELLS) {
        Some(wanted) if wanted != cells.digest() => {
            return Err(RecordError::Changed { path: what.into() }.into());
        }
        Some(_) => {}
        None => say(&format!("note: no manifest.json says whether {what} is whole; it is compared as it is")),
    }
    let has_conditions = !manifest.conditions.is_empty();
    let mut side = side.with_conditions(manifest.conditions);
    side.extends = extends(&manifest.config);
    Ok(Found { side, inputs: manifest.inputs, config, has_conditions })
}

/// Whether the learning-rate grids of a config extend themselves.
fn extends(config: &str) -> bool {
    let config = config.parse::<toml::Table>().unwrap_or_default();
    config.get("extend").and_then(toml::Value::as_bool).unwrap_or(false)
}

/// The folders in this one that hold a `cells.csv`, by name; and what is to be said of those whose first run isn't
/// finished.
fn grids_in(folder: &Path) -> Result<(Grids, Vec<String>), CompareError> {
    let unreadable = |source| CompareError::Io { path: folder.to_owned(), source };
    if !folder.is_dir() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (mut grids, mut unfinished) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join("cells.csv").is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            grids.push((name, path));
        } else if let Some(first) = Unfinished::read(&Folder::new(&path)) {
            unfinished.push(unfinished_in(&path, &first));
        }
    }
    grids.sort();
    unfinished.sort();
    Ok((grids, unfinished))
}

fn unfinished_in(folder: &Path, unfinished: &Unfinished) -> String {
    format!("the first run in {} isn't finished ({})", folder.display(), unfinished.progress())
}

fn unknown(name: &str, shallow: bool) -> CompareError {
    let help = if shallow {
        "this clone is shallow, so older commits are missing: `git fetch --unshallow` brings them (`fetch-depth: 0` for actions/checkout)"
    } else {
        "`git log --oneline` names commits; `git fetch --tags` brings those of the remote"
    };
    CompareError::Unknown { name: name.to_owned(), help }
}
