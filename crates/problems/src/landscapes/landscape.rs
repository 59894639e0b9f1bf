//! Landscapes: functions of a few variables with known minimizers, which are their own loss.

use losses::Loss;
use numeric::{AutogradTensor, Dual, Float, LANES, Real, Row, Rows, rows, vectorize};
use registry::Described;
use tch::{Device, Kind, Tensor};

use crate::linear::{draws, lane_rows};
use crate::{Draw, FusedProblem, Fusible, Losses, ProblemSpec, TensorProblem};

/// A function over points, written once: all that a file of a landscape has to say.
pub trait Landscape: Described + Clone + Send + Sync + 'static {
    /// f(x)
    fn value<R: Real>(&self, x: &[R]) -> R;
    /// Where it is least: one point or several.
    fn minimizers(&self) -> Vec<Vec<f64>>;
    /// Where a seed starts.
    fn start(&self, seed: u64) -> Vec<f64>;
}

impl<L: Landscape> ProblemSpec for L {
    fn losses(&self) -> Losses {
        Losses::Own
    }
    fn depends_on_seed(&self) -> bool {
        self.start(0) != self.start(1)
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        Landscape::minimizers(self)
    }
    fn batch(&self, seeds: &[u64], _loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let start = |seed| self.start(seed);
        OnTensors::boxed(value_on_tensors(self), &Landscape::minimizers(self), seeds, start, options)
    }
}

impl<L: Landscape, F: Float> Fusible<F> for L {
    fn block(&self, seeds: &[u64], _loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let start = |seed| self.start(seed);
        Fused::boxed(|| Forward(self.clone()), &Landscape::minimizers(self), seeds, start)
    }
}

/// Σ term(xᵢ)
#[inline(always)]
pub(crate) fn sum<R: Real>(x: &[R], term: impl Fn(&R) -> R) -> R {
    x[1..].iter().fold(term(&x[0]), |sum, x| sum + term(x))
}

/// Above this dimension one forward pass a coordinate costs more than autograd's single backward one.
pub(crate) const MOST_FUSED: usize = 32;

/// The gradient of a function, lane by lane.
pub(crate) trait Differentiate<F>: Send + 'static {
    /// At the rows of a chunk, writes the gradient's rows and the function's value.
    fn differentiate(&self, p: &[Row<F>], gradient: &mut [Row<F>], value: &mut Row<F>);
}

/// The gradient of a landscape by one pass of dual numbers a coordinate.
pub(crate) struct Forward<L>(pub L);

impl<F: Float, L: Landscape> Differentiate<F> for Forward<L> {
    #[inline(always)]
    fn differentiate(&self, p: &[Row<F>], gradient: &mut [Row<F>], value: &mut Row<F>) {
        let mut x = [Dual::fixed(F::default()); MOST_FUSED];
        let x = &mut x[..p.len()];
        for lane in 0..LANES {
            for (x, p) in x.iter_mut().zip(p) {
                *x = Dual::fixed(p[lane]);
            }
            for i in 0..p.len() {
                x[i].derivative = F::from_f64(1.0);
                let f = self.0.value(x);
                x[i].derivative = F::default();
                gradient[i][lane] = f.derivative;
                value[lane] = f.value;
            }
        }
    }
}

/// Lanes of a function that is its own loss.
pub(crate) struct Fused<F, D> {
    function: D,
    minimizers: Vec<Vec<F>>,
    start: Rows<F>,
}

impl<F: Float, D: Differentiate<F>> Fused<F, D> {
    /// `None` above [`MOST_FUSED`] dimensions.
    pub(crate) fn boxed(
        function: impl FnOnce() -> D,
        minimizers: &[Vec<f64>],
        seeds: &[u64],
        start: impl Fn(u64) -> Vec<f64>,
    ) -> Option<Box<dyn FusedProblem<F>>> {
        let dim = minimizers[0].len();
        if dim > MOST_FUSED {
            return None;
        }
        let starts = draws(seeds, start);
        let start = lane_rows(dim, seeds.len(), |lane, i| starts[lane][i]);
        let rounded = |point: &Vec<f64>| point.iter().map(|x| F::from_f64(*x)).collect();
        let minimizers = minimizers.iter().map(rounded).collect();
        Some(Box::new(Self { function: function(), minimizers, start }))
    }
}

