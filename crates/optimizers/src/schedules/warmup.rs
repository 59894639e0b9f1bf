use registry::options;

use super::{Constant, Factors, ReduceOnPlateau, Schedule, ScheduleSpec};

options! {
    /// A straight rise to the learning rate, and then any other schedule.
    ///
    /// ```text
    /// factor at step k = start_factor + (1 − start_factor)·k/steps        for k < steps
    ///                    schedule's factor at k − steps, with the horizon budget − steps, from there
    /// ```
    /// Source: Goyal et al. 2017, “Accurate, large minibatch SGD: training ImageNet in 1 hour”, section 2.2.
    ///
    /// Differs from PyTorch: the defaults. There the rise is from 1/3 in 5 steps; here it takes a tenth of the
    /// budget, in equal parts of which the first step already has one: `start_factor` is 1/(steps + 1).
    ///
    /// Checked against: `SequentialLR([LinearLR(start_factor, total_iters=steps), schedule], milestones=[steps])`
    /// of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Warmup};
    /// assert_eq!(Warmup { steps: Some(3), ..Warmup::default() }.factors(5), [0.25, 0.5, 0.75, 1.0, 1.0]);
    /// ```
    pub struct Warmup {
        /// The steps until the rate is the learning rate; a tenth of the budget, rounded up, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub steps: Option<u64> = None => STEPS,
        /// The factor at step 0; 1/(steps + 1), if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub start_factor: Option<f64> = None => 0.0..=1.0,
        /// What follows.
        pub schedule: Box<Schedule> = Box::new(Schedule::Constant(Constant {})),
    }
    check: |warmup| match &*warmup.schedule {
        Schedule::Warmup(_) => Err("`warmup` can't hold another `warmup`: one rise is enough".into()),
        inner => inner.check(),
    },
}

impl ScheduleSpec for Warmup {
    fn iter(&self, budget: u64) -> Factors {
        let steps = self.steps.unwrap_or(budget.div_ceil(10));
        let start = self.start_factor.unwrap_or(1.0 / (steps as f64 + 1.0));
        let rise = (0..steps.min(budget)).map(move |k| start + (1.0 - start) * k as f64 / steps as f64);
        Box::new(rise.chain(self.schedule.iter(budget.saturating_sub(steps))))
    }

    fn feedback(&self) -> Option<ReduceOnPlateau> {
        self.schedule.feedback()
    }
}
