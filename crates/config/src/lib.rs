//! What a config file says: read, checked, and shown with the place of every mistake.

pub mod diagnose;
mod entry;
mod error;
pub mod limits;
pub mod map;
pub mod plan;
pub mod size;
mod values;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use losses::Python;
use losses::{Files, Loss};
use optimizers::Optimizer;
use optimizers::schedules::Schedule;
use problems::Problem;
use records::Dtype;
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use error::ConfigError;
pub use values::{Numbers, Record, SeedChoice, Seeds};

use entry::{Entry, OF_GRID};
use error::{Source, read_text};

/// Which engine runs a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// Fused where problem, loss and optimizer allow it, else libtorch.
    #[default]
    Auto,
    /// Fused loops, or an error.
    Fused,
    /// libtorch with autograd.
    Libtorch,
}

/// The type that parameters are computed in, as a config writes it.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DtypeChoice {
    #[default]
    Float32,
    Float64,
}

impl From<DtypeChoice> for Dtype {
    fn from(choice: DtypeChoice) -> Self {
        match choice {
            DtypeChoice::Float32 => Self::Float32,
            DtypeChoice::Float64 => Self::Float64,
        }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    jobs: Option<Spanned<u64>>,
    #[serde(default)]
    engine: EngineChoice,
    #[serde(default)]
    dtype: DtypeChoice,
    steps: Option<Spanned<u64>>,
    lr: Option<Spanned<Numbers>>,
    targets: Option<Spanned<Numbers>>,
    hold: Option<Spanned<u64>>,
    seeds: Option<Spanned<Seeds>>,
    record: Option<Spanned<Record>>,
    divergence: Option<Spanned<f64>>,
    #[serde(default)]
    extend: bool,
    #[serde(default)]
    grid: Vec<Spanned<Block>>,
}

/// One `[[grid]]` as it is written: a full cross product. What it leaves out, the file's head says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    problems: Spanned<Vec<Spanned<Problem>>>,
    losses: Option<Spanned<Vec<Spanned<Loss>>>>,
    optimizers: Spanned<Vec<Spanned<Optimizer>>>,
    schedules: Option<Spanned<Vec<Spanned<Schedule>>>>,
    steps: Option<Spanned<u64>>,
    lr: Option<Spanned<Numbers>>,
    targets: Option<Spanned<Numbers>>,
    hold: Option<Spanned<u64>>,
    seeds: Option<Spanned<Seeds>>,
    record: Option<Spanned<Record>>,
}

/// A checked config.
#[derive(Debug)]
pub struct Config {
    /// The folder's name under `results/`.
    pub name: String,
    /// Worker threads, if the file says.
    pub jobs: Option<usize>,
    /// Which engine to use.
    pub engine: EngineChoice,
    /// The type of the parameters.
    pub dtype: Dtype,
    /// A cell has diverged when its error is this many times the error it started with.
    pub divergence: f64,
    /// Whether a learning-rate grid grows where its best rate is at an edge.
    pub extend: bool,
    /// The cross products.
    pub grids: Vec<Grid>,
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
}

/// One cross product, with nothing left open.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What is trained.
    pub problems: Vec<Problem>,
    /// With which losses; empty for landscapes.
    pub losses: Vec<Loss>,
    /// By which optimizers.
    pub optimizers: Vec<Optimizer>,
    /// Under which schedules.
    pub schedules: Vec<Schedule>,
    /// Learning rates, ascending.
    pub lr: Vec<f64>,
    /// Seeds to choose the learning rate on, and seeds to report.
    pub seeds: SeedChoice,
    /// The budget.
    pub steps: u64,
    /// Targets of the error, descending; `None` takes each problem's own.
    pub targets: Option<Vec<f64>>,
    /// The consecutive steps that a target must hold for.
    pub hold: u64,
    /// Which steps go into the curves.
    pub record: Record,
}

/// Reads and checks a config file.
///
/// # Errors
/// If the file can't be read, or for the first mistake in it.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    read_with(path, Python::default())
}

