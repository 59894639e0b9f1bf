//! What was measured of a loss: plain numbers, from which the rules of `causes` judge.

mod path;

pub use path::{Fit, Path, exponent, gamma};

/// The author's own run.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The most steps it may take.
    pub budget: u64,
    /// The step at which the tolerance was reached.
    pub reached: Option<u64>,
    /// The step at which it went out of bounds.
    pub diverged: Option<u64>,
    /// The error that is good enough.
    pub tolerance: f64,
    /// The error at the start.
    pub start_error: f64,
    /// The error at the end.
    pub end_error: f64,
    /// The loss at the start.
    pub start_loss: f64,
    /// The mean cosine between successive updates, over its second half.
    pub update_cosine: f64,
    /// The largest error on the way, over that at the start.
    pub overshoot: f64,
    /// How far the minimum next to its end is above the best one, over the loss's fall from the start.
    pub trapped: f64,
}

/// Where something isn't finite.
#[derive(Clone, Debug, Default)]
pub struct NonFinite {
    /// In words: at the start, on the way, at the target.
    pub place: String,
    /// Whether the author's run went there.
    pub in_run: bool,
    /// What isn't finite.
    pub what: &'static str,
}

/// Prediction and target of one size and two shapes.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// Of what the loss is handed.
    pub prediction: Vec<i64>,
    /// Of the target.
    pub target: Vec<i64>,
    /// Whether the loss is another one than that of equal shapes.
    pub matters: bool,
}

/// Repeats of one gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// tr Σ / ‖ḡ‖² at the start.
    pub at_start: f64,
    /// The same where the error is as large as the tolerance.
    pub at_finish: f64,
    /// The steps without noise.
    pub frozen_reached: Option<u64>,
}

/// A loss that falls for ever.
#[derive(Clone, Debug, Default)]
pub struct Fall {
    /// In words, along which direction.
    pub direction: String,
    /// The loss at 10⁰ … 10⁵ times the scale.
    pub values: Vec<f64>,
}

/// The minimizer against the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bias {
    /// The error of the minimizer.
    pub error: f64,
    /// The error that a loss without bias ends with.
    pub unavoidable: f64,
    /// The loss at the minimizer.
    pub least: f64,
    /// The loss at the target, where it is known.
    pub at_target: Option<f64>,
    /// The mean of minimizer − target, where both are known.
    pub shift: Option<f64>,
    /// Slope and intercept that a line fit without noise ends with; 3 and 2 are the truth.
    pub line: Option<(f64, f64)>,
}

/// float32 against float64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Precision {
    /// The largest ‖g₃₂ − g₆₄‖/‖g₆₄‖ at errors above the tolerance.
    pub relative_difference: f64,
    /// The error there.
    pub at_error: f64,
    /// The error that rounding the solution to float32 leaves.
    pub resolution: f64,
}

/// The flattest point that the run passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saddle {
    /// The most negative curvature there.
    pub least: f64,
    /// The most positive one.
    pub greatest: f64,
    /// The curvature at the minimum.
    pub scale: f64,
    /// ‖∇L‖ there.
    pub gradient: f64,
    /// The largest ‖∇L‖ of the run.
    pub steepest: f64,
    /// The distance from the minimum, along the direction of the most negative curvature.
    pub distance: f64,
    /// What a Newton step uphill, along that direction, leaves of the gradient along it.
    pub left: f64,
    /// The step at which the run is there.
    pub step: u64,
}

/// Slopes at both sides of the minimum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sides {
    /// The distance from the minimum.
    pub distance: f64,
    /// The typical |slope| above it over that below it.
    pub ratio: f64,
    /// The bias of a noisy fit, in standard deviations of Gaussian noise.
    pub bias: Option<f64>,
    /// The intercepts of a noisy line fit, by this loss and by the squared error; 2 is the truth.
    pub intercepts: Option<(f64, f64)>,
}

/// Where the loss promises more than its gradient delivers.
#[derive(Clone, Debug, Default)]
pub struct Plateau {
    /// γ of all parameters together, at the start.
    pub joint: f64,
    /// γ of single parameters at the start.
    pub elements: Vec<f64>,
    /// Over single parameters: the share of their way that lies on a plateau.
    pub way: f64,
    /// The residual beyond which the slope has fallen, and how many times.
    pub edge: Option<(f64, f64)>,
    /// The largest slope at the start's flat predictions, whatever the target, over that on their way.
    pub whatever_target: Option<f64>,
}

/// A tensor of a model that gets hardly any gradient, for its own size.
#[derive(Clone, Debug, Default)]
pub struct DeadLayer {
    /// Its shape.
    pub shape: Vec<i64>,
    /// ‖g‖ of it over ‖g‖ of all, at the start.
    pub share: f64,
    /// How many times larger its gradient is where it is drawn anew at the usual size; infinite if it was 0.
    pub gradient_gain: f64,
}

/// One of the losses that are added.
#[derive(Clone, Debug, Default)]
pub struct Term {
    /// What it is called.
    pub name: String,
    /// ‖g‖ from near the minimum to the start.
    pub on_path: Vec<f64>,
    /// ‖g‖ at the minimum.
    pub at_minimum: f64,
    /// ‖g‖ at the start.
    pub at_start: f64,
    /// Whether it has a minimum of its own: a goal, which may be at odds with another's.
    pub is_goal: bool,
}

/// Curvatures where the run must end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Curvature {
    /// The greatest over the least that the way from the start has a part in.
    pub condition: f64,
    /// The same after scaling by the diagonal, where that is known.
    pub scaled: Option<f64>,
}

/// The best rate of a sweep, with everything else as the author has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Over the author's rate.
    pub factor: f64,
    /// Its steps.
    pub steps: u64,
}

/// Everything that was measured. What is `None` was not, or says nothing.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The author's run.
    pub baseline: Baseline,
    /// See [`Shapes`].
    pub shapes: Option<Shapes>,
    /// See [`NonFinite`].
    pub non_finite: Option<NonFinite>,
    /// The loss has no gradient at all: what it said.
    pub no_gradient: Option<String>,
    /// The loss is the same number everywhere.
    pub constant: bool,
    /// From the minimum to the start: single parameters one at a time, or all together.
    pub paths: Vec<Path>,
    /// Whether those paths are of single parameters: of free predictions.
    pub single: bool,
    /// How many free predictions there are; 0 for a model.
    pub parameters: usize,
    /// Whether the loss draws random numbers of its own.
    pub random: bool,
    /// See [`Noise`].
    pub noise: Option<Noise>,
    /// See [`Fall`].
    pub fall: Option<Fall>,
    /// See [`Bias`].
    pub bias: Option<Bias>,
    /// See [`Precision`].
    pub precision: Option<Precision>,
    /// See [`Saddle`].
    pub saddle: Option<Saddle>,
    /// See [`Sides`].
    pub sides: Option<Sides>,
    /// See [`DeadLayer`].
    pub dead_layer: Option<DeadLayer>,
    /// See [`Plateau`].
    pub plateau: Option<Plateau>,
    /// The exponent of the loss in the error, near the minimum.
    pub exponent: Option<f64>,
    /// See [`Term`].
    pub terms: Vec<Term>,
    /// See [`Curvature`].
    pub curvature: Option<Curvature>,
    /// The best of all rates.
    pub best_rate: Option<Rate>,
    /// The best of the smaller ones.
    pub best_smaller: Option<Rate>,
}
