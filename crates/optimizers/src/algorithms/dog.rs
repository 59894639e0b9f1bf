use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, copies, dot};
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Gradient descent, with the distance traveled over the norm of all gradients as its rate.
    ///
    /// ```text
    /// r = max(r, ‖p − p₀‖)                     r = reps_rel·(1 + ‖p₀‖) before; ‖·‖ over all parameters
    /// G ← G + ‖g‖²                             G = eps before step 1
    /// p ← p − lr·r/√G·g                        g with l2·p
    /// ```
    /// Source: Ivgi, Hinder & Carmon 2023, “DoG is SGD's best friend: a parameter-free dynamic step size schedule”,
    /// equation 2.
    ///
    /// The learning rate is a multiplier, 1 by right.
    ///
    /// Differs from the paper: the answer is the last point, not an average.
    ///
    /// Checked against: `dog.DoG` 1.0.3, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Dog, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = Dog { reps_rel: 0.25, eps: 0.0, l2: 0.0 }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[1.0_f64]), &mut p, &[Tensor::from_slice(&[5.0_f64])]);
    /// assert_eq!(f64::try_from(&p[0]).unwrap(), 0.5);
    /// ```
    pub struct Dog {
        /// The first distance, as a share of 1 + ‖p₀‖.
        pub reps_rel: f64 = 1e-6 => above(0.0),
        /// The sum of squared norms before the first step.
        pub eps: f64 = 1e-8 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Dog {}

impl OptimizerSpec for Dog {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), state: None })
    }
}

struct Stepper {
    options: Dog,
    state: Option<State>,
}

struct State {
    start: Vec<Tensor>,
    /// Of each lane, `[lanes]`.
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
        let Dog { reps_rel, eps, l2 } = self.options;
        let state = self.state.get_or_insert_with(|| {
            let start = copies(parameters);
            let distance = (dot(&start, &start).sqrt() + 1.0) * reps_rel;
            State { start, distance, squares: lr.full_like(eps) }
        });
        let gradients: Vec<Tensor> = gradients.iter().zip(&*parameters).map(|(g, p)| g + p * l2).collect();
        let way = distances(&state.start, parameters);
        state.distance = state.distance.maximum(&dot(&way, &way).sqrt());
        state.squares += dot(&gradients, &gradients);
        descend(&(lr * &state.distance / state.squares.sqrt()), parameters, &gradients);
    }
}

/// p − p₀ of every parameter.
pub(crate) fn distances(start: &[Tensor], parameters: &[Tensor]) -> Vec<Tensor> {
    parameters.iter().zip(start).map(|(p, start)| p - start).collect()
}

/// `p ← p − rate·g`; a lane without any gradient so far, whose rate is not a number, stays where it is.
pub(crate) fn descend(rate: &Tensor, parameters: &mut [Tensor], gradients: &[Tensor]) {
    for (p, g) in parameters.iter_mut().zip(gradients) {
        let step = broadcast_lanes(rate, g) * g;
        let next = &*p - g.where_self(&g.eq(0.0), &step);
        p.copy_(&next);
    }
}
