//! Whether fewer runs succeed than success varies from seed to seed anyway.
//!
//! With a few seeds no row can tell by itself: 5 of 5 become 1 of 5 by chance wherever success is a matter of luck. How
//! often it is luck, the other rows tell:
//!
//! ```text
//! k, k'  = runs of n that succeed on the left and on the right
//! event  = (k, k') with k' ≤ k/2, ordered by Fisher's one-sided p, then by k/n, the largest first
//! P_s(e) = ∫ C(n,k) C(n,k') p^(k+k') (1−p)^(2n−k−k') Beta(p; K_s+1, 2n_s−K_s+1) dp,   K_s = k_s + k'_s,
//!          summed over the events up to e; 0 where K_s is 0 or 2n_s: such a row doesn't vary
//! chance = P(e) of a row of which nothing is known (p uniform) + Σ P_s(e) over the other rows
//! ```
//!
//! The chance is the number of rows that would show as much without any change: a p-value of the whole comparison.
//!
//! Sources: Fisher 1935, *The logic of inductive inference*, for the order; Robbins 1956, *An empirical Bayes approach to
//! statistics*, for what the other rows are used for. Checked against SciPy's `fisher_exact` and `betabinom`, and by
//! comparing equal code: docs/comparing.md.

use std::collections::BTreeMap;

/// More seeds are judged as so many of the same share would be.
const MOST: u64 = 50;
/// The share of α that outcomes may take: what is left suits the test of steps.
const LARGEST: f64 = 0.95;
/// The share of α that is enough, where it covers the fall from all to a fifth.
const ENOUGH: f64 = 0.25;

/// How many runs of a row succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Successes {
    pub(super) seeds: u64,
    pub(super) left: u64,
    pub(super) right: u64,
}

impl Successes {
    pub(super) fn swapped(self) -> Self {
        Self { left: self.right, right: self.left, ..self }
    }

    fn limited(self) -> Self {
        if self.seeds <= MOST {
            return self;
        }
        let share = |count: u64| (count as f64 / self.seeds as f64 * MOST as f64).round() as u64;
        Self { seeds: MOST, left: share(self.left), right: share(self.right) }
    }

    fn total(self) -> u64 {
        self.left + self.right
    }

    fn varies(self) -> bool {
        (1..2 * self.seeds).contains(&self.total())
    }
}

/// What the outcomes of all rows say.
pub(super) struct Outcomes {
    /// For each row the chance of its fall; none where it doesn't fall by half.
    pub(super) chances: Vec<Option<f64>>,
    /// A fall counts up to this chance.
    pub(super) level: f64,
    /// The chance that any fall counts without a change: what is taken of α.
    pub(super) spent: f64,
}

/// An event, by what orders it: Fisher's p, and how far k is from n.
type Order = (f64, f64);

/// The events of n seeds in their order.
struct Events {
    orders: Vec<Order>,
    /// Successes on the left and on the right.
    counts: Vec<(u64, u64)>,
}

impl Events {
    fn of(seeds: u64) -> Self {
        let pairs = (1..=seeds).flat_map(|left| (0..=left / 2).map(move |right| (left, right)));
        let order =
            |&(left, right): &(u64, u64)| (fisher(seeds, left, right), 1.0 - left as f64 / seeds as f64);
        let mut events: Vec<(Order, (u64, u64))> = pairs.map(|pair| (order(&pair), pair)).collect();
        events.sort_by(|a, b| compare(a.0, b.0));
        let (orders, counts) = events.into_iter().unzip();
        Self { orders, counts }
    }

    /// The chances of the events up to each, where this is known of p: so many successes of so many runs.
    fn cumulative(&self, seeds: u64, (known, of): (u64, u64)) -> Vec<f64> {
        let mut sum = 0.0;
        let chance = |&(left, right): &(u64, u64)| {
            let (both, known) = (left + right, known as f64);
            let ways = ln_choose(seeds, left) + ln_choose(seeds, right);
            let after =
                ln_beta(both as f64 + known + 1.0, (2 * seeds - both) as f64 + of as f64 - known + 1.0);
            (ways + after - ln_beta(known + 1.0, of as f64 - known + 1.0)).exp()
        };
        self.counts
            .iter()
            .map(|counts| {
                sum += chance(counts);
                sum
            })
            .collect()
    }

    /// That of the events up to this one.
    fn up_to(&self, cumulative: &[f64], order: Order) -> f64 {
        let count = self.orders.partition_point(|other| compare(*other, order).is_le());
        count.checked_sub(1).map_or(0.0, |last| cumulative[last])
    }
}

/// Equal but for rounding is equal.
fn compare(a: Order, b: Order) -> std::cmp::Ordering {
    let near = (a.0 - b.0).abs() <= 1e-9 * a.0.max(b.0);
    if near { a.1.total_cmp(&b.1) } else { a.0.total_cmp(&b.0) }
}

/// The rows that vary and have the same counts.
struct Alike {
    rows: f64,
    seeds: u64,
    cumulative: Vec<f64>,
}

