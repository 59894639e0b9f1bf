//! Running a plan: the parts that are missing, then the result files.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use analysis::records::{
    Cells, Engine, RecordError, SCHEMA, Targets, write_cell_header, write_point_header, write_term_header,
};
use analysis::table::{Builder, Table};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use miette::Diagnostic;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use files::write_whole;

use crate::config::Config;
use crate::engine;
use crate::parts::{self, Counts, Part, Timing, sweep};
use crate::plan::{BUILD, Batch, EXTENSIONS, Plan, libtorch_version};
use crate::shard::{Remedy, Shard, array, shards_of};
pub use crate::signals::STOP;
use crate::spark::Falls;
use crate::terminal;
use crate::threads::{NoThreads, pool};

/// Why a run didn't come to its result files.
#[derive(Debug, Error, Diagnostic)]
pub enum RunError {
    /// The results folder can't be made or written.
    #[error("can't write into the results folder {}", path.display())]
    #[diagnostic(help("use --out DIR to put the results where you may write"))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file couldn't be written: most often the disk is full.
    #[error("can't write {}", path.display())]
    #[diagnostic(help(
        "what is finished is kept: make room, or use --out DIR, and run the same command to go on"
    ))]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Ctrl-C.
    #[error("stopped: {done} of {batches} parts are there")]
    #[diagnostic(help("run the same command to go on where it stopped"))]
    Stopped {
        /// Parts that are there.
        done: usize,
        /// Parts altogether.
        batches: usize,
    },
    /// Parts of other shards aren't there.
    #[error("{missing} of {parts} parts are missing or damaged")]
    #[diagnostic(help("{remedy}"))]
    Missing {
        /// How many.
        missing: usize,
        /// Of how many.
        parts: usize,
        /// What to do.
        remedy: Remedy,
    },
    /// A part was removed or changed under our hands.
    #[error("part {key} in {} has gone or changed while the run was being finished", folder.display())]
    #[diagnostic(help("run the same command again: it makes the part anew"))]
    Vanished {
        /// Which.
        key: String,
        /// Where.
        folder: PathBuf,
    },
    /// The cells just written can't be read back.
    #[error("the results can't be read back")]
    Unreadable(#[from] RecordError),
    /// The system starts no more threads.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Threads(#[from] NoThreads),
}

/// What a finished run says.
#[derive(Debug)]
pub struct Summary {
    /// The convergence table.
    pub table: Table,
    /// What the cells came to.
    pub counts: Counts,
    /// How many batches were run, extensions included.
    pub batches: usize,
    /// Parts that were there before.
    pub reused: usize,
    /// Parts of another build or config that were removed.
    pub removed: usize,
    /// How long it took.
    pub wall: Duration,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that `<name>/` is made in.
    pub out: PathBuf,
    /// Worker threads.
    pub jobs: usize,
    /// Makes every part anew.
    pub fresh: bool,
}

/// Runs the parts that are missing, then writes the result files.
///
/// # Errors
/// If results can't be written, or on Ctrl-C.
pub fn run(config: &Config, plan: &Plan, options: &Options) -> Result<Summary, RunError> {
    let begin = Instant::now();
    let workshop = Workshop::new(config, plan, options)?;
    let maker = workshop.maker();
    let mut reused = 0;
    let laid_out = workshop.lay_out(|so_far, new| {
        Running::new(config, so_far).write(&workshop.folder)?;
        reused += maker.make(&so_far.plan.batches[new.clone()], &so_far.keys[new])?.1;
        Ok(true)
    })?;
    workshop.finish(&laid_out, reused, begin)
}

/// What a shard's run says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSummary {
    /// The shard's parts.
    pub parts: usize,
    /// Those that were there before.
    pub reused: usize,
    /// What their cells came to.
    pub counts: Counts,
}

