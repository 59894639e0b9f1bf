//! Whether fewer runs succeed than success varies from seed to seed anyway.
//!
//! With a few seeds no row can tell by itself: 5 of 5 become 1 of 5 by chance wherever success is a matter of luck. In
//! how many rows it is luck, the others tell:
//!
//! ```text
//! k, k'  = runs of n that succeed on the left and on the right
//! event  = (k, k') with k' ≤ k/2, ordered by Fisher's one-sided p, then by k/n, the largest first
//! U_n(e) = ∫ C(n,k) C(n,k') p^(k+k') (1−p)^(2n−k−k') dp, summed over the events of n seeds up to e
//! chance = U_n(e) + Σ U_m(e) / (1 − 2/(2m+1))         over the other rows that vary, with 0 < k + k' < 2m
//! ```
//!
//! That is the number of rows that would show as much without a change, where the probability of success of a row that
//! varies could be any: a p-value of the whole comparison. 2/(2m+1) of such rows wouldn't show that they vary.
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

/// An event, by what orders it: the logarithm of Fisher's p, to as many digits as rounding leaves, and how far k is from n.
type Order = (i64, f64);

/// The events of n seeds in their order.
struct Events {
    orders: Vec<Order>,
    /// Successes on the left and on the right.
    counts: Vec<(u64, u64)>,
    /// U.
    chances: Vec<f64>,
    /// How many rows vary.
    varying: f64,
}

impl Events {
    fn of(seeds: u64) -> Self {
        let pairs = (1..=seeds).flat_map(|left| (0..=left / 2).map(move |right| (left, right)));
        let order = |&(left, right): &(u64, u64)| {
            let ln_p = fisher(seeds, left, right).ln();
            ((1e9 * ln_p).round() as i64, 1.0 - left as f64 / seeds as f64)
        };
        let mut events: Vec<(Order, (u64, u64))> = pairs.map(|pair| (order(&pair), pair)).collect();
        events.sort_by(|a, b| compare(a.0, b.0));
        let (orders, counts): (Vec<Order>, Vec<(u64, u64)>) = events.into_iter().unzip();
        let mut sum = 0.0;
        let chance = |&(left, right): &(u64, u64)| {
            let both = left + right;
            let ways = ln_choose(seeds, left) + ln_choose(seeds, right);
            sum += (ways + ln_beta(both as f64 + 1.0, (2 * seeds - both) as f64 + 1.0)).exp();
            sum
        };
        let chances = counts.iter().map(chance).collect();
        Self { orders, counts, chances, varying: 0.0 }
    }

    /// U of the events up to this one.
    fn up_to(&self, order: Order) -> f64 {
        let count = self.orders.partition_point(|other| compare(*other, order).is_le());
        count.checked_sub(1).map_or(0.0, |last| self.chances[last])
    }
}

fn compare(a: Order, b: Order) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
}

/// How much more often a row of so many seeds shows an event if it is known that it varies.
fn if_varying(seeds: u64) -> f64 {
    1.0 / (1.0 - 2.0 / (2 * seeds + 1) as f64)
}

/// Judges the falls of all rows at once.
pub(super) fn test(rows: &[Successes], alpha: f64) -> Outcomes {
    let rows: Vec<Successes> = rows.iter().map(|row| row.limited()).collect();
    let mut all: BTreeMap<u64, Events> = BTreeMap::new();
    for row in &rows {
        let events = all.entry(row.seeds).or_insert_with(|| Events::of(row.seeds));
        events.varying += f64::from(u8::from(row.varies()));
    }
    let expected = |order: Order| -> f64 {
        all.iter().map(|(seeds, events)| events.varying * if_varying(*seeds) * events.up_to(order)).sum()
    };
    let level = level(&all, &expected, alpha);
    let chance = |row: &Successes| {
        let events = &all[&row.seeds];
        let at = events.counts.iter().position(|counts| *counts == (row.left, row.right))?;
        let unknown = events.chances[at];
        let own = if row.varies() { if_varying(row.seeds) * unknown } else { 0.0 };
        Some((expected(events.orders[at]) - own).max(0.0) + unknown)
    };
    let chances: Vec<Option<f64>> = rows.iter().map(chance).collect();
    let found = chances.iter().flatten().copied();
    let possible = all.values().flat_map(|events| &events.orders).map(|order| expected(*order));
    let spent = possible.chain(found).filter(|chance| *chance <= level).fold(0.0, f64::max);
    Outcomes { chances, level, spent }
}

/// Up to which chance a fall counts.
fn level(all: &BTreeMap<u64, Events>, expected: &dyn Fn(Order) -> f64, alpha: f64) -> f64 {
    let Some((seeds, events)) = all.last_key_value() else { return alpha * ENOUGH };
    let grave = |&(left, right): &(u64, u64)| left == *seeds && right <= *seeds / 5;
    let last = events.counts.iter().rposition(grave).unwrap_or(0);
    let chance = events.orders.get(last).map_or(0.0, |order| expected(*order) + events.chances[last]);
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

    #[test]
    fn fishers_p_and_the_chances_are_scipys() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/comparison.json")).unwrap();
        for fall in golden["falls"].as_array().unwrap() {
            let [seeds, left, right] = ["seeds", "left", "right"].map(|name| fall[name].as_u64().unwrap());
            let near = |ours: f64, name: &str| (ours / fall[name].as_f64().unwrap() - 1.0).abs() < 1e-10;
            assert!(near(fisher(seeds, left, right), "fisher"), "{fall}");
            let events = Events::of(seeds);
            let at = events.counts.iter().position(|counts| *counts == (left, right)).unwrap();
            let before = at.checked_sub(1).map_or(0.0, |before| events.chances[before]);
            assert!(near(events.chances[at] - before, "chance"), "{fall}");
        }
    }

    /// ∫ p⁵ ((1−p)⁵ + 5 p (1−p)⁴) dp = 1/2772 + 5 · 6!·4!/11!.
    #[test]
    fn a_row_of_which_nothing_is_known_by_hand() {
        let events = Events::of(5);
        assert_eq!(events.counts[..4], [(5, 0), (5, 1), (4, 0), (5, 2)]);
        assert!((events.chances[0] - 1.0 / 2772.0).abs() < 1e-15);
        assert!((events.chances[1] - 1.0 / 2772.0 - 5.0 * 17_280.0 / 39_916_800.0).abs() < 1e-15);
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
        let (stable, some, most) = (with(0), with(10), with(40));
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
