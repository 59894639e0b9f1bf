//! Ranks, and means that outliers don't move.

/// The rank of each value, the lowest 1; equal values share the mean of the ranks that they take.
///
/// `inf`, a run that never got there, ranks last, and two of them are equal; NaN is after `inf`.
///
/// Checked against: SciPy's `rankdata`.
///
/// ```
/// use analysis::statistics::ranks;
///
/// assert_eq!(ranks(&[30.0, 10.0, 30.0, f64::INFINITY]), [2.5, 1.0, 2.5, 4.0]);
/// ```
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    // -0 is 0, and every NaN is one.
    let same = |&a: &usize, &b: &usize| values[a] == values[b] || values[a].is_nan() && values[b].is_nan();
    for tied in order.chunk_by(same) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        for &index in tied {
            ranks[index] = rank;
        }
        before += tied.len();
    }
    ranks
}

/// The interquartile mean: the mean without the lowest and the highest quarter.
///
/// ```text
/// IQM = mean(x_{c+1}, …, x_{n−c})          c = ⌊n / 4⌋, x_1 ≤ … ≤ x_n
/// ```
///
/// Sorts the values. `inf` where a run that never got there is among those that count; NaN for no
/// values.
///
/// Paper: Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, *Deep reinforcement learning at the
/// edge of the statistical precipice*. Checked against: SciPy's `trim_mean(x, 0.25)`, which they use.
#[must_use]
pub fn iqm(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 4;
    let middle = &values[cut..values.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn ranks_of_ties() {
        assert_eq!(ranks(&[]), [0.0; 0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
        assert_eq!(ranks(&[INF, 1.0, INF, f64::NAN]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn the_interquartile_mean_by_hand() {
        assert_eq!(iqm(&mut [100.0, 2.0, 4.0, -50.0]), 3.0);
        assert_eq!(iqm(&mut [INF, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(iqm(&mut [INF, INF, 2.0, 3.0]), INF);
        assert_eq!(iqm(&mut [1.0, 2.0, 6.0]), 3.0);
        assert!(iqm(&mut []).is_nan());
    }
}
