//! `optbench list`: what a config may name.

use std::fmt::Write as _;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use crate::args::{Format, FormatArgs, formats};
use crate::exit::{Exit, Failure, Outcome};
use crate::list::{Axis, Entry, axes, catalog, details, json, section, table};
use crate::terminal::{print, print_json};

/// Name the losses, optimizers, schedules and problems; or show one's formula and options
#[derive(Args)]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Terminal, Format::Markdown, Format::Json]))))]
#[command(after_help = "\
Examples:
  optbench list                 what there is, a line each
  optbench list optimizers      with options, engines and papers
  optbench list adam            a formula and its options
  optbench list --format json   all of it for a program")]
pub(crate) struct ListArgs {
    /// losses, optimizers, schedules, problems, or the name of one entry
    what: Option<String>,
    #[command(flatten)]
    answer: FormatArgs,
}

/// No axis and no entry has this name.
#[derive(Debug, Error, Diagnostic)]
#[error("nothing is called `{what}`")]
#[diagnostic(help("{help}"))]
struct Unknown {
    what: String,
    help: String,
}

impl Failure for Unknown {}

pub(crate) fn run(args: &ListArgs) -> Outcome {
    let axes = axes();
    let what = args.what.as_deref();
    // What is asked for: everything, an axis, or entries of one name.
    let chosen =
        |axis: &Axis, entry: &Entry| what.is_none_or(|what| axis.plural == what || entry.name == what);
    let entries = || axes.iter().flat_map(|axis| axis.entries.iter().map(move |entry| (axis, entry)));
    let found: Vec<_> = entries().filter(|(axis, entry)| chosen(axis, entry)).collect();
    if let (true, Some(what)) = (found.is_empty(), what) {
        let names = entries().map(|(_, entry)| entry.name).chain(axes.iter().map(|axis| axis.plural));
        let help = registry::nearest(what, names).map_or_else(
            || "`optbench list` names everything".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Unknown { what: what.to_owned(), help }.into());
    }
    match (args.answer.format, what) {
        (Format::Json, _) => {
            let all: Vec<_> = found.into_iter().map(|(axis, entry)| json(axis, entry)).collect();
            print_json(&(serde_json::to_string_pretty(&all).expect("plain data") + "\n"));
        }
        (Format::Markdown, _) => {
            let mut text = String::new();
            for entries in found.chunk_by(|(a, _), (b, _)| a.plural == b.plural) {
                let sections: Vec<String> = entries.iter().map(|(_, entry)| section(entry)).collect();
                let _ = writeln!(text, "## The {}\n\n{}", entries[0].0.plural, sections.join("\n"));
            }
            print(&text);
        }
        (_, None) => {
            let tables: Vec<String> =
                axes.iter().map(|axis| format!("{}\n{}", axis.plural, table(axis))).collect();
            print(&tables.join("\n"));
            print("\noptbench list NAME shows a formula, its options and its source.\n");
        }
        (_, Some(what)) => match axes.iter().find(|axis| axis.plural == what) {
            Some(axis) => print(&catalog(axis)),
            None => print(&found.into_iter().map(|(_, entry)| details(entry)).collect::<Vec<_>>().join("\n")),
        },
    }
    Ok(Exit::Fine)
}
