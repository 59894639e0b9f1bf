//! What a person reads when a formula can't be used.

use std::fmt;

/// The most characters of a formula that a message shows.
const SHOWN: usize = 60;

/// Why a formula can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A mistake in a formula and the byte at which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub at: usize,
    pub what: String,
    pub remedy: String,
}

impl Mistake {
    pub fn new(at: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at, what: what.into(), remedy: remedy.into() }
    }

    /// The message, with the text around the place and a caret under it.
    pub fn show(&self, text: &str) -> String {
        let Self { at, what, remedy } = self;
        let place = text.char_indices().take_while(|(byte, _)| byte < at).count();
        // One column a character: what has none, or none of its own, would move the caret.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let from = place.saturating_sub(SHOWN / 2);
        let excerpt: String = text.chars().map(plain).skip(from).take(SHOWN).collect();
        let more = text.chars().nth(from + SHOWN).is_some();
        let (before, after) = (if from > 0 { "…" } else { "" }, if more { "…" } else { "" });
        let indent = " ".repeat(place - from + before.chars().count());
        let excerpt = excerpt.trim_end();
        format!("{what} at character {}: {remedy}\n  {before}{excerpt}{after}\n  {indent}^", place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let shown = Mistake::new(4, "a mistake", "mend it").show("abc\tdef");
        assert_eq!(shown, "a mistake at character 5: mend it\n  abc def\n      ^");
    }

    #[test]
    fn a_long_text_is_shown_around_the_place() {
        let text = format!("{}X{}", "é".repeat(100), "b".repeat(100));
        let shown = Mistake::new(200, "a mistake", "mend it").show(&text);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "a mistake at character 101: mend it");
        let column = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(column), Some('X'));
        assert!(lines[1].chars().count() <= SHOWN + 4);
    }
}
