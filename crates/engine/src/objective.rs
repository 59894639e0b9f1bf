//! What is trained and probed.

use std::sync::Arc;

use losses::{Loss, Term};
use numeric::{Float, InBoth, LANES, Row, Rows, rows};
use problems::{Draw, FusedProblem, Graph, Problem, TensorProblem};
use tch::{Device, Kind, Tensor};

/// A function of parameters that can be trained: its lanes give starts, values, gradients, terms and errors at a
/// [`Draw`].
///
/// It is a recipe that threads share. Lanes are made from it by the thread that runs them, on libtorch
/// ([`tensors`](Self::tensors)) and, where it has them, in fused loops ([`single`](Self::single),
/// [`double`](Self::double)). Nothing asks an objective what it is.
pub trait Objective: Send + Sync {
    /// Lanes on libtorch, one for each seed: named parameters, loss as a graph, error, terms.
    ///
    /// # Panics
    /// If a file that it is made from can't be used: which, and why.
    fn tensors(&self, seeds: &[u64], kind: Kind) -> Box<dyn TensorProblem>;

    /// Lanes in fused loops in float32, or `None` where there are none.
    fn single(&self, _seeds: &[u64]) -> Option<Box<dyn FusedProblem<f32>>> {
        None
    }

    /// The same in float64.
    fn double(&self, _seeds: &[u64]) -> Option<Box<dyn FusedProblem<f64>>> {
        None
    }

    /// The terms of the loss, each as an objective of its own, where fused loops are to account for them.
    fn terms(&self) -> Vec<(String, Box<dyn Objective>)> {
        Vec::new()
    }

    /// The parameters of a seed at which the error is 0, as far as they are known.
    fn solutions(&self, _seed: u64) -> Vec<Vec<f64>> {
        Vec::new()
    }

    /// The error is evaluated at every so many steps and at the last.
    fn error_period(&self) -> u64 {
        1
    }

    /// How many lanes are worth running side by side on libtorch.
    fn max_lanes(&self) -> usize {
        usize::MAX
    }
}

impl dyn Objective + '_ {
    /// Lanes in fused loops in one float type.
    pub fn rows<F: Float>(&self, seeds: &[u64]) -> Option<Box<dyn FusedProblem<F>>> {
        struct Blocks;
        impl InBoth for Blocks {
            type In<F: Float> = Option<Box<dyn FusedProblem<F>>>;
        }
        F::choose::<Blocks>(|| self.single(seeds), || self.double(seeds))
    }
}

/// A problem of the registry with its loss; none for a landscape.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What is trained.
    pub problem: Problem,
    /// With which loss.
    pub loss: Option<Loss>,
}

impl Objective for Workload {
    fn tensors(&self, seeds: &[u64], kind: Kind) -> Box<dyn TensorProblem> {
        self.problem.batch(seeds, self.loss.as_ref(), (kind, Device::Cpu))
    }
    fn single(&self, seeds: &[u64]) -> Option<Box<dyn FusedProblem<f32>>> {
        self.problem.block(seeds, self.loss.as_ref())
    }
    fn double(&self, seeds: &[u64]) -> Option<Box<dyn FusedProblem<f64>>> {
        self.problem.block(seeds, self.loss.as_ref())
    }
    fn terms(&self) -> Vec<(String, Box<dyn Objective>)> {
        let terms = self.loss.as_ref().map(|loss| loss.terms()).unwrap_or_default();
        let alone = |(name, loss)| {
            let term: Box<dyn Objective> = Box::new(Self { problem: self.problem.clone(), loss: Some(loss) });
            (name, term)
        };
        terms.into_iter().map(alone).collect()
    }
    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        self.problem.solutions(seed)
    }
    fn error_period(&self) -> u64 {
        self.problem.error_period()
    }
    fn max_lanes(&self) -> usize {
        self.problem.batching().lanes
    }
}

/// An objective whose fused loops, where it has them, serve optimizers on libtorch.
pub struct Fast<'a>(pub &'a dyn Objective);

impl Objective for Fast<'_> {
    fn tensors(&self, seeds: &[u64], kind: Kind) -> Box<dyn TensorProblem> {
        let on_libtorch = self.0.tensors(seeds, kind);
        let lanes = seeds.len();
        match kind {
            Kind::Float => OnRows::boxed(self.0.single(seeds), lanes, on_libtorch),
            _ => OnRows::boxed(self.0.double(seeds), lanes, on_libtorch),
        }
    }
    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        self.0.solutions(seed)
    }
    fn error_period(&self) -> u64 {
        self.0.error_period()
    }
    fn max_lanes(&self) -> usize {
        self.0.max_lanes()
    }
}

