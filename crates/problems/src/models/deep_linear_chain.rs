use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::linear::draws;
use crate::supervised::{Model, Supervised};
use crate::{Draw, Fusible, ProblemSpec, TensorProblem};

options! {
    /// A product of weights that is to be 1: a deep linear network with one unit a layer.
    ///
    /// ```text
    /// prediction = Π wᵢ,  i = 1 … depth
    /// loss  = ℓ(Π wᵢ, 1)
    /// error = |Π wᵢ − 1|
    /// start: wᵢ = gain·(1 + spread·N(0, 1))   for each seed
    /// ```
    /// The gradient by a weight is the product of the others: gain^(depth − 1), which vanishes for a gain below 1 (by
    /// default 0.02) and explodes above (1.5 gives 38, and a first step that lands far off).
    ///
    /// Source: Bengio, Simard & Frasconi 1994, “Learning Long-Term Dependencies with Gradient Descent Is Difficult”; Saxe,
    /// McClelland & Ganguli 2014, “Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks”.
    ///
    /// Checked against: `torch.prod` of PyTorch 2.13, loss and gradient.
    pub struct DeepLinearChain {
        /// How many weights there are.
        pub depth: usize = 10 => 1..=1000,
        /// What a weight is about at the start.
        pub gain: f64 = 0.65 => up_to(100.0),
        /// By what share of that weights differ.
        pub spread: f64 = 0.05 => 0.0..=1.0,
    }
}

impl ProblemSpec for DeepLinearChain {
    fn depends_on_seed(&self) -> bool {
        self.spread > 0.0
    }

    fn batch(
        &self,
        seeds: &[u64],
        loss: Option<&Loss>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let starts = draws(seeds, |seed| {
            let mut stream = Stream::new("chain: start", &[seed]);
            let weight = |_| self.gain * (1.0 + self.spread * stream.normal());
            (0..self.depth).map(weight).collect::<Vec<f64>>()
        });
        let all: Vec<f64> = starts.iter().flat_map(|start| start.to_vec()).collect();
        let start = Tensor::from_slice(&all).reshape([seeds.len() as i64, -1]);
        let model = OnTensors { start: start.to_kind(kind).to_device(device) };
        Supervised::boxed(model, loss, seeds, (kind, device))
    }
}

impl<F: Float> Fusible<F> for DeepLinearChain {}

struct OnTensors {
    /// `[lanes, depth]`
    start: Tensor,
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }
    fn names(&self) -> Vec<String> {
        ["weights"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        // Factor by factor, left to right.
        let product = parameters[0].split(1, 1).into_iter().reduce(|a, b| a * b);
        let product = product.expect("a chain has a weight");
        (product, self.start.new_ones([1, 1], (self.start.kind(), self.start.device())))
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let (product, target) = self.forward(Draw::Frozen, parameters);
        let error = (product - target).abs().squeeze_dim(1);
        Vec::try_from(error.to_kind(Kind::Double)).expect("a vector of lanes")
    }
}
