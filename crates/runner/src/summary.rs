//! What a finished run prints.

use std::io::IsTerminal;

use analysis::table::RenderOptions;
use losses::Loss;
use serde::Serialize;

use crate::config::Config;
use crate::exit::Exit;
use crate::run::{Options, Summary};
use crate::terminal::{print, say};

/// Prints the table, at most so many rows of each block, and says what there is to say of it.
pub(crate) fn show(config: &Config, summary: &Summary, options: &Options, top: Option<usize>) -> Exit {
    let terminal = std::io::stdout().is_terminal();
    print(&summary.table.render(&RenderOptions { terminal, top }));
    let counts = summary.counts;
    say(&format!(
        "{} cells ({} diverged, {} failed) in {:.1} s; results in {}",
        counts.cells,
        counts.diverged,
        counts.failed,
        summary.wall.as_secs_f64(),
        options.out.join(&config.name).display()
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
            say(&format!("`{loss}` is slow with every optimizer: `{command}` shows why"));
        }
    }
    failed_cells(counts.failed)
}

/// Points to cells that failed.
pub(crate) fn failed_cells(count: u64) -> Exit {
    if count == 0 {
        return Exit::Fine;
    }
    say(&format!("{count} cells failed: the column `message` of cells.csv says why"));
    Exit::Failed
}

/// The command that diagnoses a loss of a config, by the label that it has in the results.
fn diagnosis_of(config: &Config, label: &str) -> Option<String> {
    let loss = config.grids.iter().flat_map(|grid| &grid.losses).find(|loss| loss.label() == label)?;
    let (option, value) = if let Loss::Program(program) = loss {
        ("--program", config.file.with_file_name(program.file.name()).display().to_string())
    } else if label == loss.name() {
        ("--loss", label.to_owned())
    } else {
        let mut toml = String::new();
        loss.serialize(toml::ser::ValueSerializer::new(&mut toml)).ok()?;
        ("--loss", toml)
    };
    Some(format!("optbench diagnose {option} {}", shlex::try_quote(&value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn a_command_that_is_shown_can_be_run_by_a_shell() {
        let formula = "{ formula = { value = \"where(d < 0, -d, d**2)\" } }";
        let text = format!(
            "name = 'x'\n[[grid]]\nproblems = ['line_fit']\nlosses = ['mse', {formula}]\noptimizers = ['sgd']\n"
        );
        let config = parse("x.toml", &text).unwrap();
        let command = |at: usize| diagnosis_of(&config, &config.grids[0].losses[at].label()).unwrap();
        assert_eq!(command(0), "optbench diagnose --loss mse");
        let words = shlex::split(&command(1)).unwrap();
        assert_eq!(words[..3], ["optbench", "diagnose", "--loss"]);
        let loss: toml::Table = toml::from_str(&format!("loss = {}", words[3])).unwrap();
        assert_eq!(loss, toml::from_str(&format!("loss = {formula}")).unwrap());
    }
}
