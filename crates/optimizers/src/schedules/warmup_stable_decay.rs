use std::f64::consts::PI;

use registry::options;
use serde::{Deserialize, Serialize};

use super::{Constant, Factors, Schedule, ScheduleSpec, Warmup};

options! {
    /// The learning rate after a rise, constant until a short decay at the end.
    ///
    /// ```text
    /// factor at step k = (k + 1)/(warmup + 1)                        for k < warmup
    ///                    1                                           after that
    /// times end_factor + (1 − end_factor)·shape(t) in the last steps, t = (k − (budget − decay))/decay
    /// shape(t) = 1 − t (linear), 1 − √t (root), (1 + cos(π·t))/2 (cosine)
    /// ```
    /// Source: Hu et al. 2024, “MiniCPM: unveiling the potential of small language models with scalable training
    /// strategies”, section 4; the root is that of Hägele et al. 2024, “Scaling laws and compute-optimal training
    /// beyond fixed training durations”.
    ///
    /// Differs from the paper: its decay is exponential, to a half in each of some steps; here it is a line unless
    /// `shape` says otherwise.
    ///
    /// Checked against: `SequentialLR` of `LinearLR`, `ConstantLR` and `LinearLR`, `LambdaLR` or
    /// `CosineAnnealingLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, WarmupStableDecay};
    /// let schedule = WarmupStableDecay { warmup: Some(1), decay: Some(2), ..WarmupStableDecay::default() };
    /// assert_eq!(schedule.factors(6), [0.5, 1.0, 1.0, 1.0, 1.0, 0.5]);
    /// ```
    pub struct WarmupStableDecay {
        /// The steps until the rate is the learning rate; a tenth of the budget, rounded up, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warmup: Option<u64> = None => STEPS,
        /// The steps of the decay; a fifth of the budget, rounded up, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub decay: Option<u64> = None => STEPS,
        /// The curve of the decay: `linear`, `root` or `cosine`.
        pub shape: Shape = Shape::Linear,
        /// The factor at the end of the budget.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
    }
}

/// The curve of a decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A straight line.
    #[default]
    Linear,
    /// Steep at first.
    Root,
    /// Half a cosine.
    Cosine,
}

impl Shape {
    /// From 1 at 0 to 0 at 1.
    fn at(self, t: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - t,
            Self::Root => 1.0 - t.sqrt(),
            Self::Cosine => 0.5 * (1.0 + libm::cos(PI * t)),
        }
    }
}

impl ScheduleSpec for WarmupStableDecay {
    fn iter(&self, budget: u64) -> Factors {
        let schedule = Box::new(Schedule::Constant(Constant {}));
        let rise = Warmup { steps: self.warmup, start_factor: None, schedule }.iter(budget);
        let decay = self.decay.unwrap_or(budget.div_ceil(5));
        let (end, shape) = (self.end_factor, self.shape);
        Box::new(rise.zip(0..budget).map(move |(factor, k)| {
            let left = budget - k;
            if left > decay {
                return factor;
            }
            let t = (decay - left) as f64 / decay as f64;
            factor * (end + (1.0 - end) * shape.at(t))
        }))
    }
}
