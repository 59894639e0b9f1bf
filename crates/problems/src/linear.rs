//! Linear models in fused lanes, and small helpers that several problems share.

use std::collections::HashMap;
use std::rc::Rc;

use losses::{Kernel, Loss};
use numeric::{Float, LANES, Row, Rows, Stream, rows, vectorize};
use tch::{Kind, Tensor};

use crate::supervised::Model;
use crate::{Draw, FusedProblem};

/// Rows for `lanes` lanes of `elements` values each; the last chunk is filled up with the last lane.
pub(crate) fn lane_rows<F: Float>(
    elements: usize,
    lanes: usize,
    value: impl Fn(usize, usize) -> f64,
) -> Rows<F> {
    let chunk_rows = |chunk: usize| {
        let value = &value;
        (0..elements).map(move |element| {
            std::array::from_fn(|i| F::from_f64(value((chunk * LANES + i).min(lanes - 1), element)))
        })
    };
    (0..rows::chunks(lanes)).flat_map(chunk_rows).collect()
}

/// The next numbers, uniform from `−1/√fan_in` to `1/√fan_in`, as `torch.nn.Linear` starts.
pub(crate) fn as_nn_linear(stream: &mut Stream, fan_in: usize, count: usize) -> Vec<f64> {
    let bound = 1.0 / (fan_in as f64).sqrt();
    (0..count).map(|_| bound * (2.0 * stream.uniform() - 1.0)).collect()
}

/// A point drawn around `center`.
pub(crate) fn around(center: &[f64], spread: f64, purpose: &str, seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(purpose, &[seed]);
    center.iter().map(|x| x + spread * stream.normal()).collect()
}

/// What is drawn for each lane; lanes of one seed share one draw.
pub(crate) fn draws<T>(seeds: &[u64], draw: impl Fn(u64) -> T) -> Vec<Rc<T>> {
    let mut drawn = HashMap::new();
    seeds.iter().map(|seed| drawn.entry(*seed).or_insert_with(|| Rc::new(draw(*seed))).clone()).collect()
}

/// How far a linear model is from the truth.
pub(crate) enum Truth<F> {
    /// The largest deviation of a parameter from these.
    Parameters(Vec<F>),
    /// The root mean square deviation of the predictions from these.
    Predictions(Vec<F>),
}

/// prediction = x·w + b under any elementwise loss. A lane's parameters are the weights, then b.
pub(crate) struct Linear<F> {
    pub features: usize,
    /// points × features, the same for all lanes.
    pub x: Vec<F>,
    /// chunks × points rows.
    pub y: Rows<F>,
    pub start: Rows<F>,
    pub truth: Truth<F>,
    loss: Box<dyn Kernel<F>>,
    prediction: Rows<F>,
    slope: Rows<F>,
}

impl<F: Float> Linear<F> {
    pub(crate) fn new(
        loss: &Loss,
        (x, features): (&[f64], usize),
        y: Rows<F>,
        start: Rows<F>,
        truth: Truth<F>,
    ) -> Option<Self> {
        let points = x.len() / features;
        Some(Self {
            features,
            x: x.iter().map(|x| F::from_f64(*x)).collect(),
            y,
            start,
            truth,
            loss: loss.kernel()?,
            prediction: Rows::zero(points),
            slope: Rows::zero(points),
        })
    }
}

impl<F: Float> FusedProblem<F> for Linear<F> {
    fn elements(&self) -> usize {
        self.features + 1
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
        let (elements, points) = (self.elements(), self.prediction.len());
        for (chunk, p) in parameters.chunks_exact(elements).enumerate() {
            let y = &self.y[chunk * points..(chunk + 1) * points];
            vectorize(
                #[inline(always)]
                || predict(&self.x, p, &mut self.prediction),
            );
            let value = std::slice::from_mut(&mut loss[chunk]);
            self.loss.mean(points, &self.prediction, y, &mut self.slope, value);
            let g = &mut gradient[chunk * elements..(chunk + 1) * elements];
            vectorize(
                #[inline(always)]
                || {
                    pull_back(&self.x, &self.slope, g);
                    raw_error[chunk] = match &self.truth {
                        Truth::Parameters(truth) => largest_deviation(p, truth),
                        Truth::Predictions(truth) => squared_deviation(&self.prediction, truth),
                    };
                },
            );
        }
    }

    fn error(&self, raw_error: F) -> F {
        match &self.truth {
            Truth::Parameters(_) => raw_error,
            Truth::Predictions(truth) => (raw_error / F::from_f64(truth.len() as f64)).sqrt(),
        }
    }

