//! The comparison for people: on a terminal, and as Markdown for a pull request.

use std::fmt::Write;

use super::{Axis, Comparison, GroupChange, Measure, RowChange, Verdict};
use crate::text_table::{Column, TextTable};

/// What the sides are called.
#[derive(Clone, Debug)]
pub struct Names {
    /// The left side: what was.
    pub left: String,
    /// The right side: what is.
    pub right: String,
}

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Terminal,
    /// A table of GitHub-flavored Markdown.
    Markdown,
}

/// Stands for what there is none of.
const NONE: &str = "–";
const COLUMNS: [(&str, Column); 8] = [
    ("change", Column::Mark),
    ("ratio", Column::Number),
    ("95 % interval", Column::Number),
    ("p", Column::Number),
    ("reached", Column::Number),
    ("steps or error", Column::Number),
    ("lr", Column::Number),
    ("row", Column::Label),
];

impl Comparison {
    /// The comparison as text, at most `top` rows of each verdict. Ends with a line feed.
    #[must_use]
    pub fn render(&self, names: &Names, format: Format, top: Option<usize>) -> String {
        let mut lines = vec![self.headline(names, format), String::new()];
        let bullet = if format == Format::Markdown { "- " } else { "" };
        lines.extend(
            self.inputs.iter().map(|change| format!("{bullet}note: {}", shown(&change.to_string(), format))),
        );
        if !self.inputs.is_empty() {
            lines.push(String::new());
        }
        for mismatch in &self.mismatches {
            lines.push(format!(
                "warning: not comparable, and compared all the same: {}",
                shown(&mismatch.to_string(), format)
            ));
        }
        if !self.mismatches.is_empty() {
            lines.push(String::new());
        }
        if !self.groups.is_empty() {
            let one = self.rows.iter().all(|row| row.grid == self.rows[0].grid);
            lines
                .extend(self.groups.iter().map(|group| format!("{bullet}{}", together(group, !one, format))));
            lines.push(String::new());
        }
        if self.rows.is_empty() {
            lines.push("No row changed.".to_owned());
        } else {
            let (rows, hidden) = self.shortened(top);
            let grids: std::collections::HashSet<&str> =
                self.rows.iter().map(|row| row.grid.as_str()).collect();
            let mut table = TextTable::new(COLUMNS);
            for row in rows {
                table.row(texts(row, self.fails(row), grids.len() > 1, format));
            }
            lines.extend(match format {
                Format::Terminal => table.lines(),
                Format::Markdown => table.markdown(),
            });
            lines.push(String::new());
            if hidden > 0 {
                lines.push(format!("{} not shown (--top 0 shows all).", counted(hidden, "more row")));
            }
            lines.extend(self.legend(format));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// The result in one line.
    fn headline(&self, names: &Names, format: Format) -> String {
        let regressions = self.regressions();
        let [left, right] = [&names.left, &names.right].map(|name| shown(name, format));
        let mut counts = vec![if regressions == 0 {
            "no regression".to_owned()
        } else {
            counted(regressions, "regression")
        }];
        let vanished = self.vanished();
        if vanished > 0 && self.failed() && regressions == 0 {
            // What fails the comparison is named first.
            counts.insert(0, counted(vanished, "vanished row"));
        } else if vanished > 0 {
            counts.push(format!("{vanished} {}", Verdict::Vanished.as_str()));
        }
        for verdict in [
            Verdict::Gained,
            Verdict::Faster,
            Verdict::Outcome,
            Verdict::Drifted,
            Verdict::OtherRates,
            Verdict::Appeared,
            Verdict::Bits,
        ] {
            let count = self.rows.iter().filter(|row| row.verdict == verdict).count();
            if count > 0 {
                counts.push(format!("{count} {}", verdict.as_str()));
            }
        }
        counts.push(format!("{} identical", self.identical));
        let bold = if format == Format::Markdown { "**" } else { "" };
        format!("{left} → {right}: {bold}{}{bold}, {}", counts[0], counts[1..].join(", "))
    }

    fn fails(&self, row: &RowChange) -> bool {
        row.verdict.is_regression() || row.verdict == Verdict::Vanished && !self.options.allow_vanished
    }

    fn shortened(&self, top: Option<usize>) -> (Vec<&RowChange>, usize) {
        let most = top.unwrap_or(usize::MAX);
        let chunks = self.rows.chunk_by(|a, b| a.verdict == b.verdict);
        let rows: Vec<&RowChange> = chunks.flat_map(|rows| rows.iter().take(most)).collect();
        let hidden = self.rows.len() - rows.len();
        (rows, hidden)
    }

    fn legend(&self, format: Format) -> Vec<String> {
        let Self { options, spent, .. } = self;
        let mut lines = vec![
            format!(
                "ratio > 1: slower now; ≥ and ≤ where runs didn't arrive. A regression is a new failure, half the successes or fewer, or a ratio above {}.",
                1.0 + options.threshold,
            ),
            format!(
                "p: the chance that any row here shows as much without a change. Steps count up to {}, so that at most {} of comparisons of equal code fail.",
                digits(options.alpha - spent),
                percent(options.alpha),
            ),
            "Judged at the rate that each side chose on its tuning seeds, on reporting seeds paired by seed."
                .to_owned(),
        ];
        let vanished = self.vanished();
        if vanished > 0 {
            let (subject, it) = if vanished == 1 { ("row has", "it") } else { ("rows have", "them") };
            lines.push(if self.options.allow_vanished {
                format!("{vanished} {subject} vanished, which --allow-vanished lets pass.")
            } else {
                format!(
                    "{vanished} {subject} vanished, which fails the comparison; --allow-vanished lets {it} pass."
                )
            });
        }
        let needed = self.seeds_needed();
        let too_few = |row: &&RowChange| row.verdict == Verdict::Drifted && row.pairs < needed;
        let few = self.rows.iter().filter(too_few).count();
        if few > 0 {
            let subject = if few == 1 { "row has" } else { "rows have" };
            lines.push(format!(
                "{few} changed {subject} too few seeds to be significantly slower alone: {needed} reporting seeds would be needed."
            ));
        }
        if format == Format::Markdown {
            // A blank line between two makes them paragraphs.
            lines = lines.into_iter().flat_map(|line| [line, String::new()]).collect();
            lines.pop();
        }
        lines
    }
}

/// A share as people say it.
fn percent(share: f64) -> String {
    format!("{} %", digits(100.0 * share))
}

/// What the rows of a group say together.
fn together(group: &GroupChange, with_grid: bool, format: Format) -> String {
    let mark = if group.verdict.is_regression() { "✗ " } else { "" };
    let grid = if with_grid { format!("{}: ", group.grid) } else { String::new() };
    let of = match group.axis {
        Axis::Optimizer => "by",
        Axis::Workload => "on",
    };
    let interval = group
        .interval
        .map_or(String::new(), |[low, high]| format!(", 95 % {}..{}", digits(low), digits(high)));
    format!(
        "{mark}{}{} together: the {} changed rows {of} {}, ratio {}{interval}, p {}",
        shown(&grid, format),
        group.verdict.as_str(),
        group.rows,
        shown(&group.name, format),
        digits(group.ratio),
        p_value(group.p),
    )
}

/// The ratio, as a bound where runs didn't arrive.
fn ratio(row: &RowChange) -> String {
    let lacks = |side: &Option<super::Reported>| {
        side.as_ref().is_some_and(|side| side.reached.is_some_and(|reached| reached < side.seeds))
    };
    let bound = match (lacks(&row.left), lacks(&row.right)) {
        _ if !row.ratio.is_finite() || row.ratio == 0.0 => "",
        (false, false) => "",
        (false, true) => "≥ ",
        (true, false) => "≤ ",
        (true, true) => "≈ ",
    };
    format!("{bound}{}", digits(row.ratio))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn texts(row: &RowChange, fails: bool, with_grid: bool, format: Format) -> [String; COLUMNS.len()] {
    let both = |value: &dyn Fn(&super::Reported) -> String| match (&row.left, &row.right) {
        (Some(left), Some(right)) => {
            let (left, right) = (value(left), value(right));
            if left == right { left } else { format!("{left} → {right}") }
        }
        _ => NONE.to_owned(),
    };
    let typical = |reported: &super::Reported| match row.measure {
        Measure::Steps(_) => whole(reported.typical),
        Measure::FinalError => format!("error {}", digits(reported.typical)),
    };
    let reached = |reported: &super::Reported| {
        reported.reached.map_or(NONE.to_owned(), |reached| format!("{reached}/{}", reported.seeds))
    };
    let mut name = row.labels.join(" · ");
    if with_grid {
        name = format!("{}: {name}", row.grid);
    }
    if let (Measure::Steps(target), true) = (row.measure, row.left.is_some()) {
        let _ = write!(name, " (target {target})");
    }
    if !row.outcomes.is_empty() {
        let each = row.outcomes.iter().map(|(before, now, count)| format!("{count} {before} → {now}"));
        let _ = write!(name, " [of all cells: {}]", each.collect::<Vec<_>>().join(", "));
    }
    let mark = if fails { "✗ " } else { "" };
    [
        format!("{mark}{}", row.verdict.as_str()),
        ratio(row),
        row.interval.map_or(NONE.to_owned(), |[low, high]| format!("{}..{}", digits(low), digits(high))),
        row.p.map_or(NONE.to_owned(), p_value),
        both(&reached),
        both(&typical),
        both(&|reported| digits(reported.lr)),
        shown(&name, format),
    ]
}

/// Three significant digits.
fn digits(value: f64) -> String {
    if value.is_nan() {
        return NONE.to_owned();
    }
    if value.is_infinite() {
        return "∞".to_owned();
    }
    let size = value.abs();
    if value != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let places = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else if size >= 0.1 {
        3
    } else {
        5
    };
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn whole(steps: f64) -> String {
    if steps.is_finite() { format!("{steps:.0}") } else { digits(steps) }
}

fn p_value(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.0e}") }
}

/// A label or name without what would break the line or the table.
fn shown(text: &str, format: Format) -> String {
    let mut out = String::new();
    for character in records::text::plain(text).chars() {
        if format == Format::Markdown
            && matches!(character, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '@' | '#')
        {
            // `@` would notify somebody; an entity does not.
            if character == '@' {
                out.push_str("&#64;");
                continue;
            }
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (1.0, "1"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (1234.4, "1234"),
            (0.1, "0.1"),
            (0.0123, "0.0123"),
            (1e-9, "1.00e-9"),
            (f64::INFINITY, "∞"),
            (f64::NAN, NONE),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(digits(value), text);
        }
        assert_eq!(p_value(0.0312), "0.031");
        assert_eq!(p_value(1.9e-6), "2e-6");
    }

    #[test]
    fn labels_break_no_table_and_notify_nobody() {
        assert_eq!(shown("a|b\n@c", Format::Markdown), "a\\|b\\\\n&#64;c");
        assert_eq!(shown("a|b\u{1b}[1m", Format::Terminal), "a|b\\u{1b}[1m");
    }
}
