//! From text to tokens.

use crate::error::Mistake;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Number(f64),
    Name(&'a str),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and the bytes it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub token: Token<'a>,
    pub at: usize,
    pub text: &'a str,
}

/// Longer signs before those that they begin with.
const SIGNS: [&str; 22] = [
    "**", "<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "^", "<", ">", "(", ")", ",", "&", "|",
    "~", "!", "=",
];

/// Splits a formula; the last token is [`Token::End`].
pub(crate) fn split(text: &str) -> Result<Vec<Placed<'_>>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            tokens.push(Placed { token: Token::End, at, text: "" });
            return Ok(tokens);
        };
        let (token, length) = if first.is_ascii_digit() || first == '.' {
            let length = number(rest);
            (Token::Number(value(&rest[..length], at)?), length)
        } else if first.is_alphabetic() || first == '_' {
            let ends = |c: char| !(c.is_alphanumeric() || c == '_');
            let length = rest.find(ends).unwrap_or(rest.len());
            (Token::Name(&rest[..length]), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let shown =
                if first.is_control() { first.escape_unicode().to_string() } else { first.to_string() };
            let what = format!("`{shown}` means nothing");
            return Err(Mistake::new(at, what, "use names, numbers, brackets, commas and + - * / **"));
        };
        tokens.push(Placed { token, at, text: &rest[..length] });
        at += length;
    }
}

/// How many bytes at the start of `text` are a number: digits, a point, an exponent.
fn number(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end += 1 + digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

fn value(text: &str, at: usize) -> Result<f64, Mistake> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => {
            Err(Mistake::new(at, format!("`{text}` is too large"), "the largest number is about 1.8e308"))
        }
        Err(_) => Err(Mistake::new(at, format!("`{text}` is no number"), "write 0.5 or 1e-3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).unwrap().iter().map(|placed| placed.text).collect()
    }

    #[test]
    fn tokens_are_as_long_as_they_can_be() {
        assert_eq!(texts("a<=1.5e-3**.5"), ["a", "<=", "1.5e-3", "**", ".5", ""]);
        assert_eq!(texts("2e*x1_y"), ["2", "e", "*", "x1_y", ""]);
        assert_eq!(split(" 12.").unwrap()[0].token, Token::Number(12.0));
    }

    #[test]
    fn what_is_no_token_is_named_with_its_place() {
        for (text, at) in [("d × 2", 2), ("d; d", 1), (".", 0), ("1e999", 0), ("d\u{0}", 1), ("d.abs", 1)] {
            assert_eq!(split(text).unwrap_err().at, at, "{text}");
        }
    }
}
