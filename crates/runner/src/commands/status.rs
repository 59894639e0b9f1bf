//! `optbench status`: the progress of a grid.

use std::fmt::Write as _;

use clap::Args;

use crate::args::{Format, FormatArgs, GridArgs, ShardsArgs, formats};
use crate::config::Python;
use crate::exit::{Exit, Outcome};
use crate::run as grid;
use crate::terminal::{print, print_json};

/// Show the progress of a grid, from the files in its folder
#[derive(Args)]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Terminal, Format::Json]))))]
#[command(after_help = "\
Examples:
  optbench status configs/field.toml --shards 8     how much is done, and which shards lack parts
  optbench status configs/grid.toml --format json   the same for a program")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    grid: GridArgs,
    #[command(flatten)]
    shards: ShardsArgs,
    #[command(flatten)]
    answer: FormatArgs,
}

pub(crate) fn run(args: &StatusArgs) -> Outcome {
    let (config, plan, options) = args.grid.prepare(false, Python::default())?;
    let status = grid::status(&config, &plan, args.shards.count(), &options)?;
    if args.answer.format == Format::Json {
        print_json(&(serde_json::to_string_pretty(&status).expect("plain data") + "\n"));
        return Ok(Exit::Fine);
    }
    let mut text = format!(
        "{}: {} of {} parts are there, with {} of {} cells",
        config.name,
        status.done,
        status.parts,
        status.cells,
        plan.cells().max(status.cells)
    );
    if status.failed > 0 {
        let _ = write!(text, ", of which {} failed", status.failed);
    }
    if let Some(array) = &status.missing {
        let _ = write!(text, "; shards that lack parts: {array}");
    }
    text += match (status.done == status.parts, status.merged, status.damaged.is_empty()) {
        (_, _, false) => "; missing or changed since they were written: ",
        (true, true, true) => "; the result files are there",
        (true, false, true) => "; `optbench merge` puts them together",
        (false, _, true) => "",
    };
    text += &status.damaged.join(", ");
    text.push('\n');
    text.extend(status.cpus.note().map(|note| note + "\n"));
    print(&text);
    Ok(Exit::Fine)
}
