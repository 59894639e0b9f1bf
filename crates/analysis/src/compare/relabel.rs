//! Whether any row, optimizer or workload is slower than chance would make one: relabeling tests of all at once.
//!
//! ```text
//! y      = ln t of each run; of one that didn't arrive, the mean of its row's runs that did
//! T_any  = (mean y' − mean y) / √(ṽ · 2/n)             v = the variance within the sides
//! T_pair = mean d / √(ṽ / n),   d_i = y'_i − y_i       v = the variance of d
//! ṽ      = (8 v₀ + f v) / (8 + f), from n = 8 on v      f = the degrees of freedom of v: 2n − 2, or n − 1
//! v₀     = the upper quartile of v over the rows
//! p      = #{relabelings with max T ≥ T of this one} / #relabelings
//! ```
//!
//! If nothing changed, any n of a row's 2n runs could as well be the right side (`T_any`), and so could the other of each
//! pair (`T_pair`): each relabeling is made in all rows at once, so that what rows of the same seeds have in common stays.
//! The largest T of all rows is looked at, so p is that of the whole comparison. Pairs see small changes where both sides
//! ran the same starts, and need n seeds for p = 2⁻ⁿ; any relabeling gets along with five seeds. The two share α.
//!
//! Runs that don't arrive say nothing about steps, and neither of the sides is to gain by them: whether fewer arrive is
//! tested by [`outcomes`](super::outcomes).
//!
//! Few seeds know their own variance badly, so the rows share theirs, as limma does. The tests are exact whatever the
//! distribution, and however rows depend on one another; what is shared only makes them sharper.
//!
//! Westfall & Young 1993, *Resampling-based multiple testing* (the largest T); Fisher 1935, *The design of experiments*,
//! section 21 (pairs); Smyth 2004, *Linear models and empirical Bayes methods for assessing differential expression in
//! microarray experiments* (ṽ, there with degrees of freedom that are estimated).

use super::stream::Stream;
use crate::statistics::quantile;

/// All relabelings are gone through if there are no more than this; else so many are drawn.
const MOST: usize = 2000;
/// Fewer are drawn where rows × runs would be more than this many numbers in all.
const NUMBERS: usize = 2_000_000_000;
const FEWEST: usize = 400;
/// The degrees of freedom that v₀ counts for where there are fewer seeds than the second: more know their own variance, and
/// rows whose pairs hardly differ are not to be measured by others that do.
const SHARED: f64 = 8.0;
const ENOUGH: f64 = 8.0;
/// No row is so sure of itself that chance is less than this.
const SMALLEST: f64 = 1e-12;

/// Something that is tested: n values of the left side, then n of the right.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Which seeds: samples of the same are relabeled alike.
    pub(super) seeds: usize,
    /// More than one where the sides chose other rates: then a change must show in each.
    pub(super) values: Vec<Vec<f64>>,
}

impl Sample {
    /// Of runs some of which didn't arrive.
    pub(super) fn new(seeds: usize, values: &[Vec<Option<f64>>]) -> Self {
        Self { seeds, values: values.iter().map(|values| completed(values)).collect() }
    }
}

/// Values without a gap: what is missing is the mean of what is there.
pub(super) fn completed(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let mean = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
    values.iter().map(|value| value.unwrap_or(mean)).collect()
}

/// The p-values of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chances {
    pub(super) slower: f64,
    pub(super) faster: f64,
}

#[derive(Clone, Copy)]
enum Relabeling {
    /// Any n of the 2n.
    Any,
    /// One of each pair.
    Pairs,
}

/// What of α each kind of relabeling gets.
struct Shares {
    any: f64,
    pairs: f64,
}

impl Shares {
    /// Half each; but pairs get the smallest p that they can have, or nothing if that is most of it.
    fn new(alpha: f64, seeds: usize) -> Self {
        let needed = 0.5_f64.powi(seeds.min(1000) as i32);
        let pairs = if needed <= 0.65 * alpha { needed.max(alpha / 2.0) } else { 0.0 };
        Self { any: alpha - pairs, pairs }
    }
}