impl<F: Float, D: Differentiate<F>> FusedProblem<F> for Fused<F, D> {
    fn elements(&self) -> usize {
        self.minimizers[0].len()
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
        vectorize(
            #[inline(always)]
            || {
                let elements = self.minimizers[0].len();
                let chunks = parameters.chunks_exact(elements).zip(gradient.chunks_exact_mut(elements));
                for ((p, g), (loss, raw_error)) in chunks.zip(loss.iter_mut().zip(raw_error)) {
                    self.function.differentiate(p, g, loss);
                    *raw_error = squared_distance(p, &self.minimizers[0]);
                    for other in &self.minimizers[1..] {
                        let distance = squared_distance(p, other);
                        for lane in 0..LANES {
                            let nearer = distance[lane] < raw_error[lane];
                            raw_error[lane] = if nearer { distance[lane] } else { raw_error[lane] };
                        }
                    }
                }
            },
        );
    }
    /// The measure is the squared distance from the nearest minimizer.
    fn error(&self, raw_error: F) -> F {
        (raw_error / F::from_f64(self.minimizers[0].len() as f64)).sqrt()
    }
    fn raw_error(&self, error: F) -> F {
        error * error * F::from_f64(self.minimizers[0].len() as f64)
    }
}

/// Σ (p − center)², for every lane.
#[inline(always)]
fn squared_distance<F: Float>(p: &[Row<F>], center: &[F]) -> Row<F> {
    let mut sum = rows::zero::<F>();
    for (p, center) in p.iter().zip(center) {
        for lane in 0..LANES {
            let d = p[lane] - *center;
            sum[lane] += d * d;
        }
    }
    sum
}

/// Lanes of a function on libtorch: one parameter `[lanes, dim]`, and its value `[lanes]`.
pub(crate) struct OnTensors<V> {
    value: V,
    start: Tensor,
    minimizers: Vec<Tensor>,
}

impl<V: Fn(&Tensor) -> Tensor + 'static> OnTensors<V> {
    pub(crate) fn boxed(
        value: V,
        minimizers: &[Vec<f64>],
        seeds: &[u64],
        start: impl Fn(u64) -> Vec<f64>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let starts: Vec<f64> = seeds.iter().flat_map(|seed| start(*seed)).collect();
        let tensor = |values: &[f64], rows: usize| {
            Tensor::from_slice(values).reshape([rows as i64, -1]).to_kind(kind).to_device(device)
        };
        let minimizers = minimizers.iter().map(|point| tensor(point, 1)).collect();
        Box::new(Self { value, start: tensor(&starts, seeds.len()), minimizers })
    }
}

impl<V: Fn(&Tensor) -> Tensor> TensorProblem for OnTensors<V> {
    fn start(&mut self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }
    fn names(&mut self) -> Vec<String> {
        vec!["x".into()]
    }
    fn loss(&mut self, _draw: Draw, parameters: &[Tensor]) -> Tensor {
        (self.value)(&parameters[0])
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let distance = |point: &Tensor| (&parameters[0] - point).square().mean_dim(1, false, None::<Kind>);
        let nearest = self.minimizers.iter().map(distance).reduce(|a, b| a.minimum(&b));
        Vec::try_from(nearest.expect("a landscape has a minimizer").sqrt().to_kind(Kind::Double))
            .expect("a vector of lanes")
    }
}

/// A landscape's value at the points `[lanes, dim]`.
pub(crate) fn value_on_tensors<L: Landscape>(landscape: &L) -> impl Fn(&Tensor) -> Tensor + use<L> {
    let landscape = landscape.clone();
    move |points| {
        let x: Vec<AutogradTensor> = points.unbind(1).into_iter().map(AutogradTensor).collect();
        landscape.value(&x).0
    }
}
