//! Many tests at once.

/// Holm's adjusted p-values, in the order of `p`.
///
/// ```text
/// p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j))          p_(1) ≤ … ≤ p_(m)
/// ```
///
/// Rejecting where p̃ ≤ α keeps the probability of any false rejection below α, however the tests
/// depend on each other. A NaN is a test that was not made: it stays NaN and isn't counted in m.
///
/// Paper: Holm 1979, *A simple sequentially rejective multiple test procedure*.
/// Checked against: statsmodels' `multipletests(method="holm")`.
///
/// ```
/// use analysis::statistics::holm;
///
/// assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
/// ```
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&index| !p[index].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut highest = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        highest = highest.max((p[index] * (order.len() - rank) as f64).min(1.0));
        adjusted[index] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_ones_by_hand() {
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[0.2]), [0.2]);
        assert_eq!(holm(&[0.5, 0.5]), [1.0, 1.0]);
        // 3 · 0.25, then 2 · 0.25 and 1 · 0.25, neither of which may be below the first.
        assert_eq!(holm(&[0.25, 0.25, 0.25]), [0.75; 3]);
    }

    #[test]
    fn a_test_that_was_not_made_is_not_counted() {
        let adjusted = holm(&[0.25, f64::NAN, 0.125]);
        assert_eq!((adjusted[0], adjusted[2]), (0.25, 0.25));
        assert!(adjusted[1].is_nan());
    }
}