/// Runs the parts of a shard that are missing, and no other. A learning-rate grid can only extend itself where the
/// parts of all shards are there, so that such a shard is run once more then.
///
/// # Errors
/// As [`run`].
pub fn run_shard(
    config: &Config,
    plan: &Plan,
    shard: Shard,
    options: &Options,
) -> Result<ShardSummary, RunError> {
    let workshop = Workshop::new(config, plan, options)?;
    let maker = workshop.maker();
    let mut summary = ShardSummary::default();
    workshop.lay_out(|so_far, new| {
        Running::new(config, so_far).write(&workshop.folder)?;
        let (batches, keys) = (&so_far.plan.batches[new.clone()], &so_far.keys[new]);
        let own = shard.own(keys);
        let batches: Vec<Batch> = own.iter().map(|i| batches[*i].clone()).collect();
        let own: Vec<String> = own.into_iter().map(|i| keys[i].clone()).collect();
        let (counts, reused) = maker.make(&batches, &own)?;
        summary.parts += own.len();
        summary.reused += reused;
        summary.counts += counts;
        Ok(config.extend && workshop.missing(keys).is_empty())
    })?;
    Ok(summary)
}

/// Puts the parts of all shards together.
///
/// # Errors
/// If parts are missing or damaged: how many, and of which of `shards` shards.
pub fn merge(
    config: &Config,
    plan: &Plan,
    shards: Option<usize>,
    options: &Options,
) -> Result<Summary, RunError> {
    let begin = Instant::now();
    let workshop = Workshop::new(config, plan, options)?;
    let (mut missing, mut of) = (0, BTreeSet::new());
    let laid_out = workshop.lay_out(|so_far, new| {
        let keys = &so_far.keys[new];
        let lost = workshop.missing(keys);
        missing += lost.len();
        of.extend(shards.iter().flat_map(|count| shards_of(keys, &lost, *count)));
        Ok(lost.is_empty())
    })?;
    if missing > 0 {
        let (parts, array) = (laid_out.keys.len(), (!of.is_empty()).then(|| array(&of)));
        return Err(RunError::Missing { missing, parts, remedy: Remedy { array, shards } });
    }
    let reused = laid_out.keys.len();
    workshop.finish(&laid_out, reused, begin)
}

/// How far a grid is, by what lies in its folder alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The parts there are, extensions included as far as they are known.
    pub parts: usize,
    /// Those that are there and whole.
    pub done: usize,
    /// The cells of those.
    pub cells: u64,
    /// Cells of those that failed.
    pub failed: u64,
    /// Shards with parts that are missing, as an `--array=` string, where their number is known.
    pub missing: Option<String>,
    /// Whether the result files are there, and are those of this config and build.
    pub merged: bool,
}

/// Looks how far a grid is; nothing is written.
///
/// # Errors
/// If a part vanishes meanwhile.
pub fn status(
    config: &Config,
    plan: &Plan,
    shards: Option<usize>,
    options: &Options,
) -> Result<Status, RunError> {
    let workshop = Workshop::at(config, plan, options)?;
    let (mut counts, mut done, mut of) = (Counts::default(), 0, BTreeSet::new());
    let laid_out = workshop.lay_out(|so_far, new| {
        let keys = &so_far.keys[new];
        let loaded = workshop.load(keys);
        let lost: Vec<usize> = (0..keys.len()).filter(|i| loaded[*i].is_none()).collect();
        loaded.iter().flatten().for_each(|part| counts += *part);
        done += keys.len() - lost.len();
        of.extend(shards.iter().flat_map(|count| shards_of(keys, &lost, *count)));
        Ok(lost.is_empty())
    })?;
    let missing = (!of.is_empty()).then(|| array(&of));
    let merged = is_merged(config, &workshop.folder);
    let parts = laid_out.keys.len();
    Ok(Status { parts, done, cells: counts.cells, failed: counts.failed, missing, merged })
}

/// What `manifest.json` says in a results folder; `None` if there is none, or it can't be read.
pub(crate) fn manifest(folder: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).ok()?).ok()
}

/// Whether the result files in a folder are those that this config would come to.
fn is_merged(config: &Config, folder: &Path) -> bool {
    let is_running = folder.join(Running::FILE).exists();
    !is_running
        && manifest(folder)
            .is_some_and(|manifest| manifest["config"] == config.text && manifest["build"] == BUILD)
}

/// A grid's folder, and what parts are made with.
struct Workshop<'a> {
    config: &'a Config,
    plan: &'a Plan,
    folder: PathBuf,
    parts: PathBuf,
    targets: Targets,
    pool: rayon::ThreadPool,
    fresh: bool,
}

/// A plan with its extensions, and the keys of its parts.
struct LaidOut {
    plan: Plan,
    keys: Vec<String>,
}

