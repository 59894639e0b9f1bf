//! Two optimizers over many problems.

use super::ranks;

/// Up to so many differences that aren't 0, the distribution of the ranks is counted out.
const EXACT: usize = 50;

/// The two-sided p-value of the Wilcoxon signed-rank test that differences are symmetric around 0.
///
/// ```text
/// R_i = rank of |d_i| among the d that aren't 0; equal ones share their mean rank
/// W⁺ = Σ_{d_i > 0} R_i,   W⁻ = Σ_{d_i < 0} R_i,   T = min(W⁺, W⁻)
/// p = min(1, 2 P(W ≤ T)),   W = Σ s_i R_i,   s_i = 0 or 1 with probability ½          n ≤ 50
/// p = 2 Φ((T − n(n+1)/4) / √(n(n+1)(2n+1)/24 − Σ_ties (t³ − t)/48))                   n > 50
/// ```
///
/// Differences of 0 are left out, as Wilcoxon did (SciPy's `zero_method="wilcox"`); with ties the
/// distribution is that of the ranks at hand, so that it stays exact. A difference may be infinite,
/// where one of the two never got there. 1 without a difference, NaN if any difference is NaN.
///
/// Paper: Wilcoxon 1945, *Individual comparisons by ranking methods*; for optimizers over problems,
/// Demšar 2006, and Benavoli, Corani & Mangili 2016, *Should we really use post-hoc tests based on
/// mean-ranks?* Differs from SciPy: with ties SciPy counts out up to n = 13 only.
/// Checked against: SciPy's `wilcoxon`, exact, by permutation, and approximate.
///
/// ```
/// use analysis::statistics::wilcoxon_signed_rank;
///
/// // Of the 2⁵ ways to give signs, one has no rank below 0, and one none above.
/// assert_eq!(wilcoxon_signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2.0 / 32.0);
/// ```
#[must_use]
pub fn wilcoxon_signed_rank(differences: &[f64]) -> f64 {
    if differences.iter().any(|d| d.is_nan()) {
        return f64::NAN;
    }
    let differences: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    let sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let ranks = ranks(&sizes);
    let above: f64 = ranks.iter().zip(&differences).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let total = (ranks.len() * (ranks.len() + 1)) as f64 / 2.0;
    let lower = above.min(total - above);
    if ranks.len() <= EXACT { exact(&ranks, lower) } else { approximate(ranks, lower) }
}

/// Counts the ways to give signs, by their sum. Mean ranks are halves, so twice the
/// ranks are whole, and 2⁵⁰ ways are counted without rounding.
fn exact(ranks: &[f64], lower: f64) -> f64 {
    let twice = |rank: f64| (2.0 * rank).round() as usize;
    let mut ways = vec![0.0_f64; twice(lower) + 1];
    ways[0] = 1.0;
    for &rank in ranks {
        for sum in (twice(rank)..ways.len()).rev() {
            ways[sum] += ways[sum - twice(rank)];
        }
    }
    let all = 2.0_f64.powi(ranks.len() as i32);
    (2.0 * ways.iter().sum::<f64>() / all).min(1.0)
}

/// By the normal distribution of the same mean and variance.
fn approximate(mut ranks: Vec<f64>, lower: f64) -> f64 {
    let n = ranks.len() as f64;
    ranks.sort_unstable_by(f64::total_cmp);
    let tied: f64 =
        ranks.chunk_by(|a, b| a == b).map(|tied| tied.len() as f64).map(|t| t.mul_add(t * t, -t)).sum();
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tied / 48.0;
    let z = (lower - n * (n + 1.0) / 4.0) / variance.sqrt();
    // 2 Φ(z), without the cancellation of 1 − erf.
    libm::erfc(-z / std::f64::consts::SQRT_2).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn small_samples_by_hand() {
        assert_eq!(wilcoxon_signed_rank(&[]), 1.0);
        assert_eq!(wilcoxon_signed_rank(&[0.0, -0.0]), 1.0);
        assert_eq!(wilcoxon_signed_rank(&[3.0]), 1.0);
        // T = 1: the sums 0 and 1, each in one of 16 ways.
        assert_eq!(wilcoxon_signed_rank(&[-1.0, 2.0, 3.0, 4.0]), 0.25);
        // Zeros are left out, and the sign of all differences doesn't matter.
        assert_eq!(wilcoxon_signed_rank(&[0.0, 1.0, -2.0, 0.0, -3.0, -4.0]), 0.25);
        // Ranks 1.5, 1.5, 3 and T = 1.5: the sums 0 and twice 1.5, of 8.
        assert_eq!(wilcoxon_signed_rank(&[-1.0, 1.0, 2.0]), 0.75);
    }

    #[test]
    fn a_side_that_never_gets_there_has_the_highest_rank() {
        assert_eq!(wilcoxon_signed_rank(&[INF, 1.0, 2.0]), wilcoxon_signed_rank(&[3.0, 1.0, 2.0]));
        assert_eq!(wilcoxon_signed_rank(&[INF, INF, -2.0]), wilcoxon_signed_rank(&[3.0, 3.0, -2.0]));
        assert!(wilcoxon_signed_rank(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn counting_and_the_normal_distribution_meet() {
        for n in [30_usize, 50] {
            let ranks: Vec<f64> = (1..=n).map(|rank| rank as f64).collect();
            let total = (n * (n + 1)) as f64 / 2.0;
            for share in [0.3, 0.4, 0.45] {
                let lower = (share * total).floor();
                let (exact, normal) = (exact(&ranks, lower), approximate(ranks.clone(), lower));
                assert!((exact - normal).abs() < 0.02 * exact + 5e-3, "{n} {share}: {exact} {normal}");
            }
        }
    }
}
