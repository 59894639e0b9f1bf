//! Numbers as a row of bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar a number, from the lowest to the highest of those that are finite; `?` for others.
pub(crate) fn bars(values: &[f64]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: &f64| match value {
        value if !value.is_finite() => '?',
        _ if high <= low => BARS[0],
        value => BARS[((value - low) / (high - low) * 7.0).round() as usize],
    };
    values.iter().map(bar).collect()
}

/// What the last batches came to, for a progress line: the least error of each as a share of the one at its start, by
/// its logarithm.
#[derive(Debug, Default)]
pub(crate) struct Sparkline(Vec<f64>);

impl Sparkline {
    const SHOWN: usize = 24;

    /// Adds a batch by the errors at the start and at their best of its runs; gives the line.
    pub(crate) fn add(&mut self, errors: impl Iterator<Item = (f64, f64)>) -> String {
        let shares = errors.map(|(start, best)| best / start).filter(|share| share.is_finite());
        let least = shares.fold(f64::INFINITY, f64::min);
        self.0.push(least);
        let last = &self.0[self.0.len().saturating_sub(Self::SHOWN)..];
        // An error of 0 is as low as a bar can be.
        let logs: Vec<f64> = last.iter().map(|share| libm::log10(share.max(1e-12))).collect();
        let least = if least.is_finite() { format!("{least:.1e}") } else { "none".to_owned() };
        format!("best error, of the start's {} {least}", bars(&logs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_from_the_lowest_to_the_highest() {
        assert_eq!(bars(&[0.0, 1.0, f64::NAN, 0.5]), "▁█?▅");
        assert_eq!(bars(&[3.0, 3.0]), "▁▁");
        assert_eq!(bars(&[]), "");
        assert_eq!(bars(&[f64::INFINITY]), "?");
    }

    #[test]
    fn the_best_error_of_each_batch_is_shown() {
        let mut falls = Sparkline::default();
        falls.add([(2.0, 2.0), (2.0, 1.0)].into_iter());
        falls.add([(2.0, 0.0)].into_iter());
        falls.add([(f64::NAN, 1.0)].into_iter());
        let line = falls.add([(1.0, 1e-6), (0.0, 0.0)].into_iter());
        assert_eq!(line, "best error, of the start's █▁?▅ 1.0e-6");
        for _ in 0..100 {
            falls.add([(1.0, 0.5)].into_iter());
        }
        assert_eq!(falls.add([(1.0, 0.5)].into_iter()).chars().filter(|c| BARS.contains(c)).count(), 24);
    }
}
