//! Columns that fit a terminal.

/// No line is wider.
pub(crate) const WIDTH: u16 = 100;

/// How wide a table is with these gaps between its columns.
pub(crate) fn width(header: &[&str], rows: &[Vec<String>], gap: usize) -> usize {
    let widths = content_widths(header, rows);
    widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

/// Breaks labels into lines, at spaces, commas and brackets where it can, so that the
/// table fits. `labels` are the places of their columns.
pub(crate) fn wrap_labels(header: &[&str], rows: &mut [Vec<String>], labels: &[usize], gap: usize) {
    let widths = content_widths(header, rows);
    let gaps = gap * widths.len().saturating_sub(1);
    let others = widths.iter().enumerate().filter(|(at, _)| !labels.contains(at));
    let taken = others.fold(gaps, |sum, (_, width)| sum + width);
    let longest = |&at: &usize| {
        let pieces = rows.iter().flat_map(|row| pieces(&row[at])).map(columns);
        pieces.max().unwrap_or(0).max(columns(header[at]))
    };
    let left = usize::from(WIDTH).saturating_sub(taken);
    let least = share(&labels.iter().map(longest).collect::<Vec<_>>(), left);
    let more: Vec<usize> = labels.iter().zip(&least).map(|(&at, least)| widths[at] - least).collect();
    let more = share(&more, left - least.iter().sum::<usize>());
    for (label, &at) in labels.iter().enumerate() {
        for row in &mut *rows {
            row[at] = wrap(&row[at], (least[label] + more[label]).max(1));
        }
    }
}

/// Gives each what it wants where there is enough for all, or else no more than its share.
fn share(wanted: &[usize], mut left: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&at| wanted[at]);
    let mut given = vec![0; wanted.len()];
    for (done, &at) in order.iter().enumerate() {
        given[at] = wanted[at].min(left / (order.len() - done));
        left -= given[at];
    }
    given
}

/// Lines of at most this width.
fn wrap(text: &str, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    // A name and its value part where they don't fit on a line together.
    let parts = pieces(text).flat_map(|piece| {
        let parts: Vec<&str> =
            if columns(piece) > width { piece.split_inclusive('=').collect() } else { vec![piece] };
        parts
    });
    for piece in parts {
        if columns(&line) + columns(piece.trim_end()) > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in piece.chars() {
            // A piece that is too long is broken anywhere; a space at the end of a line isn't needed.
            if columns(&line) + wide(character) > width && character != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// A text in pieces that are kept whole.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', ',', '('])
}

/// The width of each column.
fn content_widths(header: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |text: &str| text.lines().map(columns).max().unwrap_or(0);
    let of = |at: usize| rows.iter().map(|row| widest(&row[at])).max().unwrap_or(0).max(widest(header[at]));
    (0..header.len()).map(of).collect()
}

fn columns(text: &str) -> usize {
    text.chars().map(wide).sum()
}

/// East Asian characters take two columns.
fn wide(character: char) -> usize {
    match u32::from(character) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The lines of a Markdown table, its first columns to the left and the others to the right.
pub(crate) fn markdown_table(header: &[String], rows: &[Vec<String>], left: usize) -> Vec<String> {
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    let rule = (0..header.len()).map(|at| if at < left { ":--" } else { "--:" }.to_owned());
    let mut lines = vec![line(&mut header.iter().map(|text| markdown_cell(text))), line(&mut { rule })];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(|text| markdown_cell(text)))));
    lines
}

/// A text without what Markdown would take for its own.
pub(crate) fn markdown_cell(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if "|*_`<>\\~".contains(character) {
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
    fn labels_break_between_words() {
        let label = "poorly_conditioned(quadratic=0.01, linear=1)";
        assert_eq!(wrap(label, 20), "poorly_conditioned(\nquadratic=0.01,\nlinear=1)");
        assert_eq!(wrap(label, 100), label);
        assert_eq!(wrap("one two", 3), "one\ntwo");
        assert_eq!(wrap("abcdef", 4), "abcd\nef");
        assert_eq!(wrap("日本語", 4), "日本\n語");
        assert_eq!(wrap("", 4), "");
    }

    #[test]
    fn what_is_left_is_shared() {
        assert_eq!(share(&[5, 50, 10], 100), [5, 50, 10]);
        assert_eq!(share(&[5, 50, 60], 50), [5, 22, 23]);
        assert_eq!(share(&[], 50), [0; 0]);
    }
}
