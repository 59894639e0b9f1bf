//! Where the results are: in the files of a finished run; where there are none yet, in the parts of one that isn't
//! finished.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use files::Folder;
use miette::Diagnostic;
use records::{
    Cell, Cells, Manifest, Point, Points, RecordError, Results, Targets, write_cell_header,
    write_point_header,
};
use report::About;
use thiserror::Error;

use crate::exit::{Exit, Failure};
use crate::owner::shown;
use crate::running::{PARTS, Running};
use crate::terminal::say;
use records::parts::{self, Part};

/// Why there are no results to show.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum TableError {
    #[error("there is no results folder {}", path.display())]
    #[diagnostic(help("{help}"))]
    Missing { path: PathBuf, help: String },
    #[error("{} holds no cells.csv", path.display())]
    #[diagnostic(help("{help}"))]
    Unfinished { path: PathBuf, help: &'static str },
    #[error("the results can't be read")]
    #[diagnostic(help("{help}"))]
    Unreadable { source: RecordError, help: &'static str },
    #[error("no part of the run in {} is there yet", folder.display())]
    #[diagnostic(help("try again when its first batches are done, or run its config to go on"))]
    NothingYet { folder: PathBuf },
    #[error("{} has no cells", path.display())]
    #[diagnostic(help("run its config again"))]
    Empty { path: PathBuf },
    #[error("no cell has {wanted}")]
    #[diagnostic(help("{help}"))]
    NoMatch { wanted: String, help: String },
    #[error("can't write {}", path.display())]
    #[diagnostic(help("use --no-write to print only"))]
    Write { path: PathBuf, source: io::Error },
}

impl Failure for TableError {
    fn exit(&self) -> Exit {
        if let Self::Write { .. } = self { Exit::Failed } else { Exit::WrongInput }
    }
}

/// Results to be read, several times over.
pub(crate) enum Source {
    /// The files of a finished run, whose cells are whole; and what is to be said of a newer run that isn't finished.
    Finished { results: Results, newer: Option<String> },
    /// The parts that are there.
    Unfinished(Unfinished),
}

/// A run that was begun: it is under way, or it was stopped.
pub(crate) struct Unfinished {
    folder: Folder,
    running: Running,
    /// The parts that are there.
    keys: Vec<String>,
}

impl Unfinished {
    /// That of a folder, if it has one.
    pub(crate) fn read(folder: &Folder) -> Option<Self> {
        let running = Running::read(folder)?;
        let parts = folder.below(PARTS);
        let there = |key: &&String| parts.has(&parts::name(key));
        let keys = running.keys.iter().filter(there).cloned().collect();
        Some(Self { folder: folder.clone(), running, keys })
    }

    /// How far it is, and how to go on.
    pub(crate) fn progress(&self) -> String {
        let config = self.running.source.as_deref().map(|source| shown(&self.folder, source));
        let config = config.as_deref().unwrap_or("its config");
        format!("{} of {} parts; run {config} again to finish it", self.keys.len(), self.running.keys.len())
    }

    fn state(&self) -> String {
        format!(
            "{} of {} parts, of {} runs in all",
            self.keys.len(),
            self.running.keys.len(),
            self.running.cells
        )
    }

    /// The parts that are there and whole.
    fn parts(&self) -> impl Iterator<Item = (PathBuf, Part)> {
        let folder = self.folder.below(PARTS);
        self.keys
            .iter()
            .filter_map(move |key| Some((folder.path().join(parts::name(key)), Part::load(&folder, key)?)))
    }
}

/// What is to be said where results are finished, and a newer run isn't.
pub(crate) fn newer_run(folder: &Folder, manifest: Option<&Manifest>) -> Option<String> {
    let unfinished = Unfinished::read(folder)?;
    let same = manifest.is_some_and(|manifest| manifest.config == unfinished.running.config);
    Some(format!(
        "{} has the results of the last finished run; {} is unfinished ({})",
        folder.path().display(),
        if same { "a new run of the same config" } else { "a run of an edited config" },
        unfinished.progress()
    ))
}

impl Source {
    /// Looks what is there, and says what is unfinished.
    pub(crate) fn open(asked: &Path) -> Result<Self, TableError> {
        let folder = Folder::new(folder_of(asked));
        if !folder.has(Results::CELLS)
            && let Some(unfinished) = Unfinished::read(&folder)
        {
            if unfinished.keys.is_empty() {
                return Err(TableError::NothingYet { folder: folder.path().to_owned() });
            }
            say(&format!(
                "note: the run in {} isn't finished: {}",
                folder.path().display(),
                unfinished.state()
            ));
            return Ok(Self::Unfinished(unfinished));
        }
        let results = results(asked)?;
        let newer = newer_run(results.folder(), results.manifest.as_ref());
        if let Some(newer) = &newer {
            say(&format!("note: {newer}"));
        }
        Ok(Self::Finished { results, newer })
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Folder {
        match self {
            Self::Finished { results, .. } => results.folder(),
            Self::Unfinished(unfinished) => &unfinished.folder,
        }
    }

    /// Every run.
    pub(crate) fn cells(&self, mut take: impl FnMut(&Cell)) -> Result<(), RecordError> {
        match self {
            Self::Finished { results, .. } => {
                for cell in results.cells()? {
                    take(&cell?);
                }
            }
            Self::Unfinished(unfinished) => {
                let mut header = Vec::new();
                let targets = Targets::new(unfinished.running.targets.iter().copied()).unwrap_or_default();
                write_cell_header(&mut header, &targets);
                for (path, part) in unfinished.parts() {
                    for cell in Cells::new(path, header.as_slice().chain(part.cells.as_slice()))? {
                        take(&cell?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Every point of their curves, where there are curves.
    pub(crate) fn points(&self, mut take: impl FnMut(&Point)) -> Result<(), RecordError> {
        match self {
            Self::Finished { results, .. } if !results.folder().has(Results::CURVES) => {}
            Self::Finished { results, .. } => {
                results.verify(Results::CURVES)?;
                for point in results.points()? {
                    take(&point?);
                }
            }
            Self::Unfinished(unfinished) => {
                let mut header = Vec::new();
                write_point_header(&mut header);
                for (path, part) in unfinished.parts() {
                    for point in Points::new(path, header.as_slice().chain(part.curves.as_slice()))? {
                        take(&point?);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is wrong where there is no run.
    pub(crate) fn empty(&self) -> TableError {
        match self {
            Self::Finished { results, .. } => TableError::Empty { path: results.path(Results::CELLS) },
            Self::Unfinished(unfinished) => {
                TableError::NothingYet { folder: unfinished.folder.path().to_owned() }
            }
        }
    }

    /// Name, state, manifest and config.
    pub(crate) fn about(&self) -> About {
        match self {
            Self::Finished { results, newer } => finished(results, newer.as_deref()),
            Self::Unfinished(unfinished) => About {
                name: unfinished.running.name.clone(),
                state: unfinished.state(),
                running: true,
                manifest: "There is none before the run is finished.".to_owned(),
                config: unfinished.running.config.clone(),
                ..About::default()
            },
        }
    }
}

fn finished(results: &Results, newer: Option<&str>) -> About {
    let mut missing: Vec<String> = newer.map(str::to_owned).into_iter().collect();
    if !results.folder().has(Results::CURVES) {
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

/// The folder that is asked for, itself or by its cells.csv.
pub(crate) fn folder_of(asked: &Path) -> &Path {
    let is_cells = asked.file_name().is_some_and(|name| name == Results::CELLS);
    if is_cells && asked.is_file() { parent(asked) } else { asked }
}

/// The finished results that are asked for by their folder, or its cells.csv; with cells that are whole.
pub(crate) fn results(asked: &Path) -> Result<Results, TableError> {
    let path = folder_of(asked);
    if path.is_file() {
        return Err(TableError::Unfinished {
            path: path.to_owned(),
            help: "name the folder of a grid, or its cells.csv",
        });
    }
    if !path.is_dir() {
        return Err(TableError::Missing { path: path.to_owned(), help: neighbors(path) });
    }
    let folder = Folder::new(path);
    if !folder.has(Results::CELLS) {
        let help = if path.join(PARTS).is_dir() {
            "the run isn't finished: run its config again, and it goes on where it stopped"
        } else {
            "name the folder of one grid, such as results/grid, or run its config first"
        };
        return Err(TableError::Unfinished { path: path.to_owned(), help });
    }
    let results = Results::open(folder).map_err(unreadable)?;
    results.verify(Results::CELLS).map_err(unreadable)?;
    if results.manifest.is_none() {
        say(&format!(
            "note: there is no manifest.json beside {}, so nothing tells whether it is whole",
            results.path(Results::CELLS).display()
        ));
    }
    Ok(results)
}

/// The folder that this lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The results that are there instead.
fn neighbors(folder: &Path) -> String {
    let mut there: Vec<String> = fs::read_dir(parent(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.join("cells.csv").exists()))
        .map(|path| path.display().to_string())
        .collect();
    there.sort();
    there.truncate(10);
    if there.is_empty() {
        "run a grid first, such as `optbench configs/smoke.toml`".to_owned()
    } else {
        format!("there is {}", there.join(", "))
    }
}

pub(crate) fn unreadable(source: RecordError) -> TableError {
    let help = match source {
        RecordError::Io { .. } => "look whether the file is there and may be read",
        RecordError::Changed { .. } => {
            "run its config again, which makes it anew from the parts, or `git restore` it"
        }
        // They say it themselves.
        RecordError::Missing { .. } | RecordError::Schema { .. } => {
            "results of another version are read where nothing but names differs"
        }
        _ => "the file is damaged: run its config again, which keeps the parts that are whole",
    };
    TableError::Unreadable { source, help }
}