/// The fewest seeds with which a row could be significant at this level.
pub(super) fn seeds_needed(alpha: f64) -> usize {
    let enough = |seeds: &usize| {
        let shares = Shares::new(alpha, *seeds);
        1.0 / arrangements(*seeds) <= shares.any || 0.5_f64.powi(*seeds as i32) <= shares.pairs
    };
    (2..64).find(enough).unwrap_or(64)
}

/// Tests the families, each with a v₀ of its own, as one: p-values are of all together, and count up to `alpha`.
/// `seeds` has the number of each set of seeds.
pub(super) fn test(families: &[Vec<Sample>], seeds: &[usize], alpha: f64) -> Vec<Vec<Chances>> {
    let most = families.iter().flatten().map(|sample| seeds[sample.seeds]).max().unwrap_or(0);
    let Shares { any, pairs } = Shares::new(alpha, most);
    let kinds = [(Relabeling::Any, any), (Relabeling::Pairs, pairs)];
    let mut all: Vec<Vec<Chances>> =
        families.iter().map(|family| vec![Chances { slower: 1.0, faster: 1.0 }; family.len()]).collect();
    for (kind, share) in kinds.into_iter().filter(|(_, share)| *share > 0.0) {
        let found = by_largest(families, seeds, kind);
        for (all, found) in all.iter_mut().flatten().zip(found.into_iter().flatten()) {
            all.slower = all.slower.min(found.slower * alpha / share);
            all.faster = all.faster.min(found.faster * alpha / share);
        }
    }
    all
}

/// Compares the T of each with the largest of all under each relabeling.
fn by_largest(families: &[Vec<Sample>], seeds: &[usize], kind: Relabeling) -> Vec<Vec<Chances>> {
    let families: Vec<Vec<Prepared>> = families
        .iter()
        .map(|family| family.iter().map(|sample| Prepared::new(sample, seeds[sample.seeds], kind)).collect())
        .collect();
    let mut relabelings = Relabelings::new(&families, seeds, kind);
    let mut scratch = Vec::new();
    let mut observed: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut largest: Vec<[f64; 2]> = Vec::new();
    while let Some(signs) = relabelings.next() {
        let mut most = [f64::NEG_INFINITY; 2];
        for family in &families {
            let statistics = of_family(family, signs, &mut scratch);
            for [slower, faster] in statistics {
                most = [most[0].max(*slower), most[1].max(*faster)];
            }
            if largest.is_empty() {
                observed.push(statistics.to_vec());
            }
        }
        largest.push(most);
    }
    let chance = |side: usize, own: f64| {
        // Sums in another order differ in their last bits; equal ones must count.
        let own = own - 1e-9 * own.abs();
        let less = largest.iter().filter(|most| most[side] < own).count();
        (largest.len() - less) as f64 / largest.len() as f64
    };
    let chances =
        |&[slower, faster]: &[f64; 2]| Chances { slower: chance(0, slower), faster: chance(1, faster) };
    observed.iter().map(|family| family.iter().map(chances).collect()).collect()
}

/// A sample with what no relabeling changes.
struct Prepared {
    seeds: usize,
    /// The number of pairs.
    n: f64,
    /// The degrees of freedom of its variance.
    freedom: f64,
    kind: Relabeling,
    /// Values or differences, their sum, and the sum of their squares.
    values: Vec<(Vec<f64>, f64, f64)>,
}

impl Prepared {
    fn new(sample: &Sample, n: usize, kind: Relabeling) -> Self {
        let values = sample.values.iter().map(|values| {
            // Of the mean nothing depends, and squares of small numbers keep their digits.
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let used: Vec<f64> = match kind {
                Relabeling::Any => values.iter().map(|value| value - mean).collect(),
                Relabeling::Pairs => {
                    values[..n].iter().zip(&values[n..]).map(|(left, right)| right - left).collect()
                }
            };
            let (sum, squares) = (used.iter().sum(), used.iter().map(|value| value * value).sum());
            (used, sum, squares)
        });
        let freedom = match kind {
            Relabeling::Any => 2 * n - 2,
            Relabeling::Pairs => n - 1,
        };
        Self { seeds: sample.seeds, n: n as f64, freedom: freedom as f64, kind, values: values.collect() }
    }

