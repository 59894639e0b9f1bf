//! The command line: its parser, and the exit code of what a command returns.

use std::ffi::OsString;

use clap::Parser;

use crate::commands::{Command, run};
use crate::exit::{Exit, Outcome};
use crate::{signals, terminal};

/// Benchmarks optimizers: trains every problem with every loss, optimizer, schedule, learning rate and
/// seed of a config, and shows which converges how fast.
#[derive(Parser)]
#[command(
    name = "optbench",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Examples:
  optbench configs/smoke.toml          a grid of seconds, to see what comes out
  optbench plan configs/grid.toml      what a grid would run, on which engine, for how long
  optbench table results/grid          the convergence table, scores and tests of what ran
  optbench report results/grid         figures, and a page to look at in a browser
  optbench compare main                what changed in convergence since that commit
  optbench list optimizers             what a config may name
  optbench list adam                   a formula and its options

A run goes on where it was stopped: run the same command again. Results go to results/<name>/.

Exit codes: 0 fine; 1 it ran, and cells failed, convergence regressed, or a file or standard output couldn't be \
written or a thread started; 2 the input is wrong; 130 stopped by Ctrl-C or SIGTERM; 101 a fault of this program: \
please report it.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

/// Is the program, whose name is the first word.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ! {
    signals::follow_parent();
    numeric::memory::keep_freed_memory();
    // Before any tensor: more threads a batch would change the bits, and fight over the cores.
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    signals::refuse_large_files();
    let exit = match Cli::try_parse_from(words) {
        Ok(cli) => shown(dispatch(cli)),
        Err(message) => terminal::usage(&message),
    };
    let exit = if !terminal::finish() && exit == Exit::Fine { Exit::Failed } else { exit };
    // Everything is written: to take libtorch down in order would take longer than most commands.
    signals::end(code(exit))
}

/// Runs one command, such as `["table", "results/grid"]`, in this process; what it returns is the exit code.
///
/// # Panics
/// If the command isn't one.
#[must_use]
pub fn command(words: &[&str]) -> u8 {
    let words = std::iter::once("optbench").chain(words.iter().copied());
    code(shown(dispatch(Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")))))
}

fn dispatch(cli: Cli) -> Outcome {
    cli.command.map_or_else(|| run::run(&cli.run), |command| command.run())
}

/// How a command ended, once its error, if there is one, is shown.
fn shown(outcome: Outcome) -> Exit {
    outcome.unwrap_or_else(|error| {
        terminal::report_error(&error.report);
        error.exit
    })
}

/// The exit codes, which every `--help` tells. A panic's is 101.
fn code(exit: Exit) -> u8 {
    match exit {
        Exit::Fine => 0,
        Exit::Failed => 1,
        Exit::WrongInput => 2,
        Exit::Stopped => signals::STOPPED,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every help has examples, of its own command first, and they are commands that there are.
    #[test]
    fn examples_can_be_run() {
        Cli::command().debug_assert();
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // What they do is said after some spaces, or on the next line.
            let examples: Vec<&str> = help
                .lines()
                .filter(|line| line.starts_with("  optbench "))
                .map(|line| line.trim_start().split("   ").next().unwrap_or_default())
                .collect();
            assert!(examples[0].contains(command.get_name()), "{help}");
            for example in examples {
                let words = example.split(" >").next().and_then(shlex::split).expect("quotes are closed");
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }
}
