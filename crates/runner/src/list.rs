//! What a config may name.

use std::process::ExitCode;

use losses::Loss;
use optimizers::Optimizer;
use optimizers::schedules::Schedule;
use problems::Problem;
use registry::Info;
use serde_json::Value;

use crate::terminal::{print, say};

/// One entry, as it is listed.
struct Entry {
    name: &'static str,
    info: Info,
    options: Value,
    engines: &'static str,
}

/// One axis of the grid.
struct Axis {
    plural: &'static str,
    entries: Vec<Entry>,
}

fn axes() -> Vec<Axis> {
    let engines = |fused: bool| if fused { "fused, libtorch" } else { "libtorch" };
    macro_rules! axis {
        ($plural:literal, $Registry:ident, $engines:expr) => {{
            let entry = |entry: $Registry| Entry {
                name: entry.name(),
                info: entry.info(),
                options: entry.options(),
                engines: $engines(&entry),
            };
            Axis { plural: $plural, entries: $Registry::all().into_iter().map(entry).collect() }
        }};
    }
    let healthy = Loss::named("mse").expect("the registry has it");
    vec![
        axis!("losses", Loss, |loss: &Loss| engines(loss.kernel::<f32>().is_some())),
        axis!("optimizers", Optimizer, |rule: &Optimizer| engines(rule.stepper::<f32>(1).is_some())),
        axis!("schedules", Schedule, |_: &Schedule| engines(true)),
        axis!("problems", Problem, |problem: &Problem| {
            let loss = (problem.losses() != problems::Losses::Own).then_some(&healthy);
            engines(problem.block::<f32>(&[1], loss).is_some())
        }),
    ]
}

/// Prints an axis, all of them, or one entry; returns the exit code.
pub(crate) fn list(what: Option<&str>) -> ExitCode {
    let axes = axes();
    let Some(what) = what else {
        let tables: Vec<String> =
            axes.iter().map(|axis| format!("{}\n{}", axis.plural, table(axis))).collect();
        print(&tables.join("\n"));
        print("\nrunner list NAME shows a formula, its options and its source.\n");
        return ExitCode::SUCCESS;
    };
    if let Some(axis) = axes.iter().find(|axis| axis.plural == what) {
        print(&catalogue(axis));
        return ExitCode::SUCCESS;
    }
    let found: Vec<&Entry> =
        axes.iter().flat_map(|axis| &axis.entries).filter(|entry| entry.name == what).collect();
    if !found.is_empty() {
        print(&found.into_iter().map(details).collect::<Vec<_>>().join("\n"));
        return ExitCode::SUCCESS;
    }
    let names = axes.iter().flat_map(|axis| axis.entries.iter().map(|entry| entry.name).chain([axis.plural]));
    let hint = registry::nearest(what, names).map_or_else(
        || "`runner list` names everything".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    say(&format!("nothing is called `{what}`: {hint}"));
    ExitCode::from(2)
}

fn table(axis: &Axis) -> String {
    let width = axis.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let line = |entry: &Entry| format!("  {:width$}  {}\n", entry.name, entry.info.summary);
    axis.entries.iter().map(line).collect()
}

/// The entries of an axis with their defaults, engines and papers.
fn catalogue(axis: &Axis) -> String {
    let width = axis.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let lines = |entry: &Entry| {
        let lines = [
            entry.info.summary.to_owned(),
            format!("options {}; on {}", options(entry), entry.engines),
            entry.info.source.to_owned(),
        ];
        let indent = format!("\n  {:width$}  ", "");
        format!("  {:width$}  {}\n", entry.name, lines.join(&indent))
    };
    axis.entries.iter().map(lines).collect()
}

/// The defaults.
fn options(entry: &Entry) -> String {
    let options: Vec<String> = entry
        .options
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} = {}", toml_like(value)))
        .collect();
    if options.is_empty() { "none".to_owned() } else { options.join(", ") }
}

fn details(entry: &Entry) -> String {
    let formula = entry.info.formula.replace('\n', "\n           ");
    let options = options(entry);
    format!(
        "{}: {}\n  formula  {formula}\n  options  {options}\n  source   {}\n  engines  {}\n",
        entry.name, entry.info.summary, entry.info.source, entry.engines
    )
}

/// A default as a config would write it.
fn toml_like(value: &Value) -> String {
    match value {
        Value::Null => "(by the budget)".into(),
        Value::Object(table) => {
            let fields: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", toml_like(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => {
            let text = other.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    }
}
