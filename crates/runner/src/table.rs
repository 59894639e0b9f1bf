//! `runner table`: the convergence table and the scores of a results folder.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use analysis::scores::{self, Scores};
use analysis::table::{self, RenderOptions, Table};
use clap::{Args, ValueEnum};
use records::Cell;

use crate::source::{Source, TableError, unreadable};
use crate::terminal::{print, print_csv, print_json, say, wrong};

/// What `runner table` is asked for.
#[derive(Args)]
pub(crate) struct TableArgs {
    /// The results of a grid: a folder, or its cells.csv; of a first run that isn't finished, what its parts have
    folder: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Print at most so many rows of each problem and loss (0 for all); csv and json always have all
    #[arg(long, value_name = "ROWS", default_value_t = 3)]
    top: usize,
    /// Only problems with this text in their name (may be given again)
    #[arg(long, value_name = "TEXT")]
    problem: Vec<String>,
    /// Only such losses
    #[arg(long, value_name = "TEXT")]
    loss: Vec<String>,
    /// Only such optimizers
    #[arg(long, value_name = "TEXT")]
    optimizer: Vec<String>,
    /// Only such schedules
    #[arg(long, value_name = "TEXT")]
    schedule: Vec<String>,
    /// Print only: write no files into the folder
    #[arg(long)]
    no_write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns, at most 100 characters wide
    Terminal,
    /// Tables for a page or a pull request
    Markdown,
    /// A line for each row of the table, with its scores; `inf` is never
    Csv,
    /// Everything, also solvers and pairs; `null` is never, or not defined
    Json,
}

/// Prints the table; what it returns is the exit code.
pub(crate) fn table(args: &TableArgs) -> ExitCode {
    match show(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ TableError::Write { .. }) => wrong(error, 1),
        Err(error) => wrong(error, 2),
    }
}

fn show(args: &TableArgs) -> Result<(), TableError> {
    let source = Source::open(&args.folder)?;
    let filter = Filter::new(args);
    let (table, scores) = read(&source, &filter)?;
    let json = || {
        let all = serde_json::json!({ "table": table.rows, "scores": scores });
        serde_json::to_string_pretty(&all).expect("scores are plain data") + "\n"
    };
    let mut csv = Vec::new();
    scores.write_csv(&table, &mut csv).expect("memory takes every byte");
    let top = (args.top > 0).then_some(args.top);
    let note = random_note(source.random());
    match args.format {
        Format::Terminal => {
            let options = scores::RenderOptions { format: scores::Format::Text, top };
            let terminal = io::stdout().is_terminal();
            let text = scores.render(&table, &options);
            print(&format!("{}{note}\n{text}", table.render(&RenderOptions { terminal, top })));
        }
        Format::Markdown => print(&markdown(&table, &note, &scores, top)),
        Format::Csv => print_csv(&String::from_utf8_lossy(&csv)),
        Format::Json => print_json(&json()),
    }
    // Files are of a whole grid that is finished.
    let Source::Finished { results, .. } = source else { return Ok(()) };
    if args.no_write || !filter.is_empty() {
        return Ok(());
    }
    let folder = results.folder();
    let mut table_csv = Vec::new();
    table.write_csv(&mut table_csv).expect("memory takes every byte");
    let files = [
        ("table.csv", table_csv),
        ("table.md", markdown(&table, &note, &scores, None).into_bytes()),
        ("scores.csv", csv),
        ("scores.json", json().into_bytes()),
    ];
    for (name, bytes) in files {
        folder
            .write(name, |file| file.write_all(&bytes))
            .map_err(|source| TableError::Write { path: results.path(name), source })?;
    }
    say(&format!("table.csv, table.md, scores.csv and scores.json are in {}", folder.path().display()));
    Ok(())
}

fn markdown(table: &Table, note: &str, scores: &Scores, top: Option<usize>) -> String {
    let options = scores::RenderOptions { format: scores::Format::Markdown, top };
    format!("{}{note}\n{}", table.markdown(top), scores.render(table, &options))
}

/// The note below a table, with an empty line before it, about labels of the manifest's `random`; nothing where every
/// cell repeats.
pub(crate) fn random_note(labels: &[String]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    format!(
        "\nThese may draw random numbers inside a TorchScript module: rows with them depend on -j and\n\
         don't repeat.\n\n- {}\n",
        labels.join("\n- ")
    )
}

/// Two passes: one to choose the learning rates, one over the runs that are reported at them.
fn read(source: &Source, filter: &Filter) -> Result<(Table, Scores), TableError> {
    let mut first = table::Builder::new();
    let mut seen: [BTreeSet<String>; 4] = Default::default();
    let add_first = |cell: &Cell| {
        if filter.takes(cell) {
            first.add(cell);
        }
        for (seen, label) in seen.iter_mut().zip(labels(cell)) {
            if !seen.contains(label) {
                seen.insert(label.to_owned());
            }
        }
    };
    source.cells(add_first).map_err(unreadable)?;
    let tuned = first.finish_tuned();
    if seen[0].is_empty() {
        return Err(source.empty());
    }
    if tuned.table.rows.is_empty() {
        return Err(filter.no_match(&seen));
    }
    let mut second = scores::Builder::new(tuned);
    let add_second = |cell: &Cell| {
        if filter.takes(cell) {
            second.add(cell);
        }
    };
    source.cells(add_second).map_err(unreadable)?;
    Ok(second.finish())
}

const AXES: [&str; 4] = ["problem", "loss", "optimizer", "schedule"];

fn labels(cell: &Cell) -> [&str; 4] {
    [&cell.problem, &cell.loss, &cell.optimizer, &cell.schedule]
}

/// For each axis the texts of which a label must hold one; none takes every label.
struct Filter<'a>([&'a [String]; 4]);

impl<'a> Filter<'a> {
    fn new(args: &'a TableArgs) -> Self {
        Self([&args.problem, &args.loss, &args.optimizer, &args.schedule])
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|texts| texts.is_empty())
    }

    fn takes(&self, cell: &Cell) -> bool {
        let fits = |(texts, label): (&&[String], &str)| {
            texts.is_empty() || texts.iter().any(|text| label.contains(text.as_str()))
        };
        self.0.iter().zip(labels(cell)).all(fits)
    }

    /// What was asked for, and what there is.
    fn no_match(&self, seen: &[BTreeSet<String>; 4]) -> TableError {
        let asked = || AXES.into_iter().zip(self.0).zip(seen).filter(|((_, texts), _)| !texts.is_empty());
        let wanted = asked().map(|((axis, texts), _)| format!("{axis} `{}`", texts.join("` or `")));
        let there = asked().map(|((axis, _), seen)| {
            let names: Vec<&str> = seen.iter().take(12).map(String::as_str).collect();
            let more = if seen.len() > names.len() { ", …" } else { "" };
            format!("{axis}: {}{more}", names.join(", "))
        });
        TableError::NoMatch {
            wanted: wanted.collect::<Vec<_>>().join(" and "),
            help: format!("the results have {}", there.collect::<Vec<_>>().join("; ")),
        }
    }
}
