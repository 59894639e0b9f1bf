//! `optbench report`: figures and one page of a results folder.

mod diagnoses;
mod landscape;
mod shapes;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use analysis::table;
use clap::Args;
use files::Folder;
use losses::Loss;
use miette::Diagnostic;
use optimizers::Optimizer;
use rayon::prelude::*;
use records::{RecordError, digest};
use report::figures::{Drawing, FigureError, Picture, Theme};
use report::{About, Builder, Results, page};
use thiserror::Error;

use crate::config::{self, ConfigError, Entries};
use crate::exit::{Exit, Failure, Outcome};
use crate::plan::{Plan, PlanError};
use crate::source::{Source, TableError, unreadable};
use crate::terminal::{print, say};
use crate::threads::pool;

/// The name of the page.
const PAGE: &str = "report.html";

/// Of more landscapes, only the first are drawn.
const MOST_LANDSCAPES: usize = 6;

/// Make figures and one self-contained HTML page of a results folder
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench report results/grid                then open results/grid/report.html in a browser
  optbench report results/grid --config configs/grid.toml
                                              with the paths of the optimizers on landscapes
  optbench report results/grid --no-figures   the page alone, in a second

Into the folder go report.html, one page that needs no network and no other file, and report/ with figures, each as \
.svg and .png on white and as -dark.svg: convergence curves, sensitivity to the learning rate and a map of optimizers \
and rates for each problem and loss (the first 60), profiles and mean ranks, the shapes of the losses, and landscapes of \
two variables. With --config the landscapes have trajectories. Nothing in a results folder is run, and no file is \
opened that its config names, so that a report of somebody else's results is safe.

A first run that isn't finished is shown as far as its parts go; else the last finished run is. Diagnoses \
(results/*/diagnosis.json) beside the folder are on the page.

Exit codes: 0 fine; 1 a file couldn't be written; 2 there are no results to show.")]
pub(crate) struct ReportArgs {
    /// The results of a grid, finished or running: a folder, or its cells.csv
    folder: PathBuf,
    /// Write the page only
    #[arg(long)]
    no_figures: bool,
    /// The config that made these results: its landscapes are drawn with the trajectories, which it is run again for
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum ReportError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Results(#[from] TableError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    #[error("{} isn't the config that these results are of", path.display())]
    #[diagnostic(help("run it again, or leave --config out"))]
    OtherConfig { path: PathBuf },
    #[error("can't write {}", path.display())]
    #[diagnostic(help("the report goes into the results folder: make room, or make the folder writable"))]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    #[diagnostic(help("the report goes into the results folder: make room, or make the folder writable"))]
    Figure(#[from] FigureError),
}

impl From<RecordError> for ReportError {
    fn from(error: RecordError) -> Self {
        Self::Results(unreadable(error))
    }
}

impl Failure for ReportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } | Self::Figure(_) => Exit::Failed,
            _ => Exit::WrongInput,
        }
    }
}

pub(crate) fn run(args: &ReportArgs) -> Outcome {
    print(&format!("{}\n", report(args)?.display()));
    Ok(Exit::Fine)
}

fn report(args: &ReportArgs) -> Result<PathBuf, ReportError> {
    let source = Source::open(&args.folder)?;
    let folder = source.folder().clone();
    let results = read(&source)?;
    let about = source.about();
    let plan = args.config.as_ref().map(|config| plan(config, &about.config)).transpose()?;
    let (drawn, unread) = match config::entries(&about.config) {
        Ok(entries) => (drawings(&results, &entries, plan.as_ref()), None),
        Err(error) => (
            Vec::new(),
            Some(format!(
                "Losses and landscapes aren't drawn, since this program can't read the config: {error}."
            )),
        ),
    };
    let mut missing = about.missing.clone();
    missing.extend(unread);
    let pictures =
        results.ranks().map(Drawing::Ranks).into_iter().chain(drawn.iter().map(|named| named.1.clone()));
    let pictures = pictures.map(|drawing| {
        let what = drawing_title(&drawing);
        Ok((what, [drawing.svg(Theme::Light)?, drawing.svg(Theme::Dark)?]))
    });
    let about = About {
        missing,
        diagnoses: diagnoses::beside(folder.path()),
        pictures: pictures.collect::<Result<_, FigureError>>()?,
        ..about
    };
    let html = page(&results, &about);
    write(&folder, PAGE, html.as_bytes())?;
    if !args.no_figures {
        let mut gallery = results.gallery();
        gallery.extend(drawn);
        let below = folder.below("report");
        write_figures(&below, &gallery)?;
        say(&format!("{} figures are in {}", gallery.len(), below.path().display()));
    }
    let _ = folder.remove_half_written();
    Ok(folder.path().join(PAGE))
}

