//! Running a plan: the parts that are missing, then the result files.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use analysis::table::{self, Builder, Row, Table};
use files::{Folder, Lock, LockError};
use gethostname::gethostname;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use miette::Diagnostic;
use rayon::prelude::*;
use records::{
    Cell, Cells, Engine, Manifest, RecordError, Results, RunTiming, SCHEMA, Targets, save_manifest,
    write_cell_header, write_point_header, write_term_header, write_timing, write_timing_header,
};
pub use records::{Cpus, Status};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::BUILD;
use crate::config::Config;
use crate::cpu;
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::owner::{Kind, Owner, Previous, Taken};
use crate::plan::{Batch, EXTENSIONS, Edge, Labels, Plan, libtorch_version};
use crate::running::{PARTS, Running};
use crate::shard::{Remedy, Shard, array, shards_of};
pub use crate::signals::STOP;
use crate::sparkline::Sparkline;
use crate::terminal;
use crate::threads::{NoThreads, pool};
use records::parts::{self, Counts, Part, Timing, hex};

/// Why a run wrote no result files.
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
    /// Another program is at work in the folder.
    #[error("another run is at work in {}, with another config or build", path.display())]
    #[diagnostic(help(
        "wait for it, or use --out DIR or another `name`; runs of the same config by the same program may share a folder"
    ))]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds results of another config.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Taken(#[from] Taken),
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
    /// A part holds what no run writes.
    #[error("the parts can't be put together")]
    #[diagnostic(help("remove the part, and run the same command again: it makes the part anew"))]
    Unreadable(#[from] RecordError),
    /// The system starts no more threads.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Threads(#[from] NoThreads),
}

impl Failure for RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder { .. } | Self::Busy { .. } | Self::Taken(_) => Exit::WrongInput,
            Self::Stopped { .. } => Exit::Stopped,
            _ => Exit::Failed,
        }
    }
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
    /// The kinds of CPU that ran libtorch's engine: its bits depend on them.
    pub cpus: Cpus,
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
    let grid = GridRun::new(config, plan, options)?;
    let part_runner = grid.part_runner();
    let mut reused = 0;
    let expanded = grid.expand(|so_far, new| {
        grid.begin(so_far, &new)?;
        reused += part_runner.make(&so_far.plan.batches[new.clone()], &so_far.keys[new])?.1;
        Ok(true)
    })?;
    grid.finish(&expanded, reused, begin)
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
    let grid = GridRun::new(config, plan, options)?;
    let part_runner = grid.part_runner();
    let mut summary = ShardSummary::default();
    grid.expand(|so_far, new| {
        grid.begin(so_far, &new)?;
        let (batches, keys) = (&so_far.plan.batches[new.clone()], &so_far.keys[new]);
        let own = shard.assigned(keys);
        let batches: Vec<Batch> = own.iter().map(|i| batches[*i].clone()).collect();
        let own: Vec<String> = own.into_iter().map(|i| keys[i].clone()).collect();
        let (counts, reused) = part_runner.make(&batches, &own)?;
        summary.parts += own.len();
        summary.reused += reused;
        summary.counts += counts;
        Ok(config.extend && grid.missing(keys).is_empty())
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
    let grid = GridRun::new(config, plan, options)?;
    let (mut missing, mut of) = (0, BTreeSet::new());
    let expanded = grid.expand(|so_far, new| {
        let keys = &so_far.keys[new];
        let lost = grid.missing(keys);
        missing += lost.len();
        of.extend(shards.iter().flat_map(|count| shards_of(keys, &lost, *count)));
        Ok(lost.is_empty())
    })?;
    if missing > 0 {
        let (parts, array) = (expanded.keys.len(), (!of.is_empty()).then(|| array(&of)));
        return Err(RunError::Missing { missing, parts, remedy: Remedy { array, shards } });
    }
    grid.previous.iter().for_each(|previous| previous.note(&expanded.keys));
    let reused = expanded.keys.len();
    grid.finish(&expanded, reused, begin)
}

/// Reads the progress of a grid; nothing is written.
///
/// # Errors
/// If a part vanishes meanwhile.
pub fn status(
    config: &Config,
    plan: &Plan,
    shards: Option<usize>,
    options: &Options,
) -> Result<Status, RunError> {
    let grid = GridRun::at(config, plan, options)?;
    let (mut counts, mut done, mut of) = (Counts::default(), 0, BTreeSet::new());
    let mut cpus = Cpus::default();
    let expanded = grid.expand(|so_far, new| {
        let keys = &so_far.keys[new];
        let loaded = grid.look(keys);
        let lost: Vec<usize> = (0..keys.len()).filter(|i| loaded[*i].is_none()).collect();
        for (part, timing) in loaded.iter().flatten() {
            counts += *part;
            cpus.add(timing);
        }
        done += keys.len() - lost.len();
        of.extend(shards.iter().flat_map(|count| shards_of(keys, &lost, *count)));
        Ok(lost.is_empty())
    })?;
    let missing = (!of.is_empty()).then(|| array(&of));
    let results = results_of(config, &grid.folder);
    let damaged = results.as_ref().map(Results::damaged).unwrap_or_default();
    let merged = results.is_some_and(|results| damaged.is_empty() && is_current(&results, &expanded.keys));
    let parts = expanded.keys.len();
    Ok(Status { parts, done, cells: counts.cells, failed: counts.failed, missing, merged, damaged, cpus })
}

/// The results in a folder, if they are those of this config.
fn results_of(config: &Config, folder: &Folder) -> Option<Results> {
    let results = Results::open(folder.clone()).ok().filter(|_| !folder.has(Running::FILE))?;
    (results.manifest.as_ref()?.config == config.text).then_some(results)
}

/// Whether results are those of this build: its own, or the same that an earlier one wrote, whose manifest stayed. Then
/// they were put together from parts of this build.
fn is_current(results: &Results, keys: &[String]) -> bool {
    let is_own = results.manifest.as_ref().is_some_and(|manifest| manifest.build == BUILD);
    is_own || results.parts().iter().eq(&keys.iter().map(|key| parts::name(key)).collect::<Vec<_>>())
}

/// A grid's folder, and what parts are made with.
struct GridRun<'a> {
    config: &'a Config,
    plan: &'a Plan,
    folder: Folder,
    parts: Folder,
    /// Held while parts and results are made.
    lock: Option<Lock>,
    /// What is going to be replaced.
    previous: Option<Previous>,
    targets: Targets,
    pool: rayon::ThreadPool,
    fresh: bool,
}

