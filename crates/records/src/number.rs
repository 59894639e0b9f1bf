//! Numbers as people read them.

/// Stands for what there is none of.
pub const NONE: &str = "–";

/// Three significant digits: `0.125`, `38.4`, `1.2e-5`; whole numbers below 100000 in full; `∞`.
#[must_use]
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return NONE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let scientific = format!("{value:.2e}");
    // The exponent after rounding, so that 999.9 counts as a thousand.
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let places = match exponent.parse::<i32>() {
        Ok(exponent @ -3..=4) => (2 - exponent).max(0) as usize,
        _ => return format!("{}e{exponent}", trimmed(mantissa)),
    };
    trimmed(&format!("{value:.places$}")).to_owned()
}

/// A whole number of steps; `–` for what was never reached.
#[must_use]
pub fn steps(value: f64) -> String {
    if !value.is_finite() {
        NONE.to_owned()
    } else if value < 999_999.5 {
        format!("{value:.0}")
    } else {
        short(value)
    }
}

/// Without the zeros that say nothing.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (0.123_45, "0.123"),
            (0.001_234, "0.00123"),
            (0.000_999_9, "0.001"),
            (1.2e-5, "1.2e-5"),
            (1.234e-300, "1.23e-300"),
            (38.44, "38.4"),
            (999.9, "1000"),
            (12_345.6, "12346"),
            (123_456.0, "1.23e5"),
            (-0.5, "-0.5"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "-∞"),
            (f64::NAN, "–"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected, "{value:e}");
        }
    }

    #[test]
    fn steps_are_whole() {
        let cases = [(0.0, "0"), (37.6, "38"), (123_456.0, "123456"), (1e6, "1e6"), (1.23e9, "1.23e9")];
        for (value, expected) in cases {
            assert_eq!(steps(value), expected);
        }
        assert_eq!(steps(f64::INFINITY), "–");
        assert_eq!(steps(f64::NAN), "–");
    }
}
