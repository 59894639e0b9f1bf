//! The paired test: are runs of the same seed faster on one side than chance would make them?
//!
//! ```text
//! d_i = ln t_i(right) − ln t_i(left)               every run of the row reached the target
//!     = u_i(right) − u_i(left)                     some run was cut off before it did
//! u(x) = #{y : t_y < t_x for certain} − #{y : t_y > t_x for certain}    over the 2n runs of both sides
//! p = #{s ∈ {−1, 1}ⁿ : |Σ s_i d_i| ≥ |Σ d_i|} / 2ⁿ
//! ```
//!
//! If nothing changed, the sides of a pair could as well be swapped, which leaves every u as it is and
//! turns the sign of `d_i`. So p is exact whatever the distribution of the times.
//!
//! Fisher 1935, *The design of experiments*, section 21 (sign flips); Gehan 1965, *A generalized
//! Wilcoxon test for comparing arbitrarily singly-censored samples* (u); Besag & Clifford 1991,
//! *Sequential Monte Carlo p-values* (the stopping rule for many pairs).

use super::stream::Stream;

/// The largest number of pairs for which every sign is tried.
const EXACT: usize = 24;
/// The most random signs that are drawn for more pairs.
const DRAWS: u64 = 49_999;
/// As many draws as extreme as the data are enough to know that p isn't small.
const ENOUGH: u64 = 50;

/// A time to the target, or how long it was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Time {
    pub(super) value: f64,
    pub(super) censored: bool,
}

/// The differences right − left of the pairs: of logarithms if every time is known, of Gehan's scores if
/// not. The flag says which: true for logarithms.
pub(super) fn differences(pairs: &[(Time, Time)]) -> (Vec<f64>, bool) {
    let known = |time: Time| !time.censored && time.value > 0.0 && time.value.is_finite();
    if pairs.iter().all(|(left, right)| known(*left) && known(*right)) {
        return (pairs.iter().map(|(left, right)| right.value.ln() - left.value.ln()).collect(), true);
    }
    let mut events = Vec::new();
    let mut censored = Vec::new();
    for time in pairs.iter().flat_map(|(left, right)| [left, right]) {
        if time.censored { &mut censored } else { &mut events }.push(time.value);
    }
    events.sort_unstable_by(f64::total_cmp);
    censored.sort_unstable_by(f64::total_cmp);
    let score = |time: Time| {
        let up_to = events.partition_point(|event| *event <= time.value);
        if time.censored {
            return up_to as f64;
        }
        let smaller = events.partition_point(|event| *event < time.value);
        let waited_less = censored.partition_point(|limit| *limit < time.value);
        smaller as f64 - (events.len() - up_to + censored.len() - waited_less) as f64
    };
    (pairs.iter().map(|(left, right)| score(*right) - score(*left)).collect(), false)
}

/// The two-sided p-value of the sum of the differences under random signs; 1 if all are 0.
///
/// Exact up to 24 differences that aren't 0; beyond, from at most 49 999 draws of a fixed stream, fewer
/// where it is soon clear that p is not small.
pub(super) fn sign_flip(differences: &[f64]) -> f64 {
    let moved: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    let observed = moved.iter().sum::<f64>().abs();
    // Sums in another order differ in their last bits; equal ones must count.
    let observed = observed - 1e-12 * moved.iter().map(|difference| difference.abs()).sum::<f64>();
    if observed <= 0.0 {
        return 1.0;
    }
    if moved.len() <= EXACT { exact(&moved, observed) } else { drawn(&moved, observed) }
}

/// Both halves of the pairs have all their signed sums listed in order; then two fingers count the sums
/// of one from each that are large enough.
fn exact(differences: &[f64], observed: f64) -> f64 {
    let (one, other) = differences.split_at(differences.len() / 2);
    let (one, other) = (signed_sums(one), signed_sums(other));
    let mut count = 0_u64;
    let mut start = other.len();
    for sum in &one {
        while start > 0 && sum + other[start - 1] >= observed {
            start -= 1;
        }
        count += (other.len() - start) as u64;
    }
    // Turning every sign turns the sum's, so the lower tail holds as many.
    (2 * count) as f64 / (one.len() * other.len()) as f64
}