/// The name of what this program does with a config, for the lock of a folder.
pub(crate) fn work(config: &str) -> String {
    hex(Sha256::new_with_prefix(format!("{BUILD}\n{config}")))
}

fn owner(config: &Config) -> Owner<'_> {
    Owner { kind: Kind::Grid, config: &config.text, file: Some(&config.file) }
}

/// A plan with its extensions, and the keys of its parts.
struct ExpandedPlan {
    plan: Plan,
    keys: Vec<String>,
}

impl<'a> GridRun<'a> {
    /// Makes the folder, if need be, and takes its lock.
    fn new(config: &'a Config, plan: &'a Plan, options: &Options) -> Result<Self, RunError> {
        let grid = Self::at(config, plan, options)?;
        let unusable = |folder: &Folder| {
            let path = folder.path().to_owned();
            move |source| RunError::Folder { path, source }
        };
        let Self { folder, parts, .. } = &grid;
        folder.create().map_err(unusable(folder))?;
        let lock = match folder.lock(&work(&config.text)) {
            Ok(lock) => lock,
            Err(LockError::Busy) => return Err(RunError::Busy { path: folder.path().to_owned() }),
            Err(LockError::Io(source)) => return Err(unusable(folder)(source)),
        };
        // Found out now rather than after the first batch.
        parts.create().and_then(|()| parts.try_write()).map_err(unusable(parts))?;
        let previous = owner(config).claim(folder, &lock, options.fresh)?;
        Ok(Self { lock: Some(lock), previous, ..grid })
    }

