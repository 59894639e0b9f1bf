//! What a config file says: read, checked, and shown with the place of every mistake.

pub mod diagnose;
mod error;
pub mod generators;
pub mod map;
pub mod size;
mod values;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use losses::{Loss, Targets};
use optimizers::Optimizer;
use optimizers::schedules::Schedule;
use problems::{Losses, Problem};
use records::Dtype;
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use error::ConfigError;
pub use values::{Numbers, Record, SeedChoice, Seeds};

use error::{Source, folder_of};

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
    #[serde(default)]
    jobs: Option<Spanned<usize>>,
    #[serde(default)]
    engine: EngineChoice,
    #[serde(default)]
    dtype: DtypeChoice,
    #[serde(default)]
    steps: Option<Spanned<u64>>,
    #[serde(default)]
    lr: Option<Spanned<Numbers>>,
    #[serde(default)]
    targets: Option<Spanned<Numbers>>,
    #[serde(default)]
    hold: Option<Spanned<u64>>,
    #[serde(default)]
    seeds: Option<Spanned<Seeds>>,
    #[serde(default)]
    record: Option<Spanned<Record>>,
    #[serde(default)]
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
    #[serde(default)]
    losses: Option<Spanned<Vec<Spanned<Loss>>>>,
    optimizers: Spanned<Vec<Spanned<Optimizer>>>,
    #[serde(default)]
    schedules: Option<Spanned<Vec<Spanned<Schedule>>>>,
    #[serde(default)]
    steps: Option<Spanned<u64>>,
    #[serde(default)]
    lr: Option<Spanned<Numbers>>,
    #[serde(default)]
    targets: Option<Spanned<Numbers>>,
    #[serde(default)]
    hold: Option<Spanned<u64>>,
    #[serde(default)]
    seeds: Option<Spanned<Seeds>>,
    #[serde(default)]
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
    let text = diagnose::read_text(path)?;
    parse_in(path, &text)
}

/// Checks the text of a config; `file` is what messages call it.
///
/// # Errors
/// For the first mistake in it.
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    parse_in(Path::new(file), text)
}

