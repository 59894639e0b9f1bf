//! Whose results a folder holds. The same config file, edited, may replace them; another config of that name may only
//! when asked to.

use std::fs;
use std::path::{Component, Path, PathBuf};

use files::{Folder, Lock};
use miette::Diagnostic;
use records::Manifest;
use serde::Deserialize;
use thiserror::Error;

use crate::exit::Failure;
use crate::running::{PARTS, Running};
use crate::terminal::say;
use records::parts;

/// What results are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Grid,
    Map,
    Diagnosis,
}

impl Kind {
    /// The files that it consists of, beside the parts of a grid. A report keeps a list of its own.
    pub(crate) const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Grid => &[
                "running.json",
                "manifest.json",
                "cells.csv",
                "curves.csv",
                "terms.csv",
                "timings.csv",
                "table.csv",
                "table.md",
                "scores.csv",
                "scores.json",
            ],
            Self::Map => &[
                "manifest.json",
                "map.png",
                "map.csv",
                "steps_to_target.npy",
                "final_error.npy",
                "minimizer.npy",
                // Before schema 4.
                "steps.npy",
                "error.npy",
            ],
            Self::Diagnosis => &[
                "manifest.json",
                "diagnosis.json",
                "diagnosis.md",
                "profile.csv",
                "profile.svg",
                "profile-dark.svg",
                "profile.png",
                "descent.svg",
                "descent-dark.svg",
                "descent.png",
            ],
        }
    }
}

/// A config that is about to write results.
pub(crate) struct Owner<'a> {
    pub kind: Kind,
    /// Its text.
    pub config: &'a str,
    /// Its file; none for the command line.
    pub file: Option<&'a Path>,
}

/// Any `manifest.json`, as far as it tells whose it is. That of a grid has a schema, that of a map has runs.
#[derive(Deserialize)]
struct Made {
    schema: Option<u32>,
    runs: Option<u64>,
    cells: Option<u64>,
    source: Option<String>,
    config: Option<String>,
}

/// Results of another text, or of another config.
pub(crate) struct Previous {
    folder: Folder,
    kind: Kind,
    /// The file of its config, relative to the folder.
    source: Option<String>,
    /// The runs of a finished grid.
    runs: Option<u64>,
    parts: Vec<String>,
    is_foreign: bool,
}

/// A folder holds results of another config.
#[derive(Debug, Error, Diagnostic)]
#[error("{} holds results of another config{config}", path.display())]
#[diagnostic(help(
    "use another `name` or --out DIR; a run with --fresh would delete what is there: {contents}"
))]
pub struct Taken {
    path: PathBuf,
    config: String,
    contents: String,
}

impl Failure for Taken {}

impl Owner<'_> {
    /// The file of the config relative to the folder, which is the same in every clone; only its name where the two have
    /// nothing but the root in common.
    pub(crate) fn source(&self, folder: &Folder) -> Option<String> {
        let real = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
        relative(&real(self.file?)?, &real(folder.path())?)
    }

    /// What results in the folder would be replaced; none where there are none, or those of the same text.
    ///
    /// # Errors
    /// If they are of another config, and it isn't asked for a fresh start.
    pub(crate) fn check(&self, folder: &Folder, fresh: bool) -> Result<Option<Previous>, Taken> {
        let manifest = folder.read(Manifest::FILE, files::TEXT).ok();
        let made = manifest.and_then(|json| serde_json::from_slice::<Made>(&json).ok());
        let runs = made.as_ref().filter(|made| made.schema.is_some()).and_then(|made| made.cells);
        let made = made.map(|made| {
            let kind = match (made.schema, made.runs) {
                (Some(_), _) => Kind::Grid,
                (None, Some(_)) => Kind::Map,
                (None, None) => Kind::Diagnosis,
            };
            (kind, made.source, made.config)
        });
        let running = Running::read(folder).map(|run| (Kind::Grid, run.source, Some(run.config)));
        // In version 0.1.0 a diagnosis had no manifest.
        let bare = made.is_none() && folder.has("diagnosis.json");
        let bare = bare.then_some((Kind::Diagnosis, None, None));
        // What is being made is newer than what was.
        let all: Vec<_> = [running, made, bare].into_iter().flatten().collect();
        let is_same = |(kind, _, config): &(Kind, _, Option<String>)| {
            *kind == self.kind && config.as_deref().is_none_or(|config| config == self.config)
        };
        if all.iter().any(is_same) {
            return Ok(None);
        }
        let Some((kind, source, _)) = all.into_iter().next() else { return Ok(None) };
        let is_foreign = kind != self.kind || source.is_some() && source != self.source(folder);
        let names = folder.below(PARTS).names().unwrap_or_default();
        let parts = names.iter().filter_map(|name| name.strip_suffix(".part")).map(str::to_owned).collect();
        let previous = Previous { folder: folder.clone(), kind, source, runs, parts, is_foreign };
        if is_foreign && !fresh {
            let config = previous.config().map(|config| format!(", {config}")).unwrap_or_default();
            return Err(Taken { path: folder.path().to_owned(), config, contents: previous.contents() });
        }
        Ok(Some(previous))
    }

    /// As [`check`](Self::check), with the lock of the folder: says which results of the same config will be replaced,
    /// and deletes those of another.
    pub(crate) fn claim(&self, folder: &Folder, lock: &Lock, fresh: bool) -> Result<Option<Previous>, Taken> {
        let Some(previous) = self.check(folder, fresh)? else { return Ok(None) };
        if !previous.is_foreign {
            return Ok(Some(previous));
        }
        // A run of the same config that is at work here has deleted them already.
        if matches!(lock.alone(|| previous.remove()), Ok(Some(()))) {
            let of = previous.config().map(|config| format!(" of {config}")).unwrap_or_default();
            say(&format!(
                "note: results{of} in {} are deleted: {}",
                folder.path().display(),
                previous.contents()
            ));
        }
        Ok(None)
    }
}

