use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, falling late: between a line and a constant.
    ///
    /// ```text
    /// factor at step k = end_factor + (1 − end_factor)·z/(½ + ½·z),  z = 1 − k/budget
    /// ```
    /// Source: Chen, Wolfe & Kyrillidis 2022, “REX: revisiting budgeted training with an improved schedule”, section 4.
    ///
    /// Differs from the paper: `end_factor`, which is 0 there.
    ///
    /// Checked against: `REXScheduler` of `pytorch_optimizer` 4.1.0.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Rex};
    /// assert_eq!(Rex::default().factors(2), [1.0, 0.5 / 0.75]);
    /// ```
    pub struct Rex {
        /// The factor at the end of the budget.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
    }
}

impl ScheduleSpec for Rex {
    fn iter(&self, budget: u64) -> Factors {
        let end = self.end_factor;
        Box::new((0..budget).map(move |k| {
            let left = 1.0 - k as f64 / budget as f64;
            end + (1.0 - end) * left / (0.5 + 0.5 * left)
        }))
    }
}
