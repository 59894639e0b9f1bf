//! Every number that a rule compares with, and why it is that number.
//!
//! Starting points from a small set of planted losses; the test over planted cases says what they are worth.

/// The share of a path's movement that the gradient doesn't explain, above which value and gradient don't
/// belong together. Trapezoids over kinks leave below 0.005.
pub const MISMATCH: f64 = 0.02;

/// The share of a path where the gradient is exactly 0, above which an operation has no derivative. A
/// dead activation is flat in its value, too, and has no mismatch.
pub const WITHOUT_GRADIENT: f64 = 0.95;

/// A jump's mismatch stays when its segment is divided by 4096; that of a root's end shrinks to 1/64.
pub const JUMP_STAYS: f64 = 0.5;

/// The share of a path's segments that hold nine tenths of the mismatch of a jump, at most. What is
/// detached is wrong nearly everywhere.
pub const FEW_SEGMENTS: f64 = 0.1;

/// A slope this many times everything nearer the minimum is a cliff. A power q rises by (1/0.9)^(q−1) over
/// the tenth that is left out: below 5 up to the 16th power.
pub const CLIFF: f64 = 5.0;

/// tr Σ / ‖ḡ‖²: the noise's power over the signal's. At 2, a step points away from the mean gradient's half
/// space more than once in four.
pub const NOISE: f64 = 2.0;

/// A decade's fall over that of the decade before, above which a fall doesn't end: 10 for a line, 1 for a
/// logarithm, 0.1 and less for what levels off.
pub const ENDLESS: f64 = 0.7;

/// How far the minimiser is from the target, over how far the start is.
pub const BIAS: f64 = 0.05;

/// How far the loss at the target must be above its least value, over the loss's fall from the start.
pub const BIAS_DROP: f64 = 1e-6;

/// How far float32 and float64 gradients may part at a distance that matters, over the gradient.
pub const PRECISION: f64 = 0.5;

/// The most negative curvature over the curvature at the minimum, beyond which a point is a saddle.
/// The tails of redescending losses stay below it where they are flat.
pub const SADDLE_CURVATURE: f64 = 0.02;

/// The gradient at a saddle, at most, over what its negative curvature times the distance would be, and over
/// the largest of the run.
pub const SADDLE_GRADIENT: f64 = 0.1;

/// What a Newton step towards a stationary point may leave of the gradient. At a saddle of degree m it is
/// ((m − 2)/(m − 1))^(m − 1): 0, ¼, 0.296, … below 1/e; in the tails of redescending losses, which have no such
/// point, it is 1/e or more.
pub const SADDLE_LEFT: f64 = 0.33;

/// The share of a path's movement that goes uphill on the way to the minimum.
pub const UPHILL: f64 = 0.02;

/// The ratio of slopes at equal distances on both sides. LINEX and the question's 5 : 1 are above it.
pub const ASYMMETRY: f64 = 4.0;

/// γ = ⟨∇L, p − p*⟩/(L − L*) is 1 or more for every convex loss and q for |d|^q: below a tenth, the loss
/// promises ten times what its gradient delivers.
pub const GAMMA: f64 = 0.1;

/// The share of the elements that must lie on a plateau.
pub const ON_PLATEAU: f64 = 0.2;

/// The largest slope at a saturated prediction over that on its way, whatever the target.
pub const SATURATED: f64 = 0.1;

/// The share of a model's gradient below which one of its tensors sleeps. Layers of a usual start are a decade or
/// two apart.
pub const ASLEEP: f64 = 0.01;

/// How many times larger the gradient of a sleeping tensor must be where that tensor is drawn anew: its own size,
/// and nothing else, keeps its activation flat. What merely has little to say stays as it is.
pub const WAKES: f64 = 10.0;

/// The exponent of the loss in the error. 2 is a parabola; 3 and less are mild.
pub const FLAT_EXPONENT: f64 = 3.1;

/// The ratio of the terms' gradient norms along the path.
pub const IMBALANCE: f64 = 30.0;

/// `Σ‖g_k(p*)‖ / Σ‖g_k(start)‖`. The cosine is −1 at every two-term minimum, and says nothing.
pub const CONFLICT: f64 = 0.05;

/// The ratio of curvatures. Gradient descent takes about as many steps per factor e of the error.
pub const CONDITION: f64 = 300.0;

/// The cosine between successive updates, below which they point back and forth.
pub const TURNING: f64 = -0.3;

/// The largest error of a run over the error at its start, above which its steps are too long.
pub const OVERSHOOT: f64 = 2.0;

/// How far a model's local minimum must be above the best one, over the loss's fall from the start.
pub const TRAPPED: f64 = 0.01;

/// Whether a run diverges, points back and forth, or first goes the wrong way.
#[must_use]
pub fn overshoots(run: &records::evidence::Baseline) -> bool {
    run.diverged.is_some() || run.overshoot > OVERSHOOT || run.turning < TURNING
}

/// How much faster a smaller rate must be, for the author's to be too large.
pub const SMALLER_GAINS: f64 = 3.0;

/// How much larger the best rate must be, for the author's to be too small.
pub const LARGER: f64 = 30.0;

/// How much faster that rate must be.
pub const LARGER_GAINS: f64 = 5.0;

/// A run of so few steps is not slow, whatever could be faster.
pub const FEW_STEPS: u64 = 500;

/// How much faster a fix must be, for its cause to be what slows the run.
pub const GAIN: f64 = 3.0;
