//! How much a config asks for, and how much it may: found before anything of it is laid out.

use std::collections::HashSet;

use records::Dtype;
use toml::Spanned;

use crate::error::Source;
use crate::limits::{MOST_CELLS, MOST_DISK, MOST_POINTS, MOST_STEPS, MOST_TARGETS, bytes, grouped};
use crate::{Config, ConfigError, Grid, Record};

/// A row of `curves.csv`, in float32 and float64: measured on a fit, where it is 58 and 95.
const POINT_BYTES: [u64; 2] = [62, 100];

/// A row of `terms.csv`, without the name of the term.
const TERM_BYTES: [u64; 2] = [60, 90];

/// A row of `cells.csv` without labels and targets and one of `timings.csv`, and what a target adds.
const CELL_BYTES: u64 = 270;
const TARGET_BYTES: u64 = 8;

/// What a config asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Training runs.
    pub cells: u64,
    /// Rows of `curves.csv` and `terms.csv`, if no run ends early.
    pub points: u64,
    /// Bytes of the result files, about. While a grid runs, its parts take as much again.
    pub disk_bytes: u64,
    /// Steps of all runs together.
    pub steps: u64,
}

impl Size {
    /// What all grids of a config ask for, without its extension.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::of_grids(&config.grids, config.dtype)
    }

    fn of_grids(grids: &[Grid], dtype: Dtype) -> Self {
        let columns = columns(grids);
        grids.iter().map(|grid| of_grid(grid, dtype, columns)).fold(Self::default(), Self::plus)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cells: self.cells.saturating_add(other.cells),
            points: self.points.saturating_add(other.points),
            disk_bytes: self.disk_bytes.saturating_add(other.disk_bytes),
            steps: self.steps.saturating_add(other.steps),
        }
    }
}

/// How many different targets grids name, or their problems do: the columns of the results.
fn columns(grids: &[Grid]) -> u64 {
    let own = |grid: &Grid| match &grid.targets {
        Some(targets) => targets.clone(),
        None => grid.problems.iter().flat_map(|problem| problem.targets()).copied().collect(),
    };
    let targets: HashSet<u64> = grids.iter().flat_map(own).map(f64::to_bits).collect();
    targets.len() as u64
}

fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}

fn of_grid(grid: &Grid, dtype: Dtype, columns: u64) -> Size {
    let double = usize::from(dtype == Dtype::Float64);
    let others = product(&[
        grid.problems.len() as u64,
        grid.optimizers.len() as u64,
        grid.schedules.len() as u64,
        grid.lr.len() as u64,
        seeds(grid),
    ]);
    let recorded = grid.record.count(grid.steps);
    let labels = mean(grid.problems.iter().map(problems::Problem::label))
        + mean(grid.losses.iter().map(losses::Loss::label))
        + mean(grid.optimizers.iter().map(optimizers::Optimizer::label))
        + mean(grid.schedules.iter().map(optimizers::Schedule::label));
    let cell_bytes = CELL_BYTES + labels + columns.saturating_mul(TARGET_BYTES);
    let mut size = Size::default();
    // Without a loss a landscape is its own.
    let terms = |loss: &losses::Loss| loss.terms().into_iter().map(|(name, _)| name.len() as u64).collect();
    let losses: Vec<Vec<u64>> =
        if grid.losses.is_empty() { vec![Vec::new()] } else { grid.losses.iter().map(terms).collect() };
    for terms in losses {
        let points = product(&[others, recorded]);
        let rows = product(&[points, terms.len() as u64]);
        let term_bytes = terms.iter().fold(0, |sum, name| sum + TERM_BYTES[double] + name);
        let of_loss = Size {
            cells: others,
            points: points.saturating_add(rows),
            disk_bytes: product(&[points, POINT_BYTES[double]])
                .saturating_add(product(&[points, term_bytes]))
                .saturating_add(product(&[others, cell_bytes])),
            steps: product(&[others, grid.steps]),
        };
        size = size.plus(of_loss);
    }
    size
}

/// The mean length of labels.
fn mean(labels: impl ExactSizeIterator<Item = String>) -> u64 {
    let count = labels.len().max(1) as u64;
    labels.map(|label| label.len() as u64 + 1).sum::<u64>().div_ceil(count)
}

fn seeds(grid: &Grid) -> u64 {
    (grid.seeds.tuning.len() + grid.seeds.reporting.len()) as u64
}

/// What to do about a grid that is too large.
const SMALLER: &str = "take fewer seeds, learning rates or entries, or make several configs of it";

