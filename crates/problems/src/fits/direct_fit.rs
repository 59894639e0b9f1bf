use losses::Loss;
use numeric::{Float, LANES, Row, Rows, Stream, rows, vectorize};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::linear::{draws, lane_rows};
use crate::supervised::{Model, Supervised};
use crate::{Draw, FusedProblem, Fusible, ProblemSpec, TensorProblem};

options! {
    /// The prediction is the parameter: nothing stands between the loss and the optimizer.
    ///
    /// ```text
    /// loss  = mean over i of ℓ(pᵢ, targetᵢ)
    /// error = √ mean over i of (pᵢ − targetᵢ)²
    /// target ~ N(0, 1),  start = target + spread·N(0, 1)   for each seed
    /// ```
    /// A free fit flatters a loss: no model couples its elements.
    ///
    /// Source: the setting of “Why is custom loss function decreasing slowly?” (2025).
    pub struct DirectFit {
        /// The number of parameters.
        pub dim: usize = 16 => 1..=1_000_000,
        /// The standard deviation of the start around the target.
        pub spread: f64 = 1.0 => above(0.0),
    }
}

impl DirectFit {
    /// Target and start of a seed.
    fn draw(&self, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let (mut targets, mut starts) =
            (Stream::new("direct fit: target", &[seed]), Stream::new("direct fit: start", &[seed]));
        let target: Vec<f64> = (0..self.dim).map(|_| targets.normal()).collect();
        let start = target.iter().map(|target| target + self.spread * starts.normal()).collect();
        (target, start)
    }
}

impl ProblemSpec for DirectFit {
    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        vec![self.draw(seed).0]
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let draws = draws(seeds, |seed| self.draw(seed));
        let tensor = |values: Vec<f64>| {
            Tensor::from_slice(&values)
                .reshape([seeds.len() as i64, self.dim as i64])
                .to_kind(options.0)
                .to_device(options.1)
        };
        let model = OnTensors {
            target: tensor(draws.iter().flat_map(|draw| draw.0.clone()).collect()),
            start: tensor(draws.iter().flat_map(|draw| draw.1.clone()).collect()),
        };
        Supervised::boxed(model, loss, seeds, options)
    }
}

struct OnTensors {
    target: Tensor,
    start: Tensor,
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }
    fn names(&self) -> Vec<String> {
        ["prediction"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        (parameters[0].shallow_clone(), self.target.shallow_clone())
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = (&parameters[0] - &self.target).square().mean_dim(1, false, None::<Kind>);
        Vec::try_from(squares.sqrt().to_kind(Kind::Double)).expect("a vector of lanes")
    }
}

impl<F: Float> Fusible<F> for DirectFit {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let loss = loss?.kernel()?;
        let draws = draws(seeds, |seed| self.draw(seed));
        Some(Box::new(Fused {
            loss,
            elements: self.dim,
            target: lane_rows(self.dim, seeds.len(), |lane, i| draws[lane].0[i]),
            start: lane_rows(self.dim, seeds.len(), |lane, i| draws[lane].1[i]),
        }))
    }
}

struct Fused<F> {
    loss: Box<dyn losses::Kernel<F>>,
    elements: usize,
    target: Rows<F>,
    start: Rows<F>,
}

impl<F: Float> FusedProblem<F> for Fused<F> {
    fn elements(&self) -> usize {
        self.elements
    }
    fn start(&self) -> Rows<F> {
        self.start.clone()
    }
    fn evaluate(
        &mut self,
        _draw: Draw,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        raw_error: &mut [Row<F>],
    ) {
        self.loss.mean(self.elements, parameters, &self.target, gradient, loss);
        vectorize(
            #[inline(always)]
            || squares(self.elements, parameters, &self.target, raw_error),
        );
    }
    /// The measure is the sum of squares.
    fn error(&self, raw_error: F) -> F {
        (raw_error / F::from_f64(self.elements as f64)).sqrt()
    }
    fn raw_error(&self, error: F) -> F {
        error * error * F::from_f64(self.elements as f64)
    }
}

/// Σ (a − b)² over the elements of each chunk, for every lane.
#[inline(always)]
pub(super) fn squares<F: Float>(elements: usize, a: &[Row<F>], b: &[Row<F>], sums: &mut [Row<F>]) {
    for (chunk, sum) in sums.iter_mut().enumerate() {
        let own = chunk * elements..(chunk + 1) * elements;
        let (a, b) = (&a[own.clone()], &b[own]);
        let mut total = rows::zero::<F>();
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                let d = a[lane] - b[lane];
                total[lane] += d * d;
            }
        }
        *sum = total;
    }
}