/// All sums of these numbers under every choice of signs, ascending.
fn signed_sums(differences: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for difference in differences {
        let size = difference.abs();
        let mut next = Vec::with_capacity(2 * sums.len());
        let (mut down, mut up) = (0, 0);
        while up < sums.len() {
            if down < sums.len() && sums[down] - size <= sums[up] + size {
                next.push(sums[down] - size);
                down += 1;
            } else {
                next.push(sums[up] + size);
                up += 1;
            }
        }
        sums = next;
    }
    sums
}

fn drawn(differences: &[f64], observed: f64) -> f64 {
    let mut stream = Stream::new(0);
    let mut extreme = 0;
    for draw in 1..=DRAWS {
        let mut sum = 0.0;
        for some in differences.chunks(64) {
            let mut signs = stream.next();
            for difference in some {
                sum += if signs & 1 == 0 { *difference } else { -*difference };
                signs >>= 1;
            }
        }
        extreme += u64::from(f64::abs(sum) >= observed);
        if extreme == ENOUGH {
            return extreme as f64 / draw as f64;
        }
    }
    (extreme + 1) as f64 / (DRAWS + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: f64) -> Time {
        Time { value, censored: false }
    }

    fn waited(value: f64) -> Time {
        Time { value, censored: true }
    }

    #[test]
    fn p_values_by_hand() {
        assert_eq!(sign_flip(&[]), 1.0);
        assert_eq!(sign_flip(&[0.0, 0.0]), 1.0);
        assert_eq!(sign_flip(&[0.3]), 1.0);
        // Only all signs equal reach the sum: 2 of 2⁵.
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2.0 / 32.0);
        // |1 + 2 − 3 …|: of ±1 ±2 ±3 the sums of at least 4 are 6 and 4, and as many below.
        assert_eq!(sign_flip(&[-1.0, 2.0, 3.0]), 4.0 / 8.0);
        assert_eq!(sign_flip(&[0.1, 0.2, 0.0, -0.3]), 1.0);
    }

    #[test]
    fn the_two_halves_count_what_trying_every_sign_counts() {
        let mut stream = Stream::new(7);
        for count in 1..=12_usize {
            // Whole numbers, so that ties abound.
            let differences: Vec<f64> =
                (0..count).map(|_| (stream.next() % 7) as f64 - 3.0).filter(|d| *d != 0.0).collect();
            let signed = |signs: u32| -> f64 {
                differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 0 { *d } else { -d }).sum()
            };
            let all = 1_u32 << differences.len();
            let extreme = (0..all).filter(|signs| signed(*signs).abs() >= signed(0).abs()).count();
            assert_eq!(sign_flip(&differences), extreme as f64 / f64::from(all), "{differences:?}");
        }
    }

    #[test]
    fn draws_come_close_to_all_signs() {
        let differences: Vec<f64> = (0..20).map(|i| f64::from(i % 7) - 2.0).collect();
        let moved: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        let observed = moved.iter().sum::<f64>().abs() - 1e-9;
        let (exact, drawn) = (exact(&moved, observed), drawn(&moved, observed));
        assert!((exact - drawn).abs() < 0.3 * exact, "{exact} {drawn}");
        assert!(sign_flip(&[1.0; 40]) < 1e-4);
    }

    #[test]
    fn gehan_by_hand() {
        // Both reach: logarithms. One is cut off at 10: among 2, 4, 3 and the censored 10 the scores are
        // −3, 1, −1 and 3.
        assert_eq!(differences(&[(at(1.0), at(1.0))]), (vec![0.0], true));
        let (scores, logarithms) = differences(&[(at(2.0), at(4.0)), (at(3.0), waited(10.0))]);
        assert_eq!((scores, logarithms), (vec![4.0, 4.0], false));
        // Cut off at 3, before 4: which of the two is later is not known.
        assert_eq!(differences(&[(at(4.0), waited(3.0))]).0, [0.0]);
        assert_eq!(differences(&[(waited(9.0), waited(9.0))]).0, [0.0]);
    }
}
