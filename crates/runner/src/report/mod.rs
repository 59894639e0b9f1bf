//! `runner report`: figures and one page of a results folder.

mod diagnoses;
mod landscape;
mod shapes;
mod source;

use std::fs;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use analysis::figures::{Drawing, FigureError, Picture, Theme};
use analysis::records::RecordError;
use analysis::report::{About, Builder, Results, page};
use analysis::table;
use clap::Args;
use miette::Diagnostic;
use optimizers::Optimizer;
use rayon::prelude::*;
use thiserror::Error;

use crate::config::{self, Config};
use crate::table::{TableError, parent, unreadable};
use crate::terminal::{print, say, wrong};
use crate::threads::pool;
use files::write_whole;
use source::Source;

/// What `--help` adds.
pub(crate) const HELP: &str = "\
Examples:
  runner report results/grid           then open results/grid/report.html in a browser
  runner report results/grid --no-figures
                                       the page alone, in a second

Into the folder go report.html, one page that needs no network and no other file, and report/ with figures, each as
.svg and .png on white and as -dark.svg: convergence curves, sensitivity to the learning rate and a map of optimizers
and rates for each problem and loss (the first 60), profiles and mean ranks, the shapes of the losses, and landscapes of
two variables with trajectories, which are run again for it.

A running grid is shown as far as its parts go. Diagnoses (results/*/diagnosis.json) beside the folder are on the page.

Exit codes: 0 fine; 1 a file couldn't be written; 2 there are no results to show.";

/// Of more landscapes, only the first are drawn.
const MOST_LANDSCAPES: usize = 6;

/// What `runner report` is asked for.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// The results of a grid, finished or running: a folder, or its cells.csv
    folder: PathBuf,
    /// Write the page only
    #[arg(long)]
    no_figures: bool,
}

/// Why there is no report.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum ReportError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Results(#[from] TableError),
    #[error("no part of the run in {} is there yet", folder.display())]
    #[diagnostic(help("try again when its first batches are done, or run its config to go on"))]
    NothingYet { folder: PathBuf },
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

/// Writes the report; what it returns is the exit code.
pub(crate) fn command(args: &ReportArgs) -> ExitCode {
    match report(args) {
        Ok(path) => {
            print(&format!("{}\n", path.display()));
            ExitCode::SUCCESS
        }
        Err(error @ (ReportError::Write { .. } | ReportError::Figure(_))) => wrong(error, 1),
        Err(error) => wrong(error, 2),
    }
}

fn report(args: &ReportArgs) -> Result<PathBuf, ReportError> {
    let folder = if args.folder.is_file() { parent(&args.folder) } else { &args.folder };
    let source = Source::open(folder)?;
    let results = read(&source)?;
    let about = source.about();
    let config = config::parse("the config in the results", about.config.clone());
    let (drawn, unread) = match &config {
        Ok(config) => (drawings(&results, config), None),
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
        diagnoses: diagnoses::beside(folder),
        pictures: pictures.collect::<Result<_, FigureError>>()?,
        ..about
    };
    let path = folder.join("report.html");
    let html = page(&results, &about);
    write_whole(&path, |file| file.write_all(html.as_bytes()))
        .map_err(|source| ReportError::Write { path: path.clone(), source })?;
    if !args.no_figures {
        let mut gallery = results.gallery();
        gallery.extend(drawn);
        write_figures(&folder.join("report"), &gallery)?;
        say(&format!("{} figures are in {}", gallery.len(), folder.join("report").display()));
    }
    Ok(path)
}

/// Three passes: one to choose the learning rates, one over the runs that are reported at them, one over their points.
fn read(source: &Source) -> Result<Results, ReportError> {
    let mut first = table::Builder::new();
    source.cells(|cell| first.add(cell))?;
    let tuned = first.finish_tuned();
    if tuned.table.rows.is_empty() {
        return Err(source.empty());
    }
    let mut second = Builder::new(tuned);
    source.cells(|cell| second.add(cell))?;
    source.points(|point| second.add_point(point))?;
    Ok(second.finish(Optimizer::NAMES))
}

/// What is drawn from the config: the losses and the landscapes in it.
fn drawings(results: &Results, config: &Config) -> Vec<(String, Drawing)> {
    let mut drawings: Vec<(String, Drawing)> = shapes::figure(config)
        .map(|figure| ("losses".to_owned(), Drawing::Figure(figure)))
        .into_iter()
        .collect();
    let landscapes = landscape::figures(results, config, MOST_LANDSCAPES).into_iter().enumerate();
    drawings.extend(landscapes.map(|(k, figure)| (format!("landscape-{}", k + 1), Drawing::Figure(figure))));
    drawings
}

fn drawing_title(drawing: &Drawing) -> String {
    match drawing {
        Drawing::Figure(figure) => figure.title.clone(),
        Drawing::HeatMap(map) => map.title.clone(),
        Drawing::Ranks(ranks) => ranks.title.clone(),
    }
}

/// Writes the figures into a folder that holds nothing but those of this report.
fn write_figures(folder: &Path, gallery: &[(String, Drawing)]) -> Result<(), ReportError> {
    let failed = |source| ReportError::Write { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "svg" || end == "png") {
            // What can't be removed is overwritten, or says so then.
            let _ = fs::remove_file(path);
        }
    }
    let write = |(name, drawing): &(String, Drawing)| drawing.write(folder, name);
    // Where there are no threads to be had, one is enough.
    match pool(available_parallelism().map_or(1, NonZero::get)) {
        Ok(pool) => pool.install(|| gallery.par_iter().try_for_each(write))?,
        Err(_) => gallery.iter().try_for_each(write)?,
    }
    Ok(())
}