fn parse_in(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let shown = file.display().to_string();
    let source = Source::new(&shown, folder_of(file), text);
    source.check_length()?;
    let read: File = toml::from_str(text).map_err(|error| source.toml(&error))?;
    let name = check_name(&source, &read.name)?;
    if let Some(jobs) = &read.jobs {
        source.require(
            jobs,
            *jobs.get_ref() > 0,
            "`jobs` must be at least 1",
            "leave it out to use every core",
        )?;
        let message = format!("`jobs` must be at most {}, and is {}", size::MOST_JOBS, jobs.get_ref());
        source.require(
            jobs,
            *jobs.get_ref() <= size::MOST_JOBS,
            &message,
            "leave it out to use every core",
        )?;
    }
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
        format!("there are {} [[grid]] tables, and may be at most {}", read.grid.len(), size::MOST_ENTRIES);
    source.require(
        &read.grid[0],
        read.grid.len() <= size::MOST_ENTRIES,
        &message,
        "make several configs of it",
    )?;
    let grids =
        read.grid.iter().map(|block| check_grid(&source, &read, block)).collect::<Result<Vec<_>, _>>()?;
    let (jobs, engine, dtype) = (read.jobs.map(Spanned::into_inner), read.engine, read.dtype.into());
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
    let source = Source::new("the config in the results", Path::new(""), text);
    let read: File = toml::from_str(text).map_err(|error| source.toml(&error))?;
    let (mut entries, mut seen) = (Entries::default(), HashSet::new());
    for block in read.grid.into_iter().map(Spanned::into_inner) {
        for problem in block.problems.into_inner().into_iter().map(Spanned::into_inner) {
            if problem.files().is_empty() && problem.check().is_ok() && seen.insert(problem.label()) {
                entries.problems.push(problem);
            }
        }
        for loss in block.losses.into_iter().flat_map(Spanned::into_inner).map(Spanned::into_inner) {
            if loss.files().is_empty() && loss.check().is_ok() && seen.insert(loss.label()) {
                entries.losses.push(loss);
            }
        }
    }
    Ok(entries)
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

/// The budget where the config names none.
const STEPS: u64 = 1000;

fn check_grid(source: &Source, file: &File, block: &Spanned<Block>) -> Result<Grid, ConfigError> {
    let (place, block): (_, &Block) = (block, block.as_ref());
    let check_problem = |problem: &Problem| {
        source.files().locate(problem.files());
        problem.check()
    };
    let check_loss = |loss: &Loss| {
        source.files().locate(loss.files());
        loss.check()
    };
    let problems = check_entries(source, &block.problems, Problem::KIND, check_problem, Problem::label)?;
    let losses = match &block.losses {
        Some(losses) => check_entries(source, losses, Loss::KIND, check_loss, Loss::label)?,
        None => Vec::new(),
    };
    let optimizers =
        check_entries(source, &block.optimizers, Optimizer::KIND, |o| o.check(), Optimizer::label)?;
    let schedules = match &block.schedules {
        Some(schedules) => check_entries(source, schedules, Schedule::KIND, |s| s.check(), Schedule::label)?,
        None => vec![Schedule::named("constant").expect("the registry has it")],
    };
    check_pairs(source, block)?;

    let steps = block.steps.as_ref().or(file.steps.as_ref());
    if let Some(steps) = steps {
        source.require(
            steps,
            *steps.get_ref() > 0,
            "`steps` must be at least 1",
            "a run of 0 steps trains nothing",
        )?;
        let bounded = *steps.get_ref() <= 1_000_000_000;
        source.require(steps, bounded, "`steps` must be at most 1000000000", "use a smaller budget")?;
    }
    let hold = block.hold.as_ref().or(file.hold.as_ref());
    if let Some(hold) = hold {
        source.require(
            hold,
            *hold.get_ref() > 0,
            "`hold` must be at least 1",
            "1 counts the first step at the target",
        )?;
    }
    source.hold(hold, steps.map_or(STEPS, |steps| *steps.get_ref()))?;
    let lr = match block.lr.as_ref().or(file.lr.as_ref()) {
        Some(rates) => source.numbers(rates, "a learning rate")?,
        None => Numbers::Log { from: 1e-4, to: 1.0, per_decade: Some(2), count: None }.values(),
    };
    let targets = match block.targets.as_ref().or(file.targets.as_ref()) {
        Some(targets) => {
            let values = source.numbers(targets, "a target")?;
            let message =
                format!("there are {} targets, and may be at most {}", values.len(), size::MOST_TARGETS);
            source.require(
                targets,
                values.len() <= size::MOST_TARGETS,
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
    check_seeds(source, block, &seeds)?;
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
        problems,
        losses,
        optimizers,
        schedules,
        lr,
        seeds,
        steps: steps.map_or(STEPS, |steps| *steps.get_ref()),
        targets,
        hold: hold.map_or(1, |hold| *hold.get_ref()),
        record: record.map_or_else(Record::default, |record| *record.as_ref()),
    };
    size::check_grid(source, place, record, &grid, file.dtype.into())?;
    Ok(grid)
}

/// What to do about a long label.
const SHORTER: &str = "a label is the name and the options that aren't the defaults, a formula as it is written: shorten it, \
                       or put the loss into a file (`runner list torchscript`)";

/// Refuses a label that no table could show.
fn check_label(label: &str) -> Result<(), String> {
    let length = label.chars().count();
    if length <= size::MOST_LABEL {
        return Ok(());
    }
    Err(format!("its label would have {length} characters, and may have at most {}", size::MOST_LABEL))
}

/// Checks that a list is not empty, each entry's options, and that none stands there twice.
fn check_entries<T: Clone>(
    source: &Source,
    list: &Spanned<Vec<Spanned<T>>>,
    kind: &str,
    check: impl Fn(&T) -> Result<(), String>,
    label: impl Fn(&T) -> String,
) -> Result<Vec<T>, ConfigError> {
    let entries: &Vec<Spanned<T>> = list.as_ref();
    let remedy = format!("name at least one {kind}: see `runner list`");
    source.require(list, !entries.is_empty(), "the list is empty, so there is nothing to run", &remedy)?;
    let many = format!("the list has {} entries, and may have at most {}", entries.len(), size::MOST_ENTRIES);
    source.require(list, entries.len() <= size::MOST_ENTRIES, &many, "make several [[grid]] tables of it")?;
    let mut labels = HashSet::new();
    for entry in entries {
        let label = label(entry.as_ref());
        // Before the check, which reads formulas.
        check_label(&label).map_err(|message| source.at(entry.span(), &message, SHORTER))?;
        check(entry.as_ref()).map_err(|message| source.at(entry.span(), &message, ""))?;
        if labels.contains(&label) {
            return Err(source.at(entry.span(), &format!("`{label}` stands here twice"), "leave one out"));
        }
        labels.insert(label);
    }
    Ok(entries.iter().map(|entry| entry.as_ref().clone()).collect())
}

/// Every problem of a block must be trainable with every loss of it.
fn check_pairs(source: &Source, block: &Block) -> Result<(), ConfigError> {
    for problem in block.problems.as_ref() {
        let name = problem.as_ref().name();
        match (problem.as_ref().losses(), &block.losses) {
            (Losses::Own, None) | (Losses::ValuesOrClasses, Some(_)) => {}
            (Losses::Own, Some(losses)) => {
                return Err(source.at(
                    losses.span(),
                    &format!("`{name}` is a landscape and its own loss"),
                    "put it into a [[grid]] of its own, without `losses`",
                ));
            }
            (_, None) => {
                return Err(source.at(
                    problem.span(),
                    &format!("`{name}` needs losses"),
                    "add a line such as losses = [\"mse\", \"huber\"]; `runner list losses` names them",
                ));
            }
            (Losses::Values, Some(losses)) => {
                let classes = |loss: &&Spanned<Loss>| loss.as_ref().targets() == Targets::Classes;
                if let Some(loss) = losses.as_ref().iter().find(classes) {
                    let message = format!("`{}` needs classes, which `{name}` hasn't", loss.as_ref().name());
                    return Err(source.at(
                        loss.span(),
                        &message,
                        "put it into a [[grid]] with a classification",
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Where nothing is random, a second seed would repeat the first and feign a sample.
fn check_seeds(source: &Source, block: &Block, seeds: &SeedChoice) -> Result<(), ConfigError> {
    for problem in block.problems.as_ref() {
        let single = seeds.tuning.len() + seeds.reporting.len() == 1;
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