impl<'a> Workshop<'a> {
    /// Makes the folder, if need be.
    fn new(config: &'a Config, plan: &'a Plan, options: &Options) -> Result<Self, RunError> {
        let workshop = Self::at(config, plan, options)?;
        let unusable = |source| RunError::Folder { path: workshop.folder.clone(), source };
        fs::create_dir_all(&workshop.parts).map_err(unusable)?;
        // Found out now rather than after the first batch.
        tempfile::Builder::new().prefix(".writing-").tempfile_in(&workshop.parts).map_err(unusable)?;
        Ok(workshop)
    }

    fn at(config: &'a Config, plan: &'a Plan, options: &Options) -> Result<Self, RunError> {
        let folder = options.out.join(&config.name);
        let parts = folder.join("parts");
        let targets = Targets::new(plan.targets.iter().copied()).expect("the config checked its targets");
        let pool = pool(options.jobs)?;
        Ok(Self { config, plan, folder, parts, targets, pool, fresh: options.fresh })
    }

    fn maker(&self) -> Maker<'_> {
        Maker { parts: &self.parts, targets: &self.targets, pool: &self.pool, fresh: self.fresh }
    }

    /// Goes through the plan and, while `each` says that all parts so far are there, its extensions. It is told what is
    /// laid out so far, and which of the batches are new.
    fn lay_out(
        &self,
        mut each: impl FnMut(&LaidOut, Range<usize>) -> Result<bool, RunError>,
    ) -> Result<LaidOut, RunError> {
        let mut so_far = LaidOut { plan: self.plan.clone(), keys: Vec::new() };
        for round in 0.. {
            let LaidOut { plan, keys } = &mut so_far;
            let new = keys.len()..plan.batches.len();
            let key = |batch: &Batch| batch.key(&plan.targets);
            let more: Vec<String> =
                self.pool.install(|| plan.batches[new.clone()].par_iter().map(key).collect());
            keys.extend(more);
            if !each(&so_far, new)? || !self.config.extend || round == EXTENSIONS {
                break;
            }
            let LaidOut { plan, keys } = &mut so_far;
            let extension = plan.extension(self.config, &self.maker().tabulate(keys)?);
            if extension.is_empty() {
                break;
            }
            plan.batches.extend(extension);
        }
        Ok(so_far)
    }

    /// What the parts came to; none for those that aren't there or aren't whole.
    fn load(&self, keys: &[String]) -> Vec<Option<Counts>> {
        let load = |key: &String| Part::load(&self.parts, key).map(|part| part.counts);
        self.pool.install(|| keys.par_iter().map(load).collect())
    }

    fn missing(&self, keys: &[String]) -> Vec<usize> {
        let loaded = self.load(keys);
        (0..keys.len()).filter(|i| loaded[*i].is_none()).collect()
    }

    /// Writes the result files.
    fn finish(
        &self,
        LaidOut { plan, keys }: &LaidOut,
        reused: usize,
        begin: Instant,
    ) -> Result<Summary, RunError> {
        let counts = assemble(self.config, plan, keys, &self.folder, &self.targets)?;
        let known: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let removed = sweep(&self.parts, |key| known.contains(key)).unwrap_or(0);
        let table = tabulate(&self.folder)?;
        let path = self.folder.join("table.csv");
        let written = write_whole(&path, |file| table.write_csv(file));
        written.map_err(|source| RunError::Write { path, source })?;
        // One that stays says that there are parts to be read, and they are these results.
        let _ = fs::remove_file(self.folder.join(Running::FILE));
        Ok(Summary { table, counts, batches: keys.len(), reused, removed, wall: begin.elapsed() })
    }
}

/// What a run is making, so that others can read the parts while they are made: `running.json`, which is there as long
/// as the result files aren't those of this run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    schema: u32,
    pub name: String,
    pub config: String,
    /// Runs in all.
    pub cells: u64,
    /// The columns of the parts' cells.
    pub targets: Vec<f64>,
    /// The parts, in their order.
    pub keys: Vec<String>,
}

impl Running {
    const FILE: &str = "running.json";

    fn new(config: &Config, LaidOut { plan, keys }: &LaidOut) -> Self {
        Self {
            schema: SCHEMA,
            name: config.name.clone(),
            config: config.text.clone(),
            cells: plan.cells(),
            targets: plan.targets.clone(),
            keys: keys.clone(),
        }
    }