impl Previous {
    /// Says that these results are going to be replaced; `keys` are the parts of a grid that are needed again.
    pub(crate) fn note(&self, keys: &[String]) {
        let folder = self.folder.path().display();
        let begin = match self.config() {
            Some(config) => format!("{config} has changed since {folder} was written"),
            None => format!("{folder} was written from another config"),
        };
        let kept = || self.parts.iter().filter(|key| keys.contains(key)).count();
        let parts = || format!("{} of {} parts are kept", kept(), self.parts.len());
        let what = match (self.kind, self.runs) {
            (Kind::Grid, Some(runs)) => format!("its {runs} runs are replaced, {}", parts()),
            (Kind::Grid, None) => parts(),
            (Kind::Map, _) => "its map is replaced".into(),
            (Kind::Diagnosis, _) => "its diagnosis is replaced".into(),
        };
        say(&format!("note: {begin}: {what}"));
    }

    fn config(&self) -> Option<String> {
        Some(shown(&self.folder, self.source.as_deref()?))
    }

    fn contents(&self) -> String {
        match self.kind {
            Kind::Grid => format!("{} runs and {} parts", self.runs.unwrap_or(0), self.parts.len()),
            Kind::Map => "a map".into(),
            Kind::Diagnosis => "a diagnosis".into(),
        }
    }

    fn remove(&self) {
        for name in self.kind.files() {
            let _ = self.folder.remove(name);
        }
        if self.kind == Kind::Grid {
            let _ = parts::remove_others(&self.folder.below(PARTS), |_| false);
        }
    }
}

/// The path of a config, from where it is relative to a folder.
pub(crate) fn shown(folder: &Folder, source: &str) -> String {
    if !source.contains('/') {
        return source.to_owned();
    }
    normalized(&folder.path().join(source)).display().to_string()
}

/// A path without the `..` that lead back out of its own folders.
pub(crate) fn normalized(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir && short.file_name().is_some() {
            short.pop();
        } else {
            short.push(part);
        }
    }
    short
}

fn relative(file: &Path, folder: &Path) -> Option<String> {
    let name = file.file_name()?.to_string_lossy().into_owned();
    let common = file.components().zip(folder.components()).take_while(|(a, b)| a == b);
    // The root, and on Windows the drive, are common to all.
    let shared = common.map(|(part, _)| part).collect::<PathBuf>();
    if shared.file_name().is_none() {
        return Some(name);
    }
    let up = folder.strip_prefix(&shared).ok()?.components().map(|_| "..".to_owned());
    let down = file.strip_prefix(&shared).ok()?.components();
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_known_by_its_place_from_the_results() {
        for (file, folder, source, path) in [
            ("/a/configs/x.toml", "/a/results/x", "../../configs/x.toml", "/a/configs/x.toml"),
            ("/a/results/x/x.toml", "/a/results/x", "x.toml", "x.toml"),
            ("/a/results/y.toml", "/a/results/x", "../y.toml", "/a/results/y.toml"),
            ("/b/x.toml", "/a/results/x", "x.toml", "x.toml"),
        ] {
            assert_eq!(relative(Path::new(file), Path::new(folder)).as_deref(), Some(source));
            assert_eq!(shown(&Folder::new(folder), source), path);
        }
        assert_eq!(shown(&Folder::new("results/x"), "../../configs/x.toml"), "configs/x.toml");
        assert_eq!(shown(&Folder::new("x"), "../../configs/x.toml"), "../configs/x.toml");
    }
}
