//! Whether fewer runs succeed than success varies from seed to seed anyway.
//!
//! With a few seeds no row can tell by itself: 5 of 5 become 1 of 5 by chance wherever success is a matter of luck. In
//! how many rows it is luck, the others tell:
//!
//! ```text
//! k, k'  = runs of n that succeed on the left and on the right
//! event  = (k, k') with k' ≤ k/2, ordered by Fisher's one-sided p, then by k/n, the largest first
//! U_n(e) = ∫ C(n,k) C(n,k') p^(k+k') (1−p)^(2n−k−k') dp, summed over the events of n seeds up to e
//! chance = U_n(e) + Σ U_m(e) / (1 − 2/(2m+1))         over the other rows that vary, with 0 < k + k' < 2m,
//!       or U_n(e) + Σ U_m(e | k + k')                 if that is less
//! ```
//!
//! That is the number of rows that would show as much without a change: a p-value of the whole comparison. The first takes
//! the probability of success of a row that varies for any (2/(2m+1) of such rows wouldn't show that they vary); the second
//! has p ~ Beta(k + k' + 1, 2m − k − k' + 1) after what was seen of it. The first depends less on luck, the second doesn't
//! take a row that failed once for one that fails often.
//!
//! The tuning seeds at the chosen rate are runs of the same row. Where one of them fails on the left, success is a matter of
//! luck there, however the reporting seeds came out: such rows are no part of the sum, and a fall in one counts only if
//! Fisher's p times the number of rows is small.
//!
//! Sources: Fisher 1935, *The logic of inductive inference*, for the order; Robbins 1956, *An empirical Bayes approach to
//! statistics*, for what the other rows are used for. Checked against SciPy's `fisher_exact` and `betabinom`, and by
//! comparing equal code: docs/src/comparing.md.

use std::collections::BTreeMap;

/// More seeds are judged as so many of the same share would be.
const MOST: u64 = 50;
/// Up to this share of α every fall counts; up to the larger one a grave fall, from all to a fifth or fewer.
const ENOUGH: f64 = 0.25;
const LARGEST: f64 = 0.95;
/// What is left for the test of steps at least, and what falls in unsteady rows may take.
const LEFT: f64 = 0.1;
const UNSTEADY: f64 = 0.05;

/// How many runs of a row succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Successes {
    pub(super) seeds: u64,
    pub(super) left: u64,
    pub(super) right: u64,
    /// Whether no tuning run at the rate of the left, and of the right side fails.
    pub(super) steady: [bool; 2],
}

impl Successes {
    pub(super) fn swapped(self) -> Self {
        let [left, right] = self.steady;
        Self { left: self.right, right: self.left, steady: [right, left], ..self }
    }

    fn limited(self) -> Self {
        if self.seeds <= MOST {
            return self;
        }
        let share = |count: u64| (count as f64 / self.seeds as f64 * MOST as f64).round() as u64;
        Self { seeds: MOST, left: share(self.left), right: share(self.right), ..self }
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
    /// For each row the chance of its fall, and whether it counts; none where it doesn't fall by half.
    pub(super) falls: Vec<Option<Fall>>,
    /// The chance that any fall counts without a change, by the larger of the estimates: what is taken of α.
    pub(super) spent: f64,
}

/// Fewer successes in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fall {
    pub(super) chance: f64,
    pub(super) counts: bool,
}

/// An event, by what orders it: the logarithm of Fisher's p, to as many digits as rounding leaves, and how far k is from n.
type Order = (i64, f64);

