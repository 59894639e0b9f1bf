use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, dot, zeros};
use crate::shared::per_tensor::average;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Momentum, with the step to where a model of the mean loss would reach its lower bound.
    ///
    /// ```text
    /// d ← beta·d + (1 − beta)·g,  f̄ ← beta·f̄ + (1 − beta)·f(p),  γ ← beta·γ + (1 − beta)·⟨g, p⟩
    /// w = 1 + lr·weight_decay
    /// τ = min(lr, max(w·(f̄ − lower_bound − γ) + ⟨d, p⟩, 0)/‖d‖²)
    /// p ← (p − τ·d)/w                         at the first step d = g, f̄ = f(p), γ = ⟨g, p⟩
    /// ```
    /// Source: Schaipp et al. 2023, “MoMo: momentum models for adaptive learning rates”, algorithm 1.
    ///
    /// It needs the loss. The learning rate is the largest step.
    ///
    /// Differs from the paper: nothing. optax leaves τ·d undivided by w, which the minimizer of the model is not.
    ///
    /// Checked against: `optax.contrib.momo` of optax 0.2.8 without decay; with decay, that minimizer.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let momo: Optimizer = serde_json::from_str(r#"{"momo": {"beta": 0.5}}"#).unwrap();
    /// assert_eq!(momo.label(), "momo(beta=0.5)");
    /// ```
    pub struct Momo {
        /// Decay of the means.
        pub beta: f64 = 0.9 => 0.0..1.0,
        /// The least loss, or a bound below it.
        pub lower_bound: f64 = 0.0 => ..,
        /// How strongly a step of rate 1 pulls to 0.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Momo {}

impl OptimizerSpec for Momo {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), state: None })
    }
}

struct Stepper {
    options: Momo,
    state: Option<State>,
}

struct State {
    d: Vec<Tensor>,
    /// Of each lane, `[lanes]`: f̄ and γ.
    loss: Tensor,
    product: Tensor,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let Momo { beta, lower_bound, weight_decay } = self.options;
        let beta = if self.state.is_none() { 0.0 } else { beta };
        let state = self.state.get_or_insert_with(|| State {
            d: zeros(parameters),
            loss: lr.zeros_like(),
            product: lr.zeros_like(),
        });
        for (d, g) in state.d.iter_mut().zip(gradients) {
            *d = average(d, beta, g);
        }
        state.loss = average(&state.loss, beta, &oracle.loss());
        state.product = average(&state.product, beta, &dot(gradients, parameters));
        let weight = lr * weight_decay + 1.0;
        let model = &weight * (&state.loss - lower_bound - &state.product) + dot(&state.d, parameters);
        let square = dot(&state.d, &state.d);
        let step = (model.clamp_min(0.0) / &square).minimum(lr);
        let step = step.zeros_like().where_self(&square.eq(0.0), &step);
        for (p, d) in parameters.iter_mut().zip(&state.d) {
            let next = (&*p - broadcast_lanes(&step, d) * d) / broadcast_lanes(&weight, d);
            p.copy_(&next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Loss(f64);
    impl Oracle for Loss {
        fn loss(&self) -> Tensor {
            Tensor::from_slice(&[self.0])
        }
        fn evaluate(&mut self, _points: &[Tensor], _asking: &[bool]) -> (Tensor, Vec<Tensor>) {
            unreachable!("MoMo asks for the loss alone")
        }
        fn hessian_product(&mut self, _points: &[Tensor], _directions: &[Tensor]) -> Vec<Tensor> {
            unreachable!("MoMo asks for the loss alone")
        }
    }

    #[test]
    fn with_decay_a_step_minimizes_the_model() {
        let mut stepper = Momo { weight_decay: 1.0, ..Momo::default() }.tensor();
        let (lr, mut p) = (Tensor::from_slice(&[0.5]), [Tensor::from_slice(&[1.0])]);
        stepper.step_with(&lr, &mut p, &[Tensor::from_slice(&[1.0])], &mut Loss(2.0));
        // max(2 + (x − 1), 0) + (x − 1)²/(2·0.5) + x²/2 is least where 1 + 2·(x − 1) + x = 0.
        assert!((p[0].double_value(&[0]) - 1.0 / 3.0).abs() < 1e-15);
    }
}
