//! The command line.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analysis::table::RenderOptions;
use clap::{Args, Parser, Subcommand};
use losses::Loss;
use serde::Serialize;

use crate::args::{Place, prepare};
use crate::compare::{self, CompareArgs};
use crate::config::Config;
use crate::diagnose::{self, DiagnoseArgs};
use crate::map::{self, MapArgs};
use crate::plan::Plan;
use crate::report::{self, ReportArgs};
use crate::run::{self, Options, RunError, Summary};
use crate::shard::{MOST, Shard};
use crate::slurm::{self, SlurmArgs};
use crate::table::{self, TableArgs};
use crate::terminal::{print, print_json, say, wrong};
use crate::{list, signals, survey, terminal};

/// Benchmarks optimizers: trains every problem with every loss, optimizer, schedule, learning rate and
/// seed of a config, and shows which converges how fast.
#[derive(Parser)]
#[command(
    name = "runner",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Examples:
  runner configs/smoke.toml            a grid of seconds, to see what comes out
  runner plan configs/grid.toml        what a grid would run, on which engine, for how long
  runner table results/grid            the convergence table, scores and tests of what ran
  runner report results/grid           figures, and a page to look at in a browser
  runner compare main                  what changed in convergence since that commit
  runner list optimizers               what a config may name
  runner list adam                     a formula and its options

A run goes on where it was stopped: run the same command again. Results go to results/<name>/.

Exit codes: 0 fine; 1 it ran, and cells failed, convergence regressed, or a file or standard output couldn't be
written or a thread started; 2 the input is wrong; 130 stopped by Ctrl-C or SIGTERM; 101 a fault of this program:
please report it.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run a grid (the word `run` may be left out)
    Run(RunArgs),
    /// Show what a grid would run: cells, batches, engines, estimated time
    Plan(PlanArgs),
    /// Put the parts that shards made together, or say which are missing
    Merge(MergeArgs),
    /// Say how far a grid is, by the files in its folder
    Status(StatusArgs),
    /// Print or submit the scripts that run a grid as a job array on a Slurm cluster
    #[command(after_help = slurm::HELP)]
    Slurm(SlurmArgs),
    /// Show and write the convergence table, scores, tests and intervals of a results folder
    Table(TableArgs),
    /// Show what changed in convergence between two commits or folders; exit code 1 on a regression or a vanished row
    #[command(after_help = "\
Examples:
  runner compare                       the committed results against the working tree
  runner compare v1 v2 --grid grid     one grid of two commits
  runner compare old/ results/         two folders
  runner compare --run v1 configs/grid.toml
                                       builds v1 and runs the config with both builds

Exit codes: 0 nothing got worse; 1 a regression, or a row or grid that vanished (unless --allow-vanished); 2 the sides
can't be compared, or a cells.csv isn't what its manifest says; 130 stopped.")]
    Compare(CompareArgs),
    /// Say why a loss decreases slowly, with evidence, and run the fixes
    #[command(after_help = diagnose::HELP)]
    Diagnose(Box<DiagnoseArgs>),
    /// Draw steps to a target, or the error, over two things that vary: one training run a pixel
    #[command(after_help = map::HELP)]
    Map(MapArgs),
    /// Make figures and one self-contained HTML page of a results folder
    #[command(after_help = report::HELP)]
    Report(ReportArgs),
    /// Name the losses, optimizers, schedules and problems; or show one's formula and options
    List(ListArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The grid, a TOML file
    #[arg(required = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Make every part anew, instead of going on where an earlier run stopped; delete results of another config there
    #[arg(long)]
    fresh: bool,
    /// Make the parts of one share of the grid, I of 0 to N - 1, and leave the rest to others; see `runner merge`
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Print at most so many rows of each problem and loss (0 for all); table.csv always has all
    #[arg(long, value_name = "ROWS", default_value_t = 3)]
    top: usize,
}