/// The plan of the user's own config, which must be the one that ran.
fn plan(path: &Path, ran: &str) -> Result<Plan, ReportError> {
    let config = config::read(path)?;
    if config.text != ran {
        return Err(ReportError::OtherConfig { path: path.to_owned() });
    }
    Ok(Plan::new(&config)?)
}

/// Three passes: one to choose the learning rates, one over the runs that are reported at them, one over their points.
fn read(source: &Source) -> Result<Results, ReportError> {
    let mut first = table::Builder::new();
    source.cells(|cell| first.add(cell))?;
    let tuned = first.finish_tuned();
    if tuned.table.rows.is_empty() {
        return Err(source.empty().into());
    }
    let mut second = Builder::new(tuned);
    source.cells(|cell| second.add(cell))?;
    source.points(|point| second.add_point(point))?;
    Ok(second.finish(Optimizer::NAMES))
}

/// What is drawn of the losses and the landscapes in a config.
fn drawings(results: &Results, entries: &Entries, plan: Option<&Plan>) -> Vec<(String, Drawing)> {
    let ran: HashSet<&str> = results.table.rows.iter().map(|row| row.loss.as_str()).collect();
    let losses: Vec<&Loss> = entries.losses.iter().filter(|loss| ran.contains(&*loss.label())).collect();
    let mut drawings: Vec<(String, Drawing)> = shapes::figure(&losses)
        .map(|figure| ("losses".to_owned(), Drawing::Figure(figure)))
        .into_iter()
        .collect();
    let landscapes = landscape::figures(results, &entries.problems, plan, MOST_LANDSCAPES);
    let named = |(k, figure)| (format!("landscape-{}", k + 1), Drawing::Figure(figure));
    drawings.extend(landscapes.into_iter().enumerate().map(named));
    drawings
}

fn drawing_title(drawing: &Drawing) -> String {
    match drawing {
        Drawing::Figure(figure) => figure.title.clone(),
        Drawing::HeatMap(map) => map.title.clone(),
        Drawing::Ranks(ranks) => ranks.title.clone(),
    }
}

/// The names and SHA-256 of the figures that a report made, so that the next one knows which to remove.
const LIST: &str = "figures.json";

/// Writes the figures, and removes those of an earlier report; what else is in the folder stays.
fn write_figures(folder: &Folder, gallery: &[(String, Drawing)]) -> Result<(), ReportError> {
    folder.create().map_err(|source| ReportError::Write { path: folder.path().to_owned(), source })?;
    let make = |(name, drawing): &(String, Drawing)| {
        let files = drawing.files(name)?;
        files.iter().try_for_each(|(name, bytes)| write(folder, name, bytes))?;
        Ok(files.map(|(name, bytes)| (name, digest(bytes.as_slice()).expect("memory can be read"))))
    };
    // Where there are no threads to be had, one is enough.
    let made: Result<Vec<[(String, String); 3]>, ReportError> =
        match pool(available_parallelism().map_or(1, NonZero::get)) {
            Ok(pool) => pool.install(|| gallery.par_iter().map(make).collect()),
            Err(_) => gallery.iter().map(make).collect(),
        };
    let made = made?;
    let made: BTreeMap<String, String> = made.into_iter().flatten().collect();
    let before = folder.read_text(LIST, files::TEXT).unwrap_or_default();
    let before: BTreeMap<String, String> = serde_json::from_str(&before).unwrap_or_default();
    for (name, hash) in before.iter().filter(|(name, _)| !made.contains_key(*name)) {
        let is_ours = folder.open(name, u64::MAX).and_then(digest).is_ok_and(|found| found == *hash);
        if is_ours {
            let _ = folder.remove(name);
        }
    }
    let list = serde_json::to_string_pretty(&made).expect("names are plain data") + "\n";
    write(folder, LIST, list.as_bytes())?;
    let _ = folder.remove_half_written();
    Ok(())
}

fn write(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
    let failed = |source| ReportError::Write { path: folder.path().join(name), source };
    folder.write(name, |file| file.write_all(bytes)).map_err(failed)
}
