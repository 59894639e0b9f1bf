//! What a grid would run, and about how long it would take, measured on a few lanes.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use files::Folder;
use losses::File;
use records::Targets;

use crate::BUILD;
use crate::config::Config;
use crate::config::limits::{bytes, grouped};
use crate::config::size::Size;
use crate::engine;
use crate::plan::{Batch, Plan, Settings, rows_of_lane};
use crate::run::Options;
use crate::running::PARTS;
use crate::threads::pool;
use records::parts::{Part, Timing};

/// The most steps that a trial takes, so many that those of one parameter can be told from starting it.
const TRIAL_STEPS: u64 = 10_000;

/// The most rows that a trial records.
const TRIAL_ROWS: u64 = 20_000;

/// About the longest that a trial takes.
const TRIAL_S: f64 = 0.05;

/// The longest that a step of a trial may take, judged from one lane.
const TRIAL_STEP_S: f64 = 0.5;

/// The most lanes of a trial.
const TRIAL_LANES: usize = 256;

/// The most batches of a kind that are tried: losses and optimizers of a problem cost differently.
const TRIALS: usize = 12;

/// The time for all trials, shared evenly among the kinds of batches; a kind has one trial at least, until twice the
/// time is over.
const ALL_TRIALS_S: f64 = 3.0;

/// A batch isn't tried where a lane works on more numbers: a single step could take minutes, and can't be broken off.
const TRIED_NUMBERS: u64 = 1 << 26;

/// A task of a cluster should run so long, so that starting it costs little, and losing it too.
const SHARD_S: f64 = 600.0;

/// Bytes of results that are written in a second, by one thread at the end: hashed, put together and synced.
/// Measured on a virtual machine's disk.
const WRITTEN_A_SECOND: f64 = 250e6;

/// What running a kind of batch costs, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Of a lane, before its first step.
    lane: f64,
    /// Of a step of a lane.
    step: f64,
    /// Of a row of curves or terms.
    row: f64,
}

impl Pace {
    fn mean(paces: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| paces.iter().map(part).sum::<f64>() / paces.len().max(1) as f64;
        Self { lane: of(|pace| pace.lane), step: of(|pace| pace.step), row: of(|pace| pace.row) }
    }
}

/// Batches of one problem on one engine.
struct Kind<'a> {
    cells: u64,
    batches: Vec<&'a Batch>,
    /// Whether a trial takes no longer than people wait.
    can_be_tried: bool,
    /// What is still to be run: lanes, their steps, and the rows that they record.
    lanes: f64,
    steps: f64,
    rows: f64,
}

impl Kind<'_> {
    fn new() -> Self {
        Self { batches: Vec::new(), cells: 0, can_be_tried: true, lanes: 0.0, steps: 0.0, rows: 0.0 }
    }

    /// From trials of batches that are spread evenly over the plan, until this share of the time is over; none if there
    /// is no time for one.
    fn pace(&self, targets: &Targets, begin: Instant, share: f64) -> Option<Pace> {
        let tried = if self.can_be_tried { self.batches.len().min(TRIALS) } else { 0 };
        let mut paces = Vec::with_capacity(tried);
        for i in 0..tried {
            let until = if i == 0 { 2.0 * ALL_TRIALS_S } else { share * ALL_TRIALS_S };
            if begin.elapsed().as_secs_f64() < until {
                paces.push(pace(self.batches[i * self.batches.len() / tried], targets));
            }
        }
        (!paces.is_empty()).then(|| Pace::mean(&paces))
    }

    fn seconds(&self, pace: Pace) -> f64 {
        self.lanes * pace.lane + self.steps * pace.step + self.rows * pace.row
    }
}

