use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate on a straight line from one factor to another.
    ///
    /// ```text
    /// factor at step k = start_factor + (end_factor − start_factor)·min(k, steps)/steps
    /// ```
    /// Source: `torch.optim.lr_scheduler.LinearLR`, where `steps` is called `total_iters`.
    ///
    /// Differs from PyTorch: the defaults, which there are those of a warm-up (from 1/3 to 1 in 5 steps; for
    /// that there is [`Warmup`](super::Warmup)), and are those of a decay here; `start_factor` may be 0.
    ///
    /// Checked against: `LinearLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Linear};
    /// let half = Linear { end_factor: 0.5, steps: Some(2), ..Linear::default() };
    /// assert_eq!(half.factors(4), [1.0, 0.75, 0.5, 0.5]);
    /// ```
    pub struct Linear {
        /// The factor at step 0.
        pub start_factor: f64 = 1.0 => 0.0..=1.0,
        /// The factor at step `steps` and after it.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
        /// The length of the line; the budget, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub steps: Option<u64> = None => STEPS,
    }
}

impl ScheduleSpec for Linear {
    fn iter(&self, budget: u64) -> Factors {
        let steps = self.steps.unwrap_or(budget);
        let (start, rise) = (self.start_factor, self.end_factor - self.start_factor);
        Box::new((0..budget).map(move |k| start + rise * k.min(steps) as f64 / steps as f64))
    }
}
