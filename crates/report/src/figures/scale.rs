//! Where a number lies on an axis, and where its ticks are.

/// A linear or logarithmic range with room at its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// Holds all of these that can be shown.
    pub fn around(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let shown = values.filter(|v| v.is_finite() && v.abs() < 1e250 && (!log || *v > 1e-250));
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in shown {
            let value = if log { libm::log10(value) } else { value };
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let room = if log { 0.5 } else { 0.5 * high.abs().max(1e-12) };
            (low, high) = (low - room, high + room);
        }
        let room = 0.04 * (high - low);
        Self { low: low - room, high: high + room, log }
    }

    /// The same with a place for 0 at the low end of a logarithmic range.
    #[must_use]
    pub fn with_zero(mut self) -> Self {
        if self.log {
            self.low -= 0.12 * (self.high - self.low);
        }
        self
    }

    /// Whether it is logarithmic.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// From the first number to the second, without more.
    #[must_use]
    pub fn between((low, high): (f64, f64), log: bool) -> Self {
        let place = |value: f64| if log { libm::log10(value) } else { value };
        Self { low: place(low), high: place(high), log }
    }

    /// The number at its low end.
    #[must_use]
    pub fn low(&self) -> f64 {
        if self.log { libm::pow(10.0, self.low) } else { self.low }
    }

    /// How far along a number lies, from 0 to 1; what lies beyond an end, such as 0 on a logarithmic range, is at it.
    #[must_use]
    pub fn share(&self, value: f64) -> f64 {
        let place = if self.log { libm::log10(value) } else { value };
        ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Whether a number can be shown.
    #[must_use]
    pub fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 1e-250) && value.abs() < 1e250
    }

    /// Numbers for ticks, at most about so many.
    #[must_use]
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2) as f64;
        let width = self.high - self.low;
        let step = if self.log && width >= 1.5 {
            (width / most).ceil().max(1.0)
        } else if self.log {
            return self.within_decades();
        } else {
            // 1, 2 or 5 times a power of ten.
            let raw = width / most;
            let decade = libm::pow(10.0, libm::log10(raw).floor());
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= raw).unwrap_or(10.0 * decade)
        };
        // An end that is a tick but for rounding is one.
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|k| k as f64 * step)
            .map(|tick| if self.log { libm::pow(10.0, tick) } else { tick })
            .collect()
    }

    /// 1, 2 and 5 in every decade.
    fn within_decades(&self) -> Vec<f64> {
        let (first, last) = (self.low.floor() as i64, self.high.ceil() as i64);
        (first..=last)
            .flat_map(|k| [1.0, 2.0, 5.0].map(|m| m * libm::pow(10.0, k as f64)))
            .filter(|tick| (self.low..=self.high).contains(&libm::log10(*tick)))
            .collect()
    }
}

/// A tick's label.
pub(super) fn label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        let text = format!("{value:.1e}");
        return text.replace(".0e", "e");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let linear = Scale::around([0.0, 1.0].into_iter(), false);
        assert_eq!(linear.ticks(6).len(), 6);
        assert!((linear.ticks(6)[1] - 0.2).abs() < 1e-12);
        let decades = Scale::around([1.0, 1e6].into_iter(), true);
        assert_eq!(
            decades.ticks(10).iter().map(|t| label(*t)).collect::<Vec<_>>(),
            ["1", "10", "100", "1000", "10000", "1e5", "1e6"]
        );
        let narrow = Scale::around([1.0, 8.0].into_iter(), true);
        assert_eq!(narrow.ticks(10).iter().map(|t| label(*t)).collect::<Vec<_>>(), ["1", "2", "5"]);
        assert_eq!(label(-0.5), "-0.5");
        assert_eq!(label(2.5e-7), "2.5e-7");
    }

    #[test]
    fn the_ends_are_inside() {
        let scale = Scale::around([-2.0, 2.0].into_iter(), false);
        assert!(scale.share(-2.0) > 0.0 && scale.share(2.0) < 1.0);
        assert_eq!([0.0, 1e9].map(|value| scale.share(value)), [0.5, 1.0]);
        let decades = Scale::between((1.0, 100.0), true);
        assert_eq!([1.0, 10.0].map(|value| decades.share(value)), [0.0, 0.5]);
        assert_eq!(decades.low(), 1.0);
    }
}
