//! Values that a config may write in more than one way.

use std::fmt;

use std::collections::HashSet;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Serialize};

use crate::limits::MOST_ENTRIES;

/// Numbers: one, a list, or a range that is even in the logarithm.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// As they stand.
    List(Vec<f64>),
    /// From … to: by steps of 10^(1/`per_decade`) as far as `to`, or `count` numbers with both ends.
    Log {
        /// The smallest.
        from: f64,
        /// The largest, or a bound of it.
        to: f64,
        /// How many a decade.
        per_decade: Option<u32>,
        /// How many altogether.
        count: Option<u32>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogRange {
    from: f64,
    to: f64,
    per_decade: Option<u32>,
    count: Option<u32>,
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Numbers;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a number, a list of numbers, or { from = 1e-4, to = 1, per_decade = 2 }")
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Numbers, E> {
                Ok(Numbers::List(vec![number]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
                Ok(Numbers::List(vec![number as f64]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Numbers, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(seq)).map(Numbers::List)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Numbers, A::Error> {
                let LogRange { from, to, per_decade, count } =
                    LogRange::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(Numbers::Log { from, to, per_decade, count })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Numbers {
    /// What is wrong, and what would be right.
    pub(crate) fn fault(&self) -> Option<(String, &'static str)> {
        match self {
            Self::List(list) => {
                let bad = list.iter().find(|x| !(**x > 0.0 && x.is_finite()));
                let bad = bad.map(|x| (format!("must be above 0 and finite, and is {x}"), "remove it"));
                let empty = (String::from("is missing: the list is empty"), "name at least one");
                let twice = || {
                    let mut sorted = list.clone();
                    sorted.sort_by(f64::total_cmp);
                    let pair = sorted.windows(2).find(|pair| pair[0] == pair[1])?;
                    Some((format!("stands here twice: {}", pair[0]), "leave one out"))
                };
                let many = (list.len() > MOST_ENTRIES).then(|| {
                    (format!("stands in a list of {}, of at most {MOST_ENTRIES}", list.len()), "name fewer")
                });
                if list.is_empty() { Some(empty) } else { many.or(bad).or_else(twice) }
            }
            Self::Log { from, to, per_decade, count } => {
                let positive = *from > 0.0 && from.is_finite() && to.is_finite();
                let sized = matches!((per_decade, count), (Some(1..=100), None) | (None, Some(2..=10_000)));
                let span = libm::log10(*to) - libm::log10(*from);
                let many = per_decade.is_some_and(|each| span * f64::from(each) > MOST_ENTRIES as f64);
                if positive && many {
                    let message = format!("range from {from} to {to} has more than {MOST_ENTRIES} numbers");
                    Some((message, "take fewer a decade, or a shorter range"))
                } else if !positive {
                    Some((
                        format!("range must lie above 0, and goes from {from} to {to}"),
                        "use positive ends",
                    ))
                } else if from >= to {
                    Some((format!("range is upside down: from {from} to {to}"), "exchange `from` and `to`"))
                } else if !sized {
                    let message = "range needs either `per_decade` (1 to 100) or `count` (2 to 10000)";
                    Some((message.into(), "such as { from = 1e-4, to = 1, per_decade = 2 }"))
                } else {
                    None
                }
            }
        }
    }

    /// The numbers, ascending. Those of a range are rounded to three digits, or to as many as keep
    /// them apart.
    ///
    /// ```text
    /// per_decade = n: from·10^(i/n), i = 0, 1, … while it isn't above `to`, once it is rounded
    /// count = n:      from·(to/from)^(i/(n − 1)), i = 0 … n − 1
    /// ```
    ///
    /// # Panics
    /// Never: numbers just written are read back.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::List(list) => {
                let mut sorted = list.clone();
                sorted.sort_by(f64::total_cmp);
                sorted
            }
            Self::Log { from, to, per_decade, count } => {
                let decades = libm::log10(to / from);
                let exact: Vec<f64> = if let Some(count) = count {
                    let steps = f64::from(count - 1);
                    (0..*count).map(|i| from * libm::pow(10.0, decades * f64::from(i) / steps)).collect()
                } else {
                    let each = f64::from(per_decade.unwrap_or(1));
                    // One more than there are, since rounding may bring it down to `to`.
                    let steps = (decades * each).floor() as u32 + 1;
                    (0..=steps).map(|i| from * libm::pow(10.0, f64::from(i) / each)).collect()
                };
                let rounded = |digits: usize| -> Vec<f64> {
                    let round = |x: &f64| format!("{x:.digits$e}").parse().expect("a number just written");
                    exact.iter().map(round).filter(|x| count.is_some() || x <= to).collect()
                };
                let apart =
                    |values: &Vec<f64>| !values.is_empty() && values.windows(2).all(|pair| pair[0] < pair[1]);
                (2..17).map(rounded).find(apart).unwrap_or(exact)
            }
        }
    }
}

/// Seeds to tune on, or to report: those of a learning rate are held in memory, and a million is more than a mean needs.
const MOST_SEEDS: u64 = 1_000_000;

/// Seeds, as a count or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SeedList {
    Count(u64),
    List(Vec<u64>),
}

impl<'de> Deserialize<'de> for SeedList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = SeedList;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("how many seeds, or a list of them")
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<SeedList, E> {
                u64::try_from(count)
                    .map(SeedList::Count)
                    .map_err(|_| E::custom(format!("a number of seeds can't be negative, and is {count}")))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<SeedList, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(seq)).map(SeedList::List)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Seeds to choose the learning rate on, and others to report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    tuning: SeedList,
    reporting: SeedList,
}

/// The seeds themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedChoice {
    /// The learning rate is chosen on these.
    pub tuning: Vec<u64>,
    /// The results are reported on these.
    pub reporting: Vec<u64>,
}

impl Default for Seeds {
    fn default() -> Self {
        Self { tuning: SeedList::Count(3), reporting: SeedList::Count(5) }
    }
}

impl Seeds {
    /// Counted seeds are 1, 2, … for tuning, and go on from there, past any listed, for reporting.
    #[must_use]
    pub fn choose(&self) -> SeedChoice {
        let tuning: Vec<u64> = match &self.tuning {
            SeedList::Count(count) => (1..=*count).collect(),
            SeedList::List(list) => list.clone(),
        };
        let reporting = match &self.reporting {
            SeedList::Count(count) => {
                let taken: HashSet<u64> = tuning.iter().copied().collect();
                (1..).filter(|seed| !taken.contains(seed)).take(*count as usize).collect()
            }
            SeedList::List(list) => list.clone(),
        };
        SeedChoice { tuning, reporting }
    }

    /// What is wrong, and what would be right.
    pub(crate) fn fault(&self) -> Option<(String, &'static str)> {
        let count = |list: &SeedList| match list {
            SeedList::Count(count) => *count,
            SeedList::List(list) => list.len() as u64,
        };
        if let Some(count) = [&self.tuning, &self.reporting].map(count).into_iter().find(|n| *n > MOST_SEEDS)
        {
            return Some((format!("there may be at most {MOST_SEEDS} seeds, and are {count}"), "use fewer"));
        }
        let SeedChoice { tuning, reporting } = self.choose();
        if reporting.is_empty() {
            return Some((
                "there must be at least one seed to report".into(),
                "such as seeds = { tuning = 3, reporting = 5 }",
            ));
        }
        let mut all = [tuning.clone(), reporting].concat();
        all.sort_unstable();
        let twice = all.windows(2).find(|pair| pair[0] == pair[1])?;
        Some((
            format!("seed {} stands there twice", twice[0]),
            "results are reported on other seeds than the learning rate was chosen on",
        ))
    }
}

/// Which steps go into the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// None.
    Summary,
    /// Every so many steps.
    Every(u64),
    /// About this many, even in the logarithm of the step.
    Log(u64),
}

