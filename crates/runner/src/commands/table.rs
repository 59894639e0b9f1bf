//! `optbench table`: the convergence table and the scores of a results folder.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use analysis::compare::Filter;
use analysis::scores::{self, Scores};
use analysis::table::{self, RenderOptions, Table};
use clap::Args;
use records::Cell;

use crate::args::{FilterArgs, Format, FormatArgs, TopArgs};
use crate::exit::{Exit, Outcome};
use crate::source::{Source, TableError, unreadable};
use crate::terminal::{print, print_csv, print_json, say};

/// Show and write the convergence table, scores, tests and intervals of a results folder
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench table results/grid                       the table and the scores, printed and as files
  optbench table results/grid --loss huber --loss mse --optimizer adam --top 0
                                                    all rows of Adam's with two losses
  optbench table results/grid --format csv --no-write >rows.csv
                                                    for a spreadsheet
  python -c \"import optbench; optbench.load('results/grid').to_parquet()\"
                                                    every file as Parquet, with the Python package

Files are written of whole grids: not with a filter, and not before a first run is finished.

Exit codes: 0 fine; 1 a file couldn't be written; 2 there are no such results.")]
pub(crate) struct TableArgs {
    /// The results of a grid: a folder, or its cells.csv; of a first run that isn't finished, what its parts have
    folder: PathBuf,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    top: TopArgs,
    #[command(flatten)]
    answer: FormatArgs,
    /// Print only: write no files into the folder
    #[arg(long)]
    no_write: bool,
}

pub(crate) fn run(args: &TableArgs) -> Outcome {
    let source = Source::open(&args.folder)?;
    let filter = args.filter.filter();
    let (table, scores) = read(&source, &filter)?;
    let json = || {
        let all = serde_json::json!({ "table": table.rows, "scores": scores });
        serde_json::to_string_pretty(&all).expect("scores are plain data") + "\n"
    };
    let mut csv = Vec::new();
    scores.write_csv(&table, &mut csv).expect("memory takes every byte");
    let top = args.top.rows();
    match args.answer.format {
        Format::Terminal => {
            let options = scores::RenderOptions { format: scores::Format::Text, top };
            let terminal = io::stdout().is_terminal();
            let text = scores.render(&table, &options);
            print(&format!("{}\n{text}", table.render(&RenderOptions { terminal, top })));
        }
        Format::Markdown => print(&markdown(&table, &scores, top)),
        Format::Csv => print_csv(&String::from_utf8_lossy(&csv)),
        Format::Json => print_json(&json()),
    }
    // Files are of a whole grid that is finished.
    let Source::Finished { results, .. } = source else { return Ok(Exit::Fine) };
    if args.no_write || !filter.is_empty() {
        return Ok(Exit::Fine);
    }
    let folder = results.folder();
    let mut table_csv = Vec::new();
    table.write_csv(&mut table_csv).expect("memory takes every byte");
    let files = [
        ("table.csv", table_csv),
        ("table.md", markdown(&table, &scores, None).into_bytes()),
        ("scores.csv", csv),
        ("scores.json", json().into_bytes()),
    ];
    for (name, bytes) in files {
        folder
            .write(name, |file| file.write_all(&bytes))
            .map_err(|source| TableError::Write { path: results.path(name), source })?;
    }
    say(&format!("table.csv, table.md, scores.csv and scores.json are in {}", folder.path().display()));
    Ok(Exit::Fine)
}

fn markdown(table: &Table, scores: &Scores, top: Option<usize>) -> String {
    let options = scores::RenderOptions { format: scores::Format::Markdown, top };
    format!("{}\n{}", table.markdown(top), scores.render(table, &options))
}

/// Two passes: one to choose the learning rates, one over the runs that are reported at them.
fn read(source: &Source, filter: &Filter) -> Result<(Table, Scores), TableError> {
    let mut first = table::Builder::new();
    let mut seen: [BTreeSet<String>; 4] = Default::default();
    let add_first = |cell: &Cell| {
        if filter.admits(cell) {
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
        return Err(no_match(filter, &seen));
    }
    let mut second = scores::Builder::new(tuned);
    let add_second = |cell: &Cell| {
        if filter.admits(cell) {
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

/// What was asked for, and what there is.
fn no_match(filter: &Filter, seen: &[BTreeSet<String>; 4]) -> TableError {
    let asked = || AXES.into_iter().zip(filter.texts()).zip(seen).filter(|((_, texts), _)| !texts.is_empty());
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
