//! Shares of a grid's parts, for many machines.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A share of the parts: of all parts in the order of their keys, which is as good as random, every `count`th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

/// The most shards of a grid.
pub const MOST: usize = 100_000;

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (index, count) = text.split_once('/')?;
            let shard = Self { index: index.parse().ok()?, count: count.parse().ok()? };
            (shard.index < shard.count && shard.count <= MOST).then_some(shard)
        };
        read()
            .ok_or_else(|| format!("a shard is I/N, with I from 0 to N - 1 and N up to {MOST}, such as 0/8"))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The places in `keys` of the parts that are its own, in the plan's order.
    #[must_use]
    pub fn assigned(self, keys: &[String]) -> Vec<usize> {
        let ranks = ranks(keys);
        (0..keys.len()).filter(|i| ranks[*i] % self.count == self.index).collect()
    }
}

/// The rank of every key among them.
fn ranks(keys: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    let mut ranks = vec![0; keys.len()];
    for (rank, i) in order.into_iter().enumerate() {
        ranks[i] = rank;
    }
    ranks
}

/// The shards, of so many, that these parts belong to.
pub(crate) fn shards_of(keys: &[String], parts: &[usize], count: usize) -> BTreeSet<usize> {
    let ranks = ranks(keys);
    parts.iter().map(|part| ranks[*part] % count).collect()
}

/// Numbers as Slurm's `--array=` takes them: `0,3-5`.
pub(crate) fn array(numbers: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(",")
}

/// What to do about parts that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Their shards, for `--array=`.
    pub array: Option<String>,
    /// Of how many.
    pub shards: Option<usize>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match (&self.array, self.shards) {
            (Some(array), Some(shards)) => write!(
                formatter,
                "run these shards of {shards} again, what is there is kept: --array={array} (sbatch --array={array} \
                 SCRIPT, or `optbench run CONFIG --shard I/{shards}` for each), then merge"
            ),
            _ => formatter.write_str(
                "run the shards that are missing again (--shards N, the number of shards, says which), or `optbench run \
                 CONFIG` to make all of them here",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_of_one_shard_and_shards_are_even() {
        let keys: Vec<String> =
            (0..1000_u64).map(|i| format!("{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        for count in [1, 3, 8, 999, 2000] {
            let mut seen = vec![0; keys.len()];
            for index in 0..count {
                let own = Shard { index, count }.assigned(&keys);
                assert!(own.len() <= keys.len().div_ceil(count), "{count}");
                assert!(own.is_sorted());
                for i in &own {
                    seen[*i] += 1;
                }
                let parts: Vec<usize> = own.iter().copied().take(1).collect();
                assert!(shards_of(&keys, &parts, count).into_iter().all(|shard| shard == index));
            }
            assert!(seen.iter().all(|times| *times == 1));
        }
    }

    #[test]
    fn a_shard_is_read_and_written() {
        assert_eq!("3/8".parse::<Shard>().unwrap().to_string(), "3/8");
        for wrong in ["8/8", "1", "-1/2", "a/b", "0/0", "1/2/3", "0/100001", ""] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("such as 0/8"), "{wrong}");
        }
    }

    #[test]
    fn arrays_are_short() {
        assert_eq!(array(&[0, 3, 4, 5, 9, 10].into()), "0,3-5,9,10");
        assert_eq!(array(&BTreeSet::new()), "");
    }
}