/// The events of n seeds in their order.
struct Events {
    seeds: u64,
    orders: Vec<Order>,
    /// Successes on the left and on the right.
    counts: Vec<(u64, u64)>,
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
        let (orders, counts) = events.into_iter().unzip();
        Self { seeds, orders, counts }
    }

    /// For each event U up to it, after so many of so many runs have succeeded.
    fn chances(&self, known: u64, of: u64) -> Vec<f64> {
        let ln_beta_of =
            |successes: u64, runs: u64| ln_beta(successes as f64 + 1.0, (runs - successes) as f64 + 1.0);
        let mut sum = 0.0;
        let chance = |&(left, right): &(u64, u64)| {
            let ways = ln_choose(self.seeds, left) + ln_choose(self.seeds, right);
            let both = ln_beta_of(left + right + known, 2 * self.seeds + of) - ln_beta_of(known, of);
            sum += (ways + both).exp();
            sum
        };
        self.counts.iter().map(chance).collect()
    }

    /// What `chances` say of the events up to this one.
    fn up_to(&self, chances: &[f64], order: Order) -> f64 {
        let count = self.orders.partition_point(|other| compare(*other, order).is_le());
        count.checked_sub(1).map_or(0.0, |last| chances[last])
    }
}

/// Rows of the same seeds and as many successes, which vary.
struct Alike {
    rows: f64,
    /// U of such a row, if its probability of success is any, and after what was seen of it.
    chances: [Vec<f64>; 2],
}

fn compare(a: Order, b: Order) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
}

