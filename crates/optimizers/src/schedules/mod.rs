//! Learning-rate schedules, one file each: the rate at step `k` is the learning rate × a factor.
//!
//! A schedule's horizon is the budget unless an option says otherwise, so that every run ends with the
//! rate that its schedule ends with.
//!
//! ```
//! use optimizers::Schedule;
//! assert_eq!(Schedule::named("linear").unwrap().factors(4), [1.0, 0.75, 0.5, 0.25]);
//! ```

mod chebyshev;
mod constant;
mod cosine;
mod cyclic;
mod exponential;
mod inverse_sqrt;
mod inverse_time;
mod linear;
mod multistep;
mod one_cycle;
mod polynomial;
mod power;
mod reduce_on_plateau;
mod rex;
mod step;
mod warm_restarts;
mod warmup;
mod warmup_stable_decay;

use registry::{Described, registry};

registry! {
    /// A schedule and its options.
    pub enum Schedule: "schedule", dyn ScheduleSpec {
        "constant" => constant::Constant,
        "step" => step::Step,
        "exponential" => exponential::Exponential,
        "linear" => linear::Linear,
        "cosine" => cosine::Cosine,
        "inverse_sqrt" => inverse_sqrt::InverseSqrt,
        "multistep" => multistep::Multistep,
        "polynomial" => polynomial::Polynomial,
        "warm_restarts" => warm_restarts::WarmRestarts,
        "cyclic" => cyclic::Cyclic with Mode,
        "one_cycle" => one_cycle::OneCycle with Anneal,
        "warmup_stable_decay" => warmup_stable_decay::WarmupStableDecay with Shape,
        "inverse_time" => inverse_time::InverseTime,
        "power" => power::Power,
        "rex" => rex::Rex,
        "chebyshev" => chebyshev::Chebyshev,
        "reduce_on_plateau" => reduce_on_plateau::ReduceOnPlateau with Observer, ThresholdMode,
        "warmup" => warmup::Warmup,
    }
}

/// Factors of the learning rate, step by step.
pub type Factors = Box<dyn Iterator<Item = f64> + Send>;

/// What every schedule can do.
pub trait ScheduleSpec: Described + Send + Sync {
    /// What the learning rate is multiplied by at each of the steps 0, …, `budget` − 1, one after another, so
    /// that a long budget takes no memory.
    fn iter(&self, budget: u64) -> Factors;

    /// The same as a list.
    fn factors(&self, budget: u64) -> Vec<f64> {
        self.iter(budget).collect()
    }

    /// How the rate answers to the loss, on top of the factors.
    fn feedback(&self) -> Option<ReduceOnPlateau> {
        None
    }
}

/// 1, `ratio`, `ratio`², …, multiplied up, so that the bits are the same on every machine.
fn powers(ratio: f64) -> impl Iterator<Item = f64> + Send {
    std::iter::successors(Some(1.0), move |power| Some(power * ratio))
}
