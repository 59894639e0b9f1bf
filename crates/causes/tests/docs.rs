//! The table of causes in docs/src/diagnosis.md is that of the sources.

use std::{env, fs};

use causes::{Cause, Threshold};

const HEADER: &str =
    "| code | what it is | what it reads | thresholds | what removes it |\n|---|---|---|---|---|\n";

/// Text of a doc comment as a cell of Markdown.
fn cell(text: &str) -> String {
    let escaped = |(part, text): (usize, &str)| {
        // In backticks everything but the bar is itself.
        let text = text.replace('|', "\\|");
        if part % 2 == 0 { text.replace('*', "\\*") } else { text }
    };
    text.trim().split('`').enumerate().map(escaped).collect::<Vec<_>>().join("`")
}

fn row(cause: Cause) -> String {
    let rule = cause.rule();
    let threshold = |Threshold { name, value, reason }: &Threshold| {
        format!("`{name}` = {}: {}", records::number::short(*value), cell(reason))
    };
    let thresholds: Vec<String> = rule.thresholds.iter().map(threshold).collect();
    let earlier = rule.unless.iter().copied().flatten().filter(|earlier| **earlier != cause);
    let earlier: Vec<String> = earlier.map(|earlier| format!("`{earlier}`")).collect();
    let unless =
        if earlier.is_empty() { String::new() } else { format!(" Not after {}.", earlier.join(", ")) };
    let (what, reads, remedies) = (cell(rule.what), cell(rule.reads), cell(rule.remedies));
    format!("| `{cause}` | {what} | {reads}{unless} | {} | {remedies} |\n", thresholds.join("<br>"))
}

#[test]
fn the_table_of_causes_is_that_of_the_sources() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/diagnosis.md");
    let text = fs::read_to_string(path).unwrap();
    let start = text.find("| code |").expect("docs/src/diagnosis.md has a table of causes");
    let end = start + text[start..].find("\n\n").expect("text after the table") + 1;
    let table: String = HEADER.to_owned() + &Cause::ALL.iter().map(|cause| row(*cause)).collect::<String>();
    if env::var_os("OPTBENCH_UPDATE").is_some() {
        fs::write(path, [&text[..start], &table, &text[end..]].concat()).unwrap();
        return;
    }
    assert!(
        text[start..end] == table,
        "OPTBENCH_UPDATE=1 cargo test -p causes writes the table of causes anew"
    );
}
