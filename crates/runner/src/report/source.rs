//! Where the results are: in the files of a finished run, or in the parts of one that is running.

use std::path::{Path, PathBuf};

use analysis::records::{
    Cell, Cells, Manifest, Point, Points, Results, Targets, write_cell_header, write_point_header,
};
use analysis::report::About;
use files::Folder;

use super::ReportError;
use crate::parts::{self, Part};
use crate::run::{PARTS, Running};
use crate::table::{TableError, results};

/// Results to be read, several times over.
pub(super) enum Source {
    /// The files of a finished run, which are whole.
    Finished { results: Results, has_curves: bool },
    /// The parts that are there.
    Running { parts: Folder, running: Running, keys: Vec<String> },
}

impl Source {
    /// Looks what is there. A run that is under way is newer than result files.
    pub(super) fn open(asked: &Path) -> Result<Self, ReportError> {
        let folder = Folder::new(asked);
        if let Some(running) = Running::read(&folder) {
            let parts = folder.below(PARTS);
            let there = |key: &&String| parts.has(&parts::name(key));
            let keys: Vec<String> = running.keys.iter().filter(there).cloned().collect();
            if keys.is_empty() {
                return Err(ReportError::NothingYet { folder: asked.to_owned() });
            }
            return Ok(Self::Running { parts, running, keys });
        }
        let results = results(asked)?;
        let has_curves = results.folder().has(Results::CURVES);
        if has_curves {
            results.verify(Results::CURVES)?;
        }
        Ok(Self::Finished { results, has_curves })
    }

    /// The folder that the report goes into.
    pub(super) fn folder(&self, asked: &Path) -> Folder {
        match self {
            Self::Finished { results, .. } => results.folder().clone(),
            Self::Running { .. } => Folder::new(asked),
        }
    }

    /// Every run.
    pub(super) fn cells(&self, mut take: impl FnMut(&Cell)) -> Result<(), ReportError> {
        match self {
            Self::Finished { results, .. } => {
                for cell in results.cells()? {
                    take(&cell?);
                }
            }
            Self::Running { parts: folder, running, keys } => {
                let mut header = Vec::new();
                let targets = Targets::new(running.targets.iter().copied()).unwrap_or_default();
                write_cell_header(&mut header, &targets);
                for (path, part) in parts(folder, keys) {
                    for cell in
                        Cells::new(path, std::io::Read::chain(header.as_slice(), part.cells.as_slice()))?
                    {
                        take(&cell?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Every point of their curves, where there are curves.
    pub(super) fn points(&self, mut take: impl FnMut(&Point)) -> Result<(), ReportError> {
        match self {
            Self::Finished { has_curves: false, .. } => {}
            Self::Finished { results, .. } => {
                for point in results.points()? {
                    take(&point?);
                }
            }
            Self::Running { parts: folder, keys, .. } => {
                let mut header = Vec::new();
                write_point_header(&mut header);
                for (path, part) in parts(folder, keys) {
                    for point in
                        Points::new(path, std::io::Read::chain(header.as_slice(), part.curves.as_slice()))?
                    {
                        take(&point?);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is wrong where there is no run.
    pub(super) fn empty(&self) -> ReportError {
        match self {
            Self::Finished { results, .. } => TableError::Empty { path: results.path(Results::CELLS) }.into(),
            Self::Running { parts, .. } => ReportError::NothingYet { folder: parts.path().to_owned() },
        }
    }

    /// Name, state, manifest and config.
    pub(super) fn about(&self) -> About {
        match self {
            Self::Finished { results, has_curves } => finished(results, *has_curves),
            Self::Running { running, keys, .. } => About {
                name: running.name.clone(),
                state: format!(
                    "{} of {} parts, of {} runs in all",
                    keys.len(),
                    running.keys.len(),
                    running.cells
                ),
                running: true,
                manifest: "There is none before the run is finished.".to_owned(),
                config: running.config.clone(),
                ..About::default()
            },
        }
    }
}

fn finished(results: &Results, has_curves: bool) -> About {
    let mut missing = Vec::new();
    if !has_curves {
        missing.push(
            "There are no curves here: curves.csv isn't beside cells.csv (run the config again to have it)."
                .to_owned(),
        );
    }
    let Some(manifest) = &results.manifest else {
        missing.push("manifest.json isn't beside cells.csv: what ran is not known.".to_owned());
        let name = results.folder().path().file_name();
        let name = name.map_or_else(|| "results".into(), |name| name.to_string_lossy().into_owned());
        return About { name, state: "finished".into(), missing, ..About::default() };
    };
    let state = format!(
        "{} runs, of which {} diverged and {} failed; on {}",
        manifest.cells,
        manifest.diverged,
        manifest.failed,
        manifest.engines.join(" and ")
    );
    let rest = Manifest { config: String::new(), ..manifest.clone() };
    let mut rest = serde_json::to_value(rest).expect("a manifest is plain data");
    rest.as_object_mut().expect("it is an object").remove("config");
    About {
        name: manifest.name.clone(),
        state,
        missing,
        manifest: serde_json::to_string_pretty(&rest).expect("a manifest is plain data"),
        config: manifest.config.clone(),
        ..About::default()
    }
}

/// The parts that are there and whole.
fn parts<'a>(folder: &'a Folder, keys: &'a [String]) -> impl Iterator<Item = (PathBuf, Part)> + 'a {
    let path = |key: &String| folder.path().join(parts::name(key));
    keys.iter().filter_map(move |key| Some((path(key), Part::load(folder, key)?)))
}