/// As [`read`], where Python may be started for source files that the config names.
///
/// # Errors
/// As [`read`]; also if such a file can't be exported or called.
pub fn read_with(path: &Path, python: Python) -> Result<Config, ConfigError> {
    parse_with(path, &read_text(path)?, python)
}

/// Checks the text of a config; `file` is what messages call it, and its folder is where its files are.
///
/// # Errors
/// For the first mistake in it.
pub fn parse(file: impl AsRef<Path>, text: &str) -> Result<Config, ConfigError> {
    parse_with(file.as_ref(), text, Python::default())
}

fn parse_with(file: &Path, text: &str, python: Python) -> Result<Config, ConfigError> {
    let source = Source::new(file, text).with_python(python);
    let read: File = source.read()?;
    let name = check_name(&source, &read.name)?;
    let jobs = source.within(&(1..=limits::MOST_JOBS), read.jobs.as_ref(), "jobs")?.map(|jobs| jobs as usize);
    let divergence = read.divergence.as_ref().map_or(1e6, |factor| *factor.get_ref());
    if let Some(factor) = &read.divergence {
        let message = "`divergence` must be above 1: it is a multiple of the error at the start";
        source.require(factor, divergence > 1.0, message, "the default is 1e6")?;
    }
    if read.grid.is_empty() {
        return Err(source.whole(
            "the config has no grid",
            "add a table [[grid]] with problems, losses and optimizers; configs/smoke.toml is a short example",
        ));
    }
    let message =
        format!("there are {} [[grid]] tables, and may be at most {}", read.grid.len(), limits::MOST_ENTRIES);
    source.require(
        &read.grid[0],
        read.grid.len() <= limits::MOST_ENTRIES,
        &message,
        "make several configs of it",
    )?;
    let grids =
        read.grid.iter().map(|block| check_grid(&source, &read, block)).collect::<Result<Vec<_>, _>>()?;
    let (engine, dtype) = (read.engine, read.dtype.into());
    let extend = read.extend;
    size::check(&source, &grids, dtype)?;
    let (file, text) = (file.to_owned(), text.to_owned());
    Ok(Config { name, jobs, engine, dtype, divergence, extend, grids, file, text })
}

/// What can be drawn of a config.
#[derive(Debug, Default)]
pub struct Entries {
    /// Its problems.
    pub problems: Vec<Problem>,
    /// Its losses.
    pub losses: Vec<Loss>,
}

/// The problems and losses of a config from a results folder, which may be somebody else's: no file that it names is
/// opened, and nothing is laid out. Entries that need a file, or whose options are wrong, are left out.
///
/// # Errors
/// If it is no config of a grid.
pub fn entries(text: &str) -> Result<Entries, ConfigError> {
    let read: File = Source::new(Path::new("the config in the results"), text).read()?;
    let mut entries = Entries::default();
    let (mut problems, mut losses) = (HashSet::new(), HashSet::new());
    for block in read.grid.into_iter().map(Spanned::into_inner) {
        for problem in inner(block.problems.into_inner()) {
            let files = problem.files().len();
            entries.problems.extend(without_files(problem, files, &mut problems));
        }
        for loss in block.losses.into_iter().flat_map(|losses| inner(losses.into_inner())) {
            let files = loss.files().len();
            entries.losses.extend(without_files(loss, files, &mut losses));
        }
    }
    Ok(entries)
}

/// The entry, ready for use, unless it names files, is wrong, or was seen before.
fn without_files<T: Entry>(mut entry: T, files: usize, seen: &mut HashSet<String>) -> Option<T> {
    let usable = files == 0 && entry.prepare(&mut Files::default()).is_ok();
    (usable && seen.insert(entry.label())).then_some(entry)
}

/// A name that stays inside the results folder.
fn check_name(source: &Source, name: &Spanned<String>) -> Result<String, ConfigError> {
    let text: &str = name.as_ref();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    source.require(
        name,
        !text.is_empty() && plain && !text.starts_with('.') && text.len() <= 100,
        "`name` becomes a folder: letters, digits, `-`, `_` and `.`, not starting with `.`, at most 100",
        "use a name such as \"my-grid\"; --out DIR sets where the folder goes",
    )?;
    Ok(text.to_owned())
}

