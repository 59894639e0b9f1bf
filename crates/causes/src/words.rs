//! Numbers in sentences.

use records::number;

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    if value.is_nan() { "NaN".into() } else { number::short(value) }
}

/// A share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", short(100.0 * share))
}

/// Steps, where there are any.
pub(super) fn count(steps: Option<u64>) -> String {
    steps.map_or("no end of".into(), |steps| steps.to_string())
}
