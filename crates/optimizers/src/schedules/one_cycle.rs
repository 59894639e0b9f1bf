use std::f64::consts::PI;

use registry::options;
use serde::{Deserialize, Serialize};

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate once up, and down to far below where it began.
    ///
    /// ```text
    /// factor: from 1/div_factor to 1 in rise·budget − 1 steps, then to 1/(div_factor·final_div_factor)
    /// in the rest, each along half a cosine (or a line)
    /// ```
    /// Source: Smith & Topin 2019 (2018 as a preprint), “Super-convergence: very fast training of neural networks using
    /// large learning rates”.
    ///
    /// Differs from the paper: two phases along cosines instead of three along lines, as in PyTorch, which follows
    /// fast.ai. Differs from PyTorch: momentum is not cycled; `rise` is called `pct_start` there, and the budget
    /// `total_steps`.
    ///
    /// Checked against: `OneCycleLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, OneCycle};
    /// let factors = OneCycle::default().factors(10);
    /// assert_eq!(factors[2], 1.0);
    /// assert!((factors[0] - 0.04).abs() < 1e-15 && (factors[9] - 4e-6).abs() < 1e-15);
    /// ```
    pub struct OneCycle {
        /// The share of the budget in which the rate rises.
        pub rise: f64 = 0.3 => 0.0..=1.0,
        /// The learning rate over the rate at step 0.
        pub div_factor: f64 = 25.0 => 1.0..,
        /// The rate at step 0 over that of the last step.
        pub final_div_factor: f64 = 1e4 => 1.0..,
        /// The curve up and down: `cosine` or `linear`.
        pub anneal: Anneal = Anneal::Cosine,
    }
}

/// A curve from one factor to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

impl Anneal {
    /// Where the curve is after `share` of its way.
    fn between(self, start: f64, end: f64, share: f64) -> f64 {
        match self {
            Self::Cosine => end + (start - end) * 0.5 * (1.0 + libm::cos(PI * share)),
            Self::Linear => start + (end - start) * share,
        }
    }
}

impl ScheduleSpec for OneCycle {
    fn iter(&self, budget: u64) -> Factors {
        let start = 1.0 / self.div_factor;
        let (last, end) = (budget as f64 - 1.0, start / self.final_div_factor);
        // The peak may lie between two steps, or before the first.
        let peak = self.rise * budget as f64 - 1.0;
        let anneal = self.anneal;
        let factor = move |k: f64| {
            if k <= peak && peak > 0.0 {
                anneal.between(start, 1.0, k / peak)
            } else {
                anneal.between(1.0, end, (k - peak) / (last - peak))
            }
        };
        Box::new((0..budget).map(move |k| factor(k as f64).min(1.0)))
    }
}