/// Judges the falls of all rows at once.
pub(super) fn test(rows: &[Successes], alpha: f64) -> Outcomes {
    let rows: Vec<Successes> = rows.iter().map(|row| row.limited()).collect();
    let mut events: BTreeMap<u64, (Events, Vec<f64>)> = BTreeMap::new();
    let mut alike: BTreeMap<(u64, u64), Alike> = BTreeMap::new();
    for row in &rows {
        let seeds = row.seeds;
        let (events, unknown) = events.entry(seeds).or_insert_with(|| {
            let events = Events::of(seeds);
            let unknown = events.chances(0, 0);
            (events, unknown)
        });
        if row.varies() && row.steady[0] {
            let some = alike.entry((seeds, row.total())).or_insert_with(|| {
                let vary = 1.0 - 2.0 / (2 * seeds + 1) as f64;
                let any = unknown.iter().map(|chance| chance / vary).collect();
                Alike { rows: 0.0, chances: [any, events.chances(row.total(), 2 * seeds)] }
            });
            some.rows += 1.0;
        }
    }
    // How many rows show an event up to this one, by both estimates.
    let expected = |order: Order| -> [f64; 2] {
        let of = |estimate: usize| {
            let up_to = |((seeds, _), some): (&(u64, u64), &Alike)| {
                some.rows * events[seeds].0.up_to(&some.chances[estimate], order)
            };
            alike.iter().map(up_to).sum()
        };
        [of(0), of(1)]
    };
    let least = |[a, b]: [f64; 2]| f64::min(a, b);
    let is_grave = |seeds: u64, (left, right): (u64, u64)| left == seeds && right <= seeds / 5;
    let counts = |seeds: u64, left_right: (u64, u64), chance: f64| {
        chance <= alpha * if is_grave(seeds, left_right) { LARGEST } else { ENOUGH }
    };
    let fall = |row: &Successes| {
        let (events, unknown) = &events[&row.seeds];
        let at = events.counts.iter().position(|counts| *counts == (row.left, row.right))?;
        if !row.steady[0] {
            let chance = fisher(row.seeds, row.left, row.right) * rows.len() as f64;
            return Some(Fall { chance, counts: chance <= alpha * UNSTEADY });
        }
        let own = alike.get(&(row.seeds, row.total()));
        let own = |estimate: usize| own.map_or(0.0, |own| own.chances[estimate][at]);
        let [any, seen] = expected(events.orders[at]);
        let chance = least([any - own(0), seen - own(1)]).max(0.0) + unknown[at];
        Some(Fall { chance, counts: counts(row.seeds, events.counts[at], chance) })
    };
    let falls = rows.iter().map(fall).collect();
    // By the larger estimate where much is taken.
    let taken = |events: &Events, at: usize| {
        let ([any, seen], left_right) = (expected(events.orders[at]), events.counts[at]);
        let chance = least([any, seen]);
        let grave = is_grave(events.seeds, left_right);
        counts(events.seeds, left_right, chance).then(|| if grave { any.max(seen) } else { chance })
    };
    let all = events.values().flat_map(|(events, _)| (0..events.counts.len()).map(move |at| (events, at)));
    let taken = all.filter_map(|(events, at)| taken(events, at)).fold(0.0, f64::max);
    let unsteady = if rows.iter().all(|row| row.steady[0]) { 0.0 } else { alpha * UNSTEADY };
    let spent = f64::min(unsteady + taken, alpha * (1.0 - LEFT));
    Outcomes { falls, spent }
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
        Successes { seeds, left, right, steady: [true; 2] }
    }

    #[test]
    fn fishers_p_and_the_chances_are_scipys() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/comparison.json")).unwrap();
        for fall in golden["falls"].as_array().unwrap() {
            let [seeds, left, right] = ["seeds", "left", "right"].map(|name| fall[name].as_u64().unwrap());
            let near = |ours: f64, name: &str| (ours / fall[name].as_f64().unwrap() - 1.0).abs() < 1e-8;
            assert!(near(fisher(seeds, left, right), "fisher"), "{fall}");
            let events = Events::of(seeds);
            let at = events.counts.iter().position(|counts| *counts == (left, right)).unwrap();
            for (known, of, name) in [(0, 0, "chance"), (left + right, 2 * seeds, "chance_after")] {
                let chances = events.chances(known, of);
                let before = at.checked_sub(1).map_or(0.0, |before| chances[before]);
                assert!(near(chances[at] - before, name), "{fall}");
            }
        }
    }

    /// ∫ p⁵ ((1−p)⁵ + 5 p (1−p)⁴) dp = 1/2772 + 5 · 6!·4!/11!.
    #[test]
    fn a_row_of_which_nothing_is_known_by_hand() {
        let events = Events::of(5);
        assert_eq!(events.counts[..4], [(5, 0), (5, 1), (4, 0), (5, 2)]);
        let chances = events.chances(0, 0);
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
        let last = |outcomes: &Outcomes| outcomes.falls.last().unwrap().unwrap();
        // Where success never varies, little of α is taken; where a fifth of the rows varies, most of it.
        let (stable, some, most) = (with(0), with(10), with(40));
        assert!(last(&stable).counts && last(&stable).chance < 0.003 && stable.spent < 0.0125);
        assert!(last(&some).counts && (0.03..0.0475).contains(&last(&some).chance) && some.spent > 0.03);
        assert!(!last(&most).counts && last(&most).chance > 0.1 && most.spent < 0.05);
    }

    #[test]
    fn a_tuning_seed_that_fails_tells_luck_from_news() {
        let mut rows = vec![row(5, 5, 5); 39];
        let unsteady = Successes { steady: [false, true], ..row(5, 3, 3) };
        rows.extend(vec![unsteady; 10]);
        rows.push(row(5, 5, 1));
        let outcomes = test(&rows, 0.05);
        assert!(outcomes.falls[49].unwrap().counts && outcomes.spent < 0.02, "{}", outcomes.spent);
        rows[49].steady[0] = false;
        assert!(!test(&rows, 0.05).falls[49].unwrap().counts);
        rows[49] = Successes { steady: [false; 2], ..row(20, 20, 3) };
        assert!(test(&rows, 0.05).falls[49].unwrap().counts);
    }

    #[test]
    fn what_does_not_fall_by_half_has_no_chance_to_be_told() {
        let outcomes = test(&[row(5, 5, 3), row(5, 1, 5), row(5, 0, 0), row(400, 400, 100)], 0.05);
        assert_eq!(outcomes.falls[..3], [None; 3]);
        assert!(outcomes.falls[3].unwrap().chance < 1e-6);
        assert!(test(&[], 0.05).falls.is_empty());
    }
}