struct OnRows<F: Float> {
    block: Box<dyn FusedProblem<F>>,
    lanes: usize,
    parameters: Rows<F>,
    gradient: Rows<F>,
    loss: Rows<F>,
    raw_error: Rows<F>,
    draw: Draw,
    /// For what needs a graph.
    on_libtorch: Box<dyn TensorProblem>,
}

impl<F: Float> OnRows<F> {
    fn boxed(
        block: Option<Box<dyn FusedProblem<F>>>,
        lanes: usize,
        on_libtorch: Box<dyn TensorProblem>,
    ) -> Box<dyn TensorProblem> {
        let Some(block) = block else { return on_libtorch };
        let (rows, chunks) = (block.elements() * rows::chunks(lanes), rows::chunks(lanes));
        let [parameters, gradient] = [(); 2].map(|()| Rows::zero(rows));
        let [loss, raw_error] = [(); 2].map(|()| Rows::zero(chunks));
        let draw = Draw::Frozen;
        Box::new(Self { block, lanes, parameters, gradient, loss, raw_error, draw, on_libtorch })
    }

    fn evaluate(&mut self, draw: Draw, parameters: &[Tensor]) {
        let elements = self.block.elements();
        let mut first = 0;
        for parameter in parameters {
            let parameter = parameter.detach().contiguous();
            let values = numeric::slices::slice::<F>(&parameter);
            let size = values.len() / self.lanes;
            for (lane, own) in values.chunks_exact(size).enumerate() {
                let rows = &mut self.parameters[lane / LANES * elements + first..];
                rows.iter_mut().zip(own).for_each(|(row, value)| row[lane % LANES] = *value);
            }
            first += size;
        }
        self.draw = draw;
        let Self { block, parameters, gradient, loss, raw_error, .. } = self;
        block.evaluate(draw, parameters, gradient, loss, raw_error);
    }

    fn of_lanes(&self, rows: &[Row<F>]) -> Vec<F> {
        (0..self.lanes).map(|lane| rows[lane / LANES][lane % LANES]).collect()
    }
}

impl<F: Float> TensorProblem for OnRows<F> {
    fn start(&mut self) -> Vec<Tensor> {
        self.on_libtorch.start()
    }
    fn names(&mut self) -> Vec<String> {
        self.on_libtorch.names()
    }
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        self.evaluate(draw, parameters);
        let loss: Vec<f64> = self.of_lanes(&self.loss).into_iter().map(Float::to_f64).collect();
        Tensor::from_slice(&loss).to_kind(F::KIND)
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        self.evaluate(Draw::Frozen, parameters);
        let measures = self.of_lanes(&self.raw_error);
        measures.into_iter().map(|raw_error| self.block.error(raw_error).to_f64()).collect()
    }
    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        self.on_libtorch.terms(draw, parameters)
    }
    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        if loss.requires_grad() {
            return self.on_libtorch.gradients(loss, parameters, graph);
        }
        if graph == Graph::Extend {
            let loss = self.on_libtorch.loss(self.draw, parameters);
            return self.on_libtorch.gradients(&loss, parameters, graph);
        }
        let elements = self.block.elements();
        let mut first = 0;
        let gradient = |parameter: &Tensor| {
            let size = parameter.numel() / self.lanes;
            let of_lane = |lane: usize| {
                let rows = &self.gradient[lane / LANES * elements + first..][..size];
                rows.iter().map(move |row| row[lane % LANES].to_f64())
            };
            let values: Vec<f64> = (0..self.lanes).flat_map(of_lane).collect();
            first += size;
            Tensor::from_slice(&values).reshape(parameter.size()).to_kind(F::KIND)
        };
        parameters.iter().map(gradient).collect()
    }
}

/// An objective with something changed.
#[derive(Clone)]
pub struct Altered {
    /// What it was.
    pub inner: Arc<dyn Objective>,
    /// What is changed.
    pub change: Change,
}

