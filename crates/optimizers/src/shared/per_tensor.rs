//! Optimizers that treat each parameter tensor by itself, though not each of its elements: norms and matrices.

use tch::{Kind, Tensor};

use crate::lanes::broadcast_lanes;
use crate::{Oracle, TensorStepper};

/// The update of one tensor `[lanes, …]`.
pub(crate) trait TensorRule: 'static {
    /// What is kept from step to step.
    type State;

    /// That, before the first step.
    fn start(&self, parameter: &Tensor) -> Self::State;

    /// The parameter after a step.
    fn update(&self, now: &Now<'_>, state: &mut Self::State) -> Tensor;

    /// Where the error is to be measured, if that isn't the parameter.
    fn eval_params(&self, _state: &Self::State) -> Option<Tensor> {
        None
    }
}

/// A step of one tensor.
pub(crate) struct Now<'a> {
    /// Counted from 1.
    pub step: u64,
    /// Which of the parameters it is.
    pub index: u64,
    /// The rates `[lanes]`.
    pub rates: &'a Tensor,
    /// The rates with as many dimensions as the parameter.
    pub lr: Tensor,
    pub p: &'a Tensor,
    pub g: &'a Tensor,
}

/// The stepper of a rule for one tensor.
pub(crate) fn per_tensor<U: TensorRule>(rule: U) -> Box<dyn TensorStepper> {
    Box::new(Each { rule, step: 0, states: Vec::new() })
}

struct Each<U: TensorRule> {
    rule: U,
    step: u64,
    states: Vec<U::State>,
}

impl<U: TensorRule> TensorStepper for Each<U> {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        if self.states.is_empty() {
            self.states = parameters.iter().map(|p| self.rule.start(&p.detach())).collect();
        }
        self.step += 1;
        let tensors = parameters.iter_mut().zip(gradients).zip(&mut self.states);
        for (index, ((parameter, g), state)) in (0..).zip(tensors) {
            let p = parameter.detach();
            let now = Now { step: self.step, index, rates: lr, lr: broadcast_lanes(lr, &p), p: &p, g };
            let next = self.rule.update(&now, state);
            parameter.copy_(&next);
        }
    }

    fn eval_params(&self, _parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        self.states
            .iter()
            .map(|state| self.rule.eval_params(state))
            .collect::<Option<Vec<_>>>()
            .filter(|a| !a.is_empty())
    }
}

/// 1 − βᵏ: what an average that started at 0 is short of after k steps.
pub(crate) fn unbiased(beta: f64, step: u64) -> f64 {
    1.0 - libm::pow(beta, step as f64)
}

/// `decay·moment + (1 − decay)·x`
pub(crate) fn average(moment: &Tensor, decay: f64, x: &Tensor) -> Tensor {
    moment * decay + x * (1.0 - decay)
}

/// Whether a lane's parameter is a matrix, or has more dimensions, which [`matrix`] makes one.
pub(crate) fn is_matrix(tensor: &Tensor) -> bool {
    tensor.dim() > 2
}

/// `[lanes, rows, columns]`: dimensions after a lane's first are columns.
pub(crate) fn matrix(tensor: &Tensor) -> Tensor {
    let size = tensor.size();
    tensor.reshape([size[0], size.get(1).copied().unwrap_or(1), -1])
}

/// Eigenvalues `[lanes, n]`, ascending, and vectors `[lanes, n, n]` of symmetric matrices. LAPACK refuses what
/// isn't finite, and would take the other lanes down with it: such a lane gets those of the identity.
pub(crate) fn eigen(matrices: &Tensor) -> (Tensor, Tensor) {
    let n = matrices.size()[2];
    let finite = finite_lanes(matrices);
    let identity = Tensor::eye(n, (matrices.kind(), matrices.device())).expand_as(matrices);
    matrices.where_self(&finite, &identity).linalg_eigh("L")
}

/// Whether every number of a lane's matrix is finite, `[lanes, 1, 1]`.
pub(crate) fn finite_lanes(matrices: &Tensor) -> Tensor {
    let bad = matrices.isfinite().logical_not().to_kind(Kind::Float);
    bad.sum_dim_intlist([1, 2].as_slice(), true, Kind::Float).eq(0.0)
}