    fn at(config: &'a Config, plan: &'a Plan, options: &Options) -> Result<Self, RunError> {
        let folder = Folder::new(options.out.join(&config.name));
        let parts = folder.below(PARTS);
        let targets = Targets::new(plan.targets.iter().copied()).expect("the config checked its targets");
        let pool = pool(options.jobs)?;
        let (lock, previous, fresh) = (None, None, options.fresh);
        Ok(Self { config, plan, folder, parts, lock, previous, targets, pool, fresh })
    }

    /// Before the first of these parts is made: says what they replace, and what is being made.
    fn begin(&self, so_far: &ExpandedPlan, new: &Range<usize>) -> Result<(), RunError> {
        if let Some(previous) = self.previous.as_ref().filter(|_| new.start == 0) {
            previous.note(if self.fresh { &[] } else { &so_far.keys });
        }
        let ExpandedPlan { plan, keys } = so_far;
        let running = Running::new(self.config, plan, keys, owner(self.config).source(&self.folder));
        let path = self.folder.path().join(Running::FILE);
        running.write(&self.folder).map_err(|source| RunError::Write { path, source })
    }

    fn part_runner(&self) -> PartRunner<'_> {
        PartRunner { parts: &self.parts, targets: &self.targets, pool: &self.pool, fresh: self.fresh }
    }

    /// Goes through the plan and, while `each` says that all parts so far are there, its extensions. It is told what is
    /// laid out so far, and which of the batches are new.
    fn expand(
        &self,
        mut each: impl FnMut(&ExpandedPlan, Range<usize>) -> Result<bool, RunError>,
    ) -> Result<ExpandedPlan, RunError> {
        let mut so_far = ExpandedPlan { plan: self.plan.clone(), keys: Vec::new() };
        for round in 0.. {
            let ExpandedPlan { plan, keys } = &mut so_far;
            let new = keys.len()..plan.batches.len();
            let key = |batch: &Batch| batch.key(BUILD, &plan.targets);
            let more: Vec<String> =
                self.pool.install(|| plan.batches[new.clone()].par_iter().map(key).collect());
            keys.extend(more);
            if !each(&so_far, new)? || !self.config.extend || round == EXTENSIONS {
                break;
            }
            let ExpandedPlan { plan, keys } = &mut so_far;
            let extension = plan.extension(self.config, &edges(&self.part_runner().tabulate(keys)?));
            if extension.is_empty() {
                break;
            }
            plan.batches.extend(extension);
        }
        Ok(so_far)
    }

    /// What the parts came to; none for those that aren't there or aren't whole.
    fn look(&self, keys: &[String]) -> Vec<Option<(Counts, Timing)>> {
        self.pool.install(|| keys.par_iter().map(|key| Part::look(&self.parts, key)).collect())
    }

    fn missing(&self, keys: &[String]) -> Vec<usize> {
        let loaded = self.look(keys);
        (0..keys.len()).filter(|i| loaded[*i].is_none()).collect()
    }

    /// Writes the result files.
    fn finish(&self, expanded: &ExpandedPlan, reused: usize, begin: Instant) -> Result<Summary, RunError> {
        let Assembled { table, counts, cpus } =
            assemble(self.config, expanded, [&self.folder, &self.parts], &self.targets)?;
        let lock = self.lock.as_ref().expect("who writes results holds the lock");
        // Parts that a run beside this one is making would seem to be of another.
        let known: HashSet<&str> = expanded.keys.iter().map(String::as_str).collect();
        let tidied = lock.alone(|| {
            for folder in [&self.folder, &self.parts] {
                let _ = folder.remove_half_written();
            }
            parts::remove_others(&self.parts, |key| known.contains(key)).unwrap_or(0)
        });
        let removed = tidied.ok().flatten().unwrap_or(0);
        // One that stays says that there are parts to be read, and they are these results.
        let _ = self.folder.remove(Running::FILE);
        let (batches, wall) = (expanded.keys.len(), begin.elapsed());
        Ok(Summary { table, counts, batches, reused, removed, cpus, wall })
    }
}

/// Makes parts.
struct PartRunner<'a> {
    parts: &'a Folder,
    targets: &'a Targets,
    pool: &'a rayon::ThreadPool,
    fresh: bool,
}

