//! The answer on a terminal, as JSON and as a page.

use causes::{LineFit, Tried};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};

use diagnosis::Answer;

/// Everything that a person is told.
pub(super) fn terminal(name: &str, answer: &Answer, sketch: &str) -> String {
    let diagnosis = &answer.diagnosis;
    let others: Vec<String> = diagnosis.findings[1..]
        .iter()
        .map(|finding| wrapped(&format!("- {}: {}", finding.cause.code(), finding.evidence), "  "))
        .collect();
    let also =
        if others.is_empty() { String::new() } else { format!("\nAlso found:\n{}\n", others.join("\n")) };
    let (verdict, region) = (wrapped(&diagnosis.verdict, ""), wrapped(&diagnosis.region, ""));
    let fixes = fixes(answer, false);
    format!("{name}\n\n{verdict}\n{also}\n{sketch}\n{fixes}\n\n{region}\n")
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

fn fixes(answer: &Answer, markdown: bool) -> String {
    let diagnosis = &answer.diagnosis;
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
    let own = answer.evidence.baseline.reached;
    let steps = |steps: Option<u64>| steps.map_or("never".into(), |steps: u64| steps.to_string());
    let mut row = |name: &str, count: String, speedup: String, line: Option<LineFit>, change: &str| {
        let mut cells = vec![name.to_owned(), count, speedup, change.to_owned()];
        if with_line {
            cells.insert(3, line.map_or("–".into(), |line| steps(line.steps)));
        }
        table.add_row(cells);
    };
    let budget = answer.evidence.baseline.budget;
    let count = own.map_or(format!("> {budget}"), |own| own.to_string());
    row("yours", count, String::new(), answer.line_fit, "");
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

/// The same as a page.
pub(super) fn markdown(name: &str, answer: &Answer) -> String {
    let diagnosis = &answer.diagnosis;
    let evidence: Vec<String> = diagnosis
        .findings
        .iter()
        .map(|finding| format!("- `{}`: {}", finding.cause.code(), finding.evidence))
        .collect();
    format!(
        "# {name}\n\n{}\n\n![The loss and its gradient](profile.svg)\n\n## Evidence\n\n{}\n\n## Fixes\n\n{}\n\n\
         ![Descents](descent.svg)\n\n## Region\n\n{}\n",
        diagnosis.verdict,
        evidence.join("\n"),
        fixes(answer, true),
        diagnosis.region
    )
}
