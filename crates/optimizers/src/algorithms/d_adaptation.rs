use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, sum, zeros};
use crate::shared::per_tensor::average;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Adam, with a rate that follows a lower bound of the distance to the solution.
    ///
    /// ```text
    /// r ← √β₂·r + (1 − √β₂)·lr·d·⟨g, s/(√v + eps)⟩
    /// m ← β₁·m + (1 − β₁)·lr·d·g,  v ← β₂·v + (1 − β₂)·g²,  s ← √β₂·s + (1 − √β₂)·lr·d·g
    /// d ← max(d, min(r/((1 − √β₂)·‖s‖₁), growth_rate·d))        d = d0 before step 1
    /// p ← p − lr·d·weight_decay·p − m/(√v + eps)                 with the old d in the decay
    /// ```
    /// Source: Defazio & Mishchenko 2023, “Learning-rate-free learning by D-Adaptation”, algorithm 5.
    ///
    /// The learning rate is a multiplier, 1 by right.
    ///
    /// Differs from the paper: nothing.
    ///
    /// Checked against: `dadaptation.DAdaptAdam(decouple=True)` 3.2.
    ///
    /// ```
    /// use optimizers::{DAdaptation, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = DAdaptation { d0: 0.1, ..DAdaptation::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[1.0_f64]), &mut p, &[Tensor::from_slice(&[2.0_f64])]);
    /// // The first step is d₀·(1 − β₁)/√(1 − β₂).
    /// assert!((f64::try_from(&p[0]).unwrap() - (1.0 - 0.01 / 0.001_f64.sqrt())).abs() < 1e-6);
    /// ```
    pub struct DAdaptation {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => above(0.0),
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// The first bound.
        pub d0: f64 = 1e-6 => above(0.0),
        /// How many times larger a bound may be than the one before; any, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub growth_rate: Option<f64> = None => 1.0..,
    }
}

impl<F: Float> Fusible<F> for DAdaptation {}

impl OptimizerSpec for DAdaptation {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), state: None })
    }
}

struct Stepper {
    options: DAdaptation,
    state: Option<State>,
}

struct State {
    m: Vec<Tensor>,
    v: Vec<Tensor>,
    s: Vec<Tensor>,
    /// Of each lane, `[lanes]`.
    r: Tensor,
    d: Tensor,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let DAdaptation { beta1, beta2, eps, weight_decay, d0, growth_rate } = self.options;
        let decay = beta2.sqrt();
        let state = self.state.get_or_insert_with(|| {
            let (m, v, s) = (zeros(parameters), zeros(parameters), zeros(parameters));
            State { m, v, s, r: lr.zeros_like(), d: lr.full_like(d0) }
        });
        let rate = &state.d * lr;
        let (mut along, mut size) = (lr.zeros_like(), lr.zeros_like());
        for (((m, v), s), g) in state.m.iter_mut().zip(&mut state.v).zip(&mut state.s).zip(gradients) {
            along += sum(&(g * (&*s / (v.sqrt() + eps))));
            let scaled = g * broadcast_lanes(&rate, g);
            *m = average(m, beta1, &scaled);
            *v = average(v, beta2, &g.square());
            *s = average(s, decay, &scaled);
            size += sum(&s.abs());
        }
        state.r = average(&state.r, decay, &(along * &rate));
        // Without a gradient so far there is nothing to estimate from.
        let bound = &state.r / (&size * (1.0 - decay));
        let bound = state.d.where_self(&size.eq(0.0), &bound);
        let bound = growth_rate.map_or(bound.shallow_clone(), |growth| bound.minimum(&(&state.d * growth)));
        state.d = state.d.maximum(&bound);
        for ((p, m), v) in parameters.iter_mut().zip(&state.m).zip(&state.v) {
            let next = &*p - broadcast_lanes(&rate, m) * weight_decay * &*p - m / (v.sqrt() + eps);
            p.copy_(&next);
        }
    }
}
