use losses::Loss;
use numeric::Float;
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::data::minibatches::Minibatches;
use crate::models::digits::{self, Activation, DATA, PIXELS, TEST};
use crate::supervised::{Model, Supervised};
use crate::{Batching, Draw, Fusible, ProblemSpec, TensorProblem};

options! {
    /// A network that is to give handwritten digits back through a narrow layer.
    ///
    /// ```text
    /// prediction = W₂·σ(W₁·x + b₁) + b₂,  σ the activation,  x: 64 pixels scaled to [0, 1]
    /// loss  = mean over the minibatch and its pixels of ℓ(prediction, x)
    /// error = √(Σ (prediction − x)²/Σ (x − mean)²) over the 360 test images, mean of each pixel, at every tenth step
    /// start: as `torch.nn.Linear`, U(−1/√fan-in, 1/√fan-in), for each seed
    /// ```
    /// The images, their split and the minibatches are those of `digits_mlp`. The error is 1 where every image is given
    /// back as the mean one, and is evaluated at every tenth step and at the last, so that steps to a target are counted in
    /// tens. Linear (`activation = "identity"`), it can't get below what
    /// the principal components leave.
    ///
    /// Source: Hinton & Salakhutdinov 2006, “Reducing the Dimensionality of Data with Neural Networks”, in its shallowest
    /// form.
    ///
    /// Checked against: the same network in PyTorch 2.13, loss and gradient; scikit-learn's errors of it and of the
    /// mean image.
    pub struct DigitsAutoencoder {
        /// Units in the narrow layer.
        pub hidden: usize = 16 => 1..=4096,
        /// Images in a minibatch.
        pub batch: usize = 64 => 1..=DATA.classes.len() - TEST,
        /// What the hidden units do: `relu`, `tanh`, `sigmoid`, `gelu`, `silu` or `identity`.
        pub activation: Activation = Activation::Tanh,
    }
}

impl ProblemSpec for DigitsAutoencoder {
    fn targets(&self) -> &'static [f64] {
        &[0.8, 0.6, 0.5]
    }
    fn batching(&self) -> Batching {
        Batching { lanes: 16, one_seed: true }
    }
    fn error_period(&self) -> u64 {
        10
    }
    fn memory(&self) -> u64 {
        (self.hidden as u64).saturating_mul(self.batch.max(TEST) as u64)
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        Supervised::boxed(OnTensors::new(self, seeds, options), loss, seeds, options)
    }
}

impl<F: Float> Fusible<F> for DigitsAutoencoder {}

struct OnTensors {
    model: DigitsAutoencoder,
    seed: u64,
    lanes: i64,
    minibatches: Minibatches,
    /// `[pixels, images]`
    test: Tensor,
    /// `[images, pixels]`
    train: Tensor,
    /// Σ (x − mean)² over the test images.
    spread: f64,
}

impl OnTensors {
    fn new(model: &DigitsAutoencoder, seeds: &[u64], (kind, device): (Kind, Device)) -> Self {
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let exact = Tensor::from_slice(&DATA.images).reshape([-1, PIXELS as i64]);
        let (test, rows) = (exact.narrow(0, 0, TEST as i64), exact.size()[0] - TEST as i64);
        let centered = &test - test.mean_dim(0, true, None::<Kind>);
        let images = exact.to_kind(kind).to_device(device);
        let size = (model.batch, rows as usize);
        Self {
            model: model.clone(),
            seed: seeds[0],
            lanes: seeds.len() as i64,
            minibatches: Minibatches::new("digits: minibatches", seeds[0], size, device),
            test: images.narrow(0, 0, TEST as i64).tr().contiguous(),
            train: images.narrow(0, TEST as i64, rows),
            spread: centered.square().sum(None::<Kind>).double_value(&[]),
        }
    }
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        let options = (self.train.kind(), self.train.device());
        let sizes = [PIXELS, self.model.hidden, PIXELS];
        digits::start("digits autoencoder: start", self.seed, sizes, self.lanes, options)
    }

    fn names(&self) -> Vec<String> {
        digits::names()
    }

    fn has(&self, _draw: Draw) -> bool {
        true
    }

    fn forward(&mut self, draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        let images = match draw {
            Draw::Step(step) => self.train.index_select(0, &self.minibatches.rows(step)),
            Draw::Frozen | Draw::Redrawn(_) => self.train.shallow_clone(),
            Draw::Validation => self.test.tr(),
        };
        let prediction = digits::network(&images.tr(), parameters, self.model.activation);
        (prediction.transpose(1, 2), images.unsqueeze(0))
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let off = digits::network(&self.test, parameters, self.model.activation) - &self.test;
        let squares = off.square().sum_dim_intlist([1, 2].as_slice(), false, None::<Kind>);
        Vec::try_from((squares.to_kind(Kind::Double) / self.spread).sqrt()).expect("a vector of lanes")
    }
}
