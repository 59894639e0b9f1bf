use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, falling with a power of the steps that are left.
    ///
    /// ```text
    /// factor at step k = end_factor + (1 − end_factor)·(1 − min(k, steps)/steps)^power
    /// ```
    /// Source: `torch.optim.lr_scheduler.PolynomialLR`, where `steps` is called `total_iters`.
    ///
    /// Differs from PyTorch: the default of `power`, which is 1 there and is [`Linear`](super::Linear) then;
    /// `end_factor`, which is 0 there.
    ///
    /// Checked against: `PolynomialLR` of PyTorch 2.13, and `polynomial_schedule` of optax 0.2.8 for `end_factor`.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Polynomial};
    /// assert_eq!(Polynomial::default().factors(4), [1.0, 0.5625, 0.25, 0.0625]);
    /// ```
    pub struct Polynomial {
        /// The power of the steps that are left.
        pub power: f64 = 2.0 => above(0.0),
        /// The factor at step `steps` and after it.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
        /// The length of the curve; the budget, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub steps: Option<u64> = None => STEPS,
    }
}

impl ScheduleSpec for Polynomial {
    fn iter(&self, budget: u64) -> Factors {
        let steps = self.steps.unwrap_or(budget);
        let (power, end) = (self.power, self.end_factor);
        let left = move |k: u64| 1.0 - k.min(steps) as f64 / steps as f64;
        Box::new((0..budget).map(move |k| end + (1.0 - end) * libm::pow(left(k), power)))
    }
}
