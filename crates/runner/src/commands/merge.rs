//! `optbench merge`: the parts of all shards, put together.

use clap::Args;

use crate::args::{GridArgs, ShardsArgs, TopArgs};
use crate::config::Python;
use crate::exit::Outcome;
use crate::{run as grid, summary};

/// Put the parts that shards made together, or say which are missing
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench merge configs/field.toml              the result files, once all parts are there
  optbench merge configs/field.toml --shards 8   else, which of the eight shards to run again

Exit codes: 0 fine; 1 parts are missing, cells failed or a file couldn't be written; 2 the input is wrong.")]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    grid: GridArgs,
    #[command(flatten)]
    shards: ShardsArgs,
    #[command(flatten)]
    top: TopArgs,
}

pub(crate) fn run(args: &MergeArgs) -> Outcome {
    let (config, plan, options) = args.grid.prepare(false, Python::default())?;
    let summary = grid::merge(&config, &plan, args.shards.count(), &options)?;
    Ok(summary::show(&config, &summary, &options, args.top.rows()))
}
