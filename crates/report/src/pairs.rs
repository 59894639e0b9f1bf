//! Which solvers the tests can't tell apart.

use analysis::scores::Pair;

/// Below this p, corrected by Holm, two solvers are apart.
pub(super) const APART: f64 = 0.05;

/// First and last place of each longest run of `order`, solvers by their rank, of which no two are apart; only runs of
/// several. `None` unless every two were tested.
pub(super) fn groups(order: &[usize], pairs: &[Pair]) -> Option<Vec<(usize, usize)>> {
    let tested =
        |a: usize, b: usize| pairs.iter().find(|pair| [(a, b), (b, a)].contains(&(pair.faster, pair.slower)));
    let mut groups: Vec<(usize, usize)> = Vec::new();
    let mut first = 0;
    for last in 0..order.len() {
        for before in (0..last).rev() {
            if tested(order[before], order[last])?.p_holm < APART {
                first = first.max(before + 1);
            }
        }
        if first < last {
            match groups.last_mut() {
                Some(group) if group.0 == first => group.1 = last,
                _ => groups.push((first, last)),
            }
        }
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(faster: usize, slower: usize, p: f64) -> Pair {
        Pair { faster, slower, workloads: 9, wins: 9, losses: 0, p, p_holm: p }
    }

    #[test]
    fn runs_of_solvers_that_are_not_apart() {
        // 0 and 3 are apart, and nothing else.
        let mut pairs =
            vec![pair(0, 1, 0.5), pair(0, 2, 0.051), pair(0, 3, 0.049), pair(1, 2, 1.0), pair(3, 1, 0.05)];
        assert_eq!(groups(&[0, 1, 2, 3], &pairs), None, "2 against 3 is missing");
        pairs.push(pair(2, 3, 0.3));
        assert_eq!(groups(&[0, 1, 2, 3], &pairs), Some(vec![(0, 2), (1, 3)]));
        // All apart, and none.
        let all = |p| [pair(0, 1, p), pair(0, 2, p), pair(1, 2, p)];
        assert_eq!(groups(&[2, 0, 1], &all(0.001)), Some(vec![]));
        assert_eq!(groups(&[2, 0, 1], &all(0.5)), Some(vec![(0, 2)]));
        assert_eq!(groups(&[], &[]), Some(vec![]));
    }
}