    fn write(&self, folder: &Path) -> Result<(), RunError> {
        let path = folder.join(Self::FILE);
        write_whole(&path, |file| Ok(serde_json::to_writer(file, self)?))
            .map_err(|source| RunError::Write { path, source })
    }

    /// That of a results folder; `None` if there is none, or one of another form.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(Self::FILE)).ok()?;
        serde_json::from_str(&text).ok().filter(|running: &Self| running.schema == SCHEMA)
    }
}

/// Makes parts.
struct Maker<'a> {
    parts: &'a Path,
    targets: &'a Targets,
    pool: &'a rayon::ThreadPool,
    fresh: bool,
}

impl Maker<'_> {
    /// Makes the parts of these batches that aren't there; returns what all came to, and how many were there.
    fn make(&self, batches: &[Batch], keys: &[String]) -> Result<(Counts, usize), RunError> {
        let loaded = |key: &String| if self.fresh { None } else { Part::load(self.parts, key) };
        let there: Vec<Option<Counts>> =
            self.pool.install(|| keys.par_iter().map(|key| loaded(key).map(|part| part.counts)).collect());
        let progress = progress_bar(batches.iter().map(|batch| batch.lanes.len() as u64).sum());
        progress.inc(there.iter().flatten().map(|counts| counts.cells).sum());
        progress.reset_eta();
        let failure: Mutex<Option<RunError>> = Mutex::new(None);
        let made = Mutex::new(Counts::default());
        let falls = Mutex::new(Falls::default());
        let missing: Vec<usize> = (0..keys.len()).filter(|i| there[*i].is_none()).collect();
        let host = host_name();
        let run_one = |&i: &usize| {
            if STOP.load(Ordering::Relaxed) || failure.lock().is_ok_and(|failure| failure.is_some()) {
                return;
            }
            let begin = Instant::now();
            let results = engine::run(&batches[i]);
            let timing = Timing { host: host.clone(), wall_us: begin.elapsed().as_micros() as u64 };
            let part = Part::new(&batches[i], &results, self.targets, timing);
            if let Err(source) = part.save(self.parts, &keys[i]) {
                let path = parts::path(self.parts, &keys[i]);
                *failure.lock().expect("no worker panics while it holds this") =
                    Some(RunError::Write { path, source });
                return;
            }
            let errors = results.iter().map(|result| (result.error[0], result.error[2]));
            let line = falls.lock().map(|mut falls| falls.add(errors)).unwrap_or_default();
            progress.set_message(line);
            progress.inc(part.counts.cells);
            *made.lock().expect("no worker panics while it holds this") += part.counts;
        };
        // In the plan's order, one by one: the work left when threads run out of it is one batch.
        self.pool.install(|| missing.par_iter().with_max_len(1).for_each(run_one));
        progress.finish_and_clear();
        if let Some(failure) = failure.into_inner().expect("no worker panics while it holds this") {
            return Err(failure);
        }
        if STOP.load(Ordering::Relaxed) {
            let done = keys.iter().filter(|key| parts::path(self.parts, key).exists()).count();
            return Err(RunError::Stopped { done, batches: keys.len() });
        }
        let mut counts = made.into_inner().expect("no worker panics while it holds this");
        there.iter().flatten().for_each(|part| counts += *part);
        Ok((counts, there.iter().flatten().count()))
    }

    /// The convergence table of parts that aren't put together yet.
    fn tabulate(&self, keys: &[String]) -> Result<Table, RunError> {
        let mut header = Vec::new();
        write_cell_header(&mut header, self.targets);
        let mut builder = Builder::new();
        for key in keys {
            let vanished = || RunError::Vanished { key: key.clone(), folder: self.parts.to_owned() };
            let part = Part::load(self.parts, key).ok_or_else(vanished)?;
            for cell in
                Cells::new(parts::path(self.parts, key), header.as_slice().chain(part.cells.as_slice()))?
            {
                builder.add(&cell?);
            }
        }
        Ok(builder.finish())
    }
}

/// Cells done, rate, time left and what the last batches came to; hidden where nobody watches.
fn progress_bar(cells: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {human_pos}/{human_len} cells  {rate}  {elapsed} gone, {eta} left  {msg}",
    );
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{:.0}/s", state.per_sec());
    };
    let style = style.expect("the template is well formed").with_key("rate", rate);
    terminal::progress(Some(cells), style)
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}

