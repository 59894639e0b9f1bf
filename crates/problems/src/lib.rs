//! What is trained, one file a problem, and the registry that the config, the results and the tests
//! know them by.
//!
//! Every problem defines an *error* that doesn't depend on the loss: 0 at the true solution, so that
//! runs with different losses can be compared. A problem comes in two forms, [`FusedProblem`] for fused
//! loops where it is small enough, and [`TensorProblem`] on libtorch, and both start every lane from the same
//! numbers, drawn from the seed.

mod data;
mod fits;
mod landscapes;
mod linear;
mod models;
mod noisy;
mod supervised;

use std::borrow::Borrow;

pub use data::dataset::{Names, read_tensors};
pub use data::values::{Array, Classes, Constant, Draws, FromFile, MOST_NUMBERS, Normal, Uniform, Values};
use losses::{File, Files, Loss, Term};
pub use models::digits::Activation;
use numeric::{Float, InBoth, Row, Rows};
pub use programs::first_derivatives_only;
use registry::{Described, registry};
use tch::{Device, Kind, Tensor};

registry! {
    /// A problem and its options.
    pub enum Problem: "problem", dyn ProblemSpec {
        "direct_fit" => direct_fit::DirectFit in fits,
        "free_fit" => free_fit::FreeFit in fits with Exported, LossInput, Readout,
        "line_fit" => line_fit::LineFit in fits,
        "quadratic" => quadratic::Quadratic in landscapes,
        "rosenbrock" => rosenbrock::Rosenbrock in landscapes,
        "beale" => beale::Beale in landscapes,
        "himmelblau" => himmelblau::Himmelblau in landscapes,
        "styblinski_tang" => styblinski_tang::StyblinskiTang in landscapes,
        "rastrigin" => rastrigin::Rastrigin in landscapes,
        "ackley" => ackley::Ackley in landscapes,
        "levy" => levy::Levy in landscapes,
        "saddle" => saddle::Saddle in landscapes,
        "monkey_saddle" => monkey_saddle::MonkeySaddle in landscapes,
        "moat" => moat::Moat in landscapes,
        "abs_power" => abs_power::AbsPower in landscapes,
        "diabetes_linear" => diabetes_linear::DiabetesLinear in models,
        "breast_cancer_logistic" => breast_cancer_logistic::BreastCancerLogistic in models,
        "softmax_regression" => softmax_regression::SoftmaxRegression in models with ThreeClasses,
        "deep_linear_chain" => deep_linear_chain::DeepLinearChain in models,
        "matrix_factorization" => matrix_factorization::MatrixFactorization in models,
        "digits_mlp" => digits_mlp::DigitsMlp in models,
        "digits_autoencoder" => digits_autoencoder::DigitsAutoencoder in models,
        "audio" => audio::Audio in models,
        "noisy" => noisy::Noisy,
        "model" => model::ProgramModel in models,
        "objective" => objective::Objective in models,
    }
}

/// Which losses a problem is trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// None: a landscape is its own loss.
    Own,
    /// Losses of a prediction and a value.
    Values,
    /// Those, against one-hot targets, and losses of logits and a class.
    ValuesOrClasses,
}

/// What every problem can do.
pub trait ProblemSpec: Described + Fusible<f32> + Fusible<f64> + Send + Sync {
    /// Reads the files that it names and the data in them, so that nothing does later. The reader of a config calls it,
    /// once for each entry; one that is loaded stays as it is.
    ///
    /// # Errors
    /// If a file can't be read. What is wrong with its contents is an error of its cells.
    fn load(&mut self, _files: &mut Files) -> Result<(), String> {
        Ok(())
    }

    /// Which losses it is trained with.
    fn losses(&self) -> Losses {
        Losses::Values
    }

    /// Whether another seed is another run. Where nothing is random, a second seed would only repeat
    /// the first.
    fn depends_on_seed(&self) -> bool {
        true
    }

    /// The targets for the error, hardest last, where the config names none.
    fn targets(&self) -> &'static [f64] {
        &[0.1, 0.01, 0.001]
    }

    /// Where a landscape is least; none for what isn't a landscape.
    fn minimizers(&self) -> Vec<Vec<f64>> {
        Vec::new()
    }

    /// The parameters of a seed at which the error is 0, as far as they are known: one point or several.
    fn solutions(&self, _seed: u64) -> Vec<Vec<f64>> {
        self.minimizers()
    }

    /// How many lanes run side by side on libtorch, and whether they must share a seed (so that one
    /// minibatch serves all of them).
    fn batching(&self) -> Batching {
        Batching { lanes: 256, one_seed: false }
    }

    /// The error is evaluated at every so many steps and at the last: targets and divergence by the error are found
    /// there alone. More than 1 only where it costs more than a step.
    fn error_period(&self) -> u64 {
        1
    }

    /// About how many numbers the loss of a lane is computed from on libtorch, and keeps for its gradient, besides
    /// the parameters; 0 where those are about as many. What the memory of a batch is estimated from.
    fn memory(&self) -> u64 {
        0
    }

    /// The files that it is made from.
    fn files(&self) -> Vec<&File> {
        Vec::new()
    }

    /// The problem on libtorch, a lane for each seed. `loss` is `None` for a landscape.
    ///
    /// # Panics
    /// If a file that the problem or the loss is made from can't be used: which, and why.
    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem>;
}