impl PartRunner<'_> {
    /// Makes the parts of these batches that aren't there; returns what all came to, and how many were there.
    fn make(&self, batches: &[Batch], keys: &[String]) -> Result<(Counts, usize), RunError> {
        let loaded = |key: &String| if self.fresh { None } else { Part::look(self.parts, key) };
        let there: Vec<Option<Counts>> =
            self.pool.install(|| keys.par_iter().map(|key| loaded(key).map(|part| part.0)).collect());
        let progress = progress_bar(batches.iter().map(|batch| batch.lanes.len() as u64).sum());
        progress.inc(there.iter().flatten().map(|counts| counts.cells).sum());
        progress.reset_eta();
        let failure: Mutex<Option<RunError>> = Mutex::new(None);
        let made = Mutex::new(Counts::default());
        let sparkline = Mutex::new(Sparkline::default());
        let missing: Vec<usize> = (0..keys.len()).filter(|i| there[*i].is_none()).collect();
        let host = gethostname().to_string_lossy().into_owned();
        let run_one = |&i: &usize| {
            if STOP.load(Ordering::Relaxed) || failure.lock().is_ok_and(|failure| failure.is_some()) {
                return;
            }
            let begin = Instant::now();
            let results = engine::run(&batches[i]);
            let wall_us = begin.elapsed().as_micros() as u64;
            let cpu = (batches[i].engine == Engine::Libtorch).then(|| cpu::kind().to_owned());
            let timing = Timing { host: host.clone(), wall_us, cpu };
            let part = engine::part(&batches[i], &results, self.targets, timing);
            if let Err(source) = part.save(self.parts, &keys[i]) {
                let path = self.parts.path().join(parts::name(&keys[i]));
                *failure.lock().expect("no worker panics while it holds this") =
                    Some(RunError::Write { path, source });
                return;
            }
            let errors = results.iter().map(|result| (result.error.start, result.error.best));
            let line = sparkline.lock().map(|mut sparkline| sparkline.add(errors)).unwrap_or_default();
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
            let done = keys.iter().filter(|key| self.parts.has(&parts::name(key))).count();
            return Err(RunError::Stopped { done, batches: keys.len() });
        }
        let mut counts = made.into_inner().expect("no worker panics while it holds this");
        there.iter().flatten().for_each(|part| counts += *part);
        Ok((counts, there.iter().flatten().count()))
    }

    /// The convergence table of parts that aren't put together yet.
    fn tabulate(&self, keys: &[String]) -> Result<Table, RunError> {
        let mut builder = Builder::new();
        for key in keys {
            let part = Part::load(self.parts, key).ok_or_else(|| vanished(self.parts, key))?;
            add_cells(self.parts, key, &part, self.targets, |cell| builder.add(cell))?;
        }
        Ok(builder.finish())
    }
}

fn vanished(parts: &Folder, key: &str) -> RunError {
    RunError::Vanished { key: key.to_owned(), folder: parts.path().to_owned() }
}

/// Goes through the cells of a part.
fn add_cells(
    parts: &Folder,
    key: &str,
    part: &Part,
    targets: &Targets,
    mut add: impl FnMut(&Cell),
) -> Result<(), RecordError> {
    let mut header = Vec::new();
    write_cell_header(&mut header, targets);
    let path = parts.path().join(parts::name(key));
    for cell in Cells::new(path, header.as_slice().chain(part.cells.as_slice()))? {
        add(&cell?);
    }
    Ok(())
}

/// Cells done, rate, time left and the errors of the last batches; hidden when output is not a terminal.
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

/// What the parts are together.
struct Assembled {
    table: Table,
    counts: Counts,
    cpus: Cpus,
}

/// The result files, in the order of a part's blocks.
const FILES: [&str; 3] = [Results::CELLS, Results::CURVES, Results::TERMS];

