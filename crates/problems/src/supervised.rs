//! Models under a loss on libtorch: what all of them have in common.

use losses::{BatchedLoss, Call, Loss, Term, mean_of_lanes};
use tch::{Device, Kind, Tensor};

use crate::{Draw, TensorProblem};

/// What turns parameters into predictions, for lanes side by side.
pub(crate) trait Model {
    /// Where the lanes start: tensors `[lanes, …]`.
    fn start(&self) -> Vec<Tensor>;

    /// See [`TensorProblem::names`].
    fn names(&self) -> Vec<String> {
        (1..=self.start().len()).map(|number| format!("parameter{number}")).collect()
    }

    /// See [`TensorProblem::has`].
    fn has(&self, draw: Draw) -> bool {
        draw != Draw::Validation
    }

    /// The predictions `[lanes, n, …]` of a draw (which picks the examples) and the targets, as
    /// [`BatchedLoss`] takes them.
    fn forward(&mut self, draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor);

    /// The error of every lane, without a graph.
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64>;

    /// What is added to the loss of every lane, `[lanes]`, whatever the loss.
    fn penalty(&self, _parameters: &[Tensor]) -> Option<Tensor> {
        None
    }

    /// See [`TensorProblem::set_training`].
    fn set_training(&mut self, _training: bool) {}
}

/// A model, and the loss with the parameters that it may have of its own: those come after the model's.
pub(crate) struct Supervised<M> {
    model: M,
    loss: Box<dyn BatchedLoss>,
    /// How many parameters the loss has.
    own: usize,
    training: bool,
}

impl<M: Model + 'static> Supervised<M> {
    /// Puts a model with a lane for each seed under a loss.
    ///
    /// # Panics
    /// If the loss can't be made; the message says why.
    pub(crate) fn boxed(
        model: M,
        loss: Option<&Loss>,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let loss = loss.expect("a model has a loss").lanes(seeds, options);
        let loss = loss.unwrap_or_else(|message| panic!("{message}"));
        let own = loss.start().len();
        Box::new(Self { model, loss, own, training: false })
    }

    /// The parameters of the model, and what the loss is called with at a draw.
    fn split<'a>(&self, draw: Draw, parameters: &'a [Tensor]) -> (&'a [Tensor], Call<'a>) {
        let (of_model, parameters) = parameters.split_at(parameters.len() - self.own);
        let training = self.training && matches!(draw, Draw::Step(_));
        (of_model, Call { parameters, step: draw.number(), training })
    }
}

impl<M: Model + 'static> TensorProblem for Supervised<M> {
    fn start(&mut self) -> Vec<Tensor> {
        self.model.start().into_iter().chain(self.loss.start()).collect()
    }

    fn names(&mut self) -> Vec<String> {
        self.model.names().into_iter().chain((1..=self.own).map(|number| format!("loss.{number}"))).collect()
    }

    fn has(&self, draw: Draw) -> bool {
        self.model.has(draw)
    }

    fn set_training(&mut self, training: bool) {
        self.training = training;
        self.model.set_training(training);
    }

    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        let (own, call) = self.split(draw, parameters);
        let (prediction, target) = self.model.forward(draw, own);
        let loss = mean_of_lanes(&self.loss.values(&call, &prediction, &target));
        match self.model.penalty(own) {
            Some(penalty) => loss + penalty,
            None => loss,
        }
    }

    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        let (own, call) = self.split(draw, parameters);
        let (prediction, target) = self.model.forward(draw, own);
        self.loss.terms(&call, &prediction, &target)
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let (own, _) = self.split(Draw::Validation, parameters);
        self.model.error(own)
    }
}
