//! Landscapes: functions of a few variables with known minimisers, which are their own loss.

use losses::Loss;
use numeric::{Dual, Float, LANES, Real, Row, Rows, Stream, Traced, rows, vectorize};
use tch::{Device, Kind, Tensor};

use crate::linear::{draws, lane_rows};
use crate::{Batch, Block};

/// A function over points, written once.
pub(crate) trait Landscape: Clone + Send + Sync + 'static {
    /// f(x)
    fn value<R: Real>(&self, x: &[R]) -> R;
    /// Where it is least.
    fn minimiser(&self) -> Vec<f64>;
    /// Where a seed starts.
    fn start(&self, seed: u64) -> Vec<f64>;
}

/// A point drawn around `centre`.
pub(crate) fn around(centre: &[f64], spread: f64, purpose: &str, seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(purpose, &[seed]);
    centre.iter().map(|x| x + spread * stream.normal()).collect()
}

/// Above this dimension one forward pass a coordinate costs more than autograd's single backward one.
pub(crate) const MOST_FUSED: usize = 32;

/// Lanes of a landscape; the gradient comes from one pass of dual numbers a coordinate.
pub(crate) struct Fused<F, L> {
    landscape: L,
    minimiser: Vec<F>,
    start: Rows<F>,
}

impl<F: Float, L: Landscape> Fused<F, L> {
    pub(crate) fn boxed(landscape: &L, seeds: &[u64]) -> Option<Box<dyn Block<F>>> {
        let minimiser: Vec<F> = landscape.minimiser().into_iter().map(F::from_f64).collect();
        let starts = draws(seeds, |seed| landscape.start(seed));
        let start = lane_rows(minimiser.len(), seeds.len(), |lane, i| starts[lane][i]);
        (minimiser.len() <= MOST_FUSED)
            .then(|| Box::new(Self { landscape: landscape.clone(), minimiser, start }) as Box<dyn Block<F>>)
    }
}

impl<F: Float, L: Landscape> Block<F> for Fused<F, L> {
    fn elements(&self) -> usize {
        self.minimiser.len()
    }
    fn start(&self) -> Rows<F> {
        self.start.clone()
    }
    fn evaluate(
        &mut self,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        measure: &mut [Row<F>],
    ) {
        vectorize(
            #[inline(always)]
            || {
                let elements = self.minimiser.len();
                let chunks = parameters.chunks_exact(elements).zip(gradient.chunks_exact_mut(elements));
                for ((p, g), (loss, measure)) in chunks.zip(loss.iter_mut().zip(measure)) {
                    differentiate(&self.landscape, p, g, loss);
                    *measure = squared_distance(p, &self.minimiser);
                }
            },
        );
    }
    /// The measure is the squared distance.
    fn error(&self, measure: F) -> F {
        (measure / F::from_f64(self.minimiser.len() as f64)).sqrt()
    }
    fn measure(&self, error: F) -> F {
        error * error * F::from_f64(self.minimiser.len() as f64)
    }
}

#[inline(always)]
fn differentiate<F: Float, L: Landscape>(landscape: &L, p: &[Row<F>], g: &mut [Row<F>], loss: &mut Row<F>) {
    let mut x = [Dual::fixed(F::default()); MOST_FUSED];
    let x = &mut x[..p.len()];
    for lane in 0..LANES {
        for (x, p) in x.iter_mut().zip(p) {
            *x = Dual::fixed(p[lane]);
        }
        for i in 0..p.len() {
            x[i].slope = F::from_f64(1.0);
            let f = landscape.value(x);
            x[i].slope = F::default();
            g[i][lane] = f.slope;
            loss[lane] = f.value;
        }
    }
}

/// Σ (p − centre)², for every lane.
#[inline(always)]
pub(crate) fn squared_distance<F: Float>(p: &[Row<F>], centre: &[F]) -> Row<F> {
    let mut sum = rows::zero::<F>();
    for (p, centre) in p.iter().zip(centre) {
        for lane in 0..LANES {
            let d = p[lane] - *centre;
            sum[lane] += d * d;
        }
    }
    sum
}

/// Lanes of a landscape on libtorch: one parameter `[lanes, dim]`.
pub(crate) struct OnTensors<L> {
    landscape: L,
    start: Tensor,
    minimiser: Tensor,
}

impl<L: Landscape> OnTensors<L> {
    pub(crate) fn boxed(
        landscape: &L,
        seeds: &[u64],
        loss: Option<&Loss>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn Batch> {
        assert!(loss.is_none(), "a landscape is its own loss");
        let starts: Vec<f64> = seeds.iter().flat_map(|seed| landscape.start(*seed)).collect();
        let tensor = |values: &[f64], rows: usize| {
            Tensor::from_slice(values).reshape([rows as i64, -1]).to_kind(kind).to_device(device)
        };
        Box::new(Self {
            landscape: landscape.clone(),
            start: tensor(&starts, seeds.len()),
            minimiser: tensor(&landscape.minimiser(), 1),
        })
    }
}

impl<L: Landscape> Batch for OnTensors<L> {
    fn start(&self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }
    fn loss(&mut self, _step: u64, parameters: &[Tensor]) -> Tensor {
        let x: Vec<Traced> = parameters[0].unbind(1).into_iter().map(Traced).collect();
        self.landscape.value(&x).0
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = (&parameters[0] - &self.minimiser).square().mean_dim(1, false, None::<Kind>);
        Vec::try_from(squares.sqrt().to_kind(Kind::Double)).expect("a vector of lanes")
    }
}
