//! What a map looks like, and its files.

use std::io::{self, Write};

use records::MAP_COLUMNS;
use records::number::short;
use report::figures::raster::{Bar, Raster, Rgb, Side, darkened, kind};

use super::pixels::Pixel;
use crate::config::map::{Axis, Map, Show, Vary};

/// Didn't get there within the budget.
const NEVER: Rgb = [200, 200, 200];
/// Diverged.
const DIVERGED: Rgb = [255, 255, 255];

/// How many runs came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub reached: u64,
    pub budget: u64,
    pub diverged: u64,
}

impl Counts {
    pub(super) fn of(pixels: &[Pixel]) -> Self {
        let count = |is: &dyn Fn(f32) -> bool| pixels.iter().filter(|pixel| is(pixel.steps)).count() as u64;
        Self {
            reached: count(&|steps| steps.is_finite()),
            budget: count(&|steps| steps.is_infinite()),
            diverged: count(&|steps| steps.is_nan()),
        }
    }

    pub(super) fn runs(self) -> u64 {
        self.reached + self.budget + self.diverged
    }

    /// A share of the runs.
    pub(super) fn share(self, count: u64) -> String {
        let share = 100.0 * count as f64 / self.runs() as f64;
        if share > 0.0 && share < 0.1 { "< 0.1 %".into() } else { format!("{share:.1} %") }
    }
}

/// Steps on a logarithmic scale, where step 0 is as good as 1.
fn steps_of(pixel: &Pixel) -> f64 {
    f64::from(pixel.steps).max(1.0)
}

pub(super) fn picture(map: &Map, pixels: &[Pixel]) -> Raster {
    let counts = Counts::of(pixels);
    let with_share = |text: &str, count: u64| format!("{text} ({})", counts.share(count));
    let reached = pixels.iter().filter(|pixel| pixel.steps.is_finite());
    let mut taken: Vec<f64> = reached.map(steps_of).collect();
    taken.sort_by(f64::total_cmp);
    let ends = (taken.first().copied().unwrap_or(1.0), taken.last().copied().unwrap_or(1.0));
    let label = format!("steps to an error of {}", short(map.target));
    let steps = Bar { label, low: ends.0, high: ends.1.max(ends.0 + 1.0) };
    let mut swatches = Vec::new();
    let (colors, bar): (Vec<Rgb>, _) = match map.show {
        Show::Steps => {
            let color =
                |pixel: &Pixel| other(pixel, map.show).unwrap_or_else(|| steps.color(steps_of(pixel)));
            (pixels.iter().map(color).collect(), Some(steps))
        }
        Show::Error => {
            let errors = || pixels.iter().map(|pixel| f64::from(pixel.error)).filter(|e| *e > 0.0);
            let highest = errors().fold(f64::MIN_POSITIVE, f64::max);
            // Zeros, and what is all but zero, are as dark as it gets.
            let lowest = errors().fold(highest, f64::min).max(1e-8 * highest).min(0.5 * highest);
            let bar = Bar { label: format!("error after {} steps", map.steps), low: lowest, high: highest };
            let color = |pixel: &Pixel| {
                other(pixel, map.show).unwrap_or_else(|| bar.color(f64::from(pixel.error).max(lowest)))
            };
            (pixels.iter().map(color).collect(), Some(bar))
        }
        Show::Minimizer => {
            let minimizers = map.setting.problem.minimizers();
            for (index, point) in minimizers.iter().enumerate() {
                let of = pixels.iter().filter(|pixel| pixel.minimizer == index as f32).count() as u64;
                let point: Vec<String> = point.iter().map(|x| short(*x)).collect();
                swatches.push((kind(index), with_share(&format!("({})", point.join(", ")), of)));
            }
            // A few runs that take much longer than the others shouldn't make all others bright.
            let quantile = |share: f64| {
                taken.get((share * taken.len() as f64) as usize).map_or(0.0, |steps| libm::log(*steps))
            };
            let (low, high) = (quantile(0.02), quantile(0.98));
            let color = |pixel: &Pixel| {
                let depth = 0.75 * (libm::log(steps_of(pixel)) - low) / (high - low).max(1e-9);
                let own = || darkened(kind(pixel.minimizer as usize), depth.min(0.75));
                other(pixel, map.show).unwrap_or_else(own)
            };
            (pixels.iter().map(color).collect(), None)
        }
    };
    if map.show != Show::Error && counts.budget > 0 {
        swatches.push((NEVER, with_share("not reached", counts.budget)));
    }
    if counts.diverged > 0 {
        swatches.push((DIVERGED, with_share("diverged", counts.diverged)));
    }
    Raster {
        title: map.name.clone(),
        subtitle: subtitle(map),
        x: side(&map.x),
        y: side(&map.y),
        pixels: colors,
        bar,
        swatches,
    }
}

