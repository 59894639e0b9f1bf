//! `optbench run`: a grid, or a shard of it.

use clap::Args;

use crate::args::{GridArgs, TopArgs};
use crate::config::Python;
use crate::exit::Outcome;
use crate::shard::Shard;
use crate::terminal::say;
use crate::{run as grid, signals, summary};

/// Run a grid (the word `run` may be left out)
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench run configs/smoke.toml                a grid of seconds, to see what comes out
  optbench run configs/grid.toml --top 0         with every row of the table
  optbench run configs/field.toml --shard 0/8    an eighth of it, on one of eight machines

A run goes on where it was stopped: run the same command again. Results go to results/<name>/.

Exit codes: 0 fine; 1 cells failed, or a file couldn't be written or a thread started; 2 the input is wrong; 130 stopped \
by Ctrl-C or SIGTERM.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    grid: GridArgs,
    /// Make every part anew, instead of going on where an earlier run stopped; delete results of another config there
    #[arg(long)]
    fresh: bool,
    /// Make the parts of one share of the grid, I of 0 to N - 1, and leave the rest to others; see `optbench merge`
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    top: TopArgs,
}

pub(crate) fn run(args: &RunArgs) -> Outcome {
    let (config, plan, options) = args.grid.prepare(args.fresh, Python::may_start(say))?;
    signals::finish_first("finishing the batches already started; press Ctrl-C again to stop at once")?;
    let (cells, batches) = (plan.cells(), plan.batches.len());
    let share = args.shard.map(|shard| format!(", shard {shard}")).unwrap_or_default();
    say(&format!("{}: {cells} cells in {batches} batches{share}, on {} threads", config.name, options.jobs));
    let Some(shard) = args.shard else {
        let summary = grid::run(&config, &plan, &options)?;
        return Ok(summary::show(&config, &summary, &options, args.top.rows()));
    };
    let done = grid::run_shard(&config, &plan, shard, &options)?;
    say(&format!(
        "shard {shard}: {} parts made, {} were there; `optbench merge` puts all together",
        done.parts - done.reused,
        done.reused
    ));
    Ok(summary::failed_cells(done.counts.failed))
}
