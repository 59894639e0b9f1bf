//! The table for people: which rows, in which order, and what stands around them.

use super::columns::{Columns, printable};
use super::{Row, Table};
use crate::text_table::{markdown_cell, wrapped};
use records::Role;
use records::number::short;

/// How a table is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// The best rows are bold, as a terminal shows it.
    pub terminal: bool,
    /// At most so many rows of each problem and loss, the best ones.
    pub top: Option<usize>,
}

impl Table {
    /// The table for people: problem by problem and loss by loss, the lowest ERT first, then the
    /// lowest final error. Ends with a line feed.
    #[must_use]
    pub fn render(&self, options: &RenderOptions) -> String {
        if self.rows.is_empty() {
            return "no runs\n".to_owned();
        }
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        for (problem, rows) in self.best(options.top) {
            let mut columns = Columns::new(&rows);
            let shared = if columns.fit() { Vec::new() } else { columns.hide_shared(&problem) };
            lines.push(wrapped(&heading(&problem, shared), ""));
            if !rows.is_empty() {
                lines.extend(columns.lines(options.terminal));
            }
            lines.extend(
                notes(&problem, rows.len()).chain(self.mixed_notes(&problem)).map(|note| wrapped(&note, "")),
            );
            lines.push(String::new());
            shown.extend(rows);
        }
        lines.extend(legend(&shown));
        lines.join("\n") + "\n"
    }

    /// The same in Markdown: a table a problem.
    #[must_use]
    pub fn markdown(&self, top: Option<usize>) -> String {
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        for (problem, rows) in self.best(top) {
            let columns = Columns::new(&rows);
            lines.push(format!("### {}\n", markdown_cell(&heading(&problem, Vec::new()))));
            lines.extend(columns.markdown());
            lines.push(String::new());
            let notes = notes(&problem, rows.len()).chain(self.mixed_notes(&problem));
            lines.extend(notes.map(|note| markdown_cell(&note) + "\n"));
            shown.extend(rows);
        }
        lines.extend(legend(&shown).map(|line| format!("{}<br>", line.replace('*', "\\*"))));
        lines.join("\n") + "\n"
    }

    /// What is to be said of the workloads of a problem.
    fn mixed_notes(&self, problem: &[&Row]) -> impl Iterator<Item = String> {
        let name = problem.first().map(|row| row.problem.as_str());
        let own = self.mixed.iter().filter(move |mixed| Some(mixed.problem.as_str()) == name);
        own.map(|mixed| printable(&mixed.note()))
    }

    /// Problem by problem all rows, and those to be shown: loss by loss, the best first.
    pub(crate) fn best(&self, top: Option<usize>) -> Vec<(Vec<&Row>, Vec<&Row>)> {
        let problems = grouped(self.rows.iter(), |row| &row.problem);
        let with_best = problems.into_iter().map(|problem| {
            let mut shown = Vec::new();
            for mut rows in grouped(problem.iter().copied(), |row| &row.loss) {
                rows.sort_by(|a, b| a.order(b.ert, b.final_error_median));
                rows.truncate(top.unwrap_or(usize::MAX));
                shown.extend(rows);
            }
            (problem, shown)
        });
        with_best.collect()
    }
}

/// What else is to be said of a problem of which so many rows are shown.
fn notes(problem: &[&Row], shown: usize) -> impl Iterator<Item = String> {
    let more = problem.len() - shown;
    let failed: u64 = problem.iter().map(|row| row.failed).sum();
    let more = (more > 0).then(|| counted(more, "more row") + " in table.csv");
    let failed = (failed > 0)
        .then(|| counted(failed as usize, "reported run") + " failed: see the messages in cells.csv");
    more.into_iter().chain(failed)
}

/// `1 row` or `2 rows`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The rows by what `name` gives, in order of first appearance.
fn grouped<'a>(rows: impl Iterator<Item = &'a Row>, name: impl Fn(&Row) -> &String) -> Vec<Vec<&'a Row>> {
    let mut places = std::collections::HashMap::new();
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let place = *places.entry(name(row).clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    groups
}

/// The problem, and what its rows have in common.
fn heading(rows: &[&Row], mut facts: Vec<String>) -> String {
    let targets = rows.iter().filter_map(|row| row.target).map(|target| (target, short(target)));
    facts.push(span(targets).map_or("no target".to_owned(), |targets| format!("target {targets}")));
    let counts = |count: u64| (count as f64, count.to_string());
    if let Some(budgets) = span(rows.iter().map(|row| row.budget).map(counts)) {
        facts.push(format!("budget {budgets} steps"));
    }
    if let Some(seeds) = span(rows.iter().map(|row| row.seeds).map(counts)) {
        facts.push(format!("{seeds} {}", if seeds == "1" { "seed" } else { "seeds" }));
    }
    printable(&format!("{}: {}", rows[0].problem, facts.join(", ")))
}

/// `a`, or `a–b` for the lowest and the highest.
fn span(values: impl Iterator<Item = (f64, String)>) -> Option<String> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, low), (_, high)) = (values.first()?, values.last()?);
    Some(if low == high { low.clone() } else { format!("{low}–{high}") })
}

/// What the marks and columns mean.
fn legend(rows: &[&Row]) -> impl Iterator<Item = String> {
    let same_seeds = rows.iter().any(|row| row.tuned_on == Role::Reporting);
    let lines = [
        "* best of its problem   ↓ ↑ lr at the low or high end of its grid   – not reached   ∞ diverged",
        "steps: median [quartiles]   ERT: steps spent per success   basin: decades of lr within 2x of best",
    ];
    let note = same_seeds.then_some("† lr chosen and reported on the same seeds: optimistic");
    lines.into_iter().chain(note).map(str::to_owned)
}