/// What `manifest.json` says: enough to know what the results are of, and nothing of where they ran.
#[derive(Serialize)]
struct Manifest<'a> {
    schema: u32,
    name: &'a str,
    version: &'a str,
    build: &'a str,
    libtorch: Option<&'a str>,
    engines: Vec<&'a str>,
    cells: u64,
    diverged: u64,
    failed: u64,
    files: Vec<(&'a str, String)>,
    config: &'a str,
}

/// The result files, in the order of a part's blocks.
const FILES: [&str; 3] = ["cells.csv", "curves.csv", "terms.csv"];

/// Puts the parts together, in the plan's order, part by part.
fn assemble(
    config: &Config,
    plan: &Plan,
    keys: &[String],
    folder: &Path,
    targets: &Targets,
) -> Result<Counts, RunError> {
    let mut counts = Counts::default();
    let mut timings = String::from("key,host,cells,wall_us\n");
    let mut hashes = [const {}; 3].map(|()| Sha256::new());
    let mut vanished = None;
    let mut has_terms = false;
    // All files are written in one walk over the parts, so that each part is read once.
    let [cells_path, curves_path, terms_path] = FILES.map(|name| folder.join(name));
    let written = write_whole(&cells_path, |cells| {
        write_whole(&curves_path, |curves| {
            write_whole(&terms_path, |terms| {
                let mut append = |blocks: [&[u8]; 3]| {
                    hashes.iter_mut().zip(blocks).for_each(|(hash, block)| hash.update(block));
                    cells.write_all(blocks[0])?;
                    curves.write_all(blocks[1])?;
                    terms.write_all(blocks[2])
                };
                let mut headers = [const { Vec::new() }; 3];
                write_cell_header(&mut headers[0], targets);
                write_point_header(&mut headers[1]);
                write_term_header(&mut headers[2]);
                append(headers.each_ref().map(Vec::as_slice))?;
                for key in keys {
                    let Some(part) = Part::load(&folder.join("parts"), key) else {
                        vanished = Some(key.clone());
                        return Err(io::Error::other("a part is missing"));
                    };
                    append([&part.cells, &part.curves, &part.terms])?;
                    has_terms |= !part.terms.is_empty();
                    counts += part.counts;
                    let Timing { host, wall_us } = part.timing;
                    let _ = writeln!(timings, "{key},{host},{},{wall_us}", part.counts.cells);
                }
                Ok(())
            })
        })
    });
    if let Some(key) = vanished {
        return Err(RunError::Vanished { key, folder: folder.join("parts") });
    }
    written.map_err(|source| RunError::Write { path: cells_path, source })?;
    if !has_terms {
        // Most losses are of one piece, and a file of nothing only raises questions.
        let _ = fs::remove_file(&terms_path);
    }

    let hex = |hash: Sha256| base16ct::lower::encode_string(&hash.finalize());
    let mut engines: Vec<&str> = plan.batches.iter().map(|batch| batch.engine.as_str()).collect();
    engines.sort_unstable();
    engines.dedup();
    let manifest = Manifest {
        schema: SCHEMA,
        name: &config.name,
        version: env!("CARGO_PKG_VERSION"),
        build: BUILD,
        libtorch: engines.contains(&Engine::Libtorch.as_str()).then(libtorch_version),
        engines,
        cells: counts.cells,
        diverged: counts.diverged,
        failed: counts.failed,
        files: FILES.into_iter().zip(hashes.map(hex)).take(if has_terms { 3 } else { 2 }).collect(),
        config: &config.text,
    };
    let json = serde_json::to_string_pretty(&manifest).expect("a manifest is plain data") + "\n";
    for (name, text) in [("manifest.json", &json), ("timings.csv", &timings)] {
        let path = folder.join(name);
        let written = write_whole(&path, |file| file.write_all(text.as_bytes()));
        written.map_err(|source| RunError::Write { path, source })?;
    }
    Ok(counts)
}

/// The convergence table of a results folder.
///
/// # Errors
/// If `cells.csv` isn't there or is damaged.
pub fn tabulate(folder: &Path) -> Result<Table, RunError> {
    let path = folder.join("cells.csv");
    let file = File::open(&path).map_err(|source| RunError::Folder { path: path.clone(), source })?;
    let mut builder = Builder::new();
    for cell in Cells::new(&path, file)? {
        builder.add(&cell?);
    }
    Ok(builder.finish())
}
