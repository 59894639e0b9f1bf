//! A free fit and its loss, in a form that others can be made of.

use std::sync::Arc;

use losses::{Combine, Composite, Loss, Weighted};
use problems::{Array, Draws, FreeFit, LossInput, Problem, Readout, Values};

use engine::{Altered, Change, Objective, Workload};

/// Free predictions against a target, with every number known.
#[derive(Clone)]
pub(super) struct Fit {
    pub loss: Loss,
    pub start: Array,
    pub target: Array,
    pub readout: Readout,
    pub loss_input: LossInput,
    /// The shape of the readout.
    pub readout_shape: Vec<i64>,
    /// The standard deviation of noise on the target.
    pub noise: f64,
    /// Draws that a step takes the mean of.
    pub draws: u64,
}

impl Fit {
    pub fn problem(&self) -> FreeFit {
        let values = |array: &Array| Values::Draws(Draws::Array(array.clone()));
        let (start, target) = (values(&self.start), values(&self.target));
        let Self { readout, loss_input, noise, .. } = self.clone();
        FreeFit { start, target, readout, loss_input, noise }
    }

    /// The fit as it is trained; frozen, with the random numbers of the number `redrawn`.
    pub fn objective(&self, redrawn: Option<u64>) -> Arc<dyn Objective> {
        let problem = Problem::FreeFit(self.problem());
        let once = changed(Workload { problem, loss: Some(self.loss.clone()) }, redrawn);
        if self.draws == 1 {
            return once;
        }
        Arc::new(Altered { inner: once, change: Change::MeanOfDraws(self.draws) })
    }

    /// The shape of what the loss is told.
    pub fn seen_shape(&self) -> &[i64] {
        if self.loss_input == LossInput::Readout { &self.readout_shape } else { &self.start.shape }
    }

    /// The losses that are added, with their weights; one where it isn't a sum.
    pub fn terms(&self) -> Vec<Weighted> {
        terms_of(&self.loss)
    }

    /// How many neighbors one number of the readout is made of, of which the first answers for the target.
    pub fn outputs(&self) -> usize {
        if self.readout == Readout::First { *self.start.shape.last().unwrap_or(&1) as usize } else { 1 }
    }
}

/// See [`Fit::terms`].
pub(super) fn terms_of(loss: &Loss) -> Vec<Weighted> {
    match loss {
        Loss::Composite(Composite { terms, combine: Combine::Sum }) => terms.clone(),
        loss => vec![Weighted { loss: loss.clone(), weight: 1.0 }],
    }
}

/// A sum of losses.
pub(super) fn sum_of(terms: Vec<Weighted>) -> Loss {
    match <[Weighted; 1]>::try_from(terms) {
        Ok([Weighted { loss, weight: 1.0 }]) => loss,
        Ok(one) => Loss::Composite(Composite { terms: one.into(), combine: Combine::Sum }),
        Err(terms) => Loss::Composite(Composite { terms, combine: Combine::Sum }),
    }
}

/// A workload that has, frozen, the random numbers of the number `redrawn`.
pub(super) fn changed(workload: Workload, redrawn: Option<u64>) -> Arc<dyn Objective> {
    let inner: Arc<dyn Objective> = Arc::new(workload);
    match redrawn {
        Some(number) => Arc::new(Altered { inner, change: Change::Redrawn(number) }),
        None => inner,
    }
}
