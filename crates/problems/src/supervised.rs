//! Models under a loss on libtorch: what all of them have in common.

use losses::{BatchedLoss, Loss, Parameters, Replicas, Term, mean_of_lanes};
use tch::{Device, Kind, Tensor};

use crate::{Draw, Graph, TensorProblem, autograd};

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

    /// The modules that hold the parameters, where the model is TorchScript.
    fn modules(&mut self) -> Option<&mut Replicas> {
        None
    }
}

/// A model, and the loss with the parameters that it may have of its own: those come after the model's.
pub(crate) struct Supervised<M> {
    model: M,
    loss: Box<dyn BatchedLoss>,
}

impl<M: Model + 'static> Supervised<M> {
    /// Puts a model for so many lanes under a loss.
    ///
    /// # Panics
    /// If the loss can't be made; the message says why.
    pub(crate) fn boxed(
        model: M,
        loss: Option<&Loss>,
        lanes: usize,
        options: (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let loss = loss.expect("a model has a loss").lanes(lanes, options);
        Box::new(Self { model, loss: loss.unwrap_or_else(|message| panic!("{message}")) })
    }

    /// Lets all modules see these parameters, and returns the model's.
    fn bind<'a>(&mut self, parameters: &'a [Tensor]) -> &'a [Tensor] {
        let mut rest = parameters;
        let mut modules = self.loss.modules();
        let of_loss: usize = modules.iter().map(|modules| modules.parameters()).sum();
        let (of_model, mut of_losses) = rest.split_at(rest.len() - of_loss);
        rest = of_model;
        for replicas in &mut modules {
            let (own, others) = of_losses.split_at(replicas.parameters());
            replicas.bind(own);
            of_losses = others;
        }
        if let Some(replicas) = self.model.modules() {
            replicas.bind(rest);
        }
        rest
    }
}

impl<M: Model + 'static> TensorProblem for Supervised<M> {
    fn start(&mut self) -> Vec<Tensor> {
        let of_losses = self.loss.modules().into_iter().flat_map(|modules| modules.start());
        self.model.start().into_iter().chain(of_losses).collect()
    }

    fn names(&mut self) -> Vec<String> {
        let own = self.loss.modules().iter().map(|modules| modules.parameters()).sum();
        self.model.names().into_iter().chain((1..=own).map(|number| format!("loss.{number}"))).collect()
    }

    fn has(&self, draw: Draw) -> bool {
        self.model.has(draw)
    }

    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        let own = self.bind(parameters);
        let (prediction, target) = self.model.forward(draw, own);
        let loss = mean_of_lanes(&self.loss.values(&prediction, &target));
        match self.model.penalty(own) {
            Some(penalty) => loss + penalty,
            None => loss,
        }
    }

    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        let own = self.bind(parameters);
        let (prediction, target) = self.model.forward(draw, own);
        self.loss.terms(&prediction, &target)
    }

    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        let mut of_losses = Vec::new();
        for modules in self.loss.modules() {
            of_losses.extend(modules.leaves());
        }
        let of_model = parameters.len() - of_losses.len();
        let mut leaves = match self.model.modules() {
            Some(modules) => modules.leaves(),
            None => parameters[..of_model].iter().map(|parameter| vec![parameter.shallow_clone()]).collect(),
        };
        leaves.extend(of_losses);
        let flat: Vec<&Tensor> = leaves.iter().flatten().collect();
        let mut found = autograd(loss, &flat, graph).into_iter();
        let mut next = |(leaves, parameter): (&Vec<Tensor>, &Tensor)| {
            let own: Vec<Tensor> = found.by_ref().take(leaves.len()).collect();
            // A leaf is all lanes, or there is one a lane.
            if leaves[0].dim() == parameter.dim() {
                own[0].shallow_clone()
            } else {
                Tensor::stack(&own, 0).view_as(parameter)
            }
        };
        leaves.iter().zip(parameters).map(&mut next).collect()
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let own = self.bind(parameters);
        self.model.error(own)
    }
}
