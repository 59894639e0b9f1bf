use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, cut to a tenth at given steps.
    ///
    /// ```text
    /// factor at step k = gamma^(how many milestones are ≤ k)
    /// ```
    /// Source: He et al. 2016, “Deep residual learning for image recognition”, section 4.2, who cut the rate at a half
    /// and three quarters of the budget; `torch.optim.lr_scheduler.MultiStepLR`.
    ///
    /// Differs from PyTorch: `milestones` has a default, that of the paper (rounded up).
    ///
    /// Checked against: `MultiStepLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Multistep};
    /// assert_eq!(Multistep::default().factors(4), [1.0, 1.0, 0.1, 0.1 * 0.1]);
    /// ```
    pub struct Multistep {
        /// The steps at which the rate is cut; a half and three quarters of the budget, if they are not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub milestones: Option<Vec<u64>> = None,
        /// What a cut multiplies the rate by.
        pub gamma: f64 = 0.1 => 0.0..,
    }
    check: |multistep| match multistep.milestones.as_deref() {
        Some(steps) if steps.len() > 1000 => {
            Err(format!("the number of milestones must be at most 1000, and is {}", steps.len()))
        }
        Some(steps) if !steps.is_sorted() => Err(format!("`milestones` must be in order, and are {steps:?}")),
        _ => Ok(()),
    },
}

impl ScheduleSpec for Multistep {
    fn iter(&self, budget: u64) -> Factors {
        let milestones = match &self.milestones {
            Some(milestones) => milestones.clone(),
            None => vec![budget.div_ceil(2), (3 * budget).div_ceil(4)],
        };
        let (mut passed, gamma) = (0, self.gamma);
        let mut factor = 1.0;
        Box::new((0..budget).map(move |k| {
            while milestones.get(passed).is_some_and(|milestone| *milestone <= k) {
                passed += 1;
                factor *= gamma;
            }
            factor
        }))
    }
}
