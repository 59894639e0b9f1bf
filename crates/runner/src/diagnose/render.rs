//! The answer on a terminal, as JSON and as a page.

use analysis::diagnosis::{Diagnosis, Tried};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};

use super::probe::Probes;

/// Everything that a person is told.
pub(super) fn terminal(name: &str, diagnosis: &Diagnosis, probes: &Probes, sketch: Option<&str>) -> String {
    let mut text = format!("{name}\n\n{}\n", wrapped(&diagnosis.verdict, ""));
    if diagnosis.findings.len() > 1 {
        text += "\nAlso:\n";
        for finding in &diagnosis.findings[1..] {
            text +=
                &format!("{}\n", wrapped(&format!("- {}: {}", finding.cause.code(), finding.evidence), "  "));
        }
    }
    if let Some(sketch) = sketch {
        text += &format!("\n{sketch}");
    }
    text += &format!("\n{}\n", fixes(diagnosis, probes, false));
    text += &format!("\n{}\n", wrapped(&diagnosis.region, ""));
    text
}

fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(format!("{indent}{word}"));
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n")
}

fn fixes(diagnosis: &Diagnosis, probes: &Probes, markdown: bool) -> String {
    let mut table = Table::new();
    table.load_style(if markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::NOTHING.header_separator(LineStyle::none().fill('─'))
    });
    table.set_content_arrangement(ContentArrangement::Disabled);
    let with_line = diagnosis.fixes.iter().any(|fix| fix.line_fit.is_some());
    let mut header = vec!["fix", "steps", "speed-up", "what to do"];
    if with_line {
        header.insert(3, "line fit");
    }
    table.set_header(header);
    let own = probes.evidence.baseline.reached;
    let steps = |steps: Option<u64>| steps.map_or("never".into(), |steps: u64| steps.to_string());
    let mut row = |name: &str, count: String, speedup: String, line: Option<Option<u64>>, change: &str| {
        let mut cells = vec![name.to_owned(), count, speedup, change.to_owned()];
        if with_line {
            cells.insert(3, line.map_or("–".into(), steps));
        }
        table.add_row(cells);
    };
    let budget = probes.evidence.baseline.budget;
    let count = own.map_or(format!("> {budget}"), |own| own.to_string());
    row("yours", count, String::new(), probes.line_fit, "");
    for Tried { name, change, steps: count, speedup, line_fit, .. } in &diagnosis.fixes {
        let speedup = match speedup {
            Some(speedup) if own.is_none() => format!("> {speedup:.1} ×"),
            Some(speedup) => format!("{speedup:.1} ×"),
            None => "–".into(),
        };
        row(name, steps(*count), speedup, *line_fit, change);
    }
    for column in if with_line { 1..=3 } else { 1..=2 } {
        table.column_mut(column).expect("it was made").set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

pub(super) fn markdown(name: &str, diagnosis: &Diagnosis, probes: &Probes) -> String {
    let mut text = format!("# {name}\n\n{}\n\n## Evidence\n\n", diagnosis.verdict);
    for finding in &diagnosis.findings {
        text += &format!("- `{}`: {}\n", finding.cause.code(), finding.evidence);
    }
    text + &format!("\n## Fixes\n\n{}\n\n## Region\n\n{}\n", fixes(diagnosis, probes, true), diagnosis.region)
}
