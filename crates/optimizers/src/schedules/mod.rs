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

pub use chebyshev::Chebyshev;
pub use constant::Constant;
pub use cosine::Cosine;
pub use cyclic::{Cyclic, Mode};
pub use exponential::Exponential;
pub use inverse_sqrt::InverseSqrt;
pub use inverse_time::InverseTime;
pub use linear::Linear;
pub use multistep::Multistep;
pub use one_cycle::{Anneal, OneCycle};
pub use polynomial::Polynomial;
pub use power::Power;
pub use reduce_on_plateau::{Observer, ReduceOnPlateau, ThresholdMode};
use registry::{Described, registry};
pub use rex::Rex;
pub use step::Step;
pub use warm_restarts::WarmRestarts;
pub use warmup::Warmup;
pub use warmup_stable_decay::{Shape, WarmupStableDecay};

registry! {
    /// A schedule and its options.
    pub enum Schedule: "schedule", dyn Entry {
        "constant" => Constant(Constant),
        "step" => Step(Step),
        "exponential" => Exponential(Exponential),
        "linear" => Linear(Linear),
        "cosine" => Cosine(Cosine),
        "inverse_sqrt" => InverseSqrt(InverseSqrt),
        "multistep" => Multistep(Multistep),
        "polynomial" => Polynomial(Polynomial),
        "warm_restarts" => WarmRestarts(WarmRestarts),
        "cyclic" => Cyclic(Cyclic),
        "one_cycle" => OneCycle(OneCycle),
        "warmup_stable_decay" => WarmupStableDecay(WarmupStableDecay),
        "inverse_time" => InverseTime(InverseTime),
        "power" => Power(Power),
        "rex" => Rex(Rex),
        "chebyshev" => Chebyshev(Chebyshev),
        "reduce_on_plateau" => ReduceOnPlateau(ReduceOnPlateau),
        "warmup" => Warmup(Warmup),
    }
}

/// Factors of the learning rate, step by step.
pub type Factors = Box<dyn Iterator<Item = f64> + Send>;

/// What every schedule can do.
pub trait Entry: Described + Send + Sync {
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
