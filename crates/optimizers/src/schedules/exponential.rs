use registry::options;

use super::{Factors, ScheduleSpec, powers};

/// What the factor ends at if `gamma` is not given.
const END: f64 = 0.01;

options! {
    /// The learning rate, falling by the same ratio every step.
    ///
    /// ```text
    /// factor at step k = gammaᵏ
    /// ```
    /// Source: `torch.optim.lr_scheduler.ExponentialLR`.
    ///
    /// Differs from PyTorch: `gamma` has a default, such that the last step's factor is 0.01.
    ///
    /// Checked against: `ExponentialLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Exponential};
    /// let factors = Exponential::default().factors(3);
    /// assert!((factors[1] - 0.1).abs() < 1e-15 && (factors[2] - 0.01).abs() < 1e-15);
    /// ```
    pub struct Exponential {
        /// The ratio of a step's rate to that of the step before.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gamma: Option<f64> = None => 0.0..,
    }
}

impl ScheduleSpec for Exponential {
    fn iter(&self, budget: u64) -> Factors {
        let last = budget.saturating_sub(1).max(1) as f64;
        let gamma = self.gamma.unwrap_or_else(|| libm::pow(END, 1.0 / last));
        Box::new(powers(gamma).take(budget as usize))
    }
}
