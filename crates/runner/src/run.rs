//! Running a plan: the parts that are missing, then the result files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
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

use crate::config::Config;
use crate::engine;
use crate::parts::{self, Counts, Part, Timing, sweep, write_whole};
use crate::plan::{BUILD, Batch, EXTENSIONS, Plan, libtorch_version};
use crate::spark::Falls;

/// Set by Ctrl-C: batches that have begun are finished, and no other begins.
pub static STOP: AtomicBool = AtomicBool::new(false);

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
///
/// # Panics
/// If worker threads can't be started.
pub fn run(config: &Config, plan: &Plan, options: &Options) -> Result<Summary, RunError> {
    let begin = Instant::now();
    let folder = options.out.join(&config.name);
    let parts = folder.join("parts");
    let unusable = |source| RunError::Folder { path: folder.clone(), source };
    fs::create_dir_all(&parts).map_err(unusable)?;
    // Found out now rather than after the first batch.
    tempfile::Builder::new().prefix(".writing-").tempfile_in(&parts).map_err(unusable)?;

    let targets = Targets::new(plan.targets.iter().copied()).expect("the config checked its targets");
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs)
        .start_handler(|_| tch::set_num_threads(1))
        .build()
        .expect("threads can be started");
    let maker = Maker { parts: &parts, targets: &targets, pool: &pool, fresh: options.fresh };
    let mut plan = plan.clone();
    let (mut keys, mut reused) = (Vec::new(), 0);
    for round in 0.. {
        let more: Vec<String> =
            plan.batches[keys.len()..].par_iter().map(|batch| batch.key(&plan.targets)).collect();
        let begun = keys.len();
        keys.extend(more);
        Running::new(config, &plan, &keys).write(&folder)?;
        reused += maker.make(&plan.batches[begun..], &keys[begun..])?;
        if !config.extend || round == EXTENSIONS {
            break;
        }
        let extension = plan.extension(config, &maker.tabulate(&keys)?);
        if extension.is_empty() {
            break;
        }
        plan.batches.extend(extension);
    }
    let counts = assemble(config, &plan, &keys, &folder, &targets)?;
    let known: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let removed = sweep(&parts, |key| known.contains(key)).unwrap_or(0);
    let table = tabulate(&folder)?;
    let written = write_whole(&folder.join("table.csv"), |file| table.write_csv(file));
    written.map_err(|source| RunError::Write { path: folder.join("table.csv"), source })?;
    // One that stays says that there are parts to be read, and they are these results.
    let _ = fs::remove_file(folder.join(Running::FILE));
    Ok(Summary { table, counts, batches: keys.len(), reused, removed, wall: begin.elapsed() })
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

    fn new(config: &Config, plan: &Plan, keys: &[String]) -> Self {
        Self {
            schema: SCHEMA,
            name: config.name.clone(),
            config: config.text.clone(),
            cells: plan.cells(),
            targets: plan.targets.clone(),
            keys: keys.to_vec(),
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
    /// Makes the parts of these batches that aren't there; returns how many were.
    fn make(&self, batches: &[Batch], keys: &[String]) -> Result<usize, RunError> {
        let loaded = |key: &String| if self.fresh { None } else { Part::load(self.parts, key) };
        let there: Vec<Option<Counts>> =
            self.pool.install(|| keys.par_iter().map(|key| loaded(key).map(|part| part.counts)).collect());
        let progress = progress_bar(batches.iter().map(|batch| batch.lanes.len() as u64).sum());
        progress.inc(there.iter().flatten().map(|counts| counts.cells).sum());
        progress.reset_eta();
        let failure: Mutex<Option<RunError>> = Mutex::new(None);
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
        Ok(there.iter().flatten().count())
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
    let bar = ProgressBar::new(cells).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
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
                    counts.cells += part.counts.cells;
                    counts.diverged += part.counts.diverged;
                    counts.failed += part.counts.failed;
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