    /// The difference and the variance of each of its values.
    fn moments(&self, signs: &[f64]) -> impl Iterator<Item = (f64, f64)> {
        self.values.iter().map(move |(values, sum, squares)| {
            let signed: f64 = values.iter().zip(signs).map(|(value, sign)| value * sign).sum();
            let n = self.n;
            let (difference, of_means) = match self.kind {
                Relabeling::Any => (signed / n, (sum * sum + signed * signed) / (2.0 * n)),
                Relabeling::Pairs => (signed / n, signed * signed / n),
            };
            (difference, (squares - of_means).max(0.0) / self.freedom)
        })
    }
}

/// T of each sample in both directions, of its values where it is least.
fn of_family<'a>(
    family: &[Prepared],
    signs: &[Vec<f64>],
    statistics: &'a mut Vec<[f64; 2]>,
) -> &'a [[f64; 2]] {
    let few = family.iter().any(|sample| sample.n < ENOUGH);
    let shared = if few { upper_quartile(family, signs) } else { f64::NAN };
    statistics.clear();
    statistics.extend(family.iter().map(|sample| {
        let of_runs = match sample.kind {
            Relabeling::Any => 2.0 / sample.n,
            Relabeling::Pairs => 1.0 / sample.n,
        };
        let mut least = [f64::INFINITY; 2];
        for (difference, variance) in sample.moments(&signs[sample.seeds]) {
            let variance = if sample.n < ENOUGH {
                (SHARED * shared + sample.freedom * variance) / (SHARED + sample.freedom)
            } else {
                variance
            };
            let t = difference / (variance.max(SMALLEST) * of_runs).sqrt();
            least = [least[0].min(t), least[1].min(-t)];
        }
        least
    }));
    statistics
}

/// v₀: that of the variances of all samples.
fn upper_quartile(family: &[Prepared], signs: &[Vec<f64>]) -> f64 {
    let first = |sample: &Prepared| sample.moments(&signs[sample.seeds]).next();
    let mut own: Vec<f64> = family.iter().filter_map(|sample| first(sample).map(|(_, own)| own)).collect();
    own.sort_unstable_by(f64::total_cmp);
    quantile(&own, 0.75)
}

/// How many ways there are to take n of 2n.
fn arrangements(n: usize) -> f64 {
    (1..=n).map(|k| (n + k) as f64 / k as f64).product()
}

/// Goes through relabelings, the first of which changes nothing: for each set of seeds 1 where a value is of the right
/// side and −1 where it is of the left; for pairs, −1 where the two are exchanged.
struct Relabelings {
    kind: Relabeling,
    sizes: Vec<usize>,
    signs: Vec<Vec<f64>>,
    /// The set that is gone through; none where relabelings are drawn.
    only: Option<usize>,
    stream: Stream,
    begun: bool,
    left: usize,
}

impl Relabelings {
    fn new(families: &[Vec<Prepared>], sizes: &[usize], kind: Relabeling) -> Self {
        let used: std::collections::BTreeSet<usize> =
            families.iter().flatten().map(|sample| sample.seeds).collect();
        let runs: usize = families.iter().flatten().map(|sample| 2 * sizes[sample.seeds]).sum();
        let count = |set: usize| match kind {
            Relabeling::Any => arrangements(sizes[set]),
            Relabeling::Pairs => 2.0_f64.powi(sizes[set].min(1000) as i32),
        };
        let only = used.first().copied().filter(|set| used.len() == 1 && count(*set) <= MOST as f64);
        let left = only
            .map_or_else(|| (NUMBERS / runs.max(1)).clamp(FEWEST, MOST), |set| count(set).round() as usize);
        let signs = sizes.iter().map(|n| match kind {
            Relabeling::Any => [vec![-1.0; *n], vec![1.0; *n]].concat(),
            Relabeling::Pairs => vec![1.0; *n],
        });
        Self {
            kind,
            sizes: sizes.to_vec(),
            signs: signs.collect(),
            only,
            stream: Stream::new(0),
            begun: false,
            left,
        }
    }

