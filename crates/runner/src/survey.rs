//! What a grid would run, and about how long it would take, measured on a few lanes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::engine;
use crate::parts::Part;
use crate::plan::{Batch, Plan, Settings};
use crate::run::Options;

/// The most steps that a trial takes.
const TRIAL_STEPS: u64 = 50;

/// Batches that cost about the same for a lane and step.
#[derive(Default)]
struct Kind {
    batches: usize,
    cells: u64,
    /// Lane-steps that are still to be run.
    work: f64,
    /// The time of a lane-step.
    pace: f64,
}

/// The plan as a table, and an estimate of the time.
pub(crate) fn survey(config: &Config, plan: &Plan, options: &Options) -> String {
    let parts = options.out.join(&config.name).join("parts");
    let mut kinds: BTreeMap<(String, &str), Kind> = BTreeMap::new();
    let mut there = 0;
    for batch in &plan.batches {
        let kind = kinds.entry((batch.problem.label(), batch.engine.as_str())).or_default();
        kind.batches += 1;
        kind.cells += batch.lanes.len() as u64;
        if kind.pace == 0.0 {
            kind.pace = pace(batch);
        }
        if Part::load(&parts, &batch.key(&plan.targets)).is_some() {
            there += 1;
        } else {
            kind.work += batch.lanes.len() as f64 * batch.settings.steps as f64;
        }
    }
    let mut text = format!("{}: {} cells in {} batches\n\n", config.name, plan.cells(), plan.batches.len());
    let width = kinds.keys().map(|(problem, _)| problem.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(text, "  {:width$}  engine    batches     cells", "problem");
    for ((problem, engine), kind) in &kinds {
        let _ = writeln!(text, "  {problem:width$}  {engine:8}  {:7}  {:8}", kind.batches, kind.cells);
    }
    let seconds = kinds.values().map(|kind| kind.work * kind.pace).sum::<f64>() / options.jobs as f64;
    if there > 0 {
        let _ = writeln!(text, "\n{there} parts are there already in {}", parts.display());
    }
    let _ = writeln!(text, "\nabout {} on {} threads, from short trials", words(seconds), options.jobs);
    text
}

/// Seconds a lane-step, from a trial of the batch with few steps.
fn pace(batch: &Batch) -> f64 {
    let steps = batch.settings.steps.min(TRIAL_STEPS);
    let record = batch.settings.record.iter().copied().filter(|step| *step < steps).collect();
    let settings = Settings { steps, record, ..(*batch.settings).clone() };
    let lanes = batch.lanes.iter().copied().take(256).collect::<Vec<_>>();
    let work = lanes.len() as f64 * steps as f64;
    let trial = Batch { settings: Arc::new(settings), lanes, ..batch.clone() };
    let time = || {
        let begin = Instant::now();
        let _ = engine::run(&trial);
        begin.elapsed()
    };
    // The first run of a kind warms caches and libtorch up.
    time().min(time()).as_secs_f64() / work
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
