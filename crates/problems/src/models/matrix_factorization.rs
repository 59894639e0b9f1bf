use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::linear::draws;
use crate::supervised::{Model, Supervised};
use crate::{Draw, Fusible, ProblemSpec, TensorProblem};

options! {
    /// Two thin matrices whose product is to be a given one.
    ///
    /// ```text
    /// prediction = U·Vᵀ,  U: rows × rank,  V: columns × rank
    /// loss  = mean over the entries of ℓ(U·Vᵀ, M)
    /// error = √ mean (U·Vᵀ − M)²
    /// M = A·Bᵀ/√rank with A, B ~ N(0, 1),  U, V start as spread·N(0, 1)   for each seed
    /// ```
    /// Not convex: 0 is a saddle, and any invertible matrix between U and V gives the same product. Under the mean
    /// square every minimum is a global one; a small spread makes a run dwell near the saddle.
    ///
    /// Source: Srebro & Jaakkola 2003, “Weighted Low-Rank Approximations”; saddles: Ge, Lee & Ma 2016, “Matrix
    /// Completion Has No Spurious Local Minimum”.
    ///
    /// Checked against: the same product in PyTorch 2.13, loss and gradient.
    pub struct MatrixFactorization {
        /// Rows of the matrix.
        pub rows: usize = 20 => 1..=1000,
        /// Columns of the matrix.
        pub columns: usize = 15 => 1..=1000,
        /// Its rank.
        pub rank: usize = 3 => 1..=100,
        /// The standard deviation of the start.
        pub spread: f64 = 0.1 => above(0.0),
    }
}

impl MatrixFactorization {
    /// The two factors of a seed, one after the other, row by row.
    fn draw(&self, purpose: &str, seed: u64) -> Vec<f64> {
        let mut stream = Stream::new(purpose, &[seed]);
        (0..(self.rows + self.columns) * self.rank).map(|_| stream.normal()).collect()
    }
}

impl ProblemSpec for MatrixFactorization {
    fn batching(&self) -> crate::Batching {
        crate::Batching { lanes: 64, one_seed: false }
    }

    fn memory(&self) -> u64 {
        (self.rows as u64).saturating_mul(self.columns as u64)
    }

    fn batch(
        &self,
        seeds: &[u64],
        loss: Option<&Loss>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let factors = |purpose: &str, scale: f64| {
            let all: Vec<f64> =
                draws(seeds, |seed| self.draw(purpose, seed)).iter().flat_map(|draw| draw.to_vec()).collect();
            let all = (Tensor::from_slice(&all) * scale).reshape([seeds.len() as i64, -1, self.rank as i64]);
            let parts = all.split_with_sizes([self.rows as i64, self.columns as i64], 1);
            parts.iter().map(|part| part.to_kind(kind).to_device(device).contiguous()).collect::<Vec<_>>()
        };
        // The old spelling: another would draw other numbers.
        let truth = factors("matrix factorisation: target", (self.rank as f64).powf(-0.25));
        let model =
            OnTensors { target: product(&truth), start: factors("matrix factorisation: start", self.spread) };
        Supervised::boxed(model, loss, seeds, (kind, device))
    }
}

impl<F: Float> Fusible<F> for MatrixFactorization {}

/// The products `[lanes, rows, columns]` of factors.
fn product(factors: &[Tensor]) -> Tensor {
    factors[0].bmm(&factors[1].transpose(1, 2))
}

struct OnTensors {
    /// `[lanes, rows, columns]`
    target: Tensor,
    start: Vec<Tensor>,
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        self.start.iter().map(Tensor::copy).collect()
    }
    fn names(&self) -> Vec<String> {
        ["left", "right"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        (product(parameters), self.target.shallow_clone())
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = (product(parameters) - &self.target).square().flatten(1, -1);
        let error = squares.mean_dim(1, false, None::<Kind>).sqrt();
        Vec::try_from(error.to_kind(Kind::Double)).expect("a vector of lanes")
    }
}
