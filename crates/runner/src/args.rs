//! Options that several commands have, each declared once.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

use analysis::compare::Filter;
use clap::builder::{PossibleValuesParser, TypedValueParser, UnknownArgumentValueParser};
use clap::{Args, ValueEnum};
use miette::Diagnostic;
use thiserror::Error;

use crate::config::limits::MOST_JOBS;
use crate::config::{self, Config, Python};
use crate::exit::{CommandError, Failure};
use crate::plan::Plan;
use crate::run::Options;
use crate::shard::MOST;

#[derive(Args)]
pub(crate) struct OutArgs {
    /// The folder that the results folder goes into
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
}

#[derive(Args)]
pub(crate) struct JobsArgs {
    /// Worker threads [default: the config's, or one a core; in a Slurm job, the cores it has there]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS as i64))]
    jobs: Option<u16>,
}

/// A grid, where its results go, and how many threads make them.
#[derive(Args)]
pub(crate) struct GridArgs {
    /// The grid, a TOML file
    // An option for clap's sake: a subcommand takes its place where the word `run` is left out.
    #[arg(required = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutArgs,
    #[command(flatten)]
    jobs: JobsArgs,
}

#[derive(Args)]
pub(crate) struct ShardsArgs {
    /// How many shards there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    pub shards: Option<u32>,
}

#[derive(Args)]
pub(crate) struct TopArgs {
    /// Print at most so many rows of each block (0 for all); files, CSV and JSON always have all
    #[arg(long, value_name = "ROWS", default_value_t = 3)]
    top: usize,
}

#[derive(Args)]
pub(crate) struct FormatArgs {
    /// The form of the answer
    #[arg(long, default_value = "terminal")]
    pub format: Format,
    #[arg(long, hide = true, num_args = 0, default_missing_value = "",
          value_parser = UnknownArgumentValueParser::suggest_arg("--format json"))]
    json: Option<String>,
}

/// The form of an answer. Not every command has all.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Plain comments: with texts for the values, `--help` takes several lines for each option.
    Terminal,
    // For a page or a pull request.
    Markdown,
    // For spreadsheets: a line for each row.
    Csv,
    // For programs: everything.
    Json,
}

#[derive(Args)]
pub(crate) struct FilterArgs {
    /// Only rows whose problem has this text in its label (may be given again)
    #[arg(long, value_name = "TEXT")]
    problem: Vec<String>,
    /// Only rows with such a loss
    #[arg(long, value_name = "TEXT")]
    loss: Vec<String>,
    /// Only rows with such an optimizer
    #[arg(long, value_name = "TEXT")]
    optimizer: Vec<String>,
    /// Only rows with such a schedule
    #[arg(long, value_name = "TEXT")]
    schedule: Vec<String>,
}

/// A number of cores that makes no sense.
#[derive(Debug, Error, Diagnostic)]
#[error("{variable} is `{value}`, which is no number of cores from 1 to {MOST_JOBS}")]
#[diagnostic(help("Slurm sets it in a job; use --jobs N to say how many threads to work with"))]
pub(crate) struct NoJobs {
    variable: &'static str,
    value: String,
}

impl Failure for NoJobs {}

impl GridArgs {
    /// The config, its plan, and what to run it with. Python is started only for a config that is run.
    pub(crate) fn prepare(
        &self,
        fresh: bool,
        python: Python,
    ) -> Result<(Config, Plan, Options), CommandError> {
        let config = config::read_with(self.config.as_deref().expect("clap asks for it"), python)?;
        let plan = Plan::new(&config)?;
        let jobs = self.jobs.count(config.jobs)?;
        Ok((config, plan, Options { out: self.output.out.clone(), jobs, fresh }))
    }
}

impl JobsArgs {
    /// How many threads to work with, where the config asks for so many.
    pub(crate) fn count(&self, config: Option<usize>) -> Result<usize, NoJobs> {
        if let Some(jobs) = self.jobs.map(usize::from).or(config) {
            return Ok(jobs);
        }
        for variable in ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"] {
            let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else { continue };
            let cores = value.to_str().and_then(|value| value.trim().parse::<u16>().ok());
            return match cores.filter(|cores| (1..=MOST_JOBS).contains(&u64::from(*cores))) {
                Some(cores) => Ok(cores.into()),
                None => Err(NoJobs { variable, value: value.to_string_lossy().into_owned() }),
            };
        }
        Ok(available_parallelism().map_or(1, NonZero::get).min(MOST_JOBS as usize))
    }
}

impl ShardsArgs {
    pub(crate) fn count(&self) -> Option<usize> {
        self.shards.map(|shards| shards as usize)
    }
}

impl TopArgs {
    /// The most rows; none for all.
    pub(crate) fn rows(&self) -> Option<usize> {
        (self.top > 0).then_some(self.top)
    }
}

impl FilterArgs {
    pub(crate) fn filter(&self) -> Filter {
        let Self { problem, loss, optimizer, schedule } = self;
        Filter {
            problem: problem.clone(),
            loss: loss.clone(),
            optimizer: optimizer.clone(),
            schedule: schedule.clone(),
        }
    }
}

/// Takes only some forms: for `mut_arg`, where a command hasn't all.
pub(crate) fn formats(some: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let values = some.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values)
        .map(|name| Format::from_str(&name, false).expect("it is the name of one of them"))
}
