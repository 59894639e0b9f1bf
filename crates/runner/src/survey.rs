//! What a grid would run, and about how long it would take, measured on a few lanes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use files::Folder;

use crate::config::Config;
use crate::engine;
use crate::parts::Part;
use crate::plan::{Batch, Plan, Settings};
use crate::run::{Options, PARTS};

/// The most steps that a trial takes.
const TRIAL_STEPS: u64 = 50;

/// About the longest that a trial takes.
const TRIAL_S: f64 = 0.1;

/// The most batches of a kind that are tried: losses and optimizers of a problem cost differently.
const TRIALS: usize = 12;

/// A task of a cluster should run so long, so that starting it costs little, and losing it too.
const SHARD_S: f64 = 600.0;

/// Batches of one problem on one engine.
#[derive(Default)]
struct Kind<'a> {
    batches: Vec<&'a Batch>,
    cells: u64,
    /// Lane-steps that are still to be run.
    work: f64,
}

impl Kind<'_> {
    /// Seconds a lane-step, from trials of batches that are spread evenly over the plan.
    fn pace(&self) -> f64 {
        let tried = self.batches.len().min(TRIALS);
        let paces = (0..tried).map(|i| pace(self.batches[i * self.batches.len() / tried]));
        paces.sum::<f64>() / tried as f64
    }
}

/// The plan as a table, and an estimate of the time.
pub(crate) fn survey(config: &Config, plan: &Plan, options: &Options) -> String {
    let parts = Folder::new(options.out.join(&config.name)).below(PARTS);
    let mut kinds: BTreeMap<(String, &str), Kind> = BTreeMap::new();
    let mut there = 0;
    for batch in &plan.batches {
        let kind = kinds.entry((batch.problem.label(), batch.engine.as_str())).or_default();
        kind.batches.push(batch);
        kind.cells += batch.lanes.len() as u64;
        if Part::look(&parts, &batch.key(&plan.targets)).is_some() {
            there += 1;
        } else {
            kind.work += batch.lanes.len() as f64 * batch.settings.steps as f64;
        }
    }
    let mut text = format!("{}: {} cells in {} batches\n\n", config.name, plan.cells(), plan.batches.len());
    let width = kinds.keys().map(|(problem, _)| problem.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(text, "  {:width$}  engine    batches     cells", "problem");
    for ((problem, engine), kind) in &kinds {
        let _ = writeln!(text, "  {problem:width$}  {engine:8}  {:7}  {:8}", kind.batches.len(), kind.cells);
    }
    let busy = kinds.values().filter(|kind| kind.work > 0.0);
    let seconds = busy.map(|kind| kind.work * kind.pace()).sum::<f64>() / options.jobs as f64;
    if there > 0 {
        let _ = writeln!(text, "\n{there} parts are there already in {}", parts.path().display());
    }
    let _ = writeln!(text, "\nabout {} on {} threads, from short trials", words(seconds), options.jobs);
    let shards = (seconds * options.jobs as f64 / SHARD_S).ceil().min((plan.batches.len() - there) as f64);
    if shards > 1.0 {
        let _ = writeln!(
            text,
            "on a cluster: `runner slurm CONFIG --shards {shards}` makes tasks of ten minutes a core"
        );
    }
    text
}

/// Seconds a lane-step, from a trial of the batch with few steps.
fn pace(batch: &Batch) -> f64 {
    let lanes = batch.lanes.iter().copied().take(256).collect::<Vec<_>>();
    let time = |steps: u64| {
        let record = batch.settings.record.iter().copied().filter(|step| *step < steps).collect();
        let settings = Settings { steps, record, ..(*batch.settings).clone() };
        let trial = Batch { settings: Arc::new(settings), lanes: lanes.clone(), ..batch.clone() };
        let begin = Instant::now();
        let _ = engine::run(&trial);
        begin.elapsed().as_secs_f64() / (lanes.len() as f64 * steps as f64)
    };
    // The first steps of a kind warm caches and libtorch up, and tell how many more are soon done.
    let few = batch.settings.steps.min(3);
    let first = time(few);
    let more = TRIAL_S / (first * lanes.len() as f64);
    if more <= few as f64 { first } else { time((more as u64).min(batch.settings.steps).min(TRIAL_STEPS)) }
}

/// A time as people say it.
fn words(seconds: f64) -> String {
    match seconds {
        ..1.0 => "a second or less".into(),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", Duration::from_secs_f64(seconds.min(1e15)).as_secs_f64() / 3600.0),
    }
}
