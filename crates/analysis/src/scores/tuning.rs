//! What the choice of the learning rate costs.

/// How much is lost, on average, by a learning rate other than the best.
///
/// ```text
/// sensitivity = mean_η min(ℓ(η), ℓ_0) − ℓ*          ℓ* = min_η ℓ(η)
/// ```
///
/// `remaining` holds ℓ for each rate of the grid: the share of the error at the start that was left at
/// the end, so that `ℓ_0` is 1. 0 is an optimizer that ends alike at every rate, 1 one that moves at a
/// single rate only. The mean is over the rates of the grid, which are meant to be even in log η.
/// NaN for less than two rates.
///
/// Paper: after Wortsman et al. 2023, *Small-scale proxies for large-scale transformer training
/// instabilities*. Differs from the paper: their ℓ is the loss, which differs between losses.
#[must_use]
pub fn sensitivity(remaining: &[f64]) -> f64 {
    if remaining.len() < 2 {
        return f64::NAN;
    }
    let capped = || remaining.iter().map(|share| share.min(1.0));
    let best = capped().fold(1.0, f64::min);
    capped().sum::<f64>() / remaining.len() as f64 - best
}

/// The expected lowest of `k` values drawn without replacement.
///
/// ```text
/// E[min] = Σ_i v_(i) C(n − i, k − 1) / C(n, k)          v_(1) ≤ … ≤ v_(n)
/// ```
///
/// With the steps that each learning rate needs, capped at the budget, this is what a random search
/// of `k` trials on the grid finds, without drawing any. NaN for `k` = 0 or above n.
///
/// Paper: after Sivaprasad, Mai, Vogels, Jaggi & Fleuret 2020, *Optimizer benchmarking needs to
/// account for hyperparameter tuning*. Differs from the paper: it draws with replacement.
/// Checked against: the mean over all subsets.
///
/// ```
/// use analysis::scores::expected_best;
///
/// // {20, 40}, {20, 90} and {40, 90}
/// let expected = (20.0 + 20.0 + 40.0) / 3.0;
/// assert!((expected_best(&[40.0, 20.0, 90.0], 2) - expected).abs() < 1e-12);
/// ```
#[must_use]
pub fn expected_best(values: &[f64], k: usize) -> f64 {
    let n = values.len();
    if k == 0 || k > n {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut weight = k as f64 / n as f64;
    let mut sum = 0.0;
    for (i, value) in sorted[..=n - k].iter().enumerate() {
        sum += weight * value;
        weight *= (n - i - k) as f64 / (n - i - 1).max(1) as f64;
    }
    // The weights add up to 1 but for rounding.
    sum.clamp(sorted[0], sorted[n - k])
}

/// 1, 2, 4, … and the number of rates itself.
pub(super) fn trials(rates: usize) -> Vec<usize> {
    let powers = (0..usize::BITS).map(|power| 1 << power).take_while(|&k| k < rates);
    powers.chain((rates > 0).then_some(rates)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitivity_by_hand() {
        assert!((sensitivity(&[1.0, 0.5, 0.1, 1.0]) - (2.6 / 4.0 - 0.1)).abs() < 1e-15);
        assert_eq!(sensitivity(&[0.25, 0.25]), 0.0);
        // A rate that diverged is as bad as one that doesn't move, and no worse.
        assert_eq!(sensitivity(&[0.5, f64::INFINITY]), 0.25);
        assert_eq!(sensitivity(&[f64::INFINITY; 3]), 0.0);
        assert!(sensitivity(&[0.5]).is_nan());
    }

    #[test]
    fn the_expected_best_is_the_mean_over_all_subsets() {
        let values = [7.0, 1.0, 30.0, 4.0, 4.0, 100.0, 12.0];
        for k in 1..=values.len() {
            let (mut sum, mut count) = (0.0, 0.0);
            for subset in 0_u32..1 << values.len() {
                if subset.count_ones() as usize == k {
                    let chosen = (0..values.len()).filter(|i| subset >> i & 1 == 1).map(|i| values[i]);
                    sum += chosen.fold(f64::INFINITY, f64::min);
                    count += 1.0;
                }
            }
            let ours = expected_best(&values, k);
            assert!((ours - sum / count).abs() < 1e-12, "{k}: {ours} is not {}", sum / count);
        }
        assert_eq!(expected_best(&values, 7), 1.0);
        assert!((1..=8).all(|k| expected_best(&[1000.0; 8], k) == 1000.0));
        assert!(expected_best(&values, 0).is_nan() && expected_best(&values, 8).is_nan());
    }

    #[test]
    fn trials_double() {
        assert_eq!(trials(0), [0; 0]);
        assert_eq!(trials(1), [1]);
        assert_eq!(trials(7), [1, 2, 4, 7]);
        assert_eq!(trials(8), [1, 2, 4, 8]);
    }
}
