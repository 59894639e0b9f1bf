use registry::options;

use super::{Factors, ScheduleSpec, powers};

options! {
    /// The learning rate, cut to a tenth at regular intervals.
    ///
    /// ```text
    /// factor at step k = gamma^⌊k/step_size⌋
    /// ```
    /// Source: Krizhevsky, Sutskever & Hinton 2012 (the `AlexNet` paper), section 5, who cut the rate by hand; at
    /// regular intervals it is `torch.optim.lr_scheduler.StepLR`.
    ///
    /// Differs from PyTorch: `step_size` has a default, so that there are three stairs.
    ///
    /// Checked against: `StepLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Step};
    /// assert_eq!(Step::default().factors(6), [1.0, 1.0, 0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1]);
    /// ```
    pub struct Step {
        /// Steps from one cut to the next; a third of the budget, rounded up, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub step_size: Option<u64> = None => STEPS,
        /// What a cut multiplies the rate by.
        pub gamma: f64 = 0.1 => 0.0..,
    }
}

impl ScheduleSpec for Step {
    fn iter(&self, budget: u64) -> Factors {
        let step_size = self.step_size.unwrap_or(budget.div_ceil(3));
        let stairs =
            powers(self.gamma).flat_map(move |factor| std::iter::repeat_n(factor, step_size as usize));
        Box::new(stairs.take(budget as usize))
    }
}