/// Puts the parts together, in the plan's order, part by part, and writes the result files.
fn assemble(
    config: &Config,
    ExpandedPlan { plan, keys }: &ExpandedPlan,
    [folder, parts]: [&Folder; 2],
    targets: &Targets,
) -> Result<Assembled, RunError> {
    let (mut counts, mut cpus, mut builder) = (Counts::default(), Cpus::default(), Builder::new());
    let mut hashes = [const {}; 3].map(|()| Sha256::new());
    let mut failure = None;
    let mut has_terms = false;
    // All files are written in one walk over the parts, so that each part is read once.
    let mut walk = |[cells, curves, terms, timings]: [&mut dyn Write; 4]| {
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
        let mut lines = Vec::new();
        write_timing_header(&mut lines);
        for key in keys {
            let loaded = Part::load(parts, key).ok_or_else(|| vanished(parts, key));
            let read = loaded.and_then(|part| {
                let (mut rows, mut runs) = (Counts::default(), Vec::new());
                add_cells(parts, key, &part, targets, |cell| {
                    rows.add(cell.outcome);
                    runs.push(cell.key);
                    builder.add(cell);
                })?;
                counts += rows;
                Ok((part, runs))
            });
            let (part, runs) = match read {
                Ok(part) => part,
                Err(error) => {
                    failure = Some(error);
                    return Err(io::Error::other("a part can't be read"));
                }
            };
            append([&part.cells, &part.curves, &part.terms])?;
            has_terms |= !part.terms.is_empty();
            cpus.add(&part.timing);
            let Timing { host, wall_us: part_wall_us, cpu } = &part.timing;
            let (name, part_cells) = (parts::name(key), runs.len() as u64);
            for key in runs {
                let cpu = cpu.as_deref().unwrap_or_default();
                write_timing(
                    &mut lines,
                    &RunTiming { key, part: &name, part_cells, part_wall_us: *part_wall_us, host, cpu },
                );
            }
            timings.write_all(&lines)?;
            lines.clear();
        }
        timings.write_all(&lines)
    };
    let written = folder.write(FILES[0], |cells| {
        folder.write(FILES[1], |curves| {
            folder.write(FILES[2], |terms| {
                folder.write(Results::TIMINGS, |timings| walk([cells, curves, terms, timings]))
            })
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let failed = |name: &str| {
        let path = folder.path().join(name);
        move |source| RunError::Write { path, source }
    };
    written.map_err(failed(FILES[0]))?;
    if !has_terms {
        // Most losses are of one piece, and a file of nothing only raises questions.
        let _ = folder.remove(FILES[2]);
    }

    let mut engines: Vec<&str> = plan.batches.iter().map(|batch| batch.engine.into()).collect();
    engines.sort_unstable();
    engines.dedup();
    let files = FILES.into_iter().zip(hashes.map(hex)).take(if has_terms { 3 } else { 2 });
    let manifest = Manifest {
        schema: SCHEMA,
        source: owner(config).source(folder),
        name: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        build: BUILD.into(),
        libtorch: engines.contains(&Engine::Libtorch.into()).then(|| libtorch_version().into()),
        engines: engines.into_iter().map(str::to_owned).collect(),
        cells: counts.cells,
        diverged: counts.diverged,
        failed: counts.failed,
        files: files.map(|(name, digest)| (name.to_owned(), digest)).collect(),
        inputs: plan.inputs(),
        conditions: plan.conditions(),
        config: config.text.clone(),
    };
    save_manifest(folder, &manifest).map_err(failed(Manifest::FILE))?;
    let table = builder.finish();
    folder.write("table.csv", |file| table.write_csv(file)).map_err(failed("table.csv"))?;
    Ok(Assembled { table, counts, cpus })
}

/// The rows whose best rate is at an edge of its grid, which an extension goes beyond.
fn edges(table: &Table) -> Vec<(Labels, Edge)> {
    let of_row = |row: &Row| {
        let edge = match row.edge {
            table::Edge::Low => Edge::Low,
            table::Edge::High => Edge::High,
            table::Edge::Inside => return None,
        };
        let Row { problem, loss, optimizer, schedule, .. } = row.clone();
        Some((Labels { problem, loss, optimizer, schedule }, edge))
    };
    table.rows.iter().filter_map(of_row).collect()
}
