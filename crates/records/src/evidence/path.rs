//! What a path from the minimum to the start says: values, and slopes along it.

/// A straight path from the minimum (t = 0) to the start (t = 1), walked in equal steps.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The loss at t = k/n, k = 0 … n.
    pub values: Vec<f64>,
    /// dL/dt there, from the gradient.
    pub slopes: Vec<f64>,
    /// How much of the largest mismatch of a segment was left when it was divided.
    pub stays: f64,
    /// The share of the path, from the minimum, where the error is within the tolerance.
    pub finish: f64,
}

/// How a path's value and gradient fit together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fit {
    /// ρ = Σ|ΔL − ∫g·dp| / Σ|ΔL|
    pub mismatch: f64,
    /// The share of the segments that hold nine tenths of the mismatch.
    pub concentration: f64,
    /// The share of the points where the slope is exactly 0.
    pub without_gradient: f64,
}

impl Path {
    /// The segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.values.len().saturating_sub(1)
    }

    /// |ΔL − ∫g·dp| of every segment, by the trapezoidal rule; where one end has no slope, the other's.
    #[must_use]
    pub fn mismatches(&self) -> Vec<f64> {
        let dt = 1.0 / self.segments().max(1) as f64;
        let pairs = self.values.windows(2).zip(self.slopes.windows(2));
        pairs
            .map(|(value, slope)| {
                let mean = match (slope[0].is_finite(), slope[1].is_finite()) {
                    (true, true) => 0.5 * (slope[0] + slope[1]),
                    (true, false) => slope[0],
                    _ => slope[1],
                };
                (value[1] - value[0] - mean * dt).abs()
            })
            .collect()
    }

    /// The segment with the largest mismatch.
    #[must_use]
    pub fn worst(&self) -> Option<usize> {
        let mismatches = self.mismatches();
        (0..mismatches.len())
            .filter(|i| mismatches[*i] > 0.0)
            .max_by(|a, b| mismatches[*a].total_cmp(&mismatches[*b]))
    }

    /// Σ|ΔL|; `None` where it is no more than rounding.
    #[must_use]
    pub fn movement(&self) -> Option<f64> {
        let largest = self.values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let movement: f64 = self.values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        (movement > 1e-11 * largest * self.segments() as f64 && movement > 0.0).then_some(movement)
    }

    /// `None` where the loss doesn't move, or isn't finite.
    #[must_use]
    pub fn fit(&self) -> Option<Fit> {
        let movement = self.movement().filter(|movement| movement.is_finite())?;
        let mut mismatches = self.mismatches();
        let total: f64 = mismatches.iter().sum();
        if !total.is_finite() {
            return None;
        }
        mismatches.sort_by(|a, b| b.total_cmp(a));
        let mut held = 0.0;
        let most = mismatches
            .iter()
            .take_while(|mismatch| {
                let more = held < 0.9 * total;
                held += *mismatch;
                more
            })
            .count();
        let zeros = self.slopes.iter().filter(|slope| **slope == 0.0).count();
        Some(Fit {
            mismatch: total / movement,
            concentration: most as f64 / self.segments() as f64,
            without_gradient: zeros as f64 / self.slopes.len() as f64,
        })
    }

    /// The largest slope over everything at less than nine tenths of its distance, from a twentieth of the
    /// path and the tolerance on, and where; 1 where slopes fall outwards.
    #[must_use]
    pub fn steepening(&self) -> (f64, f64) {
        let n = self.segments();
        let (mut worst, mut at) = (1.0_f64, 1.0);
        let mut nearer = 0.0_f64;
        // A minimum at infinity has an exponential tail, which nobody has to go.
        let mut seen = (self.finish * n as f64).ceil() as usize;
        let steepest = self.slopes.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        for k in 0..self.slopes.len() {
            while seen * 10 < k * 9 {
                nearer = nearer.max(self.slopes[seen].abs());
                seen += 1;
            }
            let ratio = self.slopes[k].abs() / nearer;
            // Where everything nearer is flat there is a dead zone, not a cliff.
            if k * 20 >= n && nearer > 1e-6 * steepest && ratio.is_finite() && ratio > worst {
                (worst, at) = (ratio, k as f64 / n as f64);
            }
        }
        (worst, at)
    }

    /// The share of the movement that goes uphill, on the way from the start to the minimum.
    #[must_use]
    pub fn uphill(&self) -> Option<f64> {
        let movement = self.movement()?;
        let up: f64 = self.values.windows(2).map(|pair| (pair[0] - pair[1]).max(0.0)).sum();
        Some(up / movement)
    }

    /// γ = (dL/dt)·t / (L(t) − L(0)) at every point but the first.
    #[must_use]
    pub fn gammas(&self) -> Vec<f64> {
        let n = self.segments() as f64;
        let least = self.values.first().copied().unwrap_or(0.0);
        let point = |k: usize| gamma(self.slopes[k] * (k as f64 / n), self.values[k] - least);
        (1..self.values.len()).map(point).collect()
    }
}

/// γ: what the gradient promises toward the minimum, over how far the loss is above it. NaN where the
/// loss isn't above it.
#[must_use]
pub fn gamma(slope_times_distance: f64, above: f64) -> f64 {
    if above > 0.0 { slope_times_distance / above } else { f64::NAN }
}

