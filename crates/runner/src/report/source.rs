//! Where the results are: in the files of a finished run, or in the parts of one that is running.

use std::path::{Path, PathBuf};

use analysis::records::{Cell, Cells, Point, Points, Targets, write_cell_header, write_point_header};
use analysis::report::About;
use serde_json::Value;

use super::ReportError;
use crate::parts::{self, Part};
use crate::run::{Running, manifest};
use crate::table::{TableError, cells_path};

/// Results to be read, several times over.
pub(super) enum Source {
    /// `cells.csv`, and `curves.csv` where it is there.
    Finished { cells: PathBuf, curves: Option<PathBuf>, manifest: Value },
    /// The parts that are there.
    Running { folder: PathBuf, running: Running, keys: Vec<String> },
}

impl Source {
    /// Looks what is there. A run that is under way is newer than result files.
    pub(super) fn open(folder: &Path) -> Result<Self, ReportError> {
        if let Some(running) = Running::read(folder) {
            let parts = folder.join("parts");
            let there = |key: &&String| parts::path(&parts, key).exists();
            let keys: Vec<String> = running.keys.iter().filter(there).cloned().collect();
            if keys.is_empty() {
                return Err(ReportError::NothingYet { folder: folder.to_owned() });
            }
            return Ok(Self::Running { folder: parts, running, keys });
        }
        let manifest = manifest(folder).unwrap_or(Value::Null);
        let cells = cells_path(folder)?;
        let curves = Some(cells.with_file_name("curves.csv")).filter(|path| path.exists());
        Ok(Self::Finished { cells, curves, manifest })
    }

    /// Every run.
    pub(super) fn cells(&self, mut take: impl FnMut(&Cell)) -> Result<(), ReportError> {
        match self {
            Self::Finished { cells, .. } => {
                for cell in Cells::open(cells)? {
                    take(&cell?);
                }
            }
            Self::Running { folder, running, keys } => {
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
            Self::Finished { curves: None, .. } => {}
            Self::Finished { curves: Some(path), .. } => {
                for point in Points::open(path)? {
                    take(&point?);
                }
            }
            Self::Running { folder, keys, .. } => {
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
            Self::Finished { cells, .. } => TableError::Empty { path: cells.clone() }.into(),
            Self::Running { folder, .. } => ReportError::NothingYet { folder: folder.clone() },
        }
    }

    /// Name, state, manifest and config.
    pub(super) fn about(&self) -> About {
        match self {
            Self::Finished { cells, curves, manifest } => finished(cells, curves.is_some(), manifest),
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

fn finished(cells: &Path, has_curves: bool, manifest: &Value) -> About {
    let text = |key: &str| manifest[key].as_str().unwrap_or_default().to_owned();
    let count = |key: &str| manifest[key].as_u64().map_or("?".to_owned(), |count| count.to_string());
    let folder = cells.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name =
        if text("name").is_empty() { folder.unwrap_or_else(|| "results".to_owned()) } else { text("name") };
    let mut missing = Vec::new();
    if !has_curves {
        missing.push(
            "There are no curves here: curves.csv isn't beside cells.csv (run the config again to have it)."
                .to_owned(),
        );
    }
    let state = if manifest.is_null() {
        missing.push("manifest.json isn't beside cells.csv: what ran is not known.".to_owned());
        "finished".to_owned()
    } else {
        let engines = manifest["engines"].as_array().cloned().unwrap_or_default();
        let engines: Vec<&str> = engines.iter().filter_map(Value::as_str).collect();
        format!(
            "{} runs, of which {} diverged and {} failed; on {}",
            count("cells"),
            count("diverged"),
            count("failed"),
            engines.join(" and ")
        )
    };
    let mut rest = manifest.clone();
    if let Some(fields) = rest.as_object_mut() {
        fields.remove("config");
    }
    About {
        name,
        state,
        missing,
        manifest: serde_json::to_string_pretty(&rest).expect("a manifest is plain data"),
        config: text("config"),
        ..About::default()
    }
}

/// The parts that are there and whole.
fn parts<'a>(folder: &'a Path, keys: &'a [String]) -> impl Iterator<Item = (PathBuf, Part)> + 'a {
    keys.iter().filter_map(move |key| Some((parts::path(folder, key), Part::load(folder, key)?)))
}