/// The plan as a table, what it takes of disk and memory, and an estimate of the time.
pub(crate) fn estimate(config: &Config, plan: &Plan, options: &Options) -> String {
    let parts = Folder::new(options.out.join(&config.name)).below(PARTS);
    let mut kinds: BTreeMap<(String, &str), Kind> = BTreeMap::new();
    let mut shapes: BTreeMap<String, OnceCell<_>> = BTreeMap::new();
    let (mut there, mut memory) = (0, 0);
    for batch in &plan.batches {
        let problem = batch.problem.label();
        let shapes = shapes.entry(problem.clone()).or_default();
        memory = memory.max(batch.memory(shapes));
        let kind = kinds.entry((problem, batch.engine.into())).or_insert_with(Kind::new);
        kind.batches.push(batch);
        kind.can_be_tried &=
            batch.lane_numbers(shapes) <= TRIED_NUMBERS && !batch.files().any(File::is_in_python);
        kind.cells += batch.lanes.len() as u64;
        if Part::look(&parts, &batch.key(BUILD, &plan.targets)).is_some() {
            there += 1;
        } else {
            let lanes = batch.lanes.len() as f64;
            kind.lanes += lanes;
            kind.steps += lanes * batch.settings.steps as f64;
            kind.rows += lanes * rows_of_lane(batch.loss.as_ref(), &batch.settings) as f64;
        }
    }
    let mut text = format!("{}: {} cells in {} batches\n\n", config.name, plan.cells(), plan.batches.len());
    let width = kinds.keys().map(|(problem, _)| problem.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(text, "  {:width$}  engine    batches     cells", "problem");
    for ((problem, engine), kind) in &kinds {
        let _ = writeln!(text, "  {problem:width$}  {engine:8}  {:7}  {:8}", kind.batches.len(), kind.cells);
    }
    let size = Size::of(config);
    let _ = writeln!(
        text,
        "\ndisk: about {} of results, with {} recorded points; the parts that they are put together of take as much again",
        bytes(size.disk_bytes),
        grouped(size.points)
    );
    let all = memory.saturating_mul(options.jobs as u64);
    let _ = writeln!(
        text,
        "memory: up to about {} a thread, {} on {} threads",
        bytes(memory),
        bytes(all),
        options.jobs
    );
    if there > 0 {
        let _ = writeln!(text, "\n{there} parts are there already in {}", parts.path().display());
    }
    let share = if plan.batches.is_empty() { 0.0 } else { 1.0 - there as f64 / plan.batches.len() as f64 };
    let (work, tried, of) = work(&kinds, plan);
    let seconds = work / options.jobs as f64 + size.disk_bytes as f64 * share / WRITTEN_A_SECOND;
    let _ = match (tried, of) {
        (0, 1..) => {
            writeln!(
                text,
                "\nthe time can't be told: a step takes too long or is evaluated in Python, or no thread can be started"
            )
        }
        _ if tried < of => writeln!(
            text,
            "\nabout {} on {} threads, from short trials of {tried} of the {of} problems",
            words(seconds),
            options.jobs
        ),
        _ => writeln!(text, "\nabout {} on {} threads, from short trials", words(seconds), options.jobs),
    };
    let shards = (work / SHARD_S).ceil().min((plan.batches.len() - there) as f64);
    if shards > 1.0 {
        let _ = writeln!(
            text,
            "on a cluster: `optbench slurm CONFIG --shards {shards}` makes tasks of ten minutes a core"
        );
    }
    text
}

/// Seconds of one thread for what is still to be run; how many kinds were tried, and how many there are.
fn work(kinds: &BTreeMap<(String, &str), Kind>, plan: &Plan) -> (f64, usize, usize) {
    let begin = Instant::now();
    let targets = Targets::new(plan.targets.iter().copied()).expect("the config checked its targets");
    let busy: Vec<&Kind> = kinds.values().filter(|kind| kind.steps > 0.0).collect();
    let share = |i: usize| (i + 1) as f64 / busy.len() as f64;
    let pace = |(i, kind): (usize, &&Kind)| kind.pace(&targets, begin, share(i));
    // By one thread, as a worker would: a fused batch would share the cores otherwise.
    let Ok(pool) = pool(1) else { return (0.0, 0, busy.len()) };
    let paces: Vec<Option<Pace>> = pool.install(|| busy.iter().enumerate().map(pace).collect());
    let known: Vec<Pace> = paces.iter().copied().flatten().collect();
    let mean = Pace::mean(&known);
    let seconds = busy.iter().zip(paces).map(|(kind, pace)| kind.seconds(pace.unwrap_or(mean))).sum();
    (seconds, known.len(), busy.len())
}

/// What a batch costs, from trials with few steps.
fn pace(batch: &Batch, targets: &Targets) -> Pace {
    let settings = &*batch.settings;
    // Seconds, seconds of writing rows, and rows.
    let time = |lanes: usize, steps: u64, record: bool| {
        let record = if record { (0..=steps).collect() } else { Vec::new() };
        let settings = Settings { steps, record, ..settings.clone() };
        let lanes = batch.lanes[..lanes].to_vec();
        let trial = Batch { settings: Arc::new(settings), lanes, ..batch.clone() };
        let begin = Instant::now();
        let results = engine::run(&trial);
        let ran = begin.elapsed().as_secs_f64();
        let rows: usize = results.iter().map(|result| result.curve.len() + result.terms.len()).sum();
        let timing = Timing { host: String::new(), wall_us: 0, cpu: None };
        std::hint::black_box(engine::part(&trial, &results, targets, timing));
        (ran, begin.elapsed().as_secs_f64() - ran, rows as f64)
    };
    // The first run of a kind warms caches and libtorch up, and tells how many lanes and steps are soon done.
    let first = time(1, 1, false).0;
    // As many side by side as in the batch, unless a step of so many takes long.
    let lanes = ((TRIAL_STEP_S / first) as usize).clamp(1, TRIAL_LANES).min(batch.lanes.len());
    let few = settings.steps.min(3);
    let short = time(lanes, few, false).0;
    // Twice, since starting may be most of so few steps.
    let (mut steps, mut long) = (few, short);
    for _ in 0..2 {
        let more = ((TRIAL_S * steps as f64 / long) as u64).min(TRIAL_STEPS).min(settings.steps);
        if more > steps {
            (steps, long) = (more, time(lanes, more, false).0);
        }
    }
    let step =
        if steps > few && long > short { (long - short) / (steps - few) as f64 } else { long / steps as f64 };
    let start = (short - step * few as f64).max(0.0);
    let row = if settings.record.is_empty() {
        0.0
    } else {
        // Where a step is recorded, each term is compared with each other.
        let terms = batch.loss.as_ref().map_or(0, |loss| loss.terms().len() as u64);
        let recorded = steps.min(TRIAL_ROWS / (lanes as u64 * (1 + terms) * (1 + terms))).max(1);
        let (ran, writing, rows) = time(lanes, recorded, true);
        ((ran - start - step * recorded as f64).max(0.0) + writing) / rows.max(1.0)
    };
    let lanes = lanes as f64;
    Pace { lane: start / lanes, step: step / lanes, row }
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
