use numeric::Real;
use registry::options;

use crate::nan_safe::{clamp, sign};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Steps whose size grows while the gradient keeps its sign, and shrinks when that changes.
    ///
    /// ```text
    /// Δ ← min(max(Δ·η, step_size_min), step_size_max)    η = eta_plus, eta_minus or 1
    ///                                                    as g·g_previous is above, below or at 0
    /// g ← 0 where the sign has changed
    /// p ← p − Δ·sign(g)                                  Δ = lr before step 1
    /// ```
    /// Source: Riedmiller & Braun 1993, “A direct adaptive method for faster backpropagation learning: the RPROP
    /// algorithm”; without going back after a change of sign it is Rprop− of Igel & Hüsken 2000.
    ///
    /// Differs from the paper: a step that overshot is not taken back, as in PyTorch. `lr` is the size of the
    /// first step and of nothing else: a schedule has no effect.
    ///
    /// Checked against: `torch.optim.Rprop` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::{Fusible, Rprop};
    /// let mut stepper = Rprop::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// for gradient in [5.0, 0.1, -3.0, -3.0] {
    ///     stepper.step_slice(0.5, &mut p, &[gradient]);
    /// }
    /// // Down by 0.5 and 0.6, none, then up by 0.3.
    /// assert!((p[0] - 0.2).abs() < 1e-15);
    /// ```
    pub struct Rprop {
        /// What a step shrinks by.
        pub eta_minus: f64 = 0.5 => INSIDE_0_1,
        /// What a step grows by.
        pub eta_plus: f64 = 1.2 => above(1.0),
        /// The smallest step.
        pub step_size_min: f64 = 1e-6 => 0.0..,
        /// The largest step.
        pub step_size_max: f64 = 50.0 => above(0.0),
    }
    check: |rprop| {
        let Self { step_size_min: min, step_size_max: max, .. } = *rprop;
        let said = || format!("`step_size_min` must be at most `step_size_max`, and they are {min} and {max}");
        if min <= max { Ok(()) } else { Err(said()) }
    },
}

impl Elementwise for Rprop {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        visitor.visit(self.clone())
    }
}

impl Rule<2> for Rprop {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    /// A size below 0 stands for none yet.
    fn start(&self) -> [f64; 2] {
        [0.0, -1.0]
    }

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, [previous, size]: &mut [R; 2]) -> R {
        // Of the signs, since a product of small gradients can become 0.
        let agreement = sign(g.clone()) * sign(previous.clone());
        let (changed, kept) = (agreement.below(0.0), (-agreement).below(0.0));
        let first = R::select(&size.below(0.0), lr, size.clone());
        let grown = R::select(&kept, first.clone() * self.eta_plus, first.clone());
        let scaled = R::select(&changed, first * self.eta_minus, grown);
        *size = clamp(scaled, self.step_size_min, self.step_size_max);
        *previous = R::select(&changed, g.constant(0.0), g);
        p - size.clone() * sign(previous.clone())
    }
}