#[derive(Args)]
struct MergeArgs {
    /// The grid, a TOML file
    config: PathBuf,
    #[command(flatten)]
    place: Place,
    /// How many shards there are, to say which of them lack parts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    shards: Option<u32>,
    /// Print at most so many rows of each problem and loss (0 for all); table.csv always has all
    #[arg(long, value_name = "ROWS", default_value_t = 3)]
    top: usize,
}

#[derive(Args)]
struct StatusArgs {
    /// The grid, a TOML file
    config: PathBuf,
    #[command(flatten)]
    place: Place,
    /// How many shards there are, to say which of them lack parts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    shards: Option<u32>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct PlanArgs {
    /// The grid, a TOML file
    config: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct ListArgs {
    /// losses, optimizers, schedules, problems, or the name of one entry
    what: Option<String>,
}

/// Runs the program; what it returns is the exit code.
#[must_use]
pub fn main() -> ExitCode {
    numeric::memory::keep_freed_memory();
    // Before any tensor: more threads a batch would change the bits, and fight over the cores.
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    signals::refuse_large_files();
    terminal::finish(match Cli::try_parse() {
        Ok(cli) => answer(cli),
        Err(message) => terminal::usage(&message),
    })
}

/// Runs one command, such as `["table", "results/grid"]`, in this process; what it returns is the exit code.
///
/// # Panics
/// If the command isn't one.
#[must_use]
pub fn command(words: &[&str]) -> ExitCode {
    let words = std::iter::once("runner").chain(words.iter().copied());
    answer(Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")))
}

fn answer(cli: Cli) -> ExitCode {
    match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Plan(args)) => plan(&args),
        Some(Command::Merge(args)) => merge(&args),
        Some(Command::Status(args)) => status(&args),
        Some(Command::Slurm(args)) => slurm::command(&args),
        Some(Command::Table(args)) => table::table(&args),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Diagnose(args)) => diagnose::command(&args),
        Some(Command::Map(args)) => map::command(&args),
        Some(Command::Report(args)) => report::command(&args),
        Some(Command::List(args)) => list::list(args.what.as_deref()),
    }
}

/// As [`prepare`], with what to run it with.
fn ready(path: &Path, place: &Place, fresh: bool) -> Result<(Config, Plan, Options), ExitCode> {
    let (config, plan) = prepare(path)?;
    let options = options(place, &config, fresh)?;
    Ok((config, plan, options))
}

/// What to run with, or the exit code after showing what is wrong.
fn options(place: &Place, config: &Config, fresh: bool) -> Result<Options, ExitCode> {
    let jobs = place.jobs(config.jobs).map_err(|error| wrong(error, 2))?;
    Ok(Options { out: place.out.clone(), jobs, fresh })
}

fn run(args: &RunArgs) -> ExitCode {
    let path = args.config.as_deref().expect("clap asks for it");
    let (config, plan, options) = match ready(path, &args.place, args.fresh) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let words = "stopping after the batches that have begun; Ctrl-C again stops at once";
    if let Err(error) = signals::finish_first(words) {
        return wrong(error, 1);
    }
    let (cells, batches) = (plan.cells(), plan.batches.len());
    let share = args.shard.map(|shard| format!(", shard {shard}")).unwrap_or_default();
    say(&format!("{}: {cells} cells in {batches} batches{share}, on {} threads", config.name, options.jobs));
    let Some(shard) = args.shard else {
        return report(&config, run::run(&config, &plan, &options), &options, args.top);
    };
    match run::run_shard(&config, &plan, shard, &options) {
        Ok(done) => {
            let made = done.parts - done.reused;
            say(&format!(
                "shard {shard}: {made} parts made, {} were there; `runner merge` puts all together",
                done.reused
            ));
            failed_cells(done.counts.failed)
        }
        Err(error) => failed(error),
    }
}

fn merge(args: &MergeArgs) -> ExitCode {
    match ready(&args.config, &args.place, false) {
        Ok((config, plan, options)) => {
            let shards = args.shards.map(|shards| shards as usize);
            report(&config, run::merge(&config, &plan, shards, &options), &options, args.top)
        }
        Err(code) => code,
    }
}

