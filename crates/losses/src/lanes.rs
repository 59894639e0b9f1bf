//! A loss on libtorch for lanes that run side by side.

use tch::{Device, Kind, Tensor};

use crate::{Files, Loss, TargetKind};

/// A loss on libtorch for a batch of lanes, with whatever parameters it has of its own.
///
/// `prediction` is `[lanes, n, …]`, each lane laid out as PyTorch would have it: one value an element, or
/// `[n, classes]` logits. `target` is `[lanes, n, …]` or, where all lanes share it, `[1, n, …]`; for
/// [`TargetKind::Classes`] the indices `[lanes, n]` or `[1, n]`.
pub trait BatchedLoss {
    /// The losses `[lanes, …]`: one or more values a lane, whose mean is what the lane minimizes.
    ///
    /// # Panics
    /// If the loss can't be computed; the message says why and what to do.
    fn values(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor;

    /// The terms that the loss is put together of; none where there is but one.
    fn terms(&mut self, _call: &Call, _prediction: &Tensor, _target: &Tensor) -> Vec<Term> {
        Vec::new()
    }

    /// Where the parameters that it has of its own start, `[lanes, …]` of at least two dimensions: they are trained along.
    fn start(&self) -> Vec<Tensor> {
        Vec::new()
    }
}

/// What a loss is called with besides prediction and target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// The parameters of its own, as [`BatchedLoss::start`] has them.
    pub parameters: &'a [Tensor],
    /// What its random numbers follow from, beside the seed: the number of the step, or another.
    pub step: u64,
    /// Whether buffers move, as they do in a step of training.
    pub training: bool,
}

/// One term of a loss.
#[derive(Debug)]
pub struct Term {
    /// What it is called in the results.
    pub name: String,
    /// Its share of every lane's loss, `[lanes]`.
    pub value: Tensor,
}

/// The mean of values `[lanes, …]` over everything but the lanes: `[lanes]`.
///
/// # Panics
/// If there is no value.
pub fn mean_of_lanes(values: &Tensor) -> Tensor {
    // Not by flattening: that would copy what isn't contiguous.
    let dims: Vec<i64> = (1..values.dim() as i64).collect();
    if dims.is_empty() {
        values.shallow_clone()
    } else {
        values.mean_dim(dims.as_slice(), false, None::<Kind>)
    }
}

/// A loss without state.
struct Stateless(Loss);

impl BatchedLoss for Stateless {
    fn values(&mut self, _call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        match self.0.targets() {
            TargetKind::Values => self.0.tensor(prediction, target),
            // PyTorch has classes in the second dimension, and lanes are one more batch dimension.
            TargetKind::Classes => self.0.tensor(&prediction.transpose(1, -1), target),
        }
    }
}

impl Loss {
    /// The loss ready for a lane of each seed, in a type and on a device.
    ///
    /// # Errors
    /// If a file that it is made from can't be used: which, why, and what to do.
    pub fn lanes(&self, seeds: &[u64], options: (Kind, Device)) -> Result<Box<dyn BatchedLoss>, String> {
        if let Some(made) = self.instantiate(seeds, options) {
            return made;
        }
        // It is loaded already, if a config names it; if code does, its formulas are compiled here.
        let mut loss = self.clone();
        loss.load(&mut Files::default())?;
        Ok(Box::new(Stateless(loss)))
    }
}
