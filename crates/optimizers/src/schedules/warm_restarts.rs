use std::f64::consts::PI;

use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate along half cosines, each longer than the one before.
    ///
    /// ```text
    /// periods of T₀ = first, T₁ = growth·T₀, T₂ = growth·T₁, … steps
    /// factor at step t of period i = end_factor + (1 − end_factor)·(1 + cos(π·t/Tᵢ))/2
    /// ```
    /// Source: Loshchilov & Hutter 2017, “SGDR: stochastic gradient descent with warm restarts”, equation 5.
    ///
    /// Differs from PyTorch: the defaults, which there are no length and equal periods, and are here three
    /// periods, 1 : 2 : 4, of the budget; `end_factor` is a share of the learning rate.
    ///
    /// Checked against: `CosineAnnealingWarmRestarts` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, WarmRestarts};
    /// let factors = WarmRestarts { first: Some(2), ..WarmRestarts::default() }.factors(5);
    /// assert_eq!((factors[0], factors[2]), (1.0, 1.0));
    /// assert!((factors[1] - 0.5).abs() < 1e-15 && (factors[4] - 0.5).abs() < 1e-15);
    /// ```
    pub struct WarmRestarts {
        /// The steps of the first period; a seventh of the budget, rounded up, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub first: Option<u64> = None => STEPS,
        /// How many times longer a period is than the one before.
        pub growth: u64 = 2 => STEPS,
        /// What a period would end at.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
    }
}

impl ScheduleSpec for WarmRestarts {
    fn iter(&self, budget: u64) -> Factors {
        let first = self.first.unwrap_or(budget.div_ceil(7)).max(1);
        let (growth, end) = (self.growth, self.end_factor);
        let periods = std::iter::successors(Some(first), move |period| Some(period.saturating_mul(growth)));
        let wave = move |period: u64| {
            (0..period.min(budget)).map(move |t| 0.5 * (1.0 + libm::cos(PI * t as f64 / period as f64)))
        };
        let factor = move |wave: f64| end + (1.0 - end) * wave;
        Box::new(periods.flat_map(wave).map(factor).take(budget as usize))
    }
}
