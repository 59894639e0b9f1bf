//! Texts in HTML.

use std::fmt::Write;

use records::text::plain_lines;

/// A text that is only a text, and shows as it reads, within an element or an attribute in quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in plain_lines(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A table whose columns sort: headers with what they mean, and rows of cells.
pub(super) fn table(
    id: &str,
    columns: &[(&str, &str)],
    rows: &[(bool, Vec<String>)],
    labels: usize,
) -> String {
    let mut out = format!("<div class=\"scroll\" tabindex=\"0\"><table id=\"{id}\"><thead><tr>");
    for (place, (name, meaning)) in columns.iter().enumerate() {
        let left = if place < labels { " class=\"l\"" } else { "" };
        let _ = write!(
            out,
            "<th scope=\"col\"{left}><button type=\"button\" title=\"{}\">{}</button></th>",
            escaped(meaning),
            escaped(name)
        );
    }
    out.push_str("</tr></thead><tbody>\n");
    for (best, cells) in rows {
        out.push_str(if *best { "<tr class=\"best\">" } else { "<tr>" });
        for (place, cell) in cells.iter().enumerate() {
            out.push_str(if place < labels { "<td class=\"l\">" } else { "<td>" });
            out.push_str(&escaped(cell));
        }
        out.push('\n');
    }
    out.push_str("</tbody></table></div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        assert_eq!(
            escaped("<script>alert('x')</script> & \"y\""),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"
        );
        let html = table("t", &[("<b>", "\"")], &[(true, vec!["</td><img>".into()])], 1);
        assert!(!html.contains("<b>") && !html.contains("<img>") && html.contains("title=\"&quot;\""));
    }
}