/// See [`Altered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A step takes the mean of so many draws, as that of a larger minibatch does.
    MeanOfDraws(u64),
    /// The loss is the term of this number alone.
    Term(usize),
    /// Frozen, the random numbers that programs draw are those of this number.
    Redrawn(u64),
}

impl Objective for Altered {
    fn tensors(&self, seeds: &[u64], kind: Kind) -> Box<dyn TensorProblem> {
        Box::new(AlteredBatch { inner: self.inner.tensors(seeds, kind), change: self.change })
    }
    fn single(&self, seeds: &[u64]) -> Option<Box<dyn FusedProblem<f32>>> {
        self.change.block(|| self.inner.single(seeds))
    }
    fn double(&self, seeds: &[u64]) -> Option<Box<dyn FusedProblem<f64>>> {
        self.change.block(|| self.inner.double(seeds))
    }
    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        self.inner.solutions(seed)
    }
    fn error_period(&self) -> u64 {
        self.inner.error_period()
    }
    fn max_lanes(&self) -> usize {
        self.inner.max_lanes()
    }
}

impl Change {
    fn block<F: Float>(
        self,
        inner: impl FnOnce() -> Option<Box<dyn FusedProblem<F>>>,
    ) -> Option<Box<dyn FusedProblem<F>>> {
        let Self::MeanOfDraws(draws) = self else { return None };
        inner().map(|inner| Box::new(MeanOfDraws { inner, draws }) as Box<dyn FusedProblem<F>>)
    }

    fn redrawn(self, draw: Draw) -> Draw {
        match self {
            Self::Redrawn(number) if draw == Draw::Frozen => Draw::Redrawn(number),
            _ => draw,
        }
    }
}

/// The draws of a step that takes the mean of several.
fn draws_of(draw: Draw, count: u64) -> Vec<Draw> {
    match draw {
        Draw::Step(step) => (step * count..(step + 1) * count).map(Draw::Step).collect(),
        draw => vec![draw],
    }
}

struct MeanOfDraws<F> {
    inner: Box<dyn FusedProblem<F>>,
    draws: u64,
}

impl<F: Float> FusedProblem<F> for MeanOfDraws<F> {
    fn elements(&self) -> usize {
        self.inner.elements()
    }
    fn start(&self) -> Rows<F> {
        self.inner.start()
    }
    fn evaluate(
        &mut self,
        draw: Draw,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        raw_error: &mut [Row<F>],
    ) {
        let draws = draws_of(draw, self.draws);
        let share = F::from_f64(1.0 / draws.len() as f64);
        let (mut one_gradient, mut one_loss) = (Rows::zero(gradient.len()), Rows::zero(loss.len()));
        gradient.fill(rows::zero());
        loss.fill(rows::zero());
        for draw in draws {
            self.inner.evaluate(draw, parameters, &mut one_gradient, &mut one_loss, raw_error);
            let both = gradient.iter_mut().zip(&*one_gradient).chain(loss.iter_mut().zip(&*one_loss));
            for (sum, one) in both {
                sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += *one * share);
            }
        }
    }
    fn error(&self, raw_error: F) -> F {
        self.inner.error(raw_error)
    }
    fn raw_error(&self, error: F) -> F {
        self.inner.raw_error(error)
    }
}

struct AlteredBatch {
    inner: Box<dyn TensorProblem>,
    change: Change,
}

impl TensorProblem for AlteredBatch {
    fn start(&mut self) -> Vec<Tensor> {
        self.inner.start()
    }
    fn names(&mut self) -> Vec<String> {
        self.inner.names()
    }
    fn has(&self, draw: Draw) -> bool {
        self.inner.has(draw)
    }
    fn set_training(&mut self, training: bool) {
        self.inner.set_training(training);
    }
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        match self.change {
            Change::MeanOfDraws(count) => {
                let draws = draws_of(draw, count);
                let count = draws.len() as f64;
                let losses = draws.into_iter().map(|draw| self.inner.loss(draw, parameters));
                losses.reduce(|a, b| a + b).expect("there is a draw") / count
            }
            Change::Term(term) => self.inner.terms(draw, parameters).swap_remove(term).value,
            Change::Redrawn(_) => self.inner.loss(self.change.redrawn(draw), parameters),
        }
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        self.inner.error(parameters)
    }
    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        self.inner.terms(self.change.redrawn(draw), parameters)
    }
    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        self.inner.gradients(loss, parameters, graph)
    }
}
