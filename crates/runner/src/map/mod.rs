//! `runner map`: convergence over a plane, one training run a pixel.

mod picture;
mod pixels;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use files::{Folder, LockError};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Diagnostic;
use records::Manifest;
use report::figures::FigureError;
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::BUILD;
use crate::args::Place;
use crate::config::map::{self, Map, Show};
use crate::owner::{Kind, Owner, Taken};
use crate::run::work;
use crate::signals;
use crate::terminal::{print, progress, say, wrong};
use crate::threads::{NoThreads, pool};
use picture::{Counts, picture, write_csv, write_npy};
pub use pixels::{Pixel, train};

/// What `--help` adds.
pub(crate) const HELP: &str = "\
Examples:
  runner map configs/map-himmelblau.toml     which minimum a start leads to
  runner map configs/map-momentum.toml       steps to the target over learning rate and momentum

Both axes take lr, a coordinate of the start (start.x1) or an option (optimizer.momentum, loss.delta), from one
number to another, on a linear or logarithmic scale. To zoom in, change `from` and `to`.

Into results/<name>/ go map.png, steps.npy and error.npy (float32, a row a line from the bottom: infinite where the
target wasn't reached, NaN where the run diverged; numpy.load reads them), minimiser.npy where it is shown, map.csv
with `csv = true`, and manifest.json.

Exit codes: 0 fine; 1 a run failed or a file couldn't be written; 2 the input is wrong; 130 stopped by Ctrl-C.";

/// What `runner map` is asked for.
#[derive(Args)]
pub(crate) struct MapArgs {
    /// The map, a TOML file
    config: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Delete results of another config in the folder
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, Error, Diagnostic)]
enum MapError {
    #[error("can't write {}", path.display())]
    #[diagnostic(help("make room, or use --out DIR to write elsewhere"))]
    Write { path: PathBuf, source: io::Error },
    #[error("another run is at work in {}, with another config or build", path.display())]
    #[diagnostic(help("wait for it, or use --out DIR or another `name`"))]
    Busy { path: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Taken(#[from] Taken),
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error("a run failed: {message}")]
    Failed { message: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Threads(#[from] NoThreads),
}

/// What `manifest.json` says.
#[derive(Serialize)]
struct MapManifest<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    version: &'a str,
    build: &'a str,
    runs: u64,
    reached: u64,
    budget: u64,
    diverged: u64,
    files: Vec<(&'a str, String)>,
    config: &'a str,
}

/// Makes a map; what it returns is the exit code.
pub(crate) fn command(args: &MapArgs) -> ExitCode {
    let map = match map::read(&args.config) {
        Ok(map) => map,
        Err(error) => return wrong(error, 2),
    };
    let jobs = match args.place.jobs(None) {
        Ok(jobs) => jobs,
        Err(error) => return wrong(error, 2),
    };
    if let Err(error) = signals::end_at_once("stopped: a map is made in one go, and nothing was written") {
        return wrong(error, 1);
    }
    let folder = Folder::new(args.place.out.join(&map.name));
    let runs = map.x.pixels * map.y.pixels;
    say(&format!("{}: {runs} runs of up to {} steps, on {jobs} threads", map.name, map.steps));
    let begin = Instant::now();
    let owner = Owner { kind: Kind::Map, config: &map.text, file: Some(&args.config) };
    let made = make(&map, &owner, &folder, jobs, args.fresh);
    match made {
        Ok(counts) => {
            print(&said(&map, counts));
            let wall = begin.elapsed().as_secs_f64();
            say(&format!(
                "{runs} runs in {wall:.1} s; {} is the picture",
                folder.path().join("map.png").display()
            ));
            ExitCode::SUCCESS
        }
        Err(error @ MapError::Taken(_)) => wrong(error, 2),
        Err(error) => wrong(error, 1),
    }
}

fn said(map: &Map, counts: Counts) -> String {
    format!(
        "an error of {} is reached by {} of the runs; {} take more than {} steps, {} diverge\n",
        map.target,
        counts.share(counts.reached),
        counts.share(counts.budget),
        map.steps,
        counts.share(counts.diverged)
    )
}

fn make(map: &Map, owner: &Owner, folder: &Folder, jobs: usize, fresh: bool) -> Result<Counts, MapError> {
    let unusable = |source| MapError::Write { path: folder.path().to_owned(), source };
    folder.create().map_err(unusable)?;
    let lock = match folder.lock(&work(&map.text)) {
        Ok(lock) => lock,
        Err(LockError::Busy) => return Err(MapError::Busy { path: folder.path().to_owned() }),
        Err(LockError::Io(source)) => return Err(unusable(source)),
    };
    if let Some(previous) = owner.claim(folder, &lock, fresh)? {
        previous.note(&[]);
    }
    let pool = pool(jobs)?;
    let bar = progress_bar((map.x.pixels * map.y.pixels) as u64);
    let pixels = pool.install(|| train(map, |runs| bar.inc(runs as u64)));
    bar.finish_and_clear();
    let pixels = pixels.map_err(|message| MapError::Failed { message })?;
    signals::hold();
    write(map, owner.source(folder), folder, &pixels)
}

fn write(map: &Map, source: Option<String>, folder: &Folder, pixels: &[Pixel]) -> Result<Counts, MapError> {
    let shape = (map.y.pixels, map.x.pixels);
    let mut files = Vec::new();
    let mut save = |name: &'static str, bytes: &[u8]| {
        files.push((name, base16ct::lower::encode_string(&Sha256::digest(bytes))));
        store(folder, name, bytes)
    };
    let npy = |of: fn(&Pixel) -> f32| {
        let mut bytes = Vec::with_capacity(128 + 4 * pixels.len());
        write_npy(&mut bytes, shape, pixels.iter().map(of)).expect("memory takes all");
        bytes
    };
    save("steps.npy", &npy(|pixel| pixel.steps))?;
    save("error.npy", &npy(|pixel| pixel.error))?;
    if map.show == Show::Minimiser {
        save("minimiser.npy", &npy(|pixel| pixel.minimiser))?;
    }
    if map.csv {
        let mut bytes = Vec::new();
        write_csv(&mut bytes, map, pixels).expect("memory takes all");
        save("map.csv", &bytes)?;
    }
    store(folder, "map.png", &picture(map, pixels).png()?)?;
    let counts = Counts::of(pixels);
    let manifest = MapManifest {
        name: &map.name,
        source,
        version: env!("CARGO_PKG_VERSION"),
        build: BUILD,
        runs: counts.runs(),
        reached: counts.reached,
        budget: counts.budget,
        diverged: counts.diverged,
        files,
        config: &map.text,
    };
    let json = serde_json::to_string_pretty(&manifest).expect("a manifest is plain data") + "\n";
    store(folder, Manifest::FILE, json.as_bytes())?;
    let _ = folder.remove_half_written();
    Ok(counts)
}

fn store(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), MapError> {
    let failed = |source| MapError::Write { path: folder.path().join(name), source };
    folder.write(name, |file| file.write_all(bytes)).map_err(failed)
}

fn progress_bar(runs: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} runs  {elapsed} gone, {eta} left");
    progress(Some(runs), style.expect("the template is well formed"))
}
