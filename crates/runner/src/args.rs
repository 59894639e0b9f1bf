//! What several commands are asked for.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use crate::config::limits::MOST_JOBS;
use crate::config::{self, Config};
use crate::plan::Plan;
use crate::terminal::wrong;

#[derive(Args)]
pub(crate) struct Place {
    /// The folder that the results folder goes into
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Worker threads [default: the config's, or one a core; in a Slurm job, the cores it has there]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_JOBS as i64))]
    jobs: Option<u16>,
}

/// A config and its plan, or the exit code after showing what is wrong with it.
pub(crate) fn prepare(path: &Path) -> Result<(Config, Plan), ExitCode> {
    let config = config::read(path).map_err(|error| wrong(error, 2))?;
    let plan = Plan::new(&config).map_err(|error| wrong(error, 2))?;
    Ok((config, plan))
}

/// A number of cores that makes no sense.
#[derive(Debug, Error, Diagnostic)]
#[error("{variable} is `{value}`, which is no number of cores from 1 to {MOST_JOBS}")]
#[diagnostic(help("Slurm sets it in a job; use --jobs N to say how many threads to work with"))]
pub(crate) struct NoJobs {
    variable: &'static str,
    value: String,
}

impl Place {
    /// How many threads to work with, where the config asks for so many.
    pub(crate) fn jobs(&self, config: Option<usize>) -> Result<usize, NoJobs> {
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