/// Which of the random draws of a problem is meant: the minibatch, the noise, and the random numbers of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Those of a training step, by its number.
    Step(u64),
    /// All training data in one batch, without noise.
    Frozen,
    /// As frozen, but for the random numbers that programs draw: those of this number.
    Redrawn(u64),
    /// The data that were held out, without noise.
    Validation,
}

impl Draw {
    /// What the random numbers of programs follow from, beside the seed.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Step(step) => step,
            Self::Frozen => u64::MAX,
            Self::Validation => u64::MAX - 1,
            Self::Redrawn(number) => u64::MAX - 2 - number,
        }
    }
}

/// How lanes are put together on libtorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// At most this many lanes.
    pub lanes: usize,
    /// All of one seed.
    pub one_seed: bool,
}

/// The fused form in one float type.
pub trait Fusible<F: Float> {
    /// A block with a lane for each seed (the last chunk filled up with the last seed), or `None`
    /// where the problem or the loss can't be fused.
    fn block(&self, _seeds: &[u64], _loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        None
    }
}

/// Lanes of a problem as fused loops. See [`numeric::rows`] for how lanes lie in memory.
pub trait FusedProblem<F: Float>: Send {
    /// The parameters of a lane.
    fn elements(&self) -> usize;

    /// Where the lanes start: chunks × elements rows.
    fn start(&self) -> Rows<F>;

    /// At `parameters` and a draw, computes every lane's gradient (chunks × elements rows), its loss and its
    /// error measure (a row a chunk). Only the first two may depend on the draw.
    fn evaluate(
        &mut self,
        draw: Draw,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        raw_error: &mut [Row<F>],
    );

    /// The error that a measure stands for: a non-decreasing function, such as the square root that
    /// the loops leave out.
    fn error(&self, raw_error: F) -> F;

    /// The measure of an error: the inverse, up to rounding.
    fn raw_error(&self, error: F) -> F;
}

/// Lanes of a problem on libtorch.
pub trait TensorProblem {
    /// Where the lanes start: tensors `[lanes, …]`. They are what is trained, in place.
    fn start(&mut self) -> Vec<Tensor>;

    /// The names of those tensors, such as `weight`.
    fn names(&mut self) -> Vec<String> {
        (1..=self.start().len()).map(|number| format!("parameter{number}")).collect()
    }

    /// Whether there is such a draw: without [`Draw::Frozen`] there is no full batch.
    fn has(&self, draw: Draw) -> bool {
        draw != Draw::Validation
    }

    /// Goes over to the mode of training, or back to that of evaluation, for models that differ (dropout, say).
    fn set_training(&mut self, _training: bool) {}

    /// The loss of every lane, `[lanes]`, at a draw, as a graph over `parameters`.
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor;

    /// The error of every lane, without a graph.
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64>;

    /// The terms that the loss of this draw is put together of, as graphs; none where there is but one.
    fn terms(&mut self, _draw: Draw, _parameters: &[Tensor]) -> Vec<Term> {
        Vec::new()
    }

    /// The gradients `[lanes, …]` of what [`loss`](Self::loss), or a term, came to by the `parameters` it
    /// came from.
    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        autograd(loss, parameters, graph)
    }
}

/// What becomes of the graph that gradients are taken along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// It is given up.
    Spend,
    /// It serves once more.
    Keep,
    /// The gradients have graphs of their own, for second derivatives.
    Extend,
}

/// The gradient of every lane's loss: the sum's, since lanes don't touch. It is 0 for a parameter that the
/// loss doesn't depend on.
///
/// # Panics
/// If there is no graph to follow: libtorch would read memory that isn't there.
pub(crate) fn autograd<T: Borrow<Tensor>>(loss: &Tensor, parameters: &[T], graph: Graph) -> Vec<Tensor> {
    let sum = loss.sum(None::<Kind>);
    assert!(
        sum.requires_grad(),
        "the loss has no gradient by the parameters: it doesn't depend on them, or a detach is in between"
    );
    let found = Tensor::run_backward(&[sum], parameters, graph != Graph::Spend, graph == Graph::Extend);
    let fill = |(gradient, parameter): (Tensor, &T)| {
        if gradient.defined() { gradient.contiguous() } else { parameter.borrow().zeros_like().detach() }
    };
    found.into_iter().zip(parameters).map(fill).collect()
}

impl Problem {
    /// The shapes of a lane's parameters, of a lane that is made to see them.
    ///
    /// # Panics
    /// As [`ProblemSpec::batch`].
    #[must_use]
    pub fn shapes(&self) -> Vec<Vec<u64>> {
        let loss = Loss::named("mse").filter(|_| self.losses() != Losses::Own);
        let start = self.batch(&[0], loss.as_ref(), (Kind::Float, Device::Cpu)).start();
        start.iter().map(|tensor| tensor.size()[1..].iter().map(|size| *size as u64).collect()).collect()
    }

    /// A block with a lane for each seed in one float type, or `None` where the problem or the loss
    /// can't be fused.
    #[must_use]
    pub fn block<F: Float>(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        struct Blocks;
        impl InBoth for Blocks {
            type In<F: Float> = Option<Box<dyn FusedProblem<F>>>;
        }
        F::choose::<Blocks>(
            || Fusible::<f32>::block(&**self, seeds, loss),
            || Fusible::<f64>::block(&**self, seeds, loss),
        )
    }
}
