use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::algorithms::dog::{descend, distances};
use crate::lanes::{copies, dot};
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Gradient descent like DoG's, with gradients weighted by the distance at their time.
    ///
    /// ```text
    /// r = max(r, ‖p − p₀‖)                     r = initial_distance before; ‖·‖ over all parameters
    /// v ← v + r²·‖g‖²
    /// p ← p − lr·r²/(√v + eps)·g
    /// ```
    /// Source: Khaled, Mishchenko & Jin 2023, “DoWG unleashed: an efficient universal parameter-free gradient descent
    /// method”, algorithm 1.
    ///
    /// The learning rate is a multiplier, 1 by right.
    ///
    /// Differs from the paper: `eps`, as in optax.
    ///
    /// Checked against: `optax.contrib.dowg` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Dowg, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = Dowg { initial_distance: 0.5, eps: 0.0 }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[1.0_f64]), &mut p, &[Tensor::from_slice(&[5.0_f64])]);
    /// assert_eq!(f64::try_from(&p[0]).unwrap(), 0.5);
    /// ```
    pub struct Dowg {
        /// The first distance.
        pub initial_distance: f64 = 1e-2 => above(0.0),
        /// Added to the denominator.
        pub eps: f64 = 1e-4 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Dowg {}

impl OptimizerSpec for Dowg {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), state: None })
    }
}

struct Stepper {
    options: Dowg,
    state: Option<State>,
}

struct State {
    start: Vec<Tensor>,
    /// Of each lane, `[lanes]`: the squared distance, and the weighted sum of squares.
    distance: Tensor,
    squares: Tensor,
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
        let Dowg { initial_distance, eps } = self.options;
        let state = self.state.get_or_insert_with(|| State {
            start: copies(parameters),
            distance: lr.full_like(initial_distance * initial_distance),
            squares: lr.zeros_like(),
        });
        let way = distances(&state.start, parameters);
        state.distance = state.distance.maximum(&dot(&way, &way));
        state.squares += &state.distance * dot(gradients, gradients);
        descend(&(lr * &state.distance / (state.squares.sqrt() + eps)), parameters, gradients);
    }
}