/// Refuses a grid by itself, at its place; `record` is where it says what is recorded.
pub(crate) fn check_grid<T, R>(
    source: &Source,
    place: &Spanned<T>,
    record: Option<&Spanned<R>>,
    grid: &Grid,
    dtype: Dtype,
) -> Result<(), ConfigError> {
    let size = Size::of_grids(std::slice::from_ref(grid), dtype);
    let factors = factors(grid);
    if size.cells > MOST_CELLS {
        let message = format!(
            "the grid asks for {} cells ({factors}), and may have at most {}",
            grouped(size.cells),
            grouped(MOST_CELLS)
        );
        return Err(source.at(place.span(), &message, SMALLER));
    }
    if size.steps > MOST_STEPS {
        let message = format!(
            "the grid asks for {} cells of {} steps each, {} steps together, and may have at most {}",
            grouped(size.cells),
            grouped(grid.steps),
            grouped(size.steps),
            grouped(MOST_STEPS)
        );
        return Err(source.at(place.span(), &message, SMALLER));
    }
    let record_place = || record.map_or_else(|| place.span(), Spanned::span);
    let less = "record less: { log = 50 } is about 50 points, \"summary\" none";
    let terms = grid.losses.iter().map(|loss| loss.terms().len() as u64).max().unwrap_or(0);
    let rows = grid.record.count(grid.steps).saturating_mul(1 + terms);
    if rows > MOST_POINTS {
        let of_terms =
            if terms > 0 { format!(", terms of the loss included ({terms})") } else { String::new() };
        let message = format!(
            "each run would record {} points{of_terms}, and may at most {}",
            grouped(rows),
            grouped(MOST_POINTS)
        );
        return Err(source.at(record_place(), &message, less));
    }
    if size.disk_bytes > MOST_DISK {
        let message = format!(
            "the grid would write about {}: {} cells, with {} rows of curves; at most {} are allowed",
            bytes(size.disk_bytes),
            grouped(size.cells),
            grouped(size.points),
            bytes(MOST_DISK)
        );
        return Err(source.at(record_place(), &message, less));
    }
    Ok(())
}

/// Refuses grids that are too many together.
pub(crate) fn check(source: &Source, grids: &[Grid], dtype: Dtype) -> Result<(), ConfigError> {
    let (size, columns) = (Size::of_grids(grids, dtype), columns(grids));
    let too_much = |what: &str, asked: String, most: String| {
        source.whole(
            &format!("the grids together ask for {asked} {what}, and may have at most {most}"),
            SMALLER,
        )
    };
    if size.cells > MOST_CELLS {
        return Err(too_much("cells", grouped(size.cells), grouped(MOST_CELLS)));
    }
    if size.steps > MOST_STEPS {
        return Err(too_much("steps", grouped(size.steps), grouped(MOST_STEPS)));
    }
    if columns > MOST_TARGETS as u64 {
        return Err(too_much("different targets", grouped(columns), grouped(MOST_TARGETS as u64)));
    }
    if size.disk_bytes > MOST_DISK {
        return Err(too_much("of disk", bytes(size.disk_bytes), bytes(MOST_DISK)));
    }
    Ok(())
}

/// What the cells of a grid are the product of.
fn factors(grid: &Grid) -> String {
    let counts = [
        (grid.problems.len(), "problem"),
        (grid.losses.len(), "loss"),
        (grid.optimizers.len(), "optimizer"),
        (grid.schedules.len(), "schedule"),
        (grid.lr.len(), "learning rate"),
        (seeds(grid) as usize, "seed"),
    ];
    let plural = |count: usize, word: &str| match (count, word) {
        (1, _) => word.to_owned(),
        (_, "loss") => "losses".to_owned(),
        _ => format!("{word}s"),
    };
    let named = counts.iter().filter(|(count, _)| *count > 0);
    let named = named.map(|(count, word)| format!("{} {}", grouped(*count as u64), plural(*count, word)));
    named.collect::<Vec<_>>().join(" × ")
}

impl Record {
    /// How many steps are recorded of 0 … budget, or a few more.
    #[must_use]
    pub fn count(self, budget: u64) -> u64 {
        match self {
            Self::Summary => 0,
            // The first, and the last.
            Self::Every(period) => (budget / period.max(1)).saturating_add(2),
            Self::Log(count) => count.saturating_add(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_never_overflow() {
        assert_eq!(product(&[u64::MAX, u64::MAX]), u64::MAX);
        assert_eq!(Record::Every(1).count(u64::MAX), u64::MAX);
        assert_eq!(Record::Log(u64::MAX).count(10), u64::MAX);
    }

    #[test]
    fn recorded_steps_are_counted_without_being_listed() {
        for record in [Record::Summary, Record::Every(1), Record::Every(7), Record::Log(5), Record::Log(400)]
        {
            for budget in [1, 6, 7, 8, 1000] {
                let (steps, count) = (record.steps(budget).len() as u64, record.count(budget));
                assert!(steps <= count, "{record:?} of {budget}: {steps}, and {count}");
            }
        }
    }

    #[test]
    fn numbers_and_bytes_are_read_at_a_glance() {
        assert_eq!([7, 1000, 20_000_000].map(grouped), ["7", "1,000", "20,000,000"]);
        assert_eq!([0, 4321, 1 << 40].map(bytes), ["0.0 kB", "4.3 kB", "1.1 TB"]);
    }
}