/// The color of a run that has nothing to show.
fn other(pixel: &Pixel, show: Show) -> Option<Rgb> {
    let diverged = if show == Show::Error { pixel.error.is_nan() } else { pixel.steps.is_nan() };
    let never = show != Show::Error && pixel.steps.is_infinite();
    let elsewhere = show == Show::Minimizer && pixel.minimizer.is_nan();
    (diverged || never || elsewhere).then_some(if diverged || !never { DIVERGED } else { NEVER })
}

/// What is trained, as far as it doesn't vary.
fn subtitle(map: &Map) -> String {
    let setting = &map.setting;
    let loss = setting.loss.as_ref().map(losses::Loss::label);
    let mut parts = vec![setting.problem.label()];
    parts.extend(loss);
    parts.push(setting.optimizer.label());
    if setting.schedule.label() != "constant" {
        parts.push(setting.schedule.label());
    }
    if ![&map.x, &map.y].into_iter().any(|axis| axis.vary == Vary::Lr) {
        parts.push(format!("lr {}", short(map.lr)));
    }
    let what = if map.show == Show::Minimizer { ": the minimizer reached, darker the later" } else { "" };
    format!("{}, up to {} steps{what}", parts.join(", "), map.steps)
}

fn side(axis: &Axis) -> Side {
    Side {
        label: axis.vary.to_string(),
        low: axis.from,
        high: axis.to,
        scale: axis.scale,
        pixels: axis.pixels,
    }
}

/// NumPy's format, version 1.0: a header, then float32 row by row from the bottom.
pub(super) fn write_npy(
    file: &mut impl Write,
    (rows, columns): (usize, usize),
    numbers: impl Iterator<Item = f32>,
) -> io::Result<()> {
    let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The header ends with a line break and at a multiple of 64 bytes.
    let length = (10 + shape.len() + 1).next_multiple_of(64) - 10;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(length as u16).to_le_bytes())?;
    writeln!(file, "{shape:<width$}", width = length - 1)?;
    for number in numbers {
        // One pattern for every NaN.
        let number = if number.is_nan() { f32::NAN } else { number };
        file.write_all(&number.to_le_bytes())?;
    }
    Ok(())
}

/// A line a pixel.
pub(super) fn write_csv(file: &mut impl Write, map: &Map, pixels: &[Pixel]) -> io::Result<()> {
    let [(steps, _), (error, _), _] = MAP_COLUMNS;
    writeln!(file, "{},{},{steps},{error}", map.x.vary.name(), map.y.vary.name())?;
    for (i, pixel) in pixels.iter().enumerate() {
        let (x, y) = (map.x.value(i % map.x.pixels), map.y.value(i / map.x.pixels));
        writeln!(file, "{x},{y},{},{}", pixel.steps, pixel.error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numpy_file_has_its_header() {
        let mut file = Vec::new();
        write_npy(&mut file, (1, 2), [1.0, f32::INFINITY].into_iter()).unwrap();
        assert_eq!(file.len(), 128 + 8);
        assert_eq!(&file[..6], b"\x93NUMPY");
        assert_eq!(u16::from_le_bytes([file[8], file[9]]), 118);
        assert_eq!(file[127], b'\n');
        assert_eq!(f32::from_le_bytes(file[128..132].try_into().unwrap()), 1.0);
    }

    #[test]
    fn shares_are_of_all_runs() {
        let pixel = |steps| Pixel { steps, error: 0.0, minimizer: f32::NAN };
        let pixels = [pixel(1.0), pixel(f32::NAN), pixel(f32::INFINITY), pixel(3.0)];
        let counts = Counts::of(&pixels);
        assert_eq!(counts, Counts { reached: 2, budget: 1, diverged: 1 });
        assert_eq!(counts.share(counts.reached), "50.0 %");
        assert_eq!(Counts { reached: 100_000, budget: 1, diverged: 0 }.share(1), "< 0.1 %");
    }
}
