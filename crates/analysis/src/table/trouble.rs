//! What kept runs from their target, from what is known of every run: its loss and error at the start, at the
//! end, and at their best.

use records::{Cell, Outcome};
use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use super::Table;

/// What kept most runs of a row from the target.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Trouble {
    /// Nothing: they reached it, or were on their way.
    #[serde(rename = "")]
    #[strum(serialize = "")]
    None,
    /// Their error hardly fell.
    Stalls,
    /// They were closer before, and their loss was lower then.
    Oscillates,
    /// Their loss is at its lowest and their error isn't: it is least somewhere else.
    Drifts,
    /// They left the finite numbers, or their bounds.
    Diverges,
    /// Their loss or their error isn't finite where they start.
    #[serde(rename = "not finite at start")]
    #[strum(serialize = "not finite at start")]
    NotFinite,
}

/// An error that is still above this share of the one at the start hardly fell.
const HARDLY: f64 = 0.5;
/// An error this many times the best one on the way went up again: more than a last step to and fro.
const AGAIN: f64 = 2.0;
/// A loss within this share of its whole fall from its lowest is at its lowest.
const LOWEST: f64 = 0.01;

impl Trouble {
    /// The trouble of one run.
    pub(super) fn of(cell: &Cell) -> Self {
        if cell.outcome == Outcome::Diverged {
            let starts = cell.start_loss.is_finite() && cell.start_error.is_finite();
            return if starts { Self::Diverges } else { Self::NotFinite };
        }
        let hardest = cell.hits.iter().min_by(|a, b| a.target.total_cmp(&b.target));
        if hardest.is_none_or(|hit| hit.step.is_some()) || cell.outcome == Outcome::Failed {
            return Self::None;
        }
        if cell.final_error > AGAIN * cell.best_error {
            let fall = cell.start_loss - cell.best_loss;
            let at_lowest = fall > 0.0 && cell.final_loss - cell.best_loss <= LOWEST * fall;
            return if at_lowest { Self::Drifts } else { Self::Oscillates };
        }
        if cell.final_error > HARDLY * cell.start_error { Self::Stalls } else { Self::None }
    }

    /// What at least half of the runs have in common.
    pub(super) fn common(runs: &[Self]) -> Self {
        let count = |trouble: Self| runs.iter().filter(|run| **run == trouble).count();
        [Self::NotFinite, Self::Stalls, Self::Oscillates, Self::Drifts, Self::Diverges]
            .into_iter()
            .find(|trouble| count(*trouble) > 0 && 2 * count(*trouble) >= runs.len())
            .unwrap_or(Self::None)
    }
}

/// A loss is slow on a problem if it takes this many times the steps of the best one there.
const SLOWER: f64 = 5.0;

impl Table {
    /// The losses that are slow on every problem that has others, with every optimizer and at every
    /// rate. One that isn't finite at the start is none of them: see
    /// [`undefined_losses`](Self::undefined_losses).
    #[must_use]
    pub fn slow_losses(&self) -> Vec<&str> {
        let ert = |problem: &str, loss: Option<&str>| {
            let rows = self.rows.iter().filter(|row| row.problem == problem);
            rows.filter(|row| loss.is_none_or(|loss| row.loss == loss))
                .map(|row| row.ert)
                .fold(f64::INFINITY, f64::min)
        };
        let mut slow: Vec<&str> = Vec::new();
        let mut fine: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.trouble != Trouble::NotFinite) {
            let best = ert(&row.problem, None);
            if best.is_finite() {
                let is_slow = ert(&row.problem, Some(&row.loss)) > SLOWER * best;
                let list = if is_slow { &mut slow } else { &mut fine };
                if !list.contains(&row.loss.as_str()) {
                    list.push(&row.loss);
                }
            }
        }
        slow.retain(|loss| !fine.contains(loss));
        slow
    }

    /// Problems and losses, in order of first appearance, where most runs start at a loss or an error that isn't
    /// finite: no optimizer and no rate can change that.
    #[must_use]
    pub fn undefined_losses(&self) -> Vec<(&str, &str)> {
        let mut undefined = Vec::new();
        for row in self.rows.iter().filter(|row| row.trouble == Trouble::NotFinite) {
            let workload = (row.problem.as_str(), row.loss.as_str());
            if !undefined.contains(&workload) {
                undefined.push(workload);
            }
        }
        undefined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_runs_make_a_trouble() {
        use Trouble::{Diverges, None, Stalls};
        assert_eq!(Trouble::common(&[Stalls, None]), Stalls);
        assert_eq!(Trouble::common(&[Diverges, None, None]), None);
        assert_eq!(Trouble::common(&[]), None);
    }
}
