//! Convergence over a plane, one training run a pixel.

mod picture;
mod pixels;

use std::io::{self, Write};
use std::path::PathBuf;

use files::{Folder, LockError};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Diagnostic;
use records::{MAP_COLUMNS, Manifest, MapAxes, MapAxis, MapManifest, save_manifest};
use report::figures::FigureError;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::BUILD;
use crate::config::map::{Axis, Map, Show};
use crate::exit::{Exit, Failure};
use crate::owner::{Kind, Owner, Taken};
use crate::run::work;
use crate::signals;
use crate::terminal::progress;
use crate::threads::{NoThreads, pool};
use picture::{Counts, picture, write_csv, write_npy};
pub use pixels::{Pixel, train};

#[derive(Debug, Error, Diagnostic)]
pub(crate) enum MapError {
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

impl Failure for MapError {
    fn exit(&self) -> Exit {
        match self {
            Self::Busy { .. } | Self::Taken(_) => Exit::WrongInput,
            _ => Exit::Failed,
        }
    }
}

/// What the runs came to, in a line.
pub(crate) fn describe(map: &Map, counts: Counts) -> String {
    format!(
        "an error of {} is reached by {} of the runs; {} take more than {} steps, {} diverge\n",
        map.target,
        counts.share(counts.reached),
        counts.share(counts.budget),
        map.steps,
        counts.share(counts.diverged)
    )
}

/// Makes a map and writes its files.
pub(crate) fn make(
    map: &Map,
    owner: &Owner,
    folder: &Folder,
    jobs: usize,
    fresh: bool,
) -> Result<Counts, MapError> {
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
    let mut save = |name: &str, bytes: &[u8]| {
        files.push((name.to_owned(), base16ct::lower::encode_string(&Sha256::digest(bytes))));
        store(folder, name, bytes)
    };
    let npy = |of: fn(&Pixel) -> f32| {
        let mut bytes = Vec::with_capacity(128 + 4 * pixels.len());
        write_npy(&mut bytes, shape, pixels.iter().map(of)).expect("memory takes all");
        bytes
    };
    let [steps, error, minimizer] = MAP_COLUMNS.map(|(column, _)| format!("{column}.npy"));
    save(&steps, &npy(|pixel| pixel.steps))?;
    save(&error, &npy(|pixel| pixel.error))?;
    if map.show == Show::Minimizer {
        save(&minimizer, &npy(|pixel| pixel.minimizer))?;
    }
    if map.csv {
        let mut bytes = Vec::new();
        write_csv(&mut bytes, map, pixels).expect("memory takes all");
        save("map.csv", &bytes)?;
    }
    store(folder, "map.png", &picture(map, pixels).png()?)?;
    let counts = Counts::of(pixels);
    let axis = |axis: &Axis| MapAxis {
        vary: axis.vary.name(),
        values: (0..axis.pixels).map(|pixel| axis.value(pixel)).collect(),
    };
    let manifest = MapManifest {
        name: map.name.clone(),
        source,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: BUILD.to_owned(),
        runs: counts.runs(),
        reached: counts.reached,
        budget: counts.budget,
        diverged: counts.diverged,
        axes: MapAxes { x: axis(&map.x), y: axis(&map.y) },
        files,
        inputs: map.setting.files.digests(),
        config: map.text.clone(),
    };
    let failed = |source| MapError::Write { path: folder.path().join(Manifest::FILE), source };
    save_manifest(folder, &manifest).map_err(failed)?;
    // Of a map that showed something else.
    for name in Kind::Map.files() {
        let is_made = manifest.files.iter().any(|(made, _)| made == name);
        if !is_made && ![Manifest::FILE, "map.png"].contains(name) {
            let _ = folder.remove(name);
        }
    }
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
