use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, copies, dot, sum, zeros};
use crate::shared::per_tensor::average;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Adam, with a rate that follows an estimate of the distance to the solution.
    ///
    /// ```text
    /// m ← β₁·m + (1 − β₁)·d·g,  v ← β₂·v + (1 − β₂)·d²·g²
    /// r ← β₃·r + lr·d²/d₀·⟨g, p₀ − p⟩,  s ← β₃·s + lr·d²/d₀·g
    /// d_new = max over time of d_coef·r/‖s‖₁, at least d₀, at most growth_rate·d
    /// p ← p − lr·d·weight_decay·p − lr·d·m/(√v + d_new·eps)
    /// ```
    /// Source: Mishchenko & Defazio 2024, “Prodigy: an expeditiously adaptive parameter-free learner”, algorithm 4.
    ///
    /// The learning rate is a multiplier, 1 by right.
    ///
    /// Differs from the paper: β₃ (√β₂ if not given), `d_coef` and `growth_rate`, as in the authors' code.
    ///
    /// Checked against: `prodigyopt.Prodigy` 1.1.2.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Prodigy};
    /// use tch::Tensor;
    /// let mut stepper = Prodigy { d0: 0.1, ..Prodigy::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[1.0_f64]), &mut p, &[Tensor::from_slice(&[2.0_f64])]);
    /// // The first step is d₀·(1 − β₁)/√(1 − β₂).
    /// assert!((f64::try_from(&p[0]).unwrap() - (1.0 - 0.01 / 0.001_f64.sqrt())).abs() < 1e-6);
    /// ```
    pub struct Prodigy {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Decay of r and s; √β₂, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub beta3: Option<f64> = None => 0.0..1.0,
        /// Added to the denominator, times d.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// The first estimate.
        pub d0: f64 = 1e-6 => above(0.0),
        /// What estimates are multiplied by.
        pub d_coef: f64 = 1.0 => above(0.0),
        /// How many times larger an estimate may be than the one before; any, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub growth_rate: Option<f64> = None => 1.0..,
    }
}

impl<F: Float> Fusible<F> for Prodigy {}

impl OptimizerSpec for Prodigy {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), state: None })
    }
}

struct Stepper {
    options: Prodigy,
    state: Option<State>,
}

struct State {
    start: Vec<Tensor>,
    m: Vec<Tensor>,
    v: Vec<Tensor>,
    s: Vec<Tensor>,
    /// Of each lane, `[lanes]`: r, the estimate, and the largest estimate without the limit to its growth.
    r: Tensor,
    d: Tensor,
    d_max: Tensor,
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
        let Prodigy { beta1, beta2, eps, weight_decay, d0, d_coef, .. } = self.options;
        let beta3 = self.options.beta3.unwrap_or(beta2.sqrt());
        let state = self.state.get_or_insert_with(|| {
            let (m, v, s) = (zeros(parameters), zeros(parameters), zeros(parameters));
            let (d, d_max) = (lr.full_like(d0), lr.full_like(d0));
            State { start: copies(parameters), m, v, s, r: lr.zeros_like(), d, d_max }
        });
        let rate = &state.d * lr;
        let weight = &state.d / d0 * &rate;
        let way: Vec<Tensor> = state.start.iter().zip(&*parameters).map(|(start, p)| start - p).collect();
        state.r = &state.r * beta3 + &weight * dot(gradients, &way);
        let mut size = lr.zeros_like();
        for (((m, v), s), g) in state.m.iter_mut().zip(&mut state.v).zip(&mut state.s).zip(gradients) {
            let scaled = g * broadcast_lanes(&state.d, g);
            *m = average(m, beta1, &scaled);
            *v = average(v, beta2, &scaled.square());
            *s = &*s * beta3 + g * broadcast_lanes(&weight, g);
            size += sum(&s.abs());
        }
        // Without a gradient so far there is nothing to estimate from.
        let estimate = &state.r / &size * d_coef;
        let estimate = state.d.where_self(&size.eq(0.0), &estimate);
        let first = state.d.eq(d0);
        let grown = state.d.maximum(&estimate).where_self(&first, &state.d);
        state.d_max = state.d_max.maximum(&estimate);
        state.d = match self.options.growth_rate {
            Some(growth_rate) => state.d_max.minimum(&(grown * growth_rate)),
            None => state.d_max.shallow_clone(),
        };
        for ((p, m), v) in parameters.iter_mut().zip(&state.m).zip(&state.v) {
            let root = v.sqrt() + broadcast_lanes(&state.d, v) * eps;
            let next = &*p - broadcast_lanes(&rate, m) * (&*p * weight_decay + m / root);
            p.copy_(&next);
        }
    }
}