/// Judges the falls of all rows at once.
pub(super) fn test(rows: &[Successes], alpha: f64) -> Outcomes {
    let rows: Vec<Successes> = rows.iter().map(|row| row.limited()).collect();
    let events: BTreeMap<u64, Events> = rows.iter().map(|row| (row.seeds, Events::of(row.seeds))).collect();
    let mut counts: BTreeMap<(u64, u64), f64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.varies()) {
        *counts.entry((row.seeds, row.total())).or_default() += 1.0;
    }
    let alike: BTreeMap<(u64, u64), Alike> = counts
        .into_iter()
        .map(|((seeds, total), rows)| {
            let cumulative = events[&seeds].cumulative(seeds, (total, 2 * seeds));
            ((seeds, total), Alike { rows, seeds, cumulative })
        })
        .collect();
    let unknown: BTreeMap<u64, Vec<f64>> =
        events.iter().map(|(seeds, events)| (*seeds, events.cumulative(*seeds, (0, 0)))).collect();
    let expected = |order: Order| -> f64 {
        alike.values().map(|some| some.rows * events[&some.seeds].up_to(&some.cumulative, order)).sum()
    };
    let level = level(&events, &unknown, &expected, alpha);
    let chances: Vec<Option<f64>> = rows
        .iter()
        .map(|row| {
            let events = &events[&row.seeds];
            let at = events.counts.iter().position(|counts| *counts == (row.left, row.right))?;
            let own = alike.get(&(row.seeds, row.total())).map_or(0.0, |own| own.cumulative[at]);
            Some((expected(events.orders[at]) - own).max(0.0) + unknown[&row.seeds][at])
        })
        .collect();
    let found = chances.iter().flatten().copied().filter(|chance| *chance <= level);
    let possible = events.values().flat_map(|events| &events.orders).map(|order| expected(*order));
    let spent = possible.filter(|chance| *chance <= level).chain(found).fold(0.0, f64::max);
    Outcomes { chances, level, spent }
}

/// Up to which chance a fall counts.
fn level(
    events: &BTreeMap<u64, Events>,
    unknown: &BTreeMap<u64, Vec<f64>>,
    expected: &dyn Fn(Order) -> f64,
    alpha: f64,
) -> f64 {
    let Some((seeds, events)) = events.last_key_value() else { return alpha * ENOUGH };
    let grave = |&(left, right): &(u64, u64)| left == *seeds && right <= *seeds / 5;
    let last = events.counts.iter().rposition(grave).unwrap_or(0);
    let chance = events.orders.get(last).map_or(0.0, |order| expected(*order) + unknown[seeds][last]);
    alpha * if chance <= alpha * ENOUGH { ENOUGH } else { LARGEST }
}

/// Fisher's one-sided p: that of the k + k' successes at least k are on the left.
fn fisher(seeds: u64, left: u64, right: u64) -> f64 {
    let total = left + right;
    let ways =
        |k: u64| (ln_choose(seeds, k) + ln_choose(seeds, total - k) - ln_choose(2 * seeds, total)).exp();
    (left..=seeds.min(total)).map(ways).sum()
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

fn ln_choose(n: u64, k: u64) -> f64 {
    -(n as f64 + 1.0).ln() - ln_beta((n - k) as f64 + 1.0, k as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seeds: u64, left: u64, right: u64) -> Successes {
        Successes { seeds, left, right }
    }

    /// SciPy 1.17: `fisher_exact([[5, 0], [1, 4]], "greater")` and so on.
    #[test]
    fn fishers_p_is_scipys() {
        for (seeds, left, right, p) in [
            (5, 5, 1, 0.023_809_523_809_523_8),
            (5, 5, 0, 0.003_968_253_968_253_97),
            (10, 9, 4, 0.028_637_770_897_832_8),
        ] {
            assert!((fisher(seeds, left, right) - p).abs() < 1e-14, "{seeds} {left} {right}");
        }
    }

    /// ∫ p⁵ ((1−p)⁵ + 5 p (1−p)⁴) dp = 1/2772 + 5 · 6!·4!/11!.
    #[test]
    fn a_row_of_which_nothing_is_known_by_hand() {
        let events = Events::of(5);
        assert_eq!(events.counts[..4], [(5, 0), (5, 1), (4, 0), (5, 2)]);
        let chances = events.cumulative(5, (0, 0));
        assert!((chances[0] - 1.0 / 2772.0).abs() < 1e-15);
        assert!((chances[1] - 1.0 / 2772.0 - 5.0 * 17_280.0 / 39_916_800.0).abs() < 1e-15);
    }

    #[test]
    fn the_other_rows_tell_what_a_fall_is_worth() {
        let with = |varying: usize| {
            let mut rows = vec![row(5, 5, 5); 49 - varying];
            rows.extend(vec![row(5, 3, 3); varying]);
            rows.push(row(5, 5, 1));
            test(&rows, 0.05)
        };
        let chance = |outcomes: &Outcomes| outcomes.chances.last().unwrap().unwrap();
        // Where success never varies, little of α is taken; where a fifth of the rows varies, most of it.
        let (stable, some, most) = (with(0), with(8), with(40));
        assert!(chance(&stable) < 0.003 && stable.level < 0.02 && stable.spent < 0.0125);
        assert!((0.03..0.0475).contains(&chance(&some)) && (0.03..0.0475).contains(&some.spent));
        assert!(chance(&most) > 0.1 && most.spent <= most.level);
    }

    #[test]
    fn what_does_not_fall_by_half_has_no_chance_to_be_told() {
        let outcomes = test(&[row(5, 5, 3), row(5, 1, 5), row(5, 0, 0), row(400, 400, 100)], 0.05);
        assert_eq!(outcomes.chances[..3], [None; 3]);
        assert!(outcomes.chances[3].unwrap() < 1e-6);
        assert!(test(&[], 0.05).chances.is_empty());
    }
}
