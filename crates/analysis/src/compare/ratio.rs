//! How much slower: the ratio of the sides and its bootstrap interval, by resampling pairs.

use crate::statistics::{bootstrap_interval, median};

const RESAMPLES: usize = 1000;

/// A ratio right / left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    pub(super) value: f64,
    /// The ends of the 95 % interval; none for a single pair.
    pub(super) interval: Option<[f64; 2]>,
}

/// Steps to the target if it was reached, and steps made.
pub(super) type Spent = (Option<f64>, f64);

/// The ratio of the geometric means, from the differences of the logarithms.
pub(super) fn of_logarithms(differences: &[f64]) -> Ratio {
    resampled(differences, |differences| (differences.iter().sum::<f64>() / differences.len() as f64).exp())
}

/// The ratio of the expected running times.
pub(super) fn of_running_times(pairs: &[(Spent, Spent)]) -> Ratio {
    resampled(pairs, |pairs| {
        let left = running_time(pairs.iter().map(|pair| pair.0));
        let right = running_time(pairs.iter().map(|pair| pair.1));
        quotient(left, right)
    })
}

/// Steps spent for each success; infinite without one.
fn running_time(runs: impl Iterator<Item = Spent>) -> f64 {
    let (steps, successes) = runs.fold((0.0, 0.0), |(steps, successes), (reached, spent)| {
        (steps + reached.unwrap_or(spent), successes + f64::from(u8::from(reached.is_some())))
    });
    // A run that begins at its target needs no step; a ratio needs one.
    if successes == 0.0 { f64::INFINITY } else { f64::max(steps, 1.0) / successes }
}

/// The ratio of the medians, where infinity stands for what has no value.
pub(super) fn of_medians(pairs: &[(f64, f64)]) -> Ratio {
    resampled(pairs, |pairs| {
        let mut left: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let mut right: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        quotient(median(&mut left), median(&mut right))
    })
}

/// Right over left; 1 where both are infinite or 0, which says nothing for either.
fn quotient(left: f64, right: f64) -> f64 {
    if left == right { 1.0 } else { right / left }
}

fn resampled<T: Copy>(pairs: &[T], statistic: impl Fn(&[T]) -> f64) -> Ratio {
    let value = if pairs.is_empty() { f64::NAN } else { statistic(pairs) };
    let interval = (pairs.len() > 1).then(|| {
        let (low, high) = bootstrap_interval(pairs, |pairs| statistic(pairs), 0.95, RESAMPLES, 0);
        [low, high]
    });
    Ratio { value, interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_by_hand() {
        let twice = of_logarithms(&[2_f64.ln(); 5]);
        assert!((twice.value - 2.0).abs() < 1e-12);
        assert!(twice.interval.unwrap().iter().all(|end| (end - 2.0).abs() < 1e-12));
        assert_eq!(of_logarithms(&[0.0]).interval, None);
        // Left (10 + 30) / 2 = 20; right (20 + 100) / 1 = 120.
        let pairs = [((Some(10.0), 10.0), (Some(20.0), 20.0)), ((Some(30.0), 30.0), (None, 100.0))];
        assert_eq!(of_running_times(&pairs).value, 6.0);
        let lost = [((Some(10.0), 10.0), (None, 100.0)); 2];
        assert_eq!(
            of_running_times(&lost),
            Ratio { value: f64::INFINITY, interval: Some([f64::INFINITY; 2]) }
        );
        assert_eq!(of_medians(&[(1.0, 3.0), (2.0, f64::INFINITY), (3.0, 4.0)]).value, 2.0);
        assert_eq!(of_medians(&[(0.0, 0.0), (0.0, 0.0)]).value, 1.0);
        assert!(of_logarithms(&[]).value.is_nan());
    }
}
