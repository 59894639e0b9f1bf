//! What a config may name.

use std::fmt::Write as _;

use analysis::text_table::{Column, TextTable};
use losses::Loss;
use optimizers::Optimizer;
use optimizers::schedules::Schedule;
use problems::Problem;
use registry::{Info, OptionInfo};
use serde_json::{Value, json};

/// One entry, as it is listed.
pub(crate) struct Entry {
    pub name: &'static str,
    info: Info,
    options: Value,
    engines: &'static str,
}

/// One axis of the grid.
pub(crate) struct Axis {
    pub plural: &'static str,
    pub entries: Vec<Entry>,
}

pub(crate) fn axes() -> Vec<Axis> {
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

pub(crate) fn table(axis: &Axis) -> String {
    let width = axis.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let line = |entry: &Entry| format!("  {:width$}  {}\n", entry.name, entry.info.summary);
    axis.entries.iter().map(line).collect()
}

/// The entries of an axis with their defaults, engines and papers.
pub(crate) fn catalog(axis: &Axis) -> String {
    let width = axis.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let lines = |entry: &Entry| {
        let options: Vec<String> =
            entry.info.options.iter().map(|option| with_default(entry, option)).collect();
        let options = if options.is_empty() { "none".to_owned() } else { options.join(", ") };
        let lines = [
            entry.info.summary.clone(),
            format!("options {options}; on {}", entry.engines),
            entry.info.source.clone(),
        ];
        let indent = format!("\n  {:width$}  ", "");
        format!("  {:width$}  {}\n", entry.name, lines.join(&indent))
    };
    axis.entries.iter().map(lines).collect()
}

/// All of an entry that its doc comment has for a terminal, and what it runs on.
pub(crate) fn details(entry: &Entry) -> String {
    let Info { summary, formula, example, source, checked_against, options } = &entry.info;
    let row = |option: &OptionInfo| {
        let range = if option.range.is_empty() { String::new() } else { format!(" ({})", option.range) };
        format!("{:24}  {}{range}", with_default(entry, option), option.about)
    };
    let options: Vec<String> = options.iter().map(row).collect();
    let parts = [
        ("formula", formula.as_str()),
        ("config", example),
        ("options", &options.join("\n")),
        ("source", source),
        ("checked", checked_against),
        ("engines", entry.engines),
    ];
    let part = |(name, text): &(&str, &str)| format!("  {name:7}  {}\n", text.replace('\n', "\n           "));
    let parts: String = parts.iter().filter(|(_, text)| !text.is_empty()).map(part).collect();
    format!("{}: {summary}\n{parts}", entry.name)
}

/// An entry as a section of a page.
pub(crate) fn section(entry: &Entry) -> String {
    let Info { summary, formula, example, source, checked_against, options } = &entry.info;
    let mut text = format!("### `{}`\n\n{summary}.\n", entry.name);
    for (language, block) in [("text", formula), ("toml", example)] {
        if !block.is_empty() {
            let _ = write!(text, "\n```{language}\n{block}\n```\n");
        }
    }
    if !options.is_empty() {
        let columns = ["option", "range", "what it is"].map(|title| (title, Column::Label));
        let mut table = TextTable::new(columns);
        for option in options {
            let name = format!("`{}`", with_default(entry, option));
            table
                .row([name, option.range.clone(), option.about.clone()].map(|cell| cell.replace('|', "\\|")));
        }
        let _ = write!(text, "\n{}\n", table.markdown().join("\n"));
    }
    let parts =
        [("Source", source.as_str()), ("Checked against", checked_against), ("Engines", entry.engines)];
    for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        let _ = write!(text, "\n{name}: {part}.\n");
    }
    text
}

/// An entry for programs.
pub(crate) fn json(axis: &Axis, entry: &Entry) -> Value {
    let Info { summary, formula, source, checked_against, options, .. } = &entry.info;
    let option = |option: &OptionInfo| {
        json!({ "name": option.name, "default": entry.options.get(option.name), "range": option.range,
                "about": option.about })
    };
    json!({
        "axis": axis.plural, "name": entry.name, "summary": summary, "formula": formula, "source": source,
        "checked_against": checked_against, "engines": entry.engines.split(", ").collect::<Vec<_>>(),
        "options": options.iter().map(option).collect::<Vec<_>>(),
    })
}

/// An option and its default, if it has one.
fn with_default(entry: &Entry, option: &OptionInfo) -> String {
    match entry.options.get(option.name) {
        Some(default) => format!("{} = {}", option.name, toml_like(default)),
        None => option.name.to_owned(),
    }
}

/// A default as a config would write it.
fn toml_like(value: &Value) -> String {
    match value {
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