fn check_grid(source: &Source, file: &File, block: &Spanned<Block>) -> Result<Grid, ConfigError> {
    let (place, block): (_, &Block) = (block, block.as_ref());
    if let Some(seeds) =
        block.seeds.as_ref().or(file.seeds.as_ref()).filter(|seeds| seeds.as_ref().fault().is_none())
    {
        let SeedChoice { tuning, reporting } = seeds.as_ref().choose();
        let most = tuning.into_iter().chain(reporting).max().unwrap_or(0);
        source.files.borrow_mut().expect_seed(most);
    }
    let problems = source.entries(&block.problems)?;
    let losses = block.losses.as_ref().map(|losses| source.entries(losses)).transpose()?;
    let optimizers = source.entries(&block.optimizers)?;
    let schedules = match &block.schedules {
        Some(schedules) => inner(source.entries(schedules)?),
        None => vec![Schedule::named("constant").expect("the registry has it")],
    };
    for problem in &problems {
        let losses = losses.as_deref().zip(block.losses.as_ref().map(Spanned::span));
        source.check_pairs(problem, losses, &OF_GRID)?;
    }

    let steps = block.steps.as_ref().or(file.steps.as_ref());
    let steps = source.within(&(1..=limits::LONGEST_RUN), steps, "steps")?.unwrap_or(1000);
    let hold = source.hold(block.hold.as_ref().or(file.hold.as_ref()), steps)?;
    let lr = match block.lr.as_ref().or(file.lr.as_ref()) {
        Some(rates) => source.numbers(rates, "a learning rate")?,
        None => Numbers::Log { from: 1e-4, to: 1.0, per_decade: Some(2), count: None }.values(),
    };
    let targets = match block.targets.as_ref().or(file.targets.as_ref()) {
        Some(targets) => {
            let values = source.numbers(targets, "a target")?;
            let message =
                format!("there are {} targets, and may be at most {}", values.len(), limits::MOST_TARGETS);
            source.require(
                targets,
                values.len() <= limits::MOST_TARGETS,
                &message,
                "each makes two columns of cells.csv",
            )?;
            Some(values.into_iter().rev().collect())
        }
        None => None,
    };
    let seeds = match block.seeds.as_ref().or(file.seeds.as_ref()) {
        Some(seeds) => source.seeds(seeds)?,
        None => Seeds::default().choose(),
    };
    check_seeds(source, &problems, &seeds)?;
    let record = block.record.as_ref().or(file.record.as_ref());
    if let Some(record) = record {
        source.require(
            record,
            record.as_ref().is_sound(),
            "`record` must be at least 1",
            "\"summary\" records no curve",
        )?;
    }
    let grid = Grid {
        problems: inner(problems),
        losses: inner(losses.unwrap_or_default()),
        optimizers: inner(optimizers),
        schedules,
        lr,
        seeds,
        steps,
        targets,
        hold,
        record: record.map_or_else(Record::default, |record| *record.as_ref()),
    };
    size::check_grid(source, place, record, &grid, file.dtype.into())?;
    Ok(grid)
}

fn inner<T>(entries: Vec<Spanned<T>>) -> Vec<T> {
    entries.into_iter().map(Spanned::into_inner).collect()
}

/// Where nothing is random, a second seed would repeat the first and feign a sample.
fn check_seeds(
    source: &Source,
    problems: &[Spanned<Problem>],
    seeds: &SeedChoice,
) -> Result<(), ConfigError> {
    let single = seeds.tuning.len() + seeds.reporting.len() == 1;
    for problem in problems {
        source.require(
            problem,
            single || problem.as_ref().depends_on_seed(),
            &format!(
                "nothing in `{}` is random, so every seed would give the same run",
                problem.as_ref().label()
            ),
            "give it some noise or spread, or use seeds = { tuning = 0, reporting = 1 }",
        )?;
    }
    Ok(())
}
