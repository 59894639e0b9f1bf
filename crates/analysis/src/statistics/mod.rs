//! Scores over seeds and tests between optimizers, defined for runs that were cut off or diverged.
//!
//! ```
//! use analysis::statistics::{expected_running_time, quantile};
//!
//! // Two runs reached the target at steps 20 and 40; the third spent its 100 steps in vain.
//! assert_eq!(expected_running_time([(Some(20), 100), (Some(40), 100), (None, 100)]), 80.0);
//! assert_eq!(quantile(&[20.0, 40.0, f64::INFINITY], 0.5), 40.0);
//! ```

mod bootstrap;
mod holm;
mod ranks;
mod wilcoxon;

pub use bootstrap::{bootstrap_interval, wilson_interval};
pub use holm::holm;
pub use ranks::{iqm, ranks};
pub use wilcoxon::wilcoxon_signed_rank;

/// The expected running time: the steps that are spent for each success.
///
/// ```text
/// ERT = Σ_i min(t_i, B_i) / #successes          ∞ without a success
/// ```
///
/// `runs` holds the step t at which the target was reached, if it was, and the budget B of the run. One that
/// diverged costs its whole budget, too: else a rate that dies early in most runs would seem to be a fast one.
///
/// Paper: Hansen, Auger, Ros, Mersmann, Tušar & Brockhoff 2021, *COCO: a platform for comparing
/// continuous optimizers in a black-box setting*. Differs from the paper: it counts what was spent
/// before a run broke off, since a restart is cheap there.
#[must_use]
pub fn expected_running_time(runs: impl IntoIterator<Item = (Option<u64>, u64)>) -> f64 {
    let (mut spent, mut successes) = (0_u128, 0_u64);
    for (reached, steps) in runs {
        spent += u128::from(reached.map_or(steps, |step| step.min(steps)));
        successes += u64::from(reached.is_some());
    }
    if successes == 0 { f64::INFINITY } else { spent as f64 / successes as f64 }
}

/// The `p`-quantile of values sorted by [`f64::total_cmp`], where `inf` stands for a run that never
/// got there.
///
/// ```text
/// Q(p) = x_⌈np⌉                     np not whole
///      = (x_np + x_{np+1}) / 2      np whole, 1 ≤ np < n        (x_1 ≤ … ≤ x_n)
/// ```
///
/// That is definition 2 of Hyndman & Fan 1996, *Sample quantiles in statistical packages*: its
/// median is the usual one, and it never weighs a finite value against `inf`: where either of the
/// two is `inf` so is the quantile, and no value gives NaN. NaN for no values at all.
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let rank = p.clamp(0.0, 1.0) * sorted.len() as f64;
    let upper = (rank.floor() as usize).min(last);
    let lower = (rank.ceil() as usize).saturating_sub(1);
    sorted[lower].midpoint(sorted[upper])
}

/// Sorts the values and gives their median, as [`quantile`] defines it.
#[must_use]
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_by_hand() {
        let five = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!([0.25, 0.5, 0.75].map(|p| quantile(&five, p)), [2.0, 3.0, 4.0]);
        let four = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|p| quantile(&four, p)), [1.0, 1.5, 3.0, 6.0, 8.0]);
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|p| quantile(&[7.0], p)), [7.0; 4]);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_quantile_that_touches_a_censored_run_is_infinite() {
        let censored = [10.0, 20.0, INF, INF];
        assert_eq!([0.25, 0.5, 0.75].map(|p| quantile(&censored, p)), [15.0, INF, INF]);
        assert_eq!(quantile(&[INF, INF], 0.5), INF);
        assert_eq!(quantile(&[f64::MAX, f64::MAX], 0.5), f64::MAX);
    }

    #[test]
    fn the_median_sorts() {
        assert_eq!(median(&mut [INF, 3.0, 1.0]), 3.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn expected_running_time_by_hand() {
        assert_eq!(expected_running_time([(Some(30), 30), (Some(50), 100)]), 40.0);
        assert_eq!(expected_running_time([(Some(30), 30), (None, 100), (None, 7)]), 137.0);
        assert_eq!(expected_running_time([(None, 100)]), INF);
        assert_eq!(expected_running_time([(Some(0), 100), (Some(0), 100)]), 0.0);
        assert_eq!(expected_running_time([]), INF);
        assert_eq!(expected_running_time([(Some(u64::MAX), u64::MAX), (None, u64::MAX)]), 2_f64.powi(65));
    }
}
