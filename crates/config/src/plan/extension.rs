//! Learning rates beyond the edges of a grid.

use super::Edge;

/// By how many rates a grid extends itself each time.
const EXTENDED_BY: i32 = 2;

/// The rates that follow a grid at one of its edges, to three digits, ascending.
pub(super) fn beyond(rates: &[f64], edge: Edge) -> Vec<f64> {
    let (last, ratio) = match (edge, rates) {
        (Edge::High, [.., before, last]) => (*last, last / before),
        (Edge::Low, [first, after, ..]) => (*first, first / after),
        _ => return Vec::new(),
    };
    let (last, ratio) = unrounded(rates, last, ratio);
    let round = |rate: f64| format!("{rate:.2e}").parse().expect("a number just written");
    let mut more: Vec<f64> =
        (1..=EXTENDED_BY).map(|k| round(last * libm::pow(ratio, f64::from(k)))).collect();
    // So far out that numbers end, or a grid so fine that three digits can't tell its rates apart.
    more.retain(|rate: &f64| rate.is_normal() && !rates.contains(rate));
    more.sort_by(f64::total_cmp);
    more.dedup();
    more
}

/// The last rate of a grid and its step, without the rounding of a grid that has whole steps a decade: 3.16 is 10^0.5
/// after 1, and followed by 10.
fn unrounded(rates: &[f64], last: f64, ratio: f64) -> (f64, f64) {
    /// Three digits are this near.
    const NEAR: f64 = 0.006;
    let a_decade = (1.0 / libm::log10(ratio)).round();
    let exact = libm::pow(10.0, 1.0 / a_decade);
    // The one of the fewest digits is the least rounded.
    let Some(anchor) = rates.iter().min_by_key(|rate| format!("{rate:e}").len()) else {
        return (last, ratio);
    };
    let steps = (libm::log10(last / anchor) / libm::log10(exact)).round();
    let from_anchor = anchor * libm::pow(exact, steps);
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < NEAR;
    if near(exact, ratio) && near(from_anchor, last) { (from_anchor, exact) } else { (last, ratio) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_go_on_in_whole_steps_a_decade() {
        let halves = [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16];
        assert_eq!(beyond(&halves, Edge::High), [10.0, 31.6]);
        assert_eq!(beyond(&halves, Edge::Low), [1e-4, 0.000_316]);
        // From where it went on before.
        assert_eq!(beyond(&[0.000_316, 0.001, 0.003_16], Edge::Low), [3.16e-5, 1e-4]);
        assert_eq!(beyond(&[0.1, 0.2, 0.4], Edge::High), [0.8, 1.6]);
        assert_eq!(beyond(&[0.1, 0.2, 0.4], Edge::Low), [0.025, 0.05]);
        assert!(beyond(&[0.1], Edge::High).is_empty());
    }
}
