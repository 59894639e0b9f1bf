//! Text of others, such as labels, names of files and messages in results, made safe to show.
//!
//! A control character can move the cursor or change the terminal's title, and a bidirectional control can show
//! text in another order than it has. Each is replaced by its escape, such as `\u{1b}`.

use std::borrow::Cow;

/// The text on one line: control characters, line feeds and tabs among them, and bidirectional controls are escaped.
///
/// ```
/// use records::text::plain;
///
/// assert_eq!(plain("mse"), "mse");
/// assert_eq!(plain("a\u{202e}b\nc\u{1b}[2J"), r"a\u{202e}b\nc\u{1b}[2J");
/// ```
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// As [`plain`], but line feeds and tabs stay.
#[must_use]
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// Whether a character changes how the text around it is shown: a control character, or one that sets the
/// direction of writing or separates lines.
#[must_use]
pub fn is_hidden_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let escape = |character: char| is_hidden_control(character) && !keep(character);
    if !text.chars().any(escape) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if escape(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_text_is_escaped_and_languages_are_not() {
        for hidden in
            ["\u{7}", "\r", "\u{7f}", "\u{9b}", "\u{61c}", "\u{200f}", "\u{2029}", "\u{202e}", "\u{2066}"]
        {
            let shown = plain(hidden);
            assert!(shown.starts_with('\\') && shown.is_ascii(), "{shown}");
            assert_eq!(plain(&shown), shown);
        }
        for text in ["", "naïve · 損失 → ∞", "مرحبا", "שלום", "👩‍🔬"] {
            assert!(matches!(plain(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(plain_lines("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }
}
