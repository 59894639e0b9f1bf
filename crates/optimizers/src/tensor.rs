//! An update rule on libtorch tensors: any device, and the reference that the fused form is held to.

use std::array;

use numeric::Traced;
use tch::Tensor;

use crate::{Rule, Visitor};

/// An optimizer with its state, for parameters that are tensors `[lanes, …]`.
pub trait TensorStepper {
    /// One step of every parameter, in place, without recording a graph.
    ///
    /// `lr` is `[lanes]`, of the parameters' type. Gradients have the shapes of their parameters.
    ///
    /// # Panics
    /// If libtorch refuses the shapes.
    fn step(&mut self, lr: &Tensor, parameters: &mut [Tensor], gradients: &[Tensor]);
}

/// A rule, and its state once the parameters' shapes are known.
struct OnTensors<U: Rule<N>, const N: usize> {
    rule: U,
    step: u64,
    at: U::At,
    state: Vec<[Traced; N]>,
}

/// Makes the stepper on tensors of a rule: what [`crate::Entry::tensor`] returns.
pub(crate) struct Build;

impl Visitor for Build {
    type Output = Box<dyn TensorStepper>;
    fn visit<U: Rule<N>, const N: usize>(self, rule: U) -> Self::Output {
        Box::new(OnTensors { rule, step: 0, at: U::At::default(), state: Vec::new() })
    }
}

impl<U: Rule<N>, const N: usize> TensorStepper for OnTensors<U, N> {
    fn step(&mut self, lr: &Tensor, parameters: &mut [Tensor], gradients: &[Tensor]) {
        let _guard = tch::no_grad_guard();
        if self.state.is_empty() {
            let start = self.rule.start();
            self.state =
                parameters.iter().map(|p| array::from_fn(|n| Traced(p.full_like(start[n])))).collect();
        }
        self.step += 1;
        self.at = self.rule.at(self.step, self.at);
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.state) {
            // A rate a lane, spread over whatever dimensions the parameter has.
            let mut shape = vec![1; parameter.dim()];
            shape[0] = lr.size()[0];
            let (lr, gradient) = (Traced(lr.reshape(shape)), Traced(gradient.shallow_clone()));
            let next = self.rule.update(self.at, lr, Traced(parameter.shallow_clone()), gradient, state);
            parameter.copy_(&next.0);
        }
    }
}