    fn next(&mut self) -> Option<&[Vec<f64>]> {
        self.left = self.left.checked_sub(1)?;
        if std::mem::replace(&mut self.begun, true) {
            match self.only {
                Some(set) => self.advance(set),
                None => (0..self.sizes.len()).for_each(|set| self.draw(set)),
            }
        }
        Some(&self.signs)
    }

    /// The next in lexicographic order; after the last, the last.
    fn advance(&mut self, set: usize) {
        let signs = &mut self.signs[set];
        match self.kind {
            Relabeling::Pairs => {
                for sign in signs {
                    *sign = -*sign;
                    if *sign < 0.0 {
                        break;
                    }
                }
            }
            Relabeling::Any => {
                // The next permutation of a list with equal ones.
                let Some(at) = signs.windows(2).rposition(|two| two[0] < two[1]) else { return };
                let with = signs.iter().rposition(|sign| *sign > signs[at]).unwrap_or(at);
                signs.swap(at, with);
                signs[at + 1..].reverse();
            }
        }
    }

    fn draw(&mut self, set: usize) {
        let Self { signs, stream, kind, .. } = self;
        let signs = &mut signs[set];
        match kind {
            Relabeling::Pairs => {
                for some in signs.chunks_mut(64) {
                    let bits = stream.next();
                    for (place, sign) in some.iter_mut().enumerate() {
                        *sign = if bits >> place & 1 == 0 { 1.0 } else { -1.0 };
                    }
                }
            }
            Relabeling::Any => {
                // Fisher and Yates's shuffle; the bias of the remainder is below 2⁻⁵⁰.
                for last in (1..signs.len()).rev() {
                    signs.swap(last, (stream.next() % (last as u64 + 1)) as usize);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(left: &[f64], right: &[f64]) -> Sample {
        Sample { seeds: 0, values: vec![[left, right].concat()] }
    }

    /// p of one row of n seeds under all of α.
    fn of_one(left: &[f64], right: &[f64], kind: Relabeling) -> Chances {
        by_largest(&[vec![sample(left, right)]], &[left.len()], kind)[0][0]
    }

    /// Of one row, and of several with what they share, judged by the largest of all.
    #[test]
    fn chances_are_those_of_scipys_permutation_tests() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/comparison.json")).unwrap();
        for test in golden["tests"].as_array().unwrap() {
            let rows = |side: &str| -> Vec<Vec<f64>> { serde_json::from_value(test[side].clone()).unwrap() };
            let (left, right) = (rows("left"), rows("right"));
            let samples = |a: &[Vec<f64>], b: &[Vec<f64>]| {
                a.iter().zip(b).map(|(a, b)| sample(a, b)).collect::<Vec<_>>()
            };
            for (name, kind) in [("any", Relabeling::Any), ("pairs", Relabeling::Pairs)] {
                let theirs: Option<Vec<f64>> = serde_json::from_value(test[name].clone()).unwrap();
                let Some(theirs) = theirs else { continue };
                let ours = by_largest(&[samples(&left, &right)], &[left[0].len()], kind);
                let back = by_largest(&[samples(&right, &left)], &[left[0].len()], kind);
                for ((ours, back), theirs) in ours[0].iter().zip(&back[0]).zip(theirs) {
                    assert!((ours.slower - theirs).abs() < 1e-12, "{name}: {ours:?} and {theirs}");
                    assert_eq!((ours.slower, ours.faster), (back.faster, back.slower));
                }
            }
        }
    }

    #[test]
    fn five_seeds_that_are_all_apart_are_one_of_252() {
        let apart = of_one(&[1.0, 1.1, 0.9, 1.05, 0.95], &[3.0, 3.1, 2.9, 3.2, 3.0], Relabeling::Any);
        assert_eq!((apart.slower * 252.0).round(), 1.0);
        assert_eq!(apart.faster, 1.0);
    }

    #[test]
    fn all_relabelings_are_gone_through_once() {
        for (kind, count) in [(Relabeling::Any, 70), (Relabeling::Pairs, 16)] {
            let family = vec![Prepared::new(&sample(&[0.0; 4], &[1.0; 4]), 4, kind)];
            let mut relabelings = Relabelings::new(&[family], &[4], kind);
            let mut seen = std::collections::BTreeSet::new();
            while let Some(signs) = relabelings.next() {
                seen.insert(signs[0].iter().map(|sign| *sign > 0.0).collect::<Vec<_>>());
            }
            assert_eq!(seen.len(), count);
        }
    }

    #[test]
    fn fewer_are_drawn_of_very_many_numbers() {
        let drawn = |seeds: usize| {
            let family = vec![Prepared::new(&sample(&[0.0; 4], &[1.0; 4]), 4, Relabeling::Pairs)];
            Relabelings::new(&[family], &[seeds], Relabeling::Pairs).left
        };
        // 2n numbers a relabeling, and 2 000 000 000 in all.
        assert_eq!([11, 500_000, 625_000, 2_500_000, 2_600_000].map(drawn), [2000, 2000, 1600, 400, 400]);
    }

    #[test]
    fn draws_come_close_to_all_relabelings() {
        let (x, y) = ([1.0, 2.0, 4.0, 3.0, 7.0], [5.0, 9.0, 6.0, 8.0, 2.5]);
        // A second set of seeds, in which nothing differs, makes it too many.
        let still = Sample { seeds: 1, values: vec![vec![1.0; 10]] };
        let drawn = by_largest(&[vec![sample(&x, &y)], vec![still]], &[5, 5], Relabeling::Any)[0][0];
        assert!((drawn.slower - 16.0 / 252.0).abs() < 0.02, "{drawn:?}");
    }

    /// Twenty seeds that are all 3 % slower, beside a row whose pairs differ by half.
    #[test]
    fn a_sure_row_of_many_seeds_is_not_measured_by_an_unsure_one() {
        let noise = |k: usize| ((k * 37 % 20) as f64 - 9.5) / 20.0;
        let left: Vec<f64> = (0..20).map(|k| 3.0 + noise(k)).collect();
        let sure: Vec<f64> = left.iter().enumerate().map(|(k, y)| y + 0.03 + 0.001 * noise(k)).collect();
        let unsure: Vec<f64> = left.iter().enumerate().map(|(k, y)| y + noise(k + 7)).collect();
        let rows = vec![sample(&left, &sure), sample(&left, &unsure)];
        let found = by_largest(&[rows], &[20], Relabeling::Pairs);
        assert!(found[0][0].slower < 0.002 && found[0][1].slower > 0.1, "{found:?}");
    }

    #[test]
    fn values_at_another_rate_must_show_it_too() {
        let mut row = sample(&[1.0, 1.1, 0.9, 1.05, 0.95], &[3.0, 3.1, 2.9, 3.2, 3.0]);
        row.values.push(vec![1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.97, 1.1, 0.9, 1.0]);
        let found = by_largest(&[vec![row]], &[5], Relabeling::Any)[0][0];
        assert!(found.slower > 0.3, "{found:?}");
    }

    #[test]
    fn few_seeds_are_enough_where_enough_of_alpha_is_left() {
        assert_eq!([0.05, 0.03, 0.01, 0.001].map(seeds_needed), [3, 4, 5, 7]);
        assert!(test(&[vec![]], &[], 0.05)[0].is_empty());
    }
}