fn status(args: &StatusArgs) -> ExitCode {
    let (config, plan, options) = match ready(&args.config, &args.place, false) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let status = match run::status(&config, &plan, args.shards.map(|shards| shards as usize), &options) {
        Ok(status) => status,
        Err(error) => return failed(error),
    };
    if args.json {
        print_json(&(serde_json::to_string_pretty(&status).expect("plain data") + "\n"));
        return ExitCode::SUCCESS;
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
        (true, false, true) => "; `runner merge` puts them together",
        (false, _, true) => "",
    };
    text += &status.damaged.join(", ");
    text.push('\n');
    text.extend(status.cpus.note().map(|note| note + "\n"));
    print(&text);
    ExitCode::SUCCESS
}

/// Shows why there are no results; the exit code.
fn failed(error: RunError) -> ExitCode {
    let code = match error {
        RunError::Folder { .. } | RunError::Busy { .. } | RunError::Taken(_) => 2,
        RunError::Stopped { .. } => signals::STOPPED,
        _ => 1,
    };
    wrong(error, code)
}

/// Points to cells that failed; the exit code.
fn failed_cells(count: u64) -> ExitCode {
    if count == 0 {
        return ExitCode::SUCCESS;
    }
    say(&format!("{count} cells failed: the column `message` of cells.csv says why"));
    ExitCode::from(1)
}

/// Prints what a grid came to; the exit code.
fn report(config: &Config, run: Result<Summary, RunError>, options: &Options, top: usize) -> ExitCode {
    let summary = match run {
        Ok(summary) => summary,
        Err(error) => return failed(error),
    };
    let folder = options.out.join(&config.name);
    let top = (top > 0).then_some(top);
    let terminal = std::io::stdout().is_terminal();
    print(&(summary.table.render(&RenderOptions { terminal, top }) + &table::random_note(&summary.random)));
    let counts = summary.counts;
    say(&format!(
        "{} cells ({} diverged, {} failed) in {:.1} s; results in {}",
        counts.cells,
        counts.diverged,
        counts.failed,
        summary.wall.as_secs_f64(),
        folder.display()
    ));
    if summary.reused > 0 {
        say(&format!(
            "{} of {} parts were there already (--fresh makes them anew)",
            summary.reused, summary.batches
        ));
    }
    if summary.removed > 0 {
        say(&format!("{} parts of another build or config were removed", summary.removed));
    }
    if let Some(note) = summary.cpus.note() {
        say(&format!("note: {note}"));
    }
    for (problem, loss) in summary.table.undefined_losses() {
        let what = if loss == "-" { problem } else { loss };
        let why = diagnosis_of(config, loss)
            .map_or_else(String::new, |command| format!(", and `{command}` says where"));
        say(&format!(
            "`{what}` isn't finite at the start of {problem}: no optimizer and no rate can train it from there; look \
             for a logarithm, a root or a quotient out of its domain{why}"
        ));
    }
    for loss in summary.table.slow_losses() {
        if let Some(command) = diagnosis_of(config, loss) {
            say(&format!("`{loss}` is slow whatever trains it: `{command}` says why"));
        }
    }
    failed_cells(counts.failed)
}

/// The command that diagnoses a loss of a config, by the label that it has in the results.
fn diagnosis_of(config: &Config, label: &str) -> Option<String> {
    let loss = config.grids.iter().flat_map(|grid| &grid.losses).find(|loss| loss.label() == label)?;
    if let Loss::TorchScript(module) = loss {
        let path = config.file.with_file_name(module.file.name());
        return Some(format!("runner diagnose --torchscript {}", path.display()));
    }
    if label == loss.name() {
        return Some(format!("runner diagnose --loss {label}"));
    }
    let mut toml = String::new();
    loss.serialize(toml::ser::ValueSerializer::new(&mut toml)).ok()?;
    Some(format!("runner diagnose --loss '{toml}'"))
}

fn plan(args: &PlanArgs) -> ExitCode {
    match ready(&args.config, &args.place, false) {
        Ok((config, plan, options)) => {
            print(&survey::survey(&config, &plan, &options));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}