    fn raw_error(&self, error: F) -> F {
        match &self.truth {
            Truth::Parameters(_) => error,
            Truth::Predictions(truth) => error * error * F::from_f64(truth.len() as f64),
        }
    }
}

#[inline(always)]
fn predict<F: Float>(x: &[F], p: &[Row<F>], prediction: &mut [Row<F>]) {
    let (weights, intercept) = p.split_at(p.len() - 1);
    for (x, prediction) in x.chunks_exact(weights.len()).zip(prediction) {
        let mut sum = intercept[0];
        for (x, w) in x.iter().zip(weights) {
            for lane in 0..LANES {
                sum[lane] += *x * w[lane];
            }
        }
        *prediction = sum;
    }
}

/// The gradient by the parameters, from the slopes by the predictions.
#[inline(always)]
fn pull_back<F: Float>(x: &[F], slope: &[Row<F>], gradient: &mut [Row<F>]) {
    gradient.fill(rows::zero());
    let (weights, intercept) = gradient.split_at_mut(gradient.len() - 1);
    let mut sum = rows::zero::<F>();
    for (x, slope) in x.chunks_exact(weights.len()).zip(slope) {
        for (x, g) in x.iter().zip(weights.iter_mut()) {
            for lane in 0..LANES {
                g[lane] += *x * slope[lane];
            }
        }
        for lane in 0..LANES {
            sum[lane] += slope[lane];
        }
    }
    intercept[0] = sum;
}

#[inline(always)]
#[expect(clippy::eq_op, reason = "how a generic float is asked whether it is NaN")]
fn largest_deviation<F: Float>(p: &[Row<F>], truth: &[F]) -> Row<F> {
    let mut largest = rows::zero::<F>();
    for (p, truth) in p.iter().zip(truth) {
        for lane in 0..LANES {
            let deviation = (p[lane] - *truth).abs();
            // A comparison with NaN is false, so that NaN gets in here, and stays.
            let stays = deviation <= largest[lane] || largest[lane] != largest[lane];
            largest[lane] = if stays { largest[lane] } else { deviation };
        }
    }
    largest
}

#[inline(always)]
fn squared_deviation<F: Float>(prediction: &[Row<F>], truth: &[F]) -> Row<F> {
    let mut sum = rows::zero::<F>();
    for (prediction, truth) in prediction.iter().zip(truth) {
        for lane in 0..LANES {
            let d = prediction[lane] - *truth;
            sum[lane] += d * d;
        }
    }
    sum
}

/// A linear model on libtorch: weights `[lanes, features]` and intercepts `[lanes, 1]`.
pub(crate) struct LinearOnTensors {
    /// `[features, points]`
    pub x: Tensor,
    /// `[lanes, points]`, or `[1, points]` where all lanes share them.
    pub y: Tensor,
    /// A start for each lane: the weights, then the intercept.
    pub start: Vec<Vec<f64>>,
    pub truth: Truth<f64>,
}

impl Model for LinearOnTensors {
    fn start(&self) -> Vec<Tensor> {
        let (lanes, elements) = (self.start.len() as i64, self.start[0].len() as i64);
        let all = Tensor::from_slice(&self.start.concat())
            .reshape([lanes, elements])
            .to_kind(self.x.kind())
            .to_device(self.x.device());
        vec![all.narrow(1, 0, elements - 1).contiguous(), all.narrow(1, elements - 1, 1).contiguous()]
    }

    fn names(&self) -> Vec<String> {
        ["weight", "bias"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        (self.predict(parameters), self.y.shallow_clone())
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let against = |truth: &[f64]| {
            Tensor::from_slice(truth).to_kind(self.x.kind()).to_device(self.x.device()).unsqueeze(0)
        };
        let error = match &self.truth {
            Truth::Parameters(truth) => (Tensor::cat(parameters, 1) - against(truth)).abs().amax([1], false),
            Truth::Predictions(truth) => {
                let squares = (self.predict(parameters) - against(truth)).square();
                squares.mean_dim(1, false, None::<Kind>).sqrt()
            }
        };
        Vec::try_from(error.to_kind(Kind::Double)).expect("a vector of lanes")
    }
}

impl LinearOnTensors {
    fn predict(&self, parameters: &[Tensor]) -> Tensor {
        parameters[0].matmul(&self.x) + &parameters[1]
    }
}
