//! The answer on a terminal, as JSON and as a page.

use analysis::text_table::{Column, TextTable, wrapped};
use causes::{FixResult, LineFit};
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
    let fixes = fixes(answer).lines().join("\n");
    format!("{name}\n\n{verdict}\n{also}\n{sketch}\n{fixes}\n\n{region}\n")
}

fn fixes(answer: &Answer) -> TextTable {
    let diagnosis = &answer.diagnosis;
    let with_line = diagnosis.fixes.iter().any(|fix| fix.line_fit.is_some());
    let mut columns = vec![
        ("fix", Column::Mark),
        ("steps", Column::Number),
        ("speed-up", Column::Number),
        ("what to do", Column::Label),
    ];
    if with_line {
        columns.insert(3, ("line fit", Column::Number));
    }
    let mut table = TextTable::new(columns);
    let own = answer.evidence.baseline.reached;
    let steps = |steps: Option<u64>| steps.map_or("never".into(), |steps: u64| steps.to_string());
    let mut row = |name: &str, count: String, speedup: String, line: Option<LineFit>, change: &str| {
        let mut cells = vec![name.to_owned(), count, speedup, change.to_owned()];
        if with_line {
            cells.insert(3, line.map_or("–".into(), |line| steps(line.steps)));
        }
        table.row(cells);
    };
    let budget = answer.evidence.baseline.budget;
    let count = own.map_or(format!("> {budget}"), |own| own.to_string());
    row("yours", count, String::new(), answer.line_fit, "");
    for FixResult { name, change, steps: count, speedup, line_fit, .. } in &diagnosis.fixes {
        let speedup = match speedup {
            Some(speedup) if own.is_none() => format!("> {speedup:.1} ×"),
            Some(speedup) => format!("{speedup:.1} ×"),
            None => "–".into(),
        };
        row(name, steps(*count), speedup, *line_fit, change);
    }
    table
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
        fixes(answer).markdown().join("\n"),
        diagnosis.region
    )
}
