//! `optbench plan`: what a grid would run.

use clap::Args;

use crate::args::GridArgs;
use crate::config::Python;
use crate::estimate::estimate;
use crate::exit::{Exit, Outcome};
use crate::terminal::print;

/// Show what a grid would run: cells, batches, engines, estimated time
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench plan configs/grid.toml                how long it takes, and how much memory and disk
  optbench plan configs/field.toml --jobs 64     the same on 64 cores

The time comes from short trials. For a cluster a number of shards is suggested.")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    grid: GridArgs,
}

pub(crate) fn run(args: &PlanArgs) -> Outcome {
    let (config, plan, options) = args.grid.prepare(false, Python::default())?;
    print(&estimate(&config, &plan, &options));
    Ok(Exit::Fine)
}
