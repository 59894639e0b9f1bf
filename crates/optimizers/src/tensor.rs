//! Optimizers on libtorch tensors: what they may ask of the engine, and how an update rule becomes one.

use std::array;

use numeric::AutogradTensor;
use tch::Tensor;

use crate::lanes::broadcast_lanes;
use crate::{Rule, Visitor};

/// An optimizer with its state, for parameters that are tensors `[lanes, …]`.
///
/// Lanes never touch: norms, matrices and searches are of each lane alone.
pub trait TensorStepper {
    /// One step of every parameter, in place, without recording a graph.
    ///
    /// `lr` is `[lanes]`, of the parameters' type. Gradients have the shapes of their parameters. What
    /// the step needs besides them, it asks of `oracle`.
    ///
    /// # Panics
    /// If libtorch refuses the shapes.
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    );

    /// One step of an optimizer that needs nothing but the gradients.
    ///
    /// # Panics
    /// If it asks for more; if libtorch refuses the shapes.
    fn step(&mut self, lr: &Tensor, parameters: &mut [Tensor], gradients: &[Tensor]) {
        self.step_with(lr, parameters, gradients, &mut Silent);
    }

    /// Where the error is to be measured, if that isn't where the gradient is taken: at an average of
    /// the parameters, say.
    fn eval_params(&self, _parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        None
    }
}

/// What an optimizer may ask of the problem during a step. All answers are of the step's own minibatch
/// and noise, and without a graph.
pub trait Oracle {
    /// The loss of every lane, `[lanes]`, where the step's gradients were taken. It is known already, and
    /// costs nothing.
    fn loss(&self) -> Tensor;

    /// The loss of every lane and its gradients at other points, clipped as the step's own are. Each lane
    /// that is `asking` is charged one evaluation; the others' answers aren't looked at.
    fn evaluate(&mut self, points: &[Tensor], asking: &[bool]) -> (Tensor, Vec<Tensor>);

    /// The Hessian of every lane's loss at `points`, times `directions` of the same shapes. Each lane is
    /// charged one evaluation.
    fn hessian_product(&mut self, points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor>;
}

/// The oracle of [`TensorStepper::step`].
struct Silent;

impl Oracle for Silent {
    fn loss(&self) -> Tensor {
        panic!("this optimizer needs the loss: call `step_with`")
    }
    fn evaluate(&mut self, _points: &[Tensor], _asking: &[bool]) -> (Tensor, Vec<Tensor>) {
        panic!("this optimizer needs the loss elsewhere: call `step_with`")
    }
    fn hessian_product(&mut self, _points: &[Tensor], _directions: &[Tensor]) -> Vec<Tensor> {
        panic!("this optimizer needs the Hessian: call `step_with`")
    }
}

/// A rule, and its state once the parameters' shapes are known.
struct OnTensors<U: Rule<N>, const N: usize> {
    rule: U,
    step: u64,
    at: U::StepConstants,
    state: Vec<[AutogradTensor; N]>,
}

/// Makes the stepper on tensors of a rule: what [`crate::OptimizerSpec::tensor`] returns.
pub(crate) struct Build;

impl Visitor for Build {
    type Output = Box<dyn TensorStepper>;
    fn visit<U: Rule<N>, const N: usize>(self, rule: U) -> Self::Output {
        Box::new(OnTensors { rule, step: 0, at: U::StepConstants::default(), state: Vec::new() })
    }
}

impl<U: Rule<N>, const N: usize> TensorStepper for OnTensors<U, N> {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        if self.state.is_empty() {
            let start = self.rule.start();
            self.state = parameters
                .iter()
                .map(|p| array::from_fn(|n| AutogradTensor(p.full_like(start[n]))))
                .collect();
        }
        self.step += 1;
        self.at = self.rule.step_constants(self.step, self.at);
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.state) {
            let (lr, gradient) =
                (AutogradTensor(broadcast_lanes(lr, parameter)), AutogradTensor(gradient.shallow_clone()));
            let next =
                self.rule.update(self.at, lr, AutogradTensor(parameter.shallow_clone()), gradient, state);
            parameter.copy_(&next.0);
        }
    }
}