impl Default for Record {
    fn default() -> Self {
        Self::Log(50)
    }
}

impl Record {
    pub(crate) fn is_sound(self) -> bool {
        !matches!(self, Self::Every(0) | Self::Log(0))
    }

    /// The steps to record of 0 … budget, ascending; the first and the last are among them.
    #[must_use]
    pub fn steps(self, budget: u64) -> Vec<u64> {
        let mut steps = match self {
            Self::Summary => return Vec::new(),
            Self::Every(period) => (0..=budget).step_by(period as usize).collect(),
            Self::Log(count) => {
                // Even in ln(1 + step), so that step 0 has its place.
                let span = libm::log1p(budget as f64);
                let point = |i: u64| libm::expm1(span * i as f64 / count as f64).round() as u64;
                let mut steps: Vec<u64> = (0..=count).map(point).collect();
                steps.dedup();
                steps
            }
        };
        if steps.last() != Some(&budget) {
            steps.retain(|step| *step < budget);
            steps.push(budget);
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(from: f64, to: f64, per_decade: Option<u32>, count: Option<u32>) -> Vec<f64> {
        let range = Numbers::Log { from, to, per_decade, count };
        assert_eq!(range.fault(), None);
        range.values()
    }

    #[test]
    fn log_ranges_step_evenly_and_read_well() {
        assert_eq!(log(1e-3, 1.0, Some(1), None), [0.001, 0.01, 0.1, 1.0]);
        assert_eq!(log(0.01, 1.0, Some(2), None), [0.01, 0.0316, 0.1, 0.316, 1.0]);
        assert_eq!(log(1.0, 8.0, None, Some(4)), [1.0, 2.0, 4.0, 8.0]);
        // 3.16 is 10^½ to three digits, and stretches nothing: 1 is 1.
        let wide = [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16];
        assert_eq!(log(0.001, 3.16, Some(2), None), wide);
        assert_eq!(log(0.001, 3.1622, Some(2), None), wide);
        assert_eq!(log(0.001, 3.15, Some(2), None), wide[..7]);
        assert_eq!(log(0.001, 9.9, Some(2), None), wide);
        assert_eq!(log(2.0, 30.0, Some(1), None), [2.0, 20.0]);
        assert_eq!(log(2.0, 3.0, Some(1), None), [2.0]);
        // Rounded to three digits the first would be above the end.
        assert_eq!(log(0.012_567_8, 0.01257, Some(1), None), [0.01257]);
        assert_eq!(log(1e-4, 1e4, Some(100), None).len(), 801);
        let fine = log(1.0, 10.0, None, Some(10_000));
        assert!(fine.windows(2).all(|pair| pair[0] < pair[1]) && fine.len() == 10_000);
    }

    #[test]
    fn recorded_steps_start_at_0_and_end_at_the_budget() {
        assert_eq!(Record::Every(4).steps(10), [0, 4, 8, 10]);
        assert_eq!(Record::Every(5).steps(10), [0, 5, 10]);
        assert_eq!(Record::Summary.steps(10), [0; 0]);
        let steps = Record::Log(50).steps(1000);
        assert!((30..=51).contains(&steps.len()) && steps.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((steps[0], steps[1], *steps.last().unwrap()), (0, 1, 1000));
        assert_eq!(Record::Log(50).steps(1), [0, 1]);
    }

    #[test]
    fn counted_seeds_never_overlap() {
        let seeds = |text: &str| toml::from_str::<Seeds>(text).unwrap();
        let chosen = seeds("tuning = [2, 4]\nreporting = 3").choose();
        assert_eq!((chosen.tuning, chosen.reporting), (vec![2, 4], vec![1, 3, 5]));
        assert_eq!(seeds("tuning = 0\nreporting = 1").fault(), None);
        assert!(seeds("tuning = 1\nreporting = [1]").fault().is_some());
        assert!(seeds("tuning = 1\nreporting = 0").fault().is_some());
    }
}
