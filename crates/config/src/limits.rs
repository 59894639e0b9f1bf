//! How much a config may ask for, and numbers as messages write them.

pub use registry::grouped;

/// Bytes of a config's text. Reading more takes seconds, and its tables a hundred times its size.
pub const MOST_TEXT: usize = 16 << 20;

/// Entries of a list: problems, losses, optimizers, schedules, numbers, `[[grid]]` tables.
pub const MOST_ENTRIES: usize = 10_000;

/// Characters of a label: it stands in every row of `cells.csv`, and names a row of the table.
pub const MOST_LABEL: usize = 4000;

/// Targets of the error: each makes two columns of `cells.csv`, and takes 80 bytes of memory in every lane.
pub const MOST_TARGETS: usize = 1000;

/// Worker threads, as on the command line.
pub const MOST_JOBS: u64 = 1024;

/// Steps of a run of a grid.
pub const LONGEST_RUN: u64 = 1_000_000_000;

/// Steps of a run of a map or a diagnosis, which make many.
pub const LONGEST_OF_MANY: u64 = 10_000_000;

/// Cells of a grid, and runs of a map. The plan holds each in memory, with 24 bytes.
pub const MOST_CELLS: u64 = 20_000_000;

/// Rows that a run may add to `curves.csv` and `terms.csv`: a run is held in memory whole, with about 250 bytes a row.
pub const MOST_POINTS: u64 = 1 << 20;

/// Bytes of the result files.
pub const MOST_DISK: u64 = 1 << 40;

/// Steps of all runs together: at 10 ns a step, three years of a core.
pub const MOST_STEPS: u64 = 10_000_000_000_000_000;

/// Pixels of a map whose runs are written into `map.csv`, which is made in memory.
pub const MOST_CSV_PIXELS: u64 = 4_000_000;

/// Rows of curves and terms of a batch: its part is made in memory, with about 250 bytes a row.
pub(crate) const POINTS_PER_BATCH: u64 = 1 << 20;

/// Numbers that a lane may work on: 16 GiB in float32.
pub(crate) const MOST_LANE_NUMBERS: u64 = 1 << 32;

/// Bytes in the unit that suits them.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut amount, mut unit) = (count as f64 / 1000.0, units[0]);
    for larger in &units[1..] {
        if amount < 1000.0 {
            break;
        }
        (amount, unit) = (amount / 1000.0, larger);
    }
    if amount < 10.0 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") }
}
