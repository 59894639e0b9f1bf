//! Losses as graphs of libtorch, and the parameters that modules hold.

use std::cell::RefCell;

use problems::{Batch, Graph};
use tch::{Kind, Tensor};

use super::fit::Ready;

/// Lets the losses' modules see these parameters, and returns what their graphs end in.
pub(super) fn bind(losses: &[Ready], parameters: &[Tensor]) -> Vec<Tensor> {
    let mut rest = parameters;
    let mut leaves = Vec::new();
    for loss in losses {
        for modules in loss.borrow_mut().modules() {
            let (own, others) = rest.split_at(modules.parameters());
            modules.bind(own);
            leaves.extend(modules.leaves().into_iter().flatten());
            rest = others;
        }
    }
    leaves
}

/// Losses as a graph over their parameters.
pub(super) struct Traced<'a> {
    pub leaves: Vec<Tensor>,
    /// `[lanes]`
    pub value: Tensor,
    /// Who knows the parameters that modules hold.
    pub modules: Option<&'a RefCell<Box<dyn Batch>>>,
}

impl Traced<'_> {
    pub fn evaluate(&self) -> (Vec<f64>, Vec<f64>) {
        let zeros = || self.leaves.iter().map(|leaf| leaf.zeros_like().detach()).collect();
        let slopes: Vec<Tensor> = self.gradients(&self.value, Graph::Spend).unwrap_or_else(zeros);
        (to_f64(&self.value), slopes.iter().flat_map(to_f64).collect())
    }

    /// The gradients of the sum of `value`, zeros where a leaf has nothing to do with it; `None` where nothing
    /// has.
    pub fn gradients(&self, value: &Tensor, graph: Graph) -> Option<Vec<Tensor>> {
        if !value.requires_grad() {
            return None;
        }
        let found = if let Some(batch) = self.modules {
            batch.borrow_mut().gradients(value, &self.leaves, graph)
        } else {
            let sum = value.sum(None::<Kind>);
            Tensor::run_backward(&[sum], &self.leaves, graph != Graph::Spend, graph == Graph::Extend)
        };
        let fill = |(gradient, leaf): (Tensor, &Tensor)| {
            // libtorch has zeros without memory, too, which can't be read.
            let real = gradient.defined() && !gradient.data_ptr().is_null();
            if real { gradient } else { leaf.zeros_like().detach() }
        };
        Some(found.into_iter().zip(&self.leaves).map(fill).collect())
    }
}

/// A flat vector as the tensors `[1, …]` of a problem.
pub(super) fn split(flat: &Tensor, shapes: &[Vec<i64>]) -> Vec<Tensor> {
    let mut first = 0;
    shapes
        .iter()
        .map(|shape| {
            let count = shape.iter().product();
            let part = flat.narrow(0, first, count).reshape(shape);
            first += count;
            part
        })
        .collect()
}

pub(super) fn to_f64(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
}
