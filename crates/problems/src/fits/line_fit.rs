use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::linear::{Linear, LinearOnTensors, Truth, around, draws, lane_rows};
use crate::supervised::Supervised;
use crate::{FusedProblem, Fusible, ProblemSpec, TensorProblem};

options! {
    /// A straight line through points, the smallest model there is.
    ///
    /// ```text
    /// prediction = w·x + b,  y = 3x + 2 + noise·N(0, 1),  x evenly on [−2, 2]
    /// loss  = mean ℓ(prediction, y)
    /// error = max(|w − 3|, |b − 2|)
    /// start = spread·N(0, 1),  noise drawn for each seed
    /// ```
    /// Source: the line fit of optbench's own diagnosis figures.
    pub struct LineFit {
        /// The true slope.
        pub slope: f64 = 3.0 => ..,
        /// The true intercept.
        pub intercept: f64 = 2.0 => ..,
        /// The number of points.
        pub points: usize = 64 => 2..=100_000,
        /// The standard deviation of the noise on y.
        pub noise: f64 = 0.0 => 0.0..,
        /// The standard deviation of the start around (0, 0).
        pub spread: f64 = 1.0 => 0.0..,
    }
}

impl LineFit {
    fn x(&self) -> Vec<f64> {
        (0..self.points).map(|i| -2.0 + 4.0 * i as f64 / (self.points - 1) as f64).collect()
    }

    fn y(&self, seed: u64) -> Vec<f64> {
        let mut noise = Stream::new("line fit: noise", &[seed]);
        self.x().iter().map(|x| self.slope * x + self.intercept + self.noise * noise.normal()).collect()
    }

    fn start(&self, seed: u64) -> Vec<f64> {
        around(&[0.0, 0.0], self.spread, "line fit: start", seed)
    }
}

impl ProblemSpec for LineFit {
    fn depends_on_seed(&self) -> bool {
        self.noise > 0.0 || self.spread > 0.0
    }

    fn memory(&self) -> u64 {
        self.points as u64
    }

    /// With noise there is none: the truth isn't where the loss is least.
    fn solutions(&self, _seed: u64) -> Vec<Vec<f64>> {
        if self.noise == 0.0 { vec![vec![self.slope, self.intercept]] } else { Vec::new() }
    }

    fn batch(
        &self,
        seeds: &[u64],
        loss: Option<&Loss>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let y: Vec<f64> = seeds.iter().flat_map(|seed| self.y(*seed)).collect();
        let tensor = |values: &[f64], rows: usize| {
            Tensor::from_slice(values).reshape([rows as i64, -1]).to_kind(kind).to_device(device)
        };
        let model = LinearOnTensors {
            x: tensor(&self.x(), 1),
            y: tensor(&y, seeds.len()),
            start: seeds.iter().map(|seed| self.start(*seed)).collect(),
            truth: Truth::Parameters(vec![self.slope, self.intercept]),
        };
        Supervised::boxed(model, loss, seeds, (kind, device))
    }
}

impl<F: Float> Fusible<F> for LineFit {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let draws = draws(seeds, |seed| (self.y(seed), self.start(seed)));
        let y = lane_rows(self.points, seeds.len(), |lane, i| draws[lane].0[i]);
        let start = lane_rows(2, seeds.len(), |lane, i| draws[lane].1[i]);
        let truth = Truth::Parameters(vec![F::from_f64(self.slope), F::from_f64(self.intercept)]);
        Some(Box::new(Linear::new(loss?, (&self.x(), 1), y, start, truth)?))
    }
}