/// The exponent q of above ∝ errorᵠ by least squares in the logarithms; infinite where nothing is above the
/// minimum any more at an error that is.
#[must_use]
pub fn exponent(errors: &[f64], above: &[f64]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = errors.iter().copied().zip(above.iter().copied()).collect();
    if pairs.iter().any(|(error, above)| !error.is_finite() || !above.is_finite()) {
        return None;
    }
    let logs: Vec<(f64, f64)> = pairs
        .iter()
        .filter(|(error, above)| *error > 0.0 && *above > 0.0)
        .map(|(error, above)| (libm::log(*error), libm::log(*above)))
        .collect();
    if logs.len() * 2 < pairs.len() {
        return Some(f64::INFINITY);
    }
    let n = logs.len() as f64;
    let (x, y) = (logs.iter().map(|l| l.0).sum::<f64>() / n, logs.iter().map(|l| l.1).sum::<f64>() / n);
    let spread: f64 = logs.iter().map(|l| (l.0 - x) * (l.0 - x)).sum();
    let slope = logs.iter().map(|l| (l.0 - x) * (l.1 - y)).sum::<f64>() / spread;
    slope.is_finite().then_some(slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Path {
        let t = |k: usize| k as f64 / 1000.0;
        Path {
            values: (0..=1000).map(|k| value(t(k))).collect(),
            slopes: (0..=1000).map(|k| slope(t(k))).collect(),
            stays: 1.0,
            finish: 0.0,
        }
    }

    #[test]
    fn convex_losses_fit_and_have_a_gamma_of_their_power() {
        for q in [1.0, 2.0, 4.0, 6.0] {
            let powers = path(|t| t.powf(q), |t| q * t.powf(q - 1.0));
            assert!(powers.fit().unwrap().mismatch < 0.003);
            assert!(powers.gammas().iter().all(|gamma| (gamma - q).abs() < 1e-9), "{q}");
            assert!(powers.steepening().0 < 2.0);
            assert_eq!(powers.uphill(), Some(0.0));
        }
    }

    #[test]
    fn rounding_has_a_value_that_its_gradient_does_not_know() {
        let rounded = path(|t| (20.0 * t).round(), |_| 0.0).fit().unwrap();
        assert_eq!((rounded.mismatch, rounded.without_gradient), (1.0, 1.0));
        // Half of the gradient is detached: wrong everywhere.
        let half = path(|t| t * t, |t| t).fit().unwrap();
        assert!((half.mismatch - 0.5).abs() < 1e-9 && half.concentration > 0.6, "{half:?}");
    }

    #[test]
    fn a_jump_is_one_segment_and_a_cliff_is_a_slope() {
        let jump = path(|t| if t < 0.4105 { t } else { t + 3.0 }, |_| 1.0);
        assert_eq!(jump.worst(), Some(410));
        let fit = jump.fit().unwrap();
        assert!((fit.mismatch - 0.75).abs() < 1e-3 && fit.concentration == 0.001, "{fit:?}");
        let cliff =
            path(|t| if t < 0.5 { t } else { 100.0 * t - 49.5 }, |t| if t < 0.5 { 1.0 } else { 100.0 });
        assert_eq!(cliff.steepening(), (100.0, 0.5));
        assert!(cliff.fit().unwrap().mismatch < 0.005);
        let dead_zone = path(|t| (t - 0.5).max(0.0), |t| f64::from(u8::from(t > 0.5)));
        assert!(dead_zone.steepening().0 <= 1.0);
    }

    #[test]
    fn hills_are_measured_toward_the_minimum() {
        let ripples = path(|t| t * t + 0.1 * (1.0 - (20.0 * t).cos()), |t| 2.0 * t + 2.0 * (20.0 * t).sin());
        assert!(ripples.uphill().unwrap() > 0.1);
        assert!(ripples.gammas().iter().any(|gamma| *gamma < 0.0));
    }

    #[test]
    fn what_does_not_move_has_no_fit() {
        assert_eq!(path(|_| 1e9, |_| 0.0).fit(), None);
        assert_eq!(path(|t| if t > 0.5 { f64::NAN } else { t }, |_| 1.0).fit(), None);
        // A constant offset leaves rounding, which is not movement that the gradient misses.
        assert!(path(|t| t * t + 1e6, |t| 2.0 * t).fit().unwrap().mismatch < 1e-4);
    }

    #[test]
    fn exponents_are_slopes_in_the_logarithm() {
        let errors: Vec<f64> = (1..20).map(|k| 0.05 * f64::from(k)).collect();
        let powers = |q: f64| errors.iter().map(|e| 3.0 * e.powf(q)).collect::<Vec<_>>();
        for q in [1.0, 2.0, 4.0] {
            assert!((exponent(&errors, &powers(q)).unwrap() - q).abs() < 1e-9);
        }
        assert_eq!(exponent(&errors, &[0.0; 19]), Some(f64::INFINITY));
        assert_eq!(exponent(&errors, &[f64::NAN; 19]), None);
    }
}
